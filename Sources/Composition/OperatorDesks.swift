import Foundation
import HookEngine
import Signing
import Store
import StoreSQLite
import Vocabulary

/// What an operator's command may say to the person who ran it.
package struct OperatorProblem: Error, CustomStringConvertible {
    package let description: String
    /// Names of others may stand in it: they are shown, and steer no terminal.
    package init(_ description: String) { self.description = Shown.lines(description) }
}

/// Keys: list, rotate, retire. A running server notices a changed ring by itself.
package struct KeyDesk: Sendable {
    private let ring: KeyRing

    package init(_ options: PlatformOptions) throws {
        let data = try DataDirectory(options.data, isShared: true)
        guard FileManager.default.fileExists(atPath: data.keys.path) else {
            throw OperatorProblem("there are no keys in \(data.keys.path): start the server once, or check --data")
        }
        ring = try Ground.keys(data, options)
    }

    package func list(json: Bool) throws -> [String] {
        try ring.list().map { key in
            let members: [(String, String)] = [
                ("id", key.id), ("purpose", key.purpose.rawValue), ("algorithm", key.algorithm.rawValue), ("state", key.state.rawValue),
                ("since", (key.activatedAt ?? key.createdAt).iso8601),
            ]
            if json {
                let object = JSONValue.object(
                    Dictionary(members.map { ($0.0, JSONValue.string($0.1)) }, uniquingKeysWith: { first, _ in first }))
                return String(decoding: try JSONCoding.encode(object), as: UTF8.self)
            }
            return members.map(\.1).joined(separator: "  ")
        }
    }

    package func rotate(_ purpose: String) async throws -> String {
        guard let purpose = KeyPurpose(rawValue: purpose) else {
            throw OperatorProblem("unknown purpose '\(purpose)': one of \(KeyPurpose.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let key = try await ring.rotate(purpose)
        return "\(purpose.rawValue): signing with \(key.id) from now on"
    }

    package func retire(_ id: String) async throws -> String {
        guard ring.list().contains(where: { $0.id == id }) else { throw OperatorProblem("there is no key \(id); see coditectd keys list") }
        try await ring.retire(id)
        return "\(id) is retired: nothing that it signed is believed any more"
    }
}

/// The audit log: check and export, beside a running server.
package struct AuditDesk: Sendable {
    package struct Result: Sendable {
        package let line: String
        package let isIntact: Bool
    }
    private let store: SQLiteStore
    private let ring: KeyRing

    package init(_ options: PlatformOptions) async throws {
        let data = try DataDirectory(options.data, isShared: true)
        guard FileManager.default.fileExists(atPath: data.database.path) else {
            throw OperatorProblem("there is no database \(data.database.path); is --data right?")
        }
        ring = try Ground.keys(data, options)
        let sealer = try Ground.sealer(data, options)
        store = try SQLiteStore(file: data.database, clock: options.clock, entropy: options.entropy, sealer: sealer, topics: [:])
    }

    package func close() async { await store.close() }

    private func owners(_ tenant: String?) async throws -> [UUID] {
        guard let tenant else { return try await JournalKeeper(store: store).owners() }
        if tenant == "platform" { return [JournalRecord.platform] }
        guard let id = TenantID(tenant) else { throw OperatorProblem("'\(tenant)' is neither a tenant's id nor 'platform'") }
        return [id.uuid]
    }

    package func verify(tenant: String?) async throws -> [Result] {
        var results: [Result] = []
        for owner in try await owners(tenant) {
            let report = try await JournalKeeper(store: store).verify(owner) { [ring] message, keyID, signature in
                ring.verify(message, Signature(keyID: keyID, bytes: signature), .journal)
            }
            let name = owner == JournalRecord.platform ? "platform" : TenantID(owner).description
            let counts = "\(report.entries) entries in \(report.segments) segments, \(report.checkpoints) checkpoints"
            if let first = report.findings.first {
                let more = report.findings.count > 1 ? " (and \(report.findings.count - 1) more)" : ""
                results.append(Result(line: "\(name)  BROKEN  \(counts): \(first.sentence)\(more)", isIntact: false))
            } else {
                let begin = report.dropping.map {
                    ", begins after \(report.dropped) entries that checkpoint \($0.seq) of \($0.at.iso8601) dropped"
                }
                results.append(
                    Result(line: "\(name)  intact  \(counts), \(report.uncovered) since the last checkpoint\(begin ?? "")", isIntact: true))
            }
        }
        return results
    }

    package func export(tenant: String, to write: (String) -> Void) async throws {
        for owner in try await owners(tenant) { try await JournalKeeper(store: store).export(owner) { write($0) } }
    }
}
