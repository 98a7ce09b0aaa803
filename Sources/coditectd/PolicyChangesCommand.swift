import ArgumentParser
import Composition
import Foundation

extension PolicyCommand {
    struct Changes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What became of the hooks since these policies were written, and every line and test that it breaks.",
            discussion: """
                breaking    whoever uses it fails; the lines that do are listed
                caution     whoever uses it goes on, and may decide otherwise
                compatible  neither

                Before an upgrade, with the new program:  coditectd policy changes --policies policies
                In CI, between two releases:              coditectd policy changes --from old/hooks.json --to new/hooks.json

                Ends with 65 where a line or a test breaks; with --strict also where a breaking change may meet a line, and its text does not tell.
                """)
        @OptionGroup var places: Places
        @Option(help: "A hooks.json, or the beginning of a kept set's hash; default: the hooks under which the policies were live last.")
        var from: String?
        @Option(help: "Another; default: the hooks of this program.") var to: String?
        @Flag(help: "Also the changes that concern nobody.") var all = false
        @Flag(help: "One JSON object.") var json = false
        @Flag(help: "End with 65 also where it cannot be told whether a line breaks.") var strict = false

        func run() async throws {
            let report = try PolicyChangesDesk(try await places.options()).report(from: from, to: to, showsAll: all)
            if json { say(report.json) } else { for line in report.lines { say(line) } }
            if report.breaks > 0 || (strict && report.unsure > 0) { throw Exit.data }
        }
    }
}
