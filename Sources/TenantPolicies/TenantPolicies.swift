import Foundation
import Signing
import Store
import Vocabulary

package enum TenantPoliciesRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "tenant_policies", bundle: .module) }
}

/// Tenants' own policies: kept by version, one of them in force. Foreign code is compiled and run by the runner, never in a transaction.
package struct TenantPolicies: Sendable {
    private static let startReason = KernelReason("tenant_policies.start")
    private static let offReason = KernelReason("tenant_policies.switch_off")
    let store: any Store
    let runner: any TenantPolicyRunner
    private let isOn: Bool

    package init(store: any Store, runner: any TenantPolicyRunner, settings: Settings) {
        self.store = store
        self.runner = runner
        isOn = settings[TenantPolicySettings.isOn]
    }

    /// Tells the runner of every tenant that has a version in force, some hundred at a time.
    package func start() async throws {
        guard isOn else { return }
        var last: [UInt8] = []
        while true {
            let from = last
            let found = try await store.kernelRead(Self.startReason) { db in
                try db.rows(TenantPolicyTable.everywhere, from, 500).map { row in
                    TenantPolicyChange(
                        tenant: try row.id(0), hash: Hex.encode(try row.blob(1)), hooks: try Self.names(row.text(3)),
                        revision: try row.integer(2))
                }
            }
            for change in found { runner.put(change) }
            guard let end = found.last else { return }
            last = end.tenant.uuid.bytes
        }
    }

    // MARK: What there is

    package struct Standing: Sendable {
        /// Nil where none is in force.
        package var inForce: String?
        package var versions: [TenantPolicyVersion]
        package var report: TenantPolicyReport?
    }

    package func standing(_ tenant: TenantID) async throws -> Standing {
        var standing = try await store.tenantRead(tenant) { db in
            Standing(inForce: try Self.inForce(db)?.hash, versions: try db.rows(TenantPolicyTable.versions).map(Self.version))
        }
        standing.report = runner.report(tenant)
        return standing
    }

    package func version(_ hash: String, _ tenant: TenantID) async throws -> (version: TenantPolicyVersion, files: [String: String]) {
        guard let key = Hex.decode(hash) else { throw TenantPolicyProblems.unknown }
        return try await store.tenantRead(tenant) { db in
            guard let row = try db.row(TenantPolicyTable.version, key), let files = try Self.files(key, db) else {
                throw TenantPolicyProblems.unknown
            }
            return (try Self.version(row), files)
        }
    }

    /// The texts of a version; nil where it is gone.
    package func files(_ hash: String, of tenant: TenantID) async throws -> [String: String]? {
        try await Self.files(hash, of: tenant, in: store)
    }
    package static func files(_ hash: String, of tenant: TenantID, in store: any Store) async throws -> [String: String]? {
        guard let key = Hex.decode(hash) else { return nil }
        return try await store.tenantRead(tenant) { db in try Self.files(key, db) }
    }

    // MARK: What is done

    /// Checks the files and keeps them; they are not in force by this. Content that is kept already is the same version.
    package func upload(_ files: [String: String], note: String, by principal: Principal, _ act: Act) async throws -> TenantPolicyVersion {
        guard isOn else { throw TenantPolicyProblems.switchedOff }
        let checked = try await runner.check(files, for: principal.tenant)
        guard let key = Hex.decode(checked.hash) else { throw CommonProblems.unavailable }
        let text = String(decoding: try JSONCoding.encode(JSONValue.object(files.mapValues { .string($0) })), as: UTF8.self)
        let hooks = String(decoding: try JSONCoding.encode(JSONValue.array(checked.hooks.map { .string($0) })), as: UTF8.self)
        return try await store.tenant(principal.tenant) { db in
            if let known = try db.row(TenantPolicyTable.version, key) { return try Self.version(known) }
            try db.run(
                TenantPolicyTable.insert, db.tenant, key, text, hooks, checked.tests, note, act.now, principal.user)
            let current = try Self.inForce(db)?.hash
            let versions = try db.rows(TenantPolicyTable.versions).map(Self.version)
            for old in versions.dropFirst(TenantPolicyVersion.mostKept) where old.hash != current && old.hash != checked.hash {
                try db.run(TenantPolicyTable.drop, Hex.decode(old.hash) ?? [])
            }
            try db.journal(
                JournalEntry(
                    "tenant_policies.uploaded", subject: "policies:\(checked.hash)",
                    details: [
                        "hooks": .array(checked.hooks.map { .string($0) }), "tests": .int(Int64(checked.tests)),
                    ]),
                act)
            guard let row = try db.row(TenantPolicyTable.version, key) else { throw TenantPolicyProblems.unknown }
            return try Self.version(row)
        }
    }

    /// Puts a version in force, or none, in the place of the one that the caller has seen: `replaces` is empty for none.
    package func change(to hash: String?, replacing: String, _ tenant: TenantID, _ act: Act) async throws {
        guard isOn || hash == nil else { throw TenantPolicyProblems.switchedOff }
        // What was fit under an older server may not be under this one.
        if let hash {
            guard let files = try await files(hash, of: tenant) else { throw TenantPolicyProblems.unknown }
            _ = try await runner.check(files, for: tenant)
        }
        let change = try await store.tenant(tenant) { db in try Self.change(to: hash, replacing: replacing, db, act) }
        runner.put(change)
    }

    /// The operator switches a tenant's policies off, whatever is in force. The tenant sees it in its journal.
    package func switchOff(_ tenant: TenantID, reason: String, _ act: Act) async throws {
        let change = try await store.kernel(Self.offReason) { db -> TenantPolicyChange in
            try db.within(tenant) { db in
                guard let current = try Self.inForce(db), let hash = current.hash else { throw TenantPolicyProblems.unknown }
                return try Self.change(to: nil, replacing: hash, db, act, reason: reason)
            }
        }
        runner.put(change)
    }

    package func drop(_ hash: String, _ tenant: TenantID, _ act: Act) async throws {
        guard let key = Hex.decode(hash) else { throw TenantPolicyProblems.unknown }
        try await store.tenant(tenant) { db in
            if try Self.inForce(db)?.hash == hash { throw TenantPolicyProblems.inUse }
            guard try db.row(TenantPolicyTable.drop, key) != nil else { throw TenantPolicyProblems.unknown }
            try db.journal(JournalEntry("tenant_policies.dropped", subject: "policies:\(hash)"), act)
        }
    }

    // MARK: Inside a transaction

    private static func change(
        to hash: String?, replacing: String, _ db: any TenantScope, _ act: Act, reason: String? = nil
    ) throws -> TenantPolicyChange {
        let current = try inForce(db)
        guard current?.hash ?? "" == replacing else {
            throw TenantPolicyProblems.moved.with(["policy_hash": .string(current?.hash ?? "")])
        }
        var hooks: [String] = []
        let key = hash.flatMap { Hex.decode($0) }
        if let key {
            guard let row = try db.row(TenantPolicyTable.version, key) else { throw TenantPolicyProblems.unknown }
            hooks = try version(row).hooks
        }
        if let current {
            guard try db.row(TenantPolicyTable.change, key, current.revision + 1, act.now, current.revision) != nil else {
                throw TenantPolicyProblems.moved
            }
        } else {
            try db.run(TenantPolicyTable.begin, db.tenant, key, act.now)
        }
        var details: [String: JSONValue] = ["before": .string(current?.hash ?? ""), "after": .string(hash ?? "")]
        if let reason { details["reason"] = .string(reason) }
        try db.journal(
            JournalEntry(
                hash == nil ? "tenant_policies.switched_off" : "tenant_policies.activated", subject: "policies:\(hash ?? "none")",
                details: .object(details)), act)
        try db.emit(TenantPoliciesChanged(tenant: db.tenant, hash: hash, reason: reason), act)
        return TenantPolicyChange(tenant: db.tenant, hash: hash, hooks: hooks, revision: (current?.revision ?? 0) + 1)
    }

    static func inForce(_ db: any TenantScope) throws -> (hash: String?, revision: Int64)? {
        try db.row(TenantPolicyTable.inForce).map { row in
            (try row.optional(0, row.blob).map { Hex.encode($0) }, try row.integer(1))
        }
    }

    private static func version(_ row: Row) throws -> TenantPolicyVersion {
        TenantPolicyVersion(
            hash: Hex.encode(try row.blob(0)), hooks: try names(row.text(1)), tests: try row.int(2), note: try row.text(3),
            uploadedAt: try row.time(4), uploadedBy: try row.id(5), bytes: try row.int(6))
    }

    private static func files(_ key: [UInt8], _ db: any TenantScope) throws -> [String: String]? {
        guard let row = try db.row(TenantPolicyTable.files, key) else { return nil }
        return try JSONCoding.decode([String: String].self, Data(row.text(0).utf8))
    }

    private static func names(_ text: String) throws -> [String] { try JSONCoding.decode([String].self, Data(text.utf8)) }
}
