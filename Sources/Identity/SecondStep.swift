import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// A sign-in between its two factors. Its token proves the first one and opens nothing.
extension Identity {
    /// Keeps what the first step proved, until the second has been.
    func suspend(
        _ opening: Opening, of account: SealedAccount, in tenant: TenantID?, version: Int64?, in db: any KernelScope, _ act: Act
    ) throws -> String {
        let token = Base64URL.encode(vault.entropy.bytes(32))
        let provenance = opening.provenance
        try db.run(
            FactorTable.insertStep, stepDigest(token), account.id, tenant, opening.kind.rawValue, version, provenance.factor,
            provenance.assertion, provenance.providerKey, provenance.decision, opening.atMost?.wholeSeconds, act.now,
            act.now + settings.seconds(FactorSettings.stepSeconds))
        try journal(
            "session.second_factor_due", "user:\(account.id)", .success, ["factor": .string(provenance.factor)],
            tenant: tenant ?? account.homeTenant, in: db, act)
        return vault.mark.marked(token)
    }
    func stepDigest(_ token: String) -> [UInt8] {
        vault.sealer.digest(Array(vault.mark.bare(token).utf8), purpose: "identity.sign_in_step")
    }
}

extension Factors {
    /// A sign-in that waits.
    struct Step: Sendable {
        let user: UserID
        let tenant: TenantID?
        let kind: AuthSession.Kind
        let version: Int64?
        let provenance: Provenance
        let atMost: Duration?

        init(_ row: Row) throws {
            user = try row.id(0)
            tenant = try row.optional(1, row.id)
            guard let kind = AuthSession.Kind(rawValue: try row.text(2)) else { throw StoreFault.corrupt("sign_in_step.kind") }
            self.kind = kind
            version = try row.optional(3, row.integer)
            provenance = Provenance(
                factor: try row.text(4), assertion: try row.optional(5, row.blob), providerKey: try row.optional(6, row.text),
                decision: try row.optional(7, row.id))
            atMost = try row.optional(8, row.integer).map { .seconds($0) }
        }
    }

    func step(_ token: String, in db: any KernelScope, _ act: Act) throws -> Step? {
        guard token.utf8.count == 43 else { return nil }
        return try db.row(FactorTable.step, identity.stepDigest(token), act.now).map(Step.init)
    }

    /// Which ways of a second step this person has, for the page that asks.
    package func ways(of token: String, _ act: Act) async throws -> (totp: Bool, passkeys: Bool)? {
        try await store.kernelRead(KernelReason("identity.step_ways")) { db in
            guard let step = try step(token, in: db, act) else { return nil }
            return (try db.row(FactorTable.totp, step.user) != nil, try !passkeys(of: step.user, in: db).isEmpty)
        }
    }

    private enum Finish: Sendable {
        case refused(Problem)
        case opened(Identity.Opening, SealedAccount, MemberStanding)
    }

    /// The second step: the session that the first one earned. Everything that the first step proved is looked up again.
    /// - Parameter kind: what the first step was for; a browser's sign-in is finished in that browser.
    package func finish(
        _ token: String, _ answer: FactorAnswer, as kind: AuthSession.Kind, from device: Device, _ act: Act
    ) async throws -> SignIn {
        let waiting = try await store.kernelRead(KernelReason("identity.waiting_step")) { db in try step(token, in: db, act) }
        guard let waiting, waiting.kind == kind else { throw FactorProblems.stepInvalid }
        var provenance = waiting.provenance
        provenance.factor += "+\(answer.method.rawValue)"
        let opening = try identity.opening(waiting.kind, user: waiting.user, provenance, for: waiting.atMost, device, act)
        let finished: Finish = try await identity.change(KernelReason("identity.finish_sign_in")) { db in
            guard let step = try step(token, in: db, act), step.user == waiting.user,
                let account = try identity.account(step.user, in: db)
            else { return Changed(.refused(FactorProblems.stepInvalid)) }
            switch try prove(answer, of: step.user, bound: Array("step:\(token)".utf8), in: db, act) {
            case .failure(let problem): return Changed(.refused(problem), users: [step.user])
            case .success: break
            }
            guard try !db.rows(FactorTable.useStep, identity.stepDigest(token), act.now).isEmpty else {
                return Changed(.refused(FactorProblems.stepInvalid), users: [step.user])
            }
            return Changed(try open(opening, step, account, in: db, act), users: [step.user])
        }
        switch finished {
        case .refused(let problem): throw problem
        case .opened(let opening, let account, let place): return try await identity.grant(opening, account, place, act)
        }
    }

    private func open(
        _ opening: Identity.Opening, _ step: Step, _ account: SealedAccount, in db: any KernelScope, _ act: Act
    ) throws -> Finish {
        func refuse(_ problem: Problem) throws -> Finish {
            try identity.journal(
                "session.refused", "user:\(account.id)", .denied, ["reason": .string(problem.code)],
                tenant: step.tenant ?? account.homeTenant, in: db, act)
            return .refused(problem)
        }
        guard account.status == .active else { return try refuse(try identity.closedProblem(account.id, in: db)) }
        // The password may have been changed since.
        if let version = step.version, try identity.credential(of: account.id, in: db)?.version != version {
            return try refuse(FactorProblems.stepInvalid)
        }
        let place: MemberStanding
        if let tenant = step.tenant {
            guard let found = try identity.tenancy.standing(of: account.id, in: tenant, db), found.isActive(at: act.now) else {
                return try refuse(FederationProblems.notAdmitted)
            }
            guard found.admits(act.address, at: act.now) else { return try refuse(CommonProblems.addressNotAllowed) }
            place = found
        } else {
            switch try identity.openPlace(of: account, in: db, act) {
            case .success(let found): place = found
            case .failure(let problem): return try refuse(problem)
            }
        }
        try identity.insert(opening, user: account.id, place, in: db, act)
        try db.run(FactorTable.prove, opening.session, act.now)
        try identity.meet(identity.fields.digest(Network(address: act.address)), of: account.id, opening, in: db, act)
        return .opened(opening, account, place)
    }
}
