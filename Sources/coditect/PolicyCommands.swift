import ArgumentParser
import Foundation
import LicenseClient
import Vocabulary

/// A tenant's own policies, by who may change them.
struct PolicyGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Your organisation's own policies: narrow what its people may.",
        subcommands: [Upload.self, List.self, Fetch.self, Activate.self, Off.self])

    static let path = "/api/v1/orgs/current/policies"

    struct Upload: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Upload a folder of policies: checked and tested by the server, kept, not in force by this.",
            discussion: "The folder holds init.lua, which returns { tenant = { \"feature/rule\", … } }, and the policies that it names.")
        @Argument(help: "The folder.") var folder: String
        @Option(help: "What has changed and why.") var note = ""
        @Flag(help: "Put it in force at once.") var activate = false
        @OptionGroup var options: ServerOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let files = try PolicyGroup.files(folder)
                let caller = try PolicyGroup.caller(options)
                let version = try PolicyGroup.take(caller.post(path, ["files": .object(files), "note": .string(note)]))
                let hash = version["policy_hash"]?.string ?? ""
                guard activate else {
                    return output.say("Kept as \(hash); put it in force with: coditect policy activate \(hash.prefix(12))", version)
                }
                try PolicyGroup.change(caller, to: hash, output)
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Which version is in force, how it does, and which are kept.")
        @OptionGroup var options: ServerOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let standing = try PolicyGroup.take(try PolicyGroup.caller(options).get(path))
                output.say(PolicyGroup.shown(standing), standing)
            }
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Write a version's files into a new folder.")
        @Argument(help: "The beginning of its hash.") var hash: String
        @Argument(help: "The folder; it must not exist.") var folder: String
        @OptionGroup var options: ServerOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let caller = try PolicyGroup.caller(options)
                let hash = try PolicyGroup.whole(hash, try PolicyGroup.take(try caller.get(path)))
                let found = try PolicyGroup.take(try caller.get("\(path)/\(hash)"))
                guard case .object(let files)? = found["files"] else {
                    throw Failure(.later, "server_error", "the server's answer holds no files")
                }
                let target = URL(fileURLWithPath: folder)
                guard !FileManager.default.fileExists(atPath: target.path) else {
                    throw Failure(.exists, "exists", "\(target.path) is there already", next: "name a folder that is not")
                }
                for (name, text) in files.sorted(by: { $0.key < $1.key }) {
                    // Names come from outside: none may leave the folder.
                    guard PolicyGroup.isPath(name), let text = text.string else {
                        throw Failure(.damaged, "damaged", "the server names a file \(name.debugDescription), which is none of a policy")
                    }
                    let file = target.appending(path: name)
                    do {
                        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                        try Data(text.utf8).write(to: file)
                    } catch { throw Failure(.storage, "storage", "\(file.path) cannot be written: \(error.localizedDescription)") }
                }
                output.say(
                    "Wrote \(files.count) files into \(target.path).", ["folder": .string(target.path), "policy_hash": .string(hash)])
            }
        }
    }

    struct Activate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a kept version in force, an earlier one too.",
            discussion: "Ends with 75 where another version is in force than --replaces names; without it, than a moment ago.")
        @Argument(help: "The beginning of its hash, four signs at least.") var hash: String
        @Option(help: "The hash of the version that it replaces; empty for none.") var replaces: String?
        @OptionGroup var options: ServerOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let caller = try PolicyGroup.caller(options)
                let hash = try PolicyGroup.whole(hash, try PolicyGroup.take(try caller.get(path)))
                try PolicyGroup.change(caller, to: hash, replacing: replaces, output)
            }
        }
    }

    struct Off: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Put your organisation's own policies out of force.")
        @OptionGroup var options: ServerOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let caller = try PolicyGroup.caller(options)
                let before = try PolicyGroup.take(try caller.get(path))["policy_hash"]?.string ?? ""
                guard !before.isEmpty else { return output.say("None is in force.", ["policy_hash": ""]) }
                let standing = try PolicyGroup.take(try caller.post("\(path)/deactivate", ["replaces": .string(before)]))
                output.say("Out of force; \(before.prefix(12)) is kept.", standing)
            }
        }
    }

    // MARK: What they share

    static func caller(_ options: ServerOptions) throws -> Caller {
        let folder = StateFolder.standard()
        return Caller(platform: try platform(options.server, folder), folder: folder, credentials: .signedIn, clock: DeviceClock())
    }

    static func change(_ caller: Caller, to hash: String, replacing: String? = nil, _ output: OutputOptions) throws {
        let before = try replacing ?? take(try caller.get(path))["policy_hash"]?.string ?? ""
        let standing = try take(
            try caller.post("\(path)/activate", ["policy_hash": .string(hash), "replaces": .string(before)]))
        let back = before.isEmpty ? "coditect policy off" : "coditect policy activate \(before.prefix(12))"
        output.say("In force: \(hash); back: \(back)", standing)
    }

    /// The answer, or its reason: each finding on a line of its own.
    static func take(_ answer: Answer) throws -> JSONValue {
        if answer.isSuccess { return answer.json }
        if let findings = answer.json["findings"]?.array?.compactMap(\.string), !findings.isEmpty {
            throw Failure(.damaged, answer.code, ([answer.sentence] + findings).joined(separator: "\n  "))
        }
        if answer.status == 409 {
            throw Failure(.later, answer.code, answer.sentence, next: "look at `coditect policy list` and try again")
        }
        if answer.status == 403 || answer.status == 404 { throw Failure(.refused, answer.code, answer.sentence) }
        throw answer.error("the server")
    }

    static func whole(_ beginning: String, _ standing: JSONValue) throws -> String {
        let kept = (standing["versions"]?.array ?? []).compactMap { $0["policy_hash"]?.string }
        let found = kept.filter { $0.hasPrefix(beginning.lowercased()) }
        guard beginning.count >= 4, found.count == 1 else {
            throw Failure(
                .usage, "usage",
                found.count > 1 ? "\(found.count) versions begin so" : "no version begins with \(beginning.debugDescription)",
                next: "see `coditect policy list`")
        }
        return found[0]
    }

    static func shown(_ standing: JSONValue) -> String {
        let versions = standing["versions"]?.array ?? []
        if versions.isEmpty { return "None yet; begin with: coditect policy upload FOLDER" }
        var lines = versions.map { version -> String in
            let hooks = (version["hooks"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
            let note = version["note"]?.string ?? ""
            return "\(version["in_force"]?.bool == true ? "*" : " ") \((version["policy_hash"]?.string ?? "").prefix(12))  "
                + "\(version["uploaded_at"]?.string ?? "")  \(hooks)\(note.isEmpty ? "" : "  \(plain(note))")"
        }
        if let report = standing["report"] {
            lines.append(
                "in force: asked \(report["asked"]?.int ?? 0) times, denied \(report["denied"]?.int ?? 0), failed \(report["failed"]?.int ?? 0)"
            )
            if let last = report["last_failure"] {
                lines.append("last failure \(last["at"]?.string ?? ""): \(plain(last["message"]?.string ?? ""))")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// What others wrote, without the signs that would move a terminal's cursor.
    private static func plain(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || (127...159).contains($0.value) ? "?" : $0 }))
    }

    static func isPath(_ name: String) -> Bool {
        name == "init.lua" || name.wholeMatch(of: /[a-z0-9-][a-z0-9_-]*\/[a-z0-9-][a-z0-9_-]*\/policy(_test)?\.lua/) != nil
    }

    /// The Lua files of a folder, as the server takes them.
    static func files(_ folder: String) throws -> [String: JSONValue] {
        let root = URL(fileURLWithPath: folder)
        guard let found = FileManager.default.enumerator(atPath: root.path) else {
            throw Failure(.usage, "usage", "there is no folder \(root.path)")
        }
        var files: [String: JSONValue] = [:]
        for case let name as String in found where name.hasSuffix(".lua") {
            guard isPath(name) else {
                throw Failure(
                    .usage, "usage", "\(name) is no file of a policy",
                    next: "accepted are init.lua and feature/rule/policy.lua, policy_test.lua")
            }
            guard let data = FileManager.default.contents(atPath: root.appending(path: name).path), data.count <= 65_536,
                let text = String(data: data, encoding: .utf8)
            else { throw Failure(.usage, "usage", "\(name) cannot be read, is no UTF-8, or is longer than 64 KiB") }
            files[name] = .string(text)
        }
        guard files["init.lua"] != nil else {
            throw Failure(
                .usage, "usage", "there is no init.lua in \(root.path)", next: "it returns { tenant = { \"feature/rule\", … } }")
        }
        return files
    }
}
