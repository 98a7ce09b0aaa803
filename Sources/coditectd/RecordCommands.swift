import ArgumentParser
import Composition
import Foundation
import HookEngine

struct Decisions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "What policy decided.", subcommands: [Tail.self])

    struct Tail: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The last decisions: when, which hook, what, by which rule, for whom.")
        @OptionGroup var places: Places
        @Option(name: [.short, .long], help: "How many.") var number = 20
        @Flag(help: "Go on with what comes, until interrupted.") var follow = false
        @Flag(help: "The whole record, one JSON object a line.") var json = false

        func run() async throws {
            guard (1...10_000).contains(number) else { throw ValidationError("--number is 1 … 10000") }
            let directory = URL(fileURLWithPath: places.data).appendingPathComponent("decisions")
            guard FileManager.default.fileExists(atPath: directory.path) else {
                throw Refusal("there are no decisions in \(directory.path); is --data right?")
            }
            var reader = DecisionReader(directory: directory)
            show(try reader.last(number))
            while follow {
                try await Task.sleep(for: .milliseconds(200))
                show(try reader.next())
            }
        }

        private func show(_ items: [DecisionReader.Item]) {
            for item in items {
                switch item {
                case .line(let line): say(Shown.line(json ? line.text : line.human))
                case .torn(let file, let beginning): warn("torn line in \(file), left by a crash: \(beginning)")
                }
            }
            fflush(nil)
        }
    }
}

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The audit log.", subcommands: [Verify.self, Checks.self, Export.self])

    struct Checks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What the servers' daily checks of every audit log found, the newest first. Runs beside a server.")
        @OptionGroup var places: Places

        func run() async throws {
            let desk = try await AuditDesk(try await places.options())
            let checks = try await desk.checks()
            for check in checks { say(check.line) }
            await desk.close()
            if checks.isEmpty { say("none was taken yet: a server takes one a day") }
            if checks.first?.isIntact == false { throw Exit.data }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check every chain and checkpoint; names the first edited, missing or reordered entry. Runs beside a server.")
        @OptionGroup var places: Places
        @Option(help: "One tenant only.") var tenant: String?

        func run() async throws {
            let desk = try await AuditDesk(try await places.options())
            let results = try await desk.verify(tenant: tenant)
            for result in results { say(result.line) }
            await desk.close()
            if results.contains(where: { !$0.isIntact }) { throw Exit.data }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One tenant's audit log as JSON Lines, each line as it was hashed or signed.")
        @OptionGroup var places: Places
        @Argument(help: "The tenant's id, or 'platform'.") var tenant: String

        func run() async throws {
            let desk = try await AuditDesk(try await places.options())
            try await desk.export(tenant: tenant) { say($0) }
            await desk.close()
        }
    }
}
