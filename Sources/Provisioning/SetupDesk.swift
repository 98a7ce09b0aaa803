import Foundation
import HookEngine
import Store
import Vocabulary

/// Carries a plan out: each step is one transaction with its effect, so that a crash between any two leaves nothing half done and nothing is
/// done twice. A step that cannot be done takes back all that the plan made.
struct SetupDesk: Sendable {
    static let kind = "provisioning.plan"
    private static let reason = KernelReason("provisioning.plan")
    /// Attempts of a step that fails for no reason of its own.
    static let patience = 8
    static func keyContext(_ id: APIKeyID) -> String { "provisioning.first_key:\(id)" }
    let parts: ProvisioningParts

    struct Target: Codable {
        let tenant: TenantID
        let plan: SetupPlan.ID
        let round: Int
    }
    static func job(_ plan: SetupPlan.ID, _ tenant: TenantID, at moment: Timestamp, round: Int) throws -> NewJob {
        try NewJob(
            kind, key: "\(plan)/\(round)", tenant: tenant, payload: Target(tenant: tenant, plan: plan, round: round), runAt: moment)
    }
    func jobs() -> [JobHandler] {
        [JobHandler(Self.kind) { delivery, act in try await turn(try delivery.decode(Target.self), delivery, act) }]
    }

    /// What a step needs that is asked before its transaction.
    private struct Asked: Sendable {
        var owner: UserID?
        var permissions: [String] = []
    }

    private func turn(_ target: Target, _ delivery: Delivery, _ act: Act) async throws {
        var fault: String?
        do {
            let asked = try await ask(target, act)
            return try await parts.store.kernel(Self.reason, .flushed) { db in
                try forward(target, asked, in: db, act)
                try db.settle(delivery)
            }
        } catch let problem as Problem {
            fault = problem.code
        } catch let refusal as StepRefused {
            fault = refusal.why
        } catch {
            guard delivery.attempt >= Self.patience else { throw error }
            fault = "it failed \(delivery.attempt) times"
        }
        let why = String((fault ?? "").prefix(500))
        try await parts.store.kernel(Self.reason, .flushed) { db in
            try db.within(target.tenant) { db in
                let books = ProvisioningBooks(db: db, act: act)
                guard let plan = try books.plan(target.plan), plan.state == .running else { return }
                if let step = try books.steps(of: plan.id).first(where: { $0.state == .waiting }) {
                    try db.run(ProvisioningTable.mark, plan.id, step.number, SetupPlan.Step.State.failed.rawValue, act.now)
                }
                try db.run(ProvisioningTable.turn, plan.id, SetupPlan.State.undoing.rawValue, why, SQLValue.null)
                try db.enqueue(try Self.job(plan.id, db.tenant, at: act.now, round: target.round + 1), act)
            }
            try db.settle(delivery)
        }
    }

    struct StepRefused: Error { let why: String }

    private func ask(_ target: Target, _ act: Act) async throws -> Asked {
        let next = try await parts.store.tenantRead(target.tenant) { db -> String? in
            let books = ProvisioningBooks(db: db, act: act)
            guard let plan = try books.plan(target.plan), plan.state == .running else { return nil }
            return try books.steps(of: plan.id).first { $0.state == .waiting }?.action
        }
        guard next == "issue_api_key", let owner = try await parts.survey.owner(target.tenant) else { return Asked() }
        return Asked(owner: owner, permissions: try await parts.keys.permissions(owner, target.tenant, act))
    }

    private func forward(_ target: Target, _ asked: Asked, in db: any KernelScope, _ act: Act) throws {
        let (plan, steps, before) = try db.within(target.tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            return (try books.plan(target.plan), try books.steps(of: target.plan), try books.home())
        }
        guard let plan, var home = before else { return }
        var isOver = true
        switch plan.state {
        case .running:
            if let step = steps.first(where: { $0.state == .waiting }) {
                isOver = false
                try carryOut(step, of: plan, asked, &home, in: db, act)
                try mark(step, of: plan, .done, in: db, act)
            } else {
                home.tier = plan.tier
                // A plan for another tier that says nothing of workstations has none.
                if plan.cause != .restored, !steps.contains(where: { $0.action == "start_workstation" }) { home.size = nil }
                try close(plan, .done, in: db, act)
            }
        case .undoing:
            if let step = steps.last(where: { $0.state == .done }) {
                isOver = false
                try takeBack(step, of: plan, &home, in: db, act)
                try mark(step, of: plan, .undone, in: db, act)
            } else {
                try close(plan, .failed, in: db, act)
            }
        case .done, .failed: return
        }
        let furnished = home
        try db.within(target.tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            if furnished != before { try books.save(furnished) }
            if isOver {
                // What came meanwhile: another tier, other members.
                try db.enqueue(try TenantReview.job(db.tenant, key: "after/\(plan.id)", at: act.now), act)
            } else {
                try db.enqueue(try Self.job(plan.id, db.tenant, at: act.now, round: target.round + 1), act)
            }
        }
    }

    private func mark(
        _ step: SetupPlan.Step, of plan: SetupPlan, _ state: SetupPlan.Step.State, in db: any KernelScope, _ act: Act
    ) throws {
        try db.within(plan.tenant) { db in try db.run(ProvisioningTable.mark, plan.id, step.number, state.rawValue, act.now) }
    }

    private func close(_ plan: SetupPlan, _ state: SetupPlan.State, in db: any KernelScope, _ act: Act) throws {
        try db.within(plan.tenant) { db in
            try db.run(ProvisioningTable.turn, plan.id, state.rawValue, plan.note, act.now)
            try db.journal(
                JournalEntry(
                    "provisioning.\(state.rawValue)", subject: "plan:\(plan.id)", outcome: state == .done ? .success : .failed,
                    details: ["tier": .string(plan.tier), "note": .string(plan.note)]), act)
            if state == .failed { try parts.tellStaff("provisioning_failed", about: "\(plan.id)", in: db, act) }
        }
    }

    // MARK: Steps

    private func carryOut(
        _ step: SetupPlan.Step, of plan: SetupPlan, _ asked: Asked, _ home: inout ProvisionHome, in db: any KernelScope, _ act: Act
    ) throws {
        switch step.action {
        case "create_namespace": home.namespace = home.namespace ?? "t-\(plan.tenant)"
        case "set_quota":
            guard let bytes = step.fields["disk_bytes"]?.int, bytes >= 0 else { throw StepRefused(why: "set_quota without disk_bytes") }
            home.diskBytes = bytes
        case "start_workstation":
            let tier = try db.within(plan.tenant) { db in try parts.catalog.inForce(in: db, at: act.now)[plan.tier] }
            guard let shape = tier?.workstation else {
                throw StepRefused(why: "the tier \(plan.tier) has no workstation")
            }
            let machine = step.fields["machine_type"]?.string ?? shape.machineType
            if let offer = parts.provisioner()?.offer, !offer.machines.contains(where: { $0.name == machine }) {
                throw StepRefused(why: "the provisioner has no machine \(machine)")
            }
            home.size = WorkstationSizing(
                machine: machine, diskBytes: shape.diskBytes,
                idleSeconds: step.fields["idle_timeout_seconds"]?.int ?? shape.idleTimeoutSeconds)
        case "issue_api_key":
            guard home.keyID == nil else { return }
            guard let owner = asked.owner else { throw StepRefused(why: "nobody owns the tenant") }
            let made = try parts.keys.issue(to: owner, permissions: asked.permissions, of: plan.tenant, in: db, act)
            (home.keyID, home.keyOwner) = (made.id, owner)
            home.keyBox = try parts.floor.sealer.seal(Array(made.text.utf8), person: owner, context: Self.keyContext(made.id))
        case "send_mail":
            try db.within(plan.tenant) { db in
                try db.emit(
                    MailRequested(
                        recipient: .owners(db.tenant), template: step.fields["template"]?.string ?? "welcome",
                        values: ["tier_name": parts.catalog[plan.tier]?.name ?? plan.tier],
                        key: "provisioning:\(plan.id):\(step.number)"), act)
            }
        case "notify_staff":
            try db.within(plan.tenant) { db in
                try parts.tellStaff(step.fields["reason"]?.string ?? "provisioning", about: "\(plan.id)/\(step.number)", in: db, act)
            }
        default: throw StepRefused(why: "there is no step \(step.action)")
        }
    }

    /// A mail that was sent stays sent.
    private func takeBack(
        _ step: SetupPlan.Step, of plan: SetupPlan, _ home: inout ProvisionHome, in db: any KernelScope, _ act: Act
    ) throws {
        let before = try StoredText.read(HomeBefore.self, plan.before)
        switch step.action {
        case "create_namespace": home.namespace = before.namespace
        case "set_quota": home.diskBytes = before.diskBytes
        case "start_workstation": home.size = before.size
        case "issue_api_key":
            guard let id = home.keyID, before.key != id.description else { return }
            try parts.keys.revoke(id, of: plan.tenant, in: db, act)
            (home.keyID, home.keyOwner, home.keyBox) = (nil, nil, nil)
        default: break
        }
    }
}
