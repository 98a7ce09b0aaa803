import Foundation
import HookEngine
import Store
import Tenancy
import Vocabulary

/// What somebody sends who wants in.
package struct SignUpForm: Sendable {
    package var email: String
    package var password: String
    package var firstName: String
    package var lastName: String
    /// Names the organisation; without it the tenant is the person's own.
    package var organization: String?
    package var tier: String?
    package init(email: String, password: String, firstName: String, lastName: String, organization: String?, tier: String?) {
        self.email = email
        self.password = password
        self.firstName = firstName
        self.lastName = lastName
        self.organization = organization
        self.tier = tier
    }
}

/// The answer to a sign-up: the same for a new and for a known address. For a known one the id is nobody's.
package struct SignedUp: Sendable, Hashable, Codable {
    package let id: UserID
    package let email: String
    package let name: String
}

extension Identity {
    /// Founds user, tenant and owner membership in one step and mails a link; for a known address only mails the one who has it.
    /// Body, status and work are the same for both: the policy is asked, the password is hashed and the fields are sealed in any case,
    /// under a key that is thrown away where nobody was stored.
    package func signUp(_ form: SignUpForm, _ act: Act) async throws -> SignedUp {
        if let earlier = try await store.recalled(act, as: SignedUp.self) { return earlier }
        let applicant = try Applicant(form)
        try strength.check(form.password, person: applicant.person)

        var candidate: Candidate?
        var claimed: RegionClaims.Outcome?
        // The policy sees how many pilots there are; if that number moved before the transaction, it is asked again.
        for _ in 0..<8 {
            let used = try await pilotsUsed(act.now)
            let verdict = try await hooks.decide(
                SignupHook.self,
                SignupHook.Input(
                    emailDomain: applicant.mail.domain, organizationKind: applicant.kind.rawValue, tier: applicant.tier,
                    pilotEnabled: settings[IdentitySettings.pilotSignup], pilotLimit: settings[IdentitySettings.pilotLimit], pilotUsed: used
                ),
                HookSubject(tenant: nil, tier: applicant.tier, requestID: act.requestID, now: act.now))
            if case .deny(let reason, let seconds) = verdict.outcome {
                try candidate.map(discard)
                try await refuseSignUp(reason, verdict.decision, act)
                throw CommonProblems.denied(reason, retryAfterSeconds: seconds)
            }
            var ready: Candidate
            if let candidate {
                ready = candidate
            } else {
                ready = try self.candidate(applicant, try await passwords.hash(form.password), act)
            }
            ready.decision = verdict.decision
            candidate = ready
            let entry = ready
            // Asked for every address alike, known or not.
            let claim: RegionClaims.Outcome
            if let claimed { claim = claimed } else { claim = try await self.claim(ready, act) }
            claimed = claim
            let result = try await change(KernelReason("identity.sign_up")) { db -> Changed<(answer: SignedUp, isStored: Bool)?> in
                if applicant.isPilot, try countPilots(act.now, in: db) != used { return Changed(nil) }
                let answer = try db.once(act) { try enter(entry, claim, in: db, act) }
                return Changed((answer, try db.row(UserTable.user, entry.id) != nil))
            }
            if let result {
                // Only what has been committed says that nobody was stored: after a fault the key stays.
                if !result.isStored { try discard(ready) }
                return result.answer
            }
        }
        try candidate.map(discard)
        throw CommonProblems.unavailable.retry(afterSeconds: 1)
    }

    /// How many pilot users there are: proved ones, and those of the last day who may still prove themselves.
    package func pilotsUsed(_ now: Timestamp) async throws -> Int {
        try await store.kernelRead(KernelReason("identity.count_pilots")) { db in try countPilots(now, in: db) }
    }
    private func countPilots(_ now: Timestamp, in db: any KernelScope) throws -> Int {
        try db.row(UserTable.pilots, now - settings.seconds(IdentitySettings.verifySeconds))?.int(0) ?? 0
    }

    private func refuseSignUp(_ reason: String, _ decision: Identifier<DecisionMark>, _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.refuse_sign_up")) { db in
            try journal(
                "user.sign_up_refused", "platform", .denied, ["reason": .string(reason)], tenant: nil, in: db, act, decision: decision)
        }
    }

    /// Everything of a new account that costs time, made before the transaction.
    func candidate(_ applicant: Applicant, _ encoded: String, _ act: Act) throws -> Candidate {
        let id: UserID = vault.entropy.id(act.now)
        return Candidate(
            id: id, applicant: applicant, encoded: encoded, decision: nil, mailDigest: fields.digest(applicant.mail),
            mailBox: try fields.seal(applicant.mail.display, id, "mail"),
            firstNameBox: try fields.seal(applicant.firstName, id, "first_name"),
            lastNameBox: try fields.seal(applicant.lastName, id, "last_name"))
    }

    /// Nobody is stored under this id, and nobody will be.
    func discard(_ candidate: Candidate) throws { try vault.sealer.discard(person: candidate.id) }

    /// Throws where the directory of the regions does not answer; then nobody is stored.
    func claim(_ candidate: Candidate, _ act: Act) async throws -> RegionClaims.Outcome {
        do { return try await tenancy.claim(candidate.applicant.mail.text, for: candidate.id, act) } catch {
            try discard(candidate)
            throw error
        }
    }

    private func tellRegistered(_ known: UserID, in db: any KernelScope, _ act: Act) throws {
        guard let account = try self.account(known, in: db), account.status != .erased else { return }
        // One such mail in an hour: repeated sign-ups are no way to flood somebody's mailbox.
        try mail("already_registered", to: known, key: "already_registered:\(known):\(act.now.seconds / 3_600)", in: db, act)
        try journal("user.sign_up_repeated", "user:\(known)", .denied, tenant: account.homeTenant, in: db, act)
    }
    /// The same where the sign-up was at another region, which knows nothing but the address's digest in the directory.
    package func tellRegistered(claimDigest: [UInt8], _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.tell_registered")) { db in
            if let known = try tenancy.user(claimDigest: claimDigest, in: db) { try tellRegistered(known, in: db, act) }
        }
    }

    /// For whoever has proved that the address is its own, and so may hear where it leads.
    func claimOrRefuse(_ candidate: Candidate, _ act: Act) async throws {
        let outcome = try await claim(candidate, act)
        if outcome == .granted { return }
        // Where the address is of this region, the account is found next, or what is written next fails for want of a claim.
        try await store.kernel(KernelReason("identity.give_claim_up")) { db in
            try tenancy.giveUp(claimOf: candidate.id, in: db, act)
        }
        guard case .heldElsewhere(let region) = outcome else { return }
        try discard(candidate)
        throw PeopleProblems.otherRegion.with(["region": .string(region.rawValue)])
    }

    private func enter(
        _ candidate: Candidate, _ claim: RegionClaims.Outcome, in db: any KernelScope, _ act: Act
    ) throws -> SignedUp {
        let applicant = candidate.applicant
        if let known = try tenancy.user(mailDigest: candidate.mailDigest, in: db) {
            try tellRegistered(known, in: db, act)
            try tenancy.giveUp(claimOf: candidate.id, in: db, act)
        } else if claim != .granted {
            // Of an account elsewhere, which hears of it from there, or of one that is being made at this moment.
            if case .heldElsewhere(let region) = claim { try tenancy.tell(region, of: applicant.mail.text, in: db, act) }
            try tenancy.giveUp(claimOf: candidate.id, in: db, act)
        } else {
            let tenant = try create(candidate, platformRole: nil, verifiedAt: nil, origin: "sign_up", in: db, act)
            try sendLink(.verifyEmail, to: candidate.id, in: db, act)
            try journal(
                "user.signed_up", "user:\(candidate.id)", .success, ["tier": applicant.tier.map { .string($0) } ?? .null], tenant: tenant,
                in: db,
                act, decision: candidate.decision)
        }
        return SignedUp(id: candidate.id, email: applicant.mail.display, name: applicant.name)
    }

    /// User, directory entry, password, tenant and owner membership.
    func create(
        _ candidate: Candidate, platformRole: Role?, verifiedAt: Timestamp?, origin: String, in db: any KernelScope, _ act: Act
    ) throws -> TenantID {
        let applicant = candidate.applicant
        let home = try tenancy.found(
            Tenancy.Founding(kind: applicant.kind, name: applicant.tenantName, owner: candidate.id, origin: origin), in: db, act)
        try tenancy.route(mailDigest: candidate.mailDigest, to: candidate.id, in: db, act)
        try db.run(
            UserTable.insertUser, candidate.id, tenancy.region.rawValue, candidate.mailDigest, candidate.mailBox, candidate.firstNameBox,
            candidate.lastNameBox, platformRole?.rawValue, home.tenant, applicant.tier, applicant.isPilot, verifiedAt, candidate.decision,
            act.now)
        try db.run(UserTable.insertCredential, candidate.id, candidate.encoded, act.now)
        return home.tenant
    }
}

/// A sign-up form whose fields have been read: trimmed, bounded, the mail address in its canonical form.
struct Applicant: Sendable {
    let mail: MailCanon
    let firstName: String
    let lastName: String
    let organization: String?
    let tier: String?

    init(_ form: SignUpForm) throws(Problem) {
        guard let mail = MailCanon(form.email) else { throw CommonProblems.invalid("email", "is not a mail address") }
        self.mail = mail
        firstName = try Self.name(form.firstName, "first_name")
        lastName = try Self.name(form.lastName, "last_name")
        if let organization = form.organization, !organization.allSatisfy(\.isWhitespace) {
            self.organization = try Self.name(organization, "organization", max: 200)
        } else {
            organization = nil
        }
        if let tier = form.tier, !tier.isEmpty {
            let isWord =
                tier.utf8.count <= 64 && tier.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 45 }
            guard isWord else { throw CommonProblems.invalid("tier", "is not the id of a tier") }
            self.tier = tier
        } else {
            tier = nil
        }
    }

    /// Printable, trimmed, not empty.
    static func name(_ text: String, _ field: String, max: Int = 100) throws(Problem) -> String {
        try TenantName.read(text, field, max: max)
    }

    var name: String { "\(firstName) \(lastName)" }
    var kind: Tenant.Kind { organization == nil ? .individual : .organization }
    var tenantName: String { organization ?? name }
    /// Pilot tiers are those whose id begins so.
    var isPilot: Bool { tier?.hasPrefix("pilot_") ?? false }
    var person: PasswordStrength.Person {
        PasswordStrength.Person(mail: mail, names: [firstName, lastName] + (organization.map { [$0] } ?? []))
    }
}

/// A new account, hashed and sealed, that only waits to be written.
struct Candidate: Sendable {
    let id: UserID
    let applicant: Applicant
    let encoded: String
    var decision: DecisionID?
    let mailDigest: [UInt8]
    let mailBox: [UInt8]
    let firstNameBox: [UInt8]
    let lastNameBox: [UInt8]
}
