import Foundation
import HTTPEdge
import HookEngine
import PolicyHost
import Store
import TenantPolicies
import Vocabulary

package enum PolicyPermissions {
    package static let read = Permission("policies:read", "See which policies are in force and which were.")
    package static let write = Permission("policies:write", "Reload policies, and put an earlier set back in force.")
    package static let all = [read, write]
}

package enum PolicyProblems {
    package static let refused = Problem(
        "policies_refused", status: 422, title: "The policies cannot go live; those before go on.",
        hint: "See findings: each names file, line and what would be right.")
    package static let moved = Problem(
        "policies_moved_on", status: 409, title: "Another set is in force than the one to be replaced.",
        hint: "Look at policy_hash, compare the two sets, and name the one in force as replaces.")
    package static let unknown = Problem(
        "policies_not_kept", status: 404, title: "No set of that hash is kept.", hint: "See kept: the newest fifty sets that were live.")
    package static let all = [refused, moved, unknown]
}

/// The set of policies in force, over HTTP: what it is, read it again, put an earlier one back.
struct PolicyRoutes: Sendable {
    let floor: PolicyFloor
    let store: any Store
    let tenants: TenantPolicies

    private static let hash = Schema.string(min: 8, max: 64, format: .hex)
    private static let shadow = Schema.object([
        SchemaField("policy_hash", .string(max: 64)), SchemaField("verdict", .choice(["not_yet", "fit", "unfit"])),
        SchemaField("reason", .string(max: 2_000), "Why it is unfit", optional: true), SchemaField("asked", .integer(0...Int64.max)),
        SchemaField("same", .integer(0...Int64.max)), SchemaField("flips", .integer(0...Int64.max)),
        SchemaField("failures", .integer(0...Int64.max), "Where the candidate failed and the set in force did not"),
        SchemaField("dropped", .integer(0...Int64.max), "Questions for which the candidate had no time"),
        SchemaField("people", .integer(0...Int64.max), "Pairs of tenant and user whose questions are answered otherwise"),
        SchemaField("changes", .map(.integer(0...Int64.max)), "What is answered otherwise, and how often"),
        SchemaField("decisions", .array(.string(max: 64), max: 100), "The newest decisions that it would have answered otherwise"),
    ])
    private static let standing = Schema.named(
        "PolicyStanding",
        .object([
            SchemaField("policy_hash", .string(max: 64), "SHA-256 of the set in force, as in every decision record"),
            SchemaField("kept", .array(.string(max: 64), max: 1_000), "Hashes of sets that can be put back, newest first"),
            SchemaField("shadow", shadow, "The candidate of policies.shadow, if there is one", optional: true),
            SchemaField(
                "findings", .array(.string(max: 2_000), max: 100), "Why the folder as it is now is not in force; empty where it is"),
        ]))

    func routes() -> [Route] {
        [
            Route(
                .get, "/api/v1/policies", name: "policies.standing", summary: "Which set of policies is in force, and which were.",
                access: .permission(PolicyPermissions.read), answers: [RouteAnswer(200, "The set in force", Self.standing)]
            ) { _ in .json(value: standing()) },
            Route(
                .post, "/api/v1/policies/reload", name: "policies.reload",
                summary: "Reads the policy folder now: compiled, checked, tested, held against the contracts, then swapped, or not at all. "
                    + "A set that was rolled back is tried once more.",
                access: .permission(PolicyPermissions.write), answers: [RouteAnswer(200, "The set in force", Self.standing)],
                problems: [PolicyProblems.refused.with(["findings": ["policies/init.lua:3: there is no policy seats/hours"]])]
            ) { call in
                let before = floor.engine.hash
                try await load(insisting: true)
                floor.readShadow()
                try await journal("policies.reloaded", before, call.act)
                return .json(value: standing())
            },
            Route(
                .post, "/api/v1/policies/rollback", name: "policies.rollback",
                summary: "Puts a set that was in force back in the folder and in force; names the one that it replaces.",
                access: .permission(PolicyPermissions.write),
                request: .object([
                    SchemaField("policy_hash", Self.hash, "Beginning of the hash of a kept set"),
                    SchemaField("replaces", Self.hash, "Beginning of the hash of the set in force"),
                ]), answers: [RouteAnswer(200, "The set in force", Self.standing)],
                problems: [
                    PolicyProblems.moved.with(["policy_hash": "1366d71892f7"]), PolicyProblems.unknown,
                    PolicyProblems.refused.with(["findings": ["policies/init.lua:3: there is no policy seats/hours"]]),
                ]
            ) { call in
                guard let wanted = call.json?["policy_hash"]?.string, let replaces = call.json?["replaces"]?.string else {
                    throw CommonProblems.malformed
                }
                guard let folder = floor.archive.folder(wanted) else { throw PolicyProblems.unknown }
                let before = floor.engine.hash
                do {
                    _ = try floor.promotion.promote(folder, replacing: replaces)
                } catch let moved as PolicyPromotion.Moved {
                    throw PolicyProblems.moved.with(["policy_hash": .string(moved.now.hex)])
                } catch let refusal as PolicyRefusal {
                    throw Self.problem(refusal)
                }
                try await load()
                try await journal("policies.rolled_back", before, call.act)
                return .json(value: standing())
            },
            Route(
                .post, "/api/v1/policies/tenants/{id}/switch-off", name: "policies.switch_tenant_off",
                summary: "Puts a tenant's own policies out of force. The tenant keeps its versions and finds the reason in its journal.",
                access: .permission(PolicyPermissions.write),
                request: .object([SchemaField("reason", .string(min: 1, max: 500), "Why; the tenant reads it")]),
                answers: [RouteAnswer(200, "Out of force", .object([SchemaField("status", .choice(["switched_off"]))]))],
                problems: [TenantPolicyProblems.unknown]
            ) { call in
                try await tenants.switchOff(try call.id("id"), reason: call.json?["reason"]?.string ?? "", call.act)
                return .json(value: ["status": "switched_off"])
            },
        ]
    }

    private func load(insisting: Bool = false) async throws {
        do throws(PolicyRefusal) { _ = try floor.engine.load(insisting: insisting) } catch { throw Self.problem(error) }
    }

    private static func problem(_ refusal: PolicyRefusal) -> Problem {
        PolicyProblems.refused.with(["findings": .array(refusal.findings.map { .string($0.description) })])
    }

    private func standing() -> JSONValue {
        var members: [String: JSONValue] = [
            "policy_hash": .string(floor.engine.hash?.hex ?? ""), "kept": .array(floor.archive.list().map { .string($0.hex) }),
            "findings": .array(floor.engine.refused.map { .string($0.description) }),
        ]
        if let report = floor.engine.shadowReport { members["shadow"] = Self.json(report) }
        return .object(members)
    }

    private static func json(_ report: PolicyShadowReport) -> JSONValue {
        var members: [String: JSONValue] = [
            "policy_hash": .string(report.candidate.hex), "asked": .int(Int64(report.asked)), "same": .int(Int64(report.same)),
            "flips": .int(Int64(report.flips)), "failures": .int(Int64(report.failures)), "dropped": .int(Int64(report.dropped)),
            "people": .int(Int64(report.people.count)),
            "changes": .object(report.byChange.mapValues { .int(Int64($0)) }),
            "decisions": .array(report.listed.map { .string($0.decision.description) }),
        ]
        switch report.verdict {
        case .notYet: members["verdict"] = "not_yet"
        case .fit: members["verdict"] = "fit"
        case .unfit(let why):
            members["verdict"] = "unfit"
            members["reason"] = .string(why)
        }
        return .object(members)
    }

    private func journal(_ action: String, _ before: PolicySetHash?, _ act: Act) async throws {
        try await PolicyJournal.keep(action, PolicyLive.details(before: before, after: floor.engine.hash, floor.archive), act, store)
    }
}

/// What became of the policies, in the platform's own journal.
enum PolicyJournal {
    static func keep(_ action: String, _ details: JSONValue, _ act: Act, _ store: any Store) async throws {
        try await store.kernel(KernelReason("policies.\(action)")) { db in
            try db.journal(JournalEntry(action, subject: "policies", outcome: .success, details: details), act, tenant: nil)
        }
    }
}

extension Ground {
    /// For what happens without anybody asking: a roll back, a promotion by thresholds.
    func policyJournal(_ options: PlatformOptions) -> @Sendable (String, JSONValue) async -> Void {
        { [store, logger] action, details in
            let act = Act(actor: .system("policies"), requestID: "policies", now: options.clock.now())
            do {
                try await PolicyJournal.keep(action, details, act, store)
            } catch {
                logger.error("\(action) could not be journalled", metadata: ["reason": .string("\(error)")])
            }
        }
    }
}
