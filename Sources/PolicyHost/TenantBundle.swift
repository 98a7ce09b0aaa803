import Foundation
import HookEngine
import Vocabulary

/// The policies of one tenant as it uploads them: texts by path, small enough that many tenants can have some.
///
/// `init.lua` names what is asked and in which order: `return { tenant = { "access/office-hours" } }`. Each policy is
/// `feature/rule/policy.lua`, its tests `feature/rule/policy_test.lua`.
package struct TenantBundle: Sendable, Hashable {
    package let files: [String: String]

    package static let mostFiles = 33
    /// Of all files together.
    package static let mostBytes = 64 << 10
    /// Rows of tests in the whole bundle: they run before it goes live.
    package static let mostTests = 200

    /// Throws what is wrong with names and sizes; what is in the files is for the check to say.
    package init(_ files: [String: String]) throws(PolicyRefusal) {
        self.files = files
        var findings = Findings(label: TenantPolicyChecker.label)
        if files.count > Self.mostFiles { findings.add("", nil, "holds \(files.count) files; at most \(Self.mostFiles) are accepted") }
        let bytes = files.values.reduce(0) { $0 + $1.utf8.count }
        if bytes > Self.mostBytes { findings.add("", nil, "holds \(bytes) bytes; at most \(Self.mostBytes) are accepted") }
        for path in files.keys.sorted() where !Self.isPath(path) {
            let shown = String(path.unicodeScalars.prefix(120).map { $0.value < 32 || $0.value > 126 ? "?" : Character($0) })
            findings.add(
                shown, nil,
                "is no file of a bundle; accepted are init.lua, feature/rule/policy.lua and feature/rule/policy_test.lua, of a-z, 0-9, - and _"
            )
        }
        if !findings.all.isEmpty { throw PolicyRefusal(findings: findings.all) }
    }

    /// The Lua files of a folder, as `PolicyDirectory` finds them.
    package init(folder: URL) throws(PolicyRefusal) {
        var findings = Findings(label: TenantPolicyChecker.label)
        let files = PolicyDirectory.read(folder, &findings).files
        guard findings.all.isEmpty else { throw PolicyRefusal(findings: findings.all) }
        try self.init(files)
    }

    private static func isPath(_ path: String) -> Bool {
        if path == InitFile.path { return true }
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 3, ["policy.lua", "policy_test.lua"].contains(String(Substring(parts[2]))) else { return false }
        return parts[..<2].allSatisfy { part in
            (1...64).contains(part.count)
                && part.allSatisfy {
                    (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                }
                && part.first != UInt8(ascii: "_")
        }
    }
}

/// What a bundle turned out to be.
package struct CheckedTenantPolicies: Sendable, Hashable {
    package let hash: PolicySetHash
    /// Hooks that it answers, sorted.
    package let hooks: [String]
    /// Rows of its tests, all passed.
    package let tests: Int
}

/// Compiles, checks and tests bundles on a thread of its own, the tenants in turn: who uploads may be anybody's enemy. What is compiled
/// because it is asked waits for no upload.
package final class TenantPolicyChecker: Sendable {
    /// How findings name a bundle: `policies/access/office-hours/policy.lua:3: …`
    static let label = "policies"
    private let builder: PolicySetBuilder
    private let checks: TenantThreads
    private let loads: TenantThreads

    /// Only hooks that are open to tenants can be answered; there are no data files.
    package init(definitions: [HookDefinition], limits: LuaLimits = .decision) {
        builder = PolicySetBuilder(
            definitions: definitions.filter(\.isOpenToTenants), dataFiles: [], limits: limits, states: 0, author: .tenant)
        checks = TenantThreads(.init(threads: 1, waitingOfOne: 2, waiting: 64))
        loads = TenantThreads(.init(threads: 1, waitingOfOne: 2, waiting: 512))
    }

    /// Nil where too many wait already. Throws every finding, failing tests among them.
    package func check(_ bundle: TenantBundle, for tenant: TenantID) async throws(PolicyRefusal) -> CheckedTenantPolicies? {
        try await checks.run(tenant) { [builder] _ in Self.checked(bundle, builder) }?.get()
    }

    private static func checked(_ bundle: TenantBundle, _ builder: PolicySetBuilder) -> Result<CheckedTenantPolicies, PolicyRefusal> {
        Result { () throws(PolicyRefusal) in
            let built = try builder.build(PolicyDirectory(label: label, files: bundle.files))
            return CheckedTenantPolicies(
                hash: built.set.hash, hooks: built.set.hooks.filter { !$0.value.tenant.isEmpty }.keys.sorted(), tests: built.tests.count)
        }
    }

    /// The set itself, its tests left out: they passed when it was uploaded.
    func compile(_ bundle: TenantBundle, for tenant: TenantID) async throws(PolicyRefusal) -> PolicySet? {
        try await loads.run(tenant) { [builder] _ in Self.compiled(bundle, builder) }?.get()
    }

    private static func compiled(_ bundle: TenantBundle, _ builder: PolicySetBuilder) -> Result<PolicySet, PolicyRefusal> {
        Result { () throws(PolicyRefusal) in
            var findings = Findings(label: label)
            let assembled = builder.assemble(PolicyDirectory(label: label, files: bundle.files), &findings)
            guard let assembled, findings.all.isEmpty else { throw PolicyRefusal(findings: findings.all) }
            return assembled.set
        }
    }

    /// At a desk: all of them, on one thread.
    static func compile(
        _ bundles: [TenantSetName: TenantBundle], definitions: [HookDefinition]
    ) throws(PolicyRefusal) -> [TenantSetName: PolicySet] {
        if bundles.isEmpty { return [:] }
        let builder = TenantPolicyChecker(definitions: definitions).builder
        let results = PolicyThreads.runAndWait { bundles.mapValues { compiled($0, builder) } }
        var sets: [TenantSetName: PolicySet] = [:]
        for (name, result) in results { sets[name] = try result.get() }
        return sets
    }

    /// At a desk, where nobody waits in line.
    package static func examine(
        _ bundle: TenantBundle, definitions: [HookDefinition]
    ) throws(PolicyRefusal) -> CheckedTenantPolicies {
        let builder = TenantPolicyChecker(definitions: definitions).builder
        return try PolicyThreads.runAndWait { checked(bundle, builder) }.get()
    }
}
