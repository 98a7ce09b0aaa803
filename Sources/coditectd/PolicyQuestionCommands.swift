import ArgumentParser
import Composition
import Foundation

extension PolicyCommand {
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask one hook one question: the answer, who gave it, the lines that ran and what they cost.",
            discussion:
                "The input is JSON as in docs/reference/hooks.md; parts of `now` that it leaves out are Monday, 2026-01-05 12:00 UTC.")
        @OptionGroup var places: Places
        @Argument(help: "The hook, like on_seat_request.") var hook: String
        @Option(help: "A file with the input; - or nothing reads standard input.") var input: String?
        @Option(help: "Ask this tier's policies too.") var tier: String?
        @Option(help: "A folder of a tenant's own policies, asked last.") var tenant: String?
        @Option(help: "Seeds math.random.") var seed: UInt64 = 1
        @Flag(help: "One JSON object.") var json = false

        func run() async throws {
            let desk = PolicyQuestions(try await places.options())
            let isFile = input.map { $0 != "-" } ?? false
            let name = isFile ? input ?? "" : "standard input"
            guard let text = isFile ? FileManager.default.contents(atPath: name) : try FileHandle.standardInput.readToEnd() ?? Data() else {
                throw Refusal("there is no file \(name)")
            }
            let shown = try desk.run(hook, try desk.input(text, named: name), tier: tier, tenant: tenant, seed: seed)
            if json { say(shown.json) } else { for line in shown.lines { say(line) } }
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Why a recorded decision is as it is: layer, policy and line, and the smallest change of the input that flips it.")
        @OptionGroup var places: Places
        @Argument(help: "The decision's id, as in coditectd decisions tail --json.") var id: String
        @Flag(help: "One JSON object.") var json = false

        func run() async throws {
            let shown = try await PolicyQuestions(try await places.options()).explain(id)
            if json { say(shown.json) } else { for line in shown.lines { say(line) } }
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Ask a set again what the log holds: the same set gives the same bytes and fuel, another one shows what would change.",
            discussion: "Ends with 65 where the very set that was recorded answers otherwise than it did.")
        @OptionGroup var places: Places
        @Argument(help: "A folder of policies, or the beginning of a kept set's hash; default: the policies in force.") var candidate:
            String?
        @Option(help: "A folder or a file of decisions; default: those of the data directory.") var log: String?
        @Option(help: "How many of the flips to list.") var list = 20
        @Flag(help: "The flips alone, one JSON object a line.") var json = false

        func run() async throws {
            guard (0...10_000).contains(list) else { throw ValidationError("--list is 0 … 10000") }
            let result = try await PolicyQuestions(try await places.options()).replay(candidate, log: log, list: list)
            for line in json ? result.flips : result.lines { say(line) }
            if !result.report.broken.isEmpty { throw Exit.data }
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What lies between two sets: files, hooks, settings, order, and what would be answered otherwise.",
            discussion: "Over the recorded decisions where there are any, else over the questions in the policies' own tests.")
        @OptionGroup var places: Places
        @Argument(help: "A folder of policies, or the beginning of a kept set's hash.") var before: String
        @Argument(help: "Another.") var after: String
        @Flag(help: "End with 65 where anything would be answered otherwise.") var strict = false

        func run() async throws {
            let result = try await PolicyQuestions(try await places.options()).diff(before, after)
            for line in result.lines { say(line) }
            if strict, result.hasFlips { throw Exit.data }
        }
    }

    struct Reload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the running server read its policy folder now, and wait until the set is live.",
            discussion: "It does so by itself within a second of a change. Ends with 65 where the folder cannot go live.")
        @OptionGroup var places: Places

        func run() async throws {
            for line in try await PolicyQuestions(try await places.options()).reload() { say(line) }
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put another set in the place of the policy folder's, in one step; a running server takes it up within a second.",
            discussion:
                "The candidate is built, tested and held against the contracts first. Ends with 65 where it is refused, with 75 where the folder holds another set than --replaces names."
        )
        @OptionGroup var places: Places
        @Argument(help: "A folder of policies, or the beginning of a kept set's hash to roll back to.") var candidate: String
        @Option(help: "The beginning of the hash of the set that it replaces, eight signs at least; see coditectd policy sets.")
        var replaces: String

        func run() async throws {
            let result = try PolicyQuestions(try await places.options()).promote(candidate, replacing: replaces)
            for line in result.lines { result.isDone ? say(line) : warn(line) }
            if !result.isDone { throw result.hasMoved ? Exit.temporary : Exit.data }
        }
    }

    struct Sets: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The hash of the policy folder's set, and the sets that were live.")
        @OptionGroup var places: Places

        func run() async throws {
            for line in try PolicyQuestions(try await places.options()).sets() { say(line) }
        }
    }
}
