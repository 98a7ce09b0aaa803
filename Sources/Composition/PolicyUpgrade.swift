import Foundation
import HookEngine
import PolicyHost
import Vocabulary

/// What a new version of the program means to the policies that were live under the one before.
struct PolicyUpgrade: Sendable {
    private let changes: PolicyChanges?

    /// Before the first load: that writes the definitions anew. Nothing to say where the same definitions were live last, or none are known.
    init(_ policies: URL, _ archive: PolicyArchive) {
        let now = Reference.catalogue()
        guard let file = archive.catalogue(), let held = FileManager.default.contents(atPath: file.path), held != Data(now.json.utf8),
            let before = try? held.withUnsafeBytes({ bytes in try HookCatalogue(bytes) })
        else {
            changes = nil
            return
        }
        changes = PolicyChanges(directory: policies, before: before, after: now)
    }

    /// The same refusal, and what became of each field that is not there any more.
    func explained(_ refusal: PolicyRefusal) -> PolicyRefusal {
        guard let changes else { return refusal }
        return PolicyRefusal(findings: changes.explained(refusal.findings))
    }
    var warnings: [PolicyFinding] { changes?.warnings ?? [] }
}

/// The hooks of two versions, side by side, and the lines of a set that are concerned.
package struct PolicyChangesDesk: Sendable {
    let options: PlatformOptions
    package init(_ options: PlatformOptions) { self.options = options }

    package struct Report: Sendable {
        package let lines: [String]
        package let json: String
        /// Lines and tests that fail under the later definitions.
        package let breaks: Int
        /// Lines of which nobody can say.
        package let unsure: Int
    }

    /// `from` and `to` are files written by `coditectd reference`, or the beginning of a kept set's hash. Without `from`: the definitions under
    /// which this folder was live last, else those in its `_meta`. Without `to`: this program's.
    package func report(from: String?, to: String?, showsAll: Bool) throws -> Report {
        guard FileManager.default.fileExists(atPath: options.policies.appending(path: "init.lua").path) else {
            throw OperatorProblem(
                "there are no policies in \(options.policies.path): a folder of policies has an init.lua; give --policies")
        }
        let archive = PolicyArchive(directory: options.data.appending(path: "policies"))
        let earlier = try from.map { try catalogue($0, archive) } ?? usual(archive)
        let later = try to.map { try catalogue($0, archive) } ?? (catalogue: Reference.catalogue(), place: "this program")
        let changes = PolicyChanges(directory: options.policies, before: earlier.catalogue, after: later.catalogue)
        let breaks = changes.items.filter(\.breaks).flatMap { item in
            item.places.filter { $0.isTest || ($0.isCertain && item.change.impact == .breaking) }
        }
        let unsure = changes.items.filter { $0.change.impact == .breaking }.flatMap { $0.places.filter { !$0.isCertain } }
        var lines = ["hooks \(changes.before) (\(earlier.place)) → \(changes.after) (\(later.place))"]
        for item in changes.items where showsAll || item.change.impact != .compatible || !item.places.isEmpty {
            lines.append("\(item.change.impact.rawValue.rightPadded(11))\(item.change.title)")
            lines += item.places.map { "  \($0.finding)" }
        }
        let quiet = changes.items.count { $0.change.impact == .compatible && $0.places.isEmpty }
        if quiet > 0, !showsAll { lines.append("\("compatible".rightPadded(11))\(Self.count(quiet, "change")); --all lists them") }
        if changes.items.isEmpty { lines.append("the hooks are the same") }
        lines.append(Self.verdict(breaks.count, unsure.count))
        return Report(lines: lines, json: Self.json(changes), breaks: breaks.count, unsure: unsure.count)
    }

    private static func verdict(_ breaks: Int, _ unsure: Int) -> String {
        let open = unsure == 0 ? "" : "; of \(count(unsure, "line")) it cannot be told"
        return (breaks == 0 ? "nothing that these policies use breaks" : "breaks \(count(breaks, "line")) of policies and tests") + open
    }
    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    private func usual(_ archive: PolicyArchive) throws -> (catalogue: HookCatalogue, place: String) {
        let meta = options.policies.appending(path: "_meta/hooks.json")
        for file in [archive.catalogue(), meta].compactMap({ $0 }) where FileManager.default.fileExists(atPath: file.path) {
            return (try read(file), file.path)
        }
        throw OperatorProblem(
            "nobody knows under which hooks these policies were written: neither \(archive.directory.path) nor \(meta.path) says so; "
                + "give --from with the hooks.json of that version")
    }

    private func catalogue(_ name: String, _ archive: PolicyArchive) throws -> (catalogue: HookCatalogue, place: String) {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder), !isFolder.boolValue {
            return (try read(URL(fileURLWithPath: name)), name)
        }
        if let folder = archive.folder(name) {
            guard let file = archive.catalogue(PolicySetHash(kept: folder)) else {
                throw OperatorProblem("the set \(name) is kept, and the hooks under which it was live are not")
            }
            return (try read(file), file.path)
        }
        throw OperatorProblem("\(name) is neither a file with hooks, as coditectd reference writes, nor the hash of a set that was live")
    }

    private func read(_ file: URL) throws -> HookCatalogue {
        guard let data = FileManager.default.contents(atPath: file.path) else { throw OperatorProblem("\(file.path) cannot be read") }
        return try data.withUnsafeBytes { bytes in
            do throws(HookCatalogue.Fault) {
                return try HookCatalogue(bytes)
            } catch {
                throw OperatorProblem("\(file.path): \(error.description)")
            }
        }
    }

    private static func json(_ changes: PolicyChanges) -> String {
        let items = changes.items.map { item -> JSONValue in
            let places = item.places.map { place -> JSONValue in
                [
                    "file": .string(place.file), "line": .int(Int64(place.line)), "message": .string(place.message),
                    "certain": .bool(place.isCertain), "test": .bool(place.isTest),
                ]
            }
            return [
                "hook": .string(item.change.hook), "part": .string(item.change.part.rawValue), "path": .string(item.change.path),
                "change": .string(item.change.kind.rawValue), "impact": .string(item.change.impact.rawValue),
                "detail": .string(item.change.title), "breaks": .bool(item.breaks), "may_break": .bool(item.mayBreak),
                "places": .array(places),
            ]
        }
        return PolicyQuestions.line([
            "from": .string(changes.before), "to": .string(changes.after), "breaks": .bool(changes.items.contains(where: \.breaks)),
            "may_break": .bool(changes.items.contains(where: \.mayBreak)), "changes": .array(items),
        ])
    }
}
