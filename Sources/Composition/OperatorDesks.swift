import Foundation
import HookEngine
import Signing
import Store
import Vocabulary

/// What an operator's command may say to the person who ran it.
package struct OperatorProblem: Error, CustomStringConvertible {
    package enum Kind: Sendable {
        case impossible
        /// What was given is looked at and not taken: a plugin's files, most of all.
        case refused
        /// It may work later.
        case late
    }
    package let description: String
    package let kind: Kind
    /// Names of others may stand in it: they are shown, and steer no terminal.
    package init(_ description: String, _ kind: Kind = .impossible) {
        self.description = Shown.lines(description)
        self.kind = kind
    }
}

/// Keys: list, prepare, rotate, retire, check. A running server is told of the change; one of another machine notices it by itself.
package struct KeyDesk: Sendable {
    private let ring: KeyRing
    private let data: DataDirectory
    private let options: PlatformOptions

    package init(_ options: PlatformOptions) throws {
        self.options = options
        data = try DataDirectory(options.data, isShared: true)
        guard FileManager.default.fileExists(atPath: data.keys.path) else {
            throw OperatorProblem("there are no keys in \(data.keys.path): start the server once, or check --data")
        }
        ring = try Ground.keys(data, options)
    }

    package func list(json: Bool) throws -> [String] {
        try ring.list().map { key in
            let members: [(String, String)] = [
                ("id", key.id), ("purpose", key.purpose.rawValue), ("algorithm", key.algorithm.rawValue), ("state", key.state.rawValue),
                ("since", (key.activatedAt ?? key.createdAt).iso8601), ("home", Self.words(key.home)),
            ]
            if json {
                let object = JSONValue.object(
                    Dictionary(members.map { ($0.0, JSONValue.string($0.1)) }, uniquingKeysWith: { first, _ in first }))
                return String(decoding: try JSONCoding.encode(object), as: UTF8.self)
            }
            return members.map(\.1).joined(separator: "  ")
        }
    }

    package func rotate(_ purpose: String, to place: String? = nil) async throws -> String {
        let purpose = try known(purpose)
        let prepared = ring.list().first { $0.purpose == purpose && $0.state == .next }?.id
        let key = try await atWork(place) { try await $0.rotate(purpose, to: place) }
        let isNews = purpose != .journal && key.id != prepared
        return "\(purpose.rawValue): signing with \(key.id) from now on, in \(Self.words(key.home))"
            + (isNews ? "; it was not published before: whoever keeps the public keys must read them again" : "")
    }

    package func prepare(_ purpose: String, in place: String? = nil) async throws -> String {
        let purpose = try known(purpose)
        let key = try await atWork(place) { try await $0.prepare(purpose, in: place) }
        return "\(purpose.rawValue): \(key.id) is published and signs from the next rotation on, in \(Self.words(key.home))"
    }

    /// What the key services say, and whether every key of the ring that lies with one is there.
    package func check() async throws -> (lines: [String], isFine: Bool) {
        let services = try await KeyServiceDesk(data, options, ring: ring)
        var lines = await services.lines()
        var isFine = true
        for key in ring.list() where key.home != .file {
            let fault = await services.fault(of: key)
            if fault != nil, key.state != .retired { isFine = false }
            lines.append("\(key.id)  \(key.purpose.rawValue)  \(key.state.rawValue)  \(fault ?? "there")")
        }
        await services.close()
        return (lines, isFine)
    }

    private func known(_ purpose: String) throws -> KeyPurpose {
        guard let known = KeyPurpose(rawValue: purpose) else {
            throw OperatorProblem("unknown purpose '\(purpose)': one of \(KeyPurpose.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return known
    }
    private static func words(_ home: KeyHome) -> String {
        switch home {
        case .file: "file"
        case .service(let service, let name): "\(service):\(name)"
        }
    }

    /// With the key services at hand, where one is wanted; a fault of one is told in a sentence.
    private func atWork<Value>(_ place: String?, _ work: (KeyRing) async throws -> Value) async throws -> Value {
        guard place.map(SigningSettings.isHome) ?? true else { throw OperatorProblem("'\(place ?? "")' is neither file nor a plugin's id") }
        defer { if let server = data.holder { kill(server, SIGHUP) } }
        guard place.map({ $0 != SigningSettings.file }) ?? ring.usesServices else { return try await work(ring) }
        let services = try await KeyServiceDesk(data, options, ring: ring)
        do {
            let value = try await work(ring)
            await services.close()
            return value
        } catch {
            await services.close()
            guard case SigningFault.service(let service, let reason) = error else { throw error }
            throw OperatorProblem("nothing was changed: the key service \(service) cannot be used: \(reason)")
        }
    }

    package func retire(_ id: String, to place: String? = nil) async throws -> String {
        guard ring.list().contains(where: { $0.id == id }) else { throw OperatorProblem("there is no key \(id); see coditectd keys list") }
        try await atWork(place) { try await $0.retire(id, to: place) }
        return "\(id) is retired: nothing that it signed is believed any more"
    }
}

/// The audit log: check and export, beside a running server.
package struct AuditDesk: Sendable {
    package struct Result: Sendable {
        package let line: String
        package let isIntact: Bool
    }
    private let store: any StoreDriver
    private let ring: KeyRing

    package init(_ options: PlatformOptions) async throws {
        let data = try DataDirectory(options.data, isShared: true)
        store = try await Ground.storeBesideServer(data, options)
        do { ring = try Ground.keys(data, options) } catch {
            await store.close()
            throw error
        }
    }

    package func close() async { await store.close() }

    /// Whose journal it is, for people.
    static func name(_ owner: UUID) -> String { owner == JournalRecord.platform ? "platform" : TenantID(owner).description }

    /// What the last checks that servers took found, the newest first.
    package func checks() async throws -> [Result] {
        let rounds = try await store.kernelRead(JournalRoundRoutes.reason) { try $0.ledger.rounds(limit: JournalRoundRoutes.shown) }
        return rounds.map { round in
            let span = [round.oldest, round.newest].compactMap(\.self).map(\.iso8601).joined(separator: " to ")
            let counts = "\(round.entries) entries\(span.isEmpty ? "" : " of \(span)") in \(round.journals) journals"
            let lines = round.breaks.map { "\n  \(Self.name($0.owner))  \($0.finding.sentence)" }.joined()
            let verdict = round.isIntact ? "intact" : "BROKEN"
            return Result(
                line: "\(round.at.iso8601)  \(verdict)  \(counts)\(round.isIntact ? "" : ", \(round.broken) broken:")\(lines)",
                isIntact: round.isIntact)
        }
    }

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
            let name = Self.name(owner)
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
