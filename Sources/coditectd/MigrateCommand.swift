import ArgumentParser
import Composition
import Foundation

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The database's migrations. A server does them itself at start where it keeps a file; on PostgreSQL an operator does.",
        subcommands: [Up.self, Plan.self, Status.self, RoleScript.self], defaultSubcommand: Up.self)

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring the database up to this version, all or nothing; two at once do it once.")
        @OptionGroup var places: Places

        func run() async throws {
            let applied = try await MigrateDesk(try await places.options()).up()
            say(applied.isEmpty ? "nothing to do: the database is up to date" : applied.map { "applied \($0)" }.joined(separator: "\n"))
        }
    }

    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What 'up' would apply. Changes nothing.")
        @OptionGroup var places: Places

        func run() async throws {
            let pending = try await MigrateDesk(try await places.options()).plan()
            say(pending.isEmpty ? "nothing to do: the database is up to date" : pending.map { "would apply \($0)" }.joined(separator: "\n"))
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Whether the database is at this version; exit code 75 where migrations are missing.")
        @OptionGroup var places: Places

        func run() async throws {
            let (known, missing) = try await MigrateDesk(try await places.options()).status()
            say("\(known - missing.count) of \(known) migrations are applied")
            for name in missing { say("missing \(name)") }
            if !missing.isEmpty { throw Exit.temporary }
        }
    }

    struct RoleScript: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "roles", abstract: "The SQL that a PostgreSQL superuser runs once, before the first migration.")
        @Option(help: "The database's name.") var database = "coditect"

        func run() { say(MigrateDesk.roles(database: database)) }
    }
}
