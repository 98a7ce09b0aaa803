import Foundation
import HookEngine
import Offboarding
import Store
import Vocabulary

/// The retention table for an operator at the terminal, beside a running server.
package struct RetentionDesk: Sendable {
    private let options: PlatformOptions
    private let store: any StoreDriver

    package init(_ options: PlatformOptions) async throws {
        self.options = options
        store = try await Ground.storeBesideServer(try DataDirectory(options.data, isShared: true), options)
    }
    package func close() async { await store.close() }

    private static func line(_ value: JSONValue) throws -> String { String(decoding: try JSONCoding.encode(value), as: UTF8.self) }

    /// A line for each kind, with the settings in force.
    package static func list(_ settings: Settings, json: Bool) throws -> [String] {
        try RetentionTable.kinds.sorted { $0.name < $1.name }.map { kind in
            if json { return try line(kind.json(settings)) }
            let length = kind.duties.map { RetentionReference.words($0, settings).replacing("`", with: "") }.joined(separator: "; or ")
            return "\(kind.name)  \(kind.owner.rawValue)  \(length)  \(kind.end.rawValue)\(kind.job.map { ", by \($0.name)" } ?? "")"
        }
    }

    /// Until when one record stays, and why.
    package func explain(_ kind: String, _ id: String, tenant: String?, json: Bool) async throws -> [String] {
        guard let known = RetentionTable.kinds.first(where: { $0.name == kind }) else {
            throw OperatorProblem("there is no kind '\(kind)'; coditectd retention list names them")
        }
        let owner = try tenant.map { text in
            guard let id = TenantID(text) else { throw OperatorProblem("'\(text)' is no tenant's id") }
            return id
        }
        let reader = RetentionReader(kinds: RetentionTable.kinds, settings: options.settings, store: store)
        let found = try await reader.explain(known, id, tenant: owner, isOwn: false)
        return json ? [try Self.line(found.json)] : Self.lines(found)
    }

    private static func lines(_ found: RetentionBook.Explained) -> [String] {
        let verdict = found.verdict
        var lines = ["\(found.kind.name) \(found.id): \(words(verdict.until))"]
        for (place, reason) in verdict.reasons.enumerated() {
            let begin = reason.begins.map { ", since \($0.iso8601)" } ?? ""
            lines.append(
                "\(place == verdict.longest ? "*" : " ") \(reason.ground): \(reason.why) (\(reason.from)\(begin)): \(words(reason.until))")
        }
        if let moment = verdict.takenAt {
            lines.append("then \(found.kind.end.rawValue) by \(found.kind.job?.name ?? "its owner's end"), not before \(moment.iso8601)")
        }
        return lines.map { Shown.line($0) }
    }
    private static func words(_ until: RetentionVerdict.Until) -> String {
        switch until {
        case .at(let moment): "stays until \(moment.iso8601)"
        case .open(let words): "stays \(words)"
        }
    }
}
