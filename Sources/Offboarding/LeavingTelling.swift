import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// What `on_offboard` is asked about a tenant.
struct LeavingQuestion {
    let stage: OnOffboard.Stage
    let reason: LeavingTenant.Reason
    let cause: LeavingTenant.Cause
    let user: UserID?
    let hasRefused: Bool
    init(
        _ stage: OnOffboard.Stage, _ reason: LeavingTenant.Reason, _ cause: LeavingTenant.Cause, user: UserID? = nil,
        hasRefused: Bool = false
    ) {
        self.stage = stage
        self.reason = reason
        self.cause = cause
        self.user = user
        self.hasRefused = hasRefused
    }
}

/// Asking the policy, and telling everybody.
extension Offboarding {
    /// The plan of `on_offboard`. A policy that fails lets nothing happen: the job comes again, and staff sees it.
    func ask(
        _ question: LeavingQuestion, _ contract: ContractStanding, _ tenant: TenantID, _ act: Act
    ) async throws -> Plan {
        let owners = try await tenancy.owners(of: tenant)
        let isHeld = try await store.tenantRead(tenant) { db in try db.row(OffboardingTable.isHeld) != nil }
        let input = OnOffboard.Input(
            subject: "tenant", stage: question.stage, user: question.user?.description ?? "",
            role: question.user == nil ? "" : Role.owner.rawValue, isLastOwner: question.user.map { owners == [$0] } ?? false,
            reason: question.reason.rawValue, tier: contract.tier, customerAgeDays: min(contract.ageDays, 100_000), hasLegalHold: isHeld,
            hasRefusedOffer: question.hasRefused, cause: question.cause.rawValue)
        let subject = HookSubject(tenant: tenant, tier: contract.tier, requestID: act.requestID, now: act.now, asksTenant: false)
        do { return try await floor.hooks.plan(OnOffboard.self, input, subject) } catch is HookFailure {
            throw CommonProblems.denied("policy_failed")
        }
    }

    /// Mails and notices of a plan, once for each offboarding. The mail to the owners carries a link of its own.
    func carry(_ plan: Plan, _ id: LeavingTenant.ID, _ values: [String: String], _ db: any TenantScope, _ act: Act) throws {
        for action in plan.actions {
            switch action.name {
            case "send_mail":
                guard let template = action.fields["template"]?.string else { continue }
                if template != Self.exportMail {
                    try mailOwners(template: template, id, values, db, act)
                } else if !plan.actions.contains(where: { $0.name == "export_data" }) {
                    try mailOwners(template: "offboarding_left", id, values, db, act)
                }
            case "notify_staff": try noticeStaff(action.fields["reason"]?.string ?? "offboarding", id, db, act)
            default: continue
            }
        }
    }

    /// Sent when the export is ready, with the link to it.
    static let exportMail = "offboarding_export"

    func mailOwners(
        template: String, _ id: LeavingTenant.ID, _ values: [String: String], about: String = "", _ db: any TenantScope, _ act: Act
    ) throws {
        let key = "\(template):\(id)\(about)"
        let box = try floor.sealer.seal(
            Array(linkText(id).utf8), context: MailRequested.context(template: template, name: "token", key: key))
        try db.emit(
            MailRequested(
                recipient: .owners(db.tenant), template: template, values: values, sealed: ["token": Data(box).base64EncodedString()],
                key: key), act)
    }
    func noticeStaff(_ reason: String, _ id: LeavingTenant.ID, _ db: any TenantScope, _ act: Act) throws {
        try db.emit(
            MailRequested(
                recipient: .staff, template: "staff_notice",
                values: ["reason": reason, "tenant": db.tenant.description, "offboarding": id.description], key: "staff:\(reason):\(id)"),
            act)
    }
    func tell(_ step: OffboardingTold.Step, _ id: LeavingTenant.ID, until: Timestamp?, _ db: any TenantScope, _ act: Act) throws {
        try db.emit(OffboardingTold(tenant: db.tenant, step: step, offboarding: id.description, until: until), act)
    }
    func note(
        _ action: String, _ id: LeavingTenant.ID, _ details: [String: JSONValue], _ plan: Plan? = nil, _ db: any TenantScope, _ act: Act
    ) throws {
        try db.journal(
            JournalEntry(action, subject: "offboarding:\(id)", details: .object(details), decision: plan?.decision), act)
    }

    /// Along the declared life only, from the state that was seen.
    func move(
        _ id: LeavingTenant.ID, _ from: LeavingTenant.State, to: LeavingTenant.State, _ details: [String: JSONValue],
        _ db: any TenantScope, _ act: Act, decision: DecisionID? = nil
    ) throws {
        guard let transition = leavingLifecycle.transition(from: from, to: to) else {
            throw OffboardingProblems.stateWrong.with(["state": .string(from.rawValue)])
        }
        guard try db.row(OffboardingTable.move, id, to.rawValue, from.rawValue, act.now) != nil else {
            let now = try Self.find(id, in: db).state
            throw OffboardingProblems.stateWrong.with(["state": .string(now.rawValue)])
        }
        try db.journal(
            JournalEntry("offboarding.\(transition.past)", subject: "offboarding:\(id)", details: .object(details), decision: decision), act
        )
    }

    // MARK: - The mailed link

    /// The same for every mail of one offboarding, and kept nowhere but there: whoever lost the mail asks for the next.
    func linkText(_ id: LeavingTenant.ID) -> String {
        Base64URL.encode(floor.sealer.digest(Array(id.description.utf8), purpose: "offboarding.link"))
    }
    func linkDigest(_ text: String) -> [UInt8] { floor.sealer.digest(Array(text.utf8), purpose: "offboarding.link_digest") }

    private static let linking = KernelReason("offboarding.link")
    /// Whose offboarding a mailed link shows.
    package func leaving(link text: String, now: Timestamp) async throws -> Progress {
        let digest = linkDigest(text)
        return try await store.kernelRead(Self.linking) { db in
            guard let row = try db.row(OffboardingTable.findLink, digest, now) else { throw OffboardingProblems.linkOver }
            let (tenant, id): (TenantID, LeavingTenant.ID) = (try row.id(0), try row.id(1))
            return try db.within(tenant) { db in
                Progress(
                    offboarding: try Self.find(id, in: db), steps: try db.rows(OffboardingTable.steps, id).map(LeavingStep.init),
                    isHeld: try db.row(OffboardingTable.isHeld) != nil)
            }
        }
    }
}
