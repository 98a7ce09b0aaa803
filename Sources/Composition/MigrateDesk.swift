import Foundation
import Store
import StorePostgres
import Vocabulary

/// The operator's migrations, of either engine.
package struct MigrateDesk: Sendable {
    private let options: PlatformOptions
    package init(_ options: PlatformOptions) { self.options = options }

    private func with<Value>(_ body: (any StoreDriver) async throws -> Value) async throws -> Value {
        // A file is brought up to date by nobody else meanwhile; a server sees to that itself.
        let data = try DataDirectory(options.data, isShared: Ground.isShared(options))
        let store = try Ground.store(data, options, sealer: try Ground.sealer(data, options), topics: PlatformRegister.topics)
        do {
            let value = try await body(store)
            await store.close()
            return value
        } catch {
            await store.close()
            throw (error as? StoreFault).map { OperatorProblem("\($0)") } ?? error
        }
    }

    /// The names of what was applied.
    package func up() async throws -> [String] {
        try await with { store in try await store.migrate(try PlatformRegister.migrations()) }
    }

    /// The names of what `up` would apply.
    package func plan() async throws -> [String] {
        try await with { store in try await store.pending(try PlatformRegister.migrations()) }
    }

    /// How many migrations this program knows, and how many of them the database lacks.
    package func status() async throws -> (known: Int, missing: [String]) {
        (try PlatformRegister.migrations().count + OwnSchema.migrations.count, try await plan())
    }

    /// What a superuser runs once on a PostgreSQL server.
    package static func roles(database: String) -> String { PostgresRoles.script(database: database) }
}
