import Foundation
import Store
import Vocabulary

/// Statements outside of any scope, each on a connection of its own: for tests and for whoever sets a server up.
package enum PostgresAdmin {
    @discardableResult package static func rows(_ url: String, _ texts: String..., limits: PostgresLimits = PostgresLimits()) throws
        -> [Row]
    {
        do {
            let link = try PostgresLink(url: url, limits: limits)
            var rows: [Row] = []
            for text in texts { rows = try link.run([PostgresCommand("admin", text)], within: .seconds(60)) }
            return rows
        } catch let error as PostgresError {
            throw error.fault
        }
    }

    package static func migrate(_ url: String, _ migrations: [Migration], _ sealer: any Sealer) throws {
        do {
            let migrator = PostgresMigrator(link: try PostgresLink(url: url, limits: PostgresLimits()), seal: Seal(sealer))
            _ = try migrator.up(migrations, now: Timestamp(microseconds: 0))
        } catch let error as PostgresError {
            throw error.fault
        }
    }

    /// What was applied to the database; none where there is no book. For a login that row-level security does not hold.
    package static func applied(_ url: String) throws -> [AppliedMigration] {
        guard try rows(url, PostgresShape.book.postgres).first?.bool(0) == true else { return [] }
        return try rows(url, PostgresShape.applied.postgres).map(AppliedMigration.init)
    }
    /// True where nothing of a platform's is in the database, not even an empty schema.
    package static func isEmpty(_ url: String) throws -> Bool {
        let text = "SELECT count(*) = 0 FROM pg_namespace WHERE nspname IN ('\(PostgresGuard.schema)', '\(PostgresGuard.vault)')"
        return try rows(url, text).first?.bool(0) == true
    }
    /// Takes away everything of a platform's.
    package static func clear(_ url: String) throws {
        try rows(url, "DROP SCHEMA IF EXISTS \(PostgresGuard.schema), \(PostgresGuard.vault) CASCADE")
    }

    /// Asks until the server answers, half a minute at the most. False if it did not.
    package static func waitUntilReady(_ url: String) -> Bool {
        let deadline = PostgresLink.monotonic + Duration.seconds(30).microseconds
        while PostgresLink.monotonic < deadline {
            if (try? PostgresLink(url: url, limits: PostgresLimits())) != nil { return true }
            usleep(20_000)
        }
        return false
    }
}
