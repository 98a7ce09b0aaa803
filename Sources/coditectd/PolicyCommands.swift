import ArgumentParser
import Composition
import Foundation

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Policies: check, test, ask, replay, compare, measure.",
        subcommands: [
            New.self, Check.self, Test.self, REPL.self, Run.self, Explain.self, Replay.self, Diff.self, Changes.self, Sets.self,
            Reload.self, Promote.self, Bench.self, Attack.self,
        ])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Compile and check a directory of policies as the server would, without a server. Names file, line and what would be right."
        )
        @OptionGroup var places: Places
        @Flag(help: "End with 65 for a likely mistake too.") var strict = false
        @Option(help: "Check this folder as a tenant's own policies instead, its tests too.") var tenant: String?
        func run() async throws {
            if let tenant {
                let (line, findings) = try TenantFolder.check(tenant)
                for finding in findings { warn(finding) }
                if !findings.isEmpty { throw Exit.data }
                return say(line)
            }
            let desk = try PolicyDesk(try await places.options())
            let findings = desk.check()
            for finding in findings { warn(finding) }
            if !findings.isEmpty {
                // A failing test may come from a mistake that can be seen; where the set cannot even be put together, there is nothing to look at.
                for lint in (try? desk.lints()) ?? [] { say("likely a mistake: \(lint)") }
                throw Exit.data
            }
            let lints = try desk.lints()
            for lint in lints { say("likely a mistake: \(lint)") }
            say(lints.isEmpty ? "the policies are fine" : "the policies can go live; \(lints.count) likely mistakes")
            if strict, !lints.isEmpty { throw Exit.data }
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Run the tests beside the policies.")
        @OptionGroup var places: Places
        @Flag(help: "Also the tests that passed.") var verbose = false
        @Flag(help: "Also which lines and conditions no test reaches.") var coverage = false
        @Flag(help: "Also which small mistakes no test would notice: changes each policy in one place after the other.") var mutate = false
        func run() async throws {
            let desk = try PolicyDesk(try await places.options())
            let result = desk.test()
            for finding in result.findings { warn(finding) }
            for line in verbose ? result.passed : [] { say("passed  \(line)") }
            for line in result.failed { say("FAILED  \(line)") }
            say("\(result.passed.count) passed, \(result.failed.count) failed")
            if result.findings.isEmpty, result.failed.isEmpty {
                for line in coverage ? try desk.coverage() : [] { say(line) }
                for line in mutate ? try desk.mutate() : [] { say(line) }
            }
            if !result.failed.isEmpty || !result.findings.isEmpty { throw Exit.data }
        }
    }

    struct Bench: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure decisions of the live hooks with budget and record, on this machine, as nanoseconds a call.")
        @OptionGroup var places: Places
        @Option(help: "Calls a hook.") var calls = 20_000
        @Option(help: "How many users of as many tenants ask in turn, with other roles and seats.") var people = 1
        @Option(help: "A folder of policies that every tenant then has of its own.") var tenant: String?
        @Flag(help: "One JSON object a line.") var json = false
        @Option(help: "Keep the decisions in this folder, to replay them.") var log: String?
        @Flag(help: "Measure instead how long the folder takes until it is live.") var reload = false

        func run() async throws {
            guard (100...10_000_000).contains(calls) else { throw ValidationError("--calls is 100 … 10000000") }
            guard (1...100_000).contains(people) else { throw ValidationError("--people is 1 … 100000") }
            let desk = try PolicyDesk(try await places.options())
            if reload {
                for row in try desk.reloads() {
                    say(
                        json
                            ? "{\"what\": \"\(row.what)\", \"milliseconds\": \(row.milliseconds), \"processor_milliseconds\": \(row.processorMilliseconds)}"
                            : "reload, \(row.what)  \(row.milliseconds) ms, \(row.processorMilliseconds) ms of processor time")
                }
                return
            }
            let log = log.map { URL(fileURLWithPath: $0) }
            for row in try await desk.bench(calls: calls, people: people, tenant: tenant, keeping: log) {
                say(
                    json
                        ? "{\"hook\": \"\(row.hook)\", \"layers\": \"\(row.layers)\", \"nanoseconds\": \(row.nanoseconds), \"p50\": \(row.median), \"p99\": \(row.p99), \"per_second_and_core\": \(row.perSecondAndCore)}"
                        : "\(row.hook)  \(row.layers)  \(row.nanoseconds) ns  p50 \(row.median) ns  p99 \(row.p99) ns  \(row.perSecondAndCore) a second and core"
                )
            }
        }
    }
}
