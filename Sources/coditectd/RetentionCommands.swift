import ArgumentParser
import Composition
import Foundation

struct RetentionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention", abstract: "How long records stay, and why. Runs beside a server.",
        subcommands: [List.self, Explain.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every kind of record, with the settings in force.")
        @OptionGroup var places: Places
        @Flag(help: "One JSON object a line.") var json = false
        func run() async throws {
            for line in try RetentionDesk.list(try await places.options().settings, json: json) { say(line) }
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Until when one record stays: each reason with its end, the longest, and when the job takes it.")
        @OptionGroup var places: Places
        @Argument(help: "The kind, as 'retention list' names it.") var kind: String
        @Argument(help: "The record's id; parts with a colon between them.") var id: String
        @Option(help: "The tenant's id, where the record's alone does not say whose it is.") var tenant: String?
        @Flag(help: "One JSON object.") var json = false

        func run() async throws {
            let desk = try await RetentionDesk(try await places.options())
            do {
                let lines = try await ComplianceCommand.told { try await desk.explain(kind, id, tenant: tenant, json: json) }
                await desk.close()
                for line in lines { say(line) }
            } catch {
                await desk.close()
                throw error
            }
        }
    }
}
