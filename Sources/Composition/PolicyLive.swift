import Foundation
import PolicyHost
import Synchronization
import Vocabulary

/// What the journal is told of a set that came into force: which, in whose place, and how many suites of tests and contracts it had passed.
final class PolicyLive: Sendable {
    static let action = "policies.live"
    private let archive: PolicyArchive
    private let last = Mutex<PolicySetHash?>(nil)
    init(archive: PolicyArchive) { self.archive = archive }

    /// Nil where it is the set that was in force before, and for the first one: a server tells that one when it begins to serve.
    func changed(to hash: PolicySetHash) -> JSONValue? {
        let before = last.withLock { last in
            defer { last = hash }
            return last
        }
        guard let before, before != hash else { return nil }
        return PolicyLive.details(before: before, after: hash, archive)
    }

    static func details(before: PolicySetHash?, after: PolicySetHash?, _ archive: PolicyArchive) -> JSONValue {
        var members: [String: JSONValue] = ["before": .string(before?.hex ?? ""), "after": .string(after?.hex ?? "")]
        if let count = after.flatMap({ suites($0, archive) }) { members["tests_passed"] = .int(Int64(count)) }
        return .object(members)
    }

    /// How many files of tests and contracts a kept set holds. No set goes live unless every one of them passed.
    private static func suites(_ hash: PolicySetHash, _ archive: PolicyArchive) -> Int? {
        guard let folder = archive.folder(hash.hex), let walk = FileManager.default.enumerator(atPath: folder.path) else { return nil }
        return walk.compactMap { $0 as? String }.count { $0.hasSuffix("/policy_test.lua") || $0 == "contracts.lua" }
    }
}

extension Platform {
    /// Which policies are in force as it begins to serve: what was changed while no server ran is in the journal from here on.
    func tellPolicies() async {
        guard let hash = policies.engine.hash else { return }
        await ground.policyJournal(options)(PolicyLive.action, PolicyLive.details(before: nil, after: hash, policies.archive))
    }
}
