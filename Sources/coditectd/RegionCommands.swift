import ArgumentParser
import Composition
import Foundation

struct Regions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The regions of one platform, and the directory that they share.",
        subcommands: [Status.self, Migrate.self, Publish.self],
        defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Whether the directory and each region answer; exit code 75 where one does not.")
        @OptionGroup var places: Places

        func run() async throws {
            let lines = try await RegionDesk(try await places.options()).status()
            for line in lines { say("\(line.isBad ? "BAD   " : "ok    ")\(line.what): \(line.words)") }
            if lines.contains(where: \.isBad) { throw Exit.temporary }
        }
    }

    struct Migrate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring the directory's database up to this version, with a login that migrates in regions.directory.")
        @OptionGroup var places: Places

        func run() async throws {
            let applied = try await RegionDesk(try await places.options()).migrate()
            say(applied.isEmpty ? "nothing to do: the directory is up to date" : applied.map { "applied \($0)" }.joined(separator: "\n"))
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell the directory of every account and tenant of this region that it does not know; again changes nothing.",
            discussion: "For a region that joins others, and after a restore. A server over a data directory must not run meanwhile.")
        @OptionGroup var places: Places
        @Flag(help: "Give back what leads here to accounts that are not here.") var repair = false

        func run() async throws {
            let told = try await RegionDesk(try await places.options()).publish(repairs: repair)
            say("told of \(told.accounts) accounts and \(told.tenants) tenants")
            for user in told.conflicts { say("conflict  user \(user): the address has an account in another region") }
            if told.orphans > 0 {
                say("\(told.orphans) addresses lead here to nobody: \(repair ? "given back" : "give them back with --repair")")
            }
            if !told.conflicts.isEmpty || told.orphans > 0 && !repair { throw Exit.data }
        }
    }
}
