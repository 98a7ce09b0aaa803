import ArgumentParser
import Composition
import Foundation

struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The signing keys.", subcommands: [List.self, Prepare.self, Rotate.self, Retire.self, Check.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the keys: id, purpose, algorithm, state, since when, and where the private half lies.")
        @OptionGroup var places: Places
        @Flag(help: "One JSON object a line.") var json = false
        func run() async throws {
            for line in try KeyDesk(try await places.options()).list(json: json) { say(line) }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Begin to sign with the next key; the old one stays valid for the overlap. A running server follows by itself.")
        @OptionGroup var places: Places
        @Argument(help: "token, license, license_rsa or journal.") var purpose: String
        @Option(help: "Where the keys go: file, or the id of a key service plugin; default: what signing.PURPOSE_keys says.") var to:
            String?
        func run() async throws { say(try await KeyDesk(try await places.options()).rotate(purpose, to: to)) }
    }

    struct Prepare: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make and publish the key that the next rotation will use, so that clients learn it before it signs.")
        @OptionGroup var places: Places
        @Argument(help: "token, license, license_rsa or journal.") var purpose: String
        @Option(name: .customLong("in"), help: "Where: file, or the id of a key service plugin; default: what signing.PURPOSE_keys says.")
        var place: String?
        func run() async throws { say(try await KeyDesk(try await places.options()).prepare(purpose, in: place)) }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask the key services whether they can sign, and for each key of the ring whether it is there.",
            discussion: "Ends with 69 where a key that signs or should is not there.")
        @OptionGroup var places: Places
        func run() async throws {
            let (lines, isFine) = try await KeyDesk(try await places.options()).check()
            for line in lines { say(line) }
            if !isFine { throw Exit.unavailable }
        }
    }

    struct Retire: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop believing a key at once: what it signed is refused from now on.")
        @OptionGroup var places: Places
        @Argument(help: "The key's id.") var id: String
        @Option(
            help: "Where the key that takes over lies: file, or the id of a key service plugin; default: what signing.PURPOSE_keys says.")
        var to: String?
        func run() async throws { say(try await KeyDesk(try await places.options()).retire(id, to: to)) }
    }
}

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Look at everything a server needs and say what is wrong and what to do.")
    @OptionGroup var places: Places
    func run() async throws {
        let findings = try await DoctorRounds(try await places.options()).make()
        for finding in findings { say(finding.line) }
        if findings.contains(where: { $0.isBad }) { throw Exit.configuration }
    }
}

struct ReferenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference", abstract: "Write the generated reference pages and the editor stubs of the hooks.")
    @OptionGroup var places: Places
    @Option(help: "Where the pages go.") var output = "docs/reference"
    @Option(help: "Where the stubs go.") var stubs = "policies/_meta"
    @Flag(help: "Write nothing; fail if a page differs.") var check = false

    func run() async throws {
        var differing: [String] = []
        let register = try await Platform.register(try await places.options())
        let pages = Reference(register).pages().map { ("\(output)/\($0.key)", $0.value) }
        let completions = Reference(register).stubs().map { ("\(stubs)/\($0.key)", $0.value) }
        for (path, text) in (pages + completions).sorted(by: { $0.0 < $1.0 }) {
            let held = try? String(contentsOfFile: path, encoding: .utf8)
            if held == text { continue }
            differing.append(path)
            if check { continue }
            let file = URL(fileURLWithPath: path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
            say("wrote \(path)")
        }
        if check, !differing.isEmpty {
            for path in differing { warn("\(path) is not what the code says; run: make docs") }
            throw Exit.data
        }
        if differing.isEmpty { say("the reference is current") }
    }
}
