import ArgumentParser
import Composition
import Foundation
import Vocabulary

struct ComplianceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compliance", abstract: "Controls of compliance frameworks: list, show, run, export. Runs beside a server.",
        subcommands: [List.self, Show.self, Run.self, Export.self])

    struct Whose: ParsableArguments {
        @OptionGroup var places: Places
        @Option(help: "A tenant's id, or platform for the platform's own controls.") var tenant = "platform"

        /// Problems are told with what to do, as the API tells them.
        func desk<Value>(_ work: (ComplianceDesk) async throws -> Value) async throws -> Value {
            let desk = try await ComplianceDesk(try await places.options())
            do {
                let value = try await told { try await work(desk) }
                await desk.close()
                return value
            } catch {
                await desk.close()
                throw error
            }
        }
    }

    static func told<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch let problem as Problem {
            throw Refusal("\(problem.title) \(problem.hint)")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The installed frameworks and how their last run went.")
        @OptionGroup var whose: Whose
        @Flag(help: "One JSON object a line.") var json = false
        func run() async throws { for line in try await whose.desk({ try await $0.list(whose.tenant, json: json) }) { say(line) } }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every control with its last result, the reason and what is missing.")
        @OptionGroup var whose: Whose
        @Argument(help: "The framework's id, like soc2.") var framework: String
        @Flag(help: "Only what fails or is not evaluated, failures first.") var gaps = false
        @Flag(help: "One JSON object a line.") var json = false
        func run() async throws {
            for line in try await whose.desk({ try await $0.show(framework, whose.tenant, gapsOnly: gaps, json: json) }) { say(line) }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the controls evaluated now: by the running server, which takes it up within half a minute, else here.")
        @OptionGroup var whose: Whose
        @Argument(help: "The framework's id, like soc2.") var framework: String
        func run() async throws {
            let options = try await whose.places.options()
            for line in try await ComplianceCommand.told({ try await ComplianceDesk.run(framework, whose.tenant, options) }) { say(line) }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The last run with evidence, history and reviews, under a signed list of hashes; one JSON document.")
        @OptionGroup var whose: Whose
        @Argument(help: "The framework's id, like soc2.") var framework: String
        @Option(help: "The file to write, readable by its owner alone; default: standard output.") var output: String?
        func run() async throws {
            let text = try await whose.desk { try await $0.export(framework, whose.tenant) }
            guard let output else { return say(text) }
            try OwnFile.write(Data(text.utf8), to: URL(fileURLWithPath: output))
            say("wrote \(output)")
        }
    }
}
