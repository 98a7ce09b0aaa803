import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// Whom an assertion signs in.
extension Federation {
    /// Names the person at that issuer, for this connection alone.
    func linkDigest(_ assertion: IdentityAssertion, _ target: Target) -> [UInt8] {
        let parts = [target.plugin, target.own?.id.description ?? "offered:\(target.connection.id)", assertion.issuer, assertion.subject]
        let bytes = parts.flatMap { part in withUnsafeBytes(of: UInt32(part.utf8.count).bigEndian) { Array($0) } + Array(part.utf8) }
        return vault.sealer.digest(bytes, purpose: "identity.link_subject")
    }
    /// As a session remembers what it was opened by: issuer and subject, and nothing readable of them.
    func assertionDigest(_ assertion: IdentityAssertion) -> [UInt8] {
        vault.sealer.digest(Array("\(assertion.issuer)\0\(assertion.subject)".utf8), purpose: "identity.assertion")
    }

    /// The address for which the word of this provider counts. Operators' providers vouch for what they say they verified; a tenant's for every
    /// address of a domain that the tenant proved, and for no other.
    func vouched(_ assertion: IdentityAssertion, _ target: Target) async throws -> MailCanon? {
        let ordered = assertion.addresses.filter(\.isPrimary) + assertion.addresses.filter { !$0.isPrimary }
        let mails = ordered.compactMap { address in MailCanon(address.address).map { ($0, address.isVerified) } }
        guard let tenant = target.tenant else { return mails.first(where: \.1)?.0 }
        let proved = Set(try await domains(of: tenant).filter { $0.verifiedAt != nil }.map(\.domain))
        return mails.first { proved.contains($0.0.domain) }?.0
    }

    private enum Known: Sendable {
        case linked(UserID)
        /// Somebody has the address; nobody has proved yet that both are one person.
        case sameAddress(UserID)
        case nobody
    }

    /// A session; nil where a mail went out instead.
    func settle(_ assertion: IdentityAssertion, _ target: Target, _ device: Device, _ act: Act) async throws -> SignIn? {
        let digest = linkDigest(assertion, target)
        let mail = try await vouched(assertion, target)
        let mailDigest = mail.map { identity.fields.digest($0) }
        let known = try await store.kernelRead(KernelReason("identity.federated_person")) { db -> Known in
            if let row = try db.row(FederationTable.linked, digest) { return .linked(try row.id(0)) }
            if let mailDigest, let user = try identity.tenancy.user(mailDigest: mailDigest, in: db) { return .sameAddress(user) }
            return .nobody
        }
        switch known {
        case .linked(let user): return try await open(user, assertion, target, device, act)
        case .sameAddress(let user):
            try await askOwner(user, digest, target, act)
            return nil
        case .nobody:
            guard let mail else {
                await record("address: nobody vouches for an address of this person", target, act)
                throw FederationProblems.addressUnverified
            }
            let user = try await enter(mail, assertion, target, digest, act)
            return try await open(user, assertion, target, device, act)
        }
    }

    // MARK: Somebody who was here before

    /// Links only after the account's owner followed a mail: whoever controls a provider's account may not control ours.
    private func askOwner(_ user: UserID, _ digest: [UInt8], _ target: Target, _ act: Act) async throws {
        let text = drawn()
        let token = vault.sealer.digest(Array(text.utf8), purpose: "identity.pending_link")
        let life = settings.seconds(FederationSettings.linkSeconds)
        try await store.kernel(KernelReason("identity.ask_owner")) { db in
            guard let account = try identity.account(user, in: db), account.status == .active else { return }
            let sent = try db.row(FederationTable.countPending, user, act.now - .hours(1))?.int(0) ?? 0
            guard sent < settings[IdentitySettings.linksPerHour] else { return }
            try db.run(
                FederationTable.insertPending, token, digest, user, target.plugin, target.own?.id.description ?? target.connection.id,
                target.label, act.now, act.now + life)
            try identity.askOwner(user, ofLinkWith: target.label, text, token, for: life, in: db, act)
            try identity.journal(
                "identity.link_asked", "user:\(user)", .success, ["provider": .string(target.factor)], tenant: account.homeTenant, in: db,
                act)
        }
    }

    /// The owner followed the mail.
    package func confirmLink(_ text: String, _ act: Act) async throws -> String {
        let token = vault.sealer.digest(Array(text.utf8.prefix(200)), purpose: "identity.pending_link")
        let id: Identifier<IdentityLinkMark> = vault.entropy.id(act.now)
        return try await store.kernel(KernelReason("identity.confirm_link")) { db in
            guard let row = try db.row(FederationTable.usePending, token, act.now) else { throw IdentityProblems.linkInvalid }
            let (digest, user, label): ([UInt8], UserID, String) = (try row.blob(0), try row.id(1), try row.text(4))
            guard let account = try identity.account(user, in: db), account.status == .active else { throw IdentityProblems.linkInvalid }
            if let holder = try db.row(FederationTable.linked, digest) {
                guard try holder.id(0) == user else { throw FederationProblems.linkTaken }
                return label
            }
            try db.run(FederationTable.insertLink, digest, user, id, try row.text(2), try row.text(3), label, act.now)
            try identity.journal(
                "identity.linked", "user:\(user)", .success, ["provider": .string(label), "by": "mail"], tenant: account.homeTenant, in: db,
                act)
            return label
        }
    }

    /// Somebody who is signed in connects the provider with the own account.
    func link(_ assertion: IdentityAssertion, _ target: Target, to user: UserID, _ act: Act) async throws {
        let digest = linkDigest(assertion, target)
        let id: Identifier<IdentityLinkMark> = vault.entropy.id(act.now)
        try await store.kernel(KernelReason("identity.link")) { db in
            guard let account = try identity.account(user, in: db), account.status == .active else { throw FederationProblems.refused }
            if let holder = try db.row(FederationTable.linked, digest) {
                guard try holder.id(0) == user else { throw FederationProblems.linkTaken }
                return
            }
            try db.run(
                FederationTable.insertLink, digest, user, id, target.plugin, target.own?.id.description ?? target.connection.id,
                target.label,
                act.now)
            try identity.journal(
                "identity.linked", "user:\(user)", .success, ["provider": .string(target.label), "by": "session"],
                tenant: account.homeTenant, in: db, act)
        }
    }

    // MARK: Somebody new

    private func enter(
        _ mail: MailCanon, _ assertion: IdentityAssertion, _ target: Target, _ digest: [UInt8], _ act: Act
    ) async throws -> UserID {
        if let own = target.own, !own.admits {
            await record("membership: the connection admits nobody who is no member", target, act)
            throw FederationProblems.notAdmitted
        }
        let (first, last) = Self.names(assertion, mail)
        let applicant = try Applicant(
            SignUpForm(email: mail.display, password: "", firstName: first, lastName: last, organization: nil, tier: nil))
        var decision: DecisionID?
        if target.own == nil {
            let verdict = try await identity.hooks.decide(
                SignupHook.self,
                SignupHook.Input(
                    emailDomain: mail.domain, organizationKind: applicant.kind.rawValue, tier: nil,
                    pilotEnabled: settings[IdentitySettings.pilotSignup], pilotLimit: settings[IdentitySettings.pilotLimit],
                    pilotUsed: try await identity.pilotsUsed(act.now)),
                HookSubject(tenant: nil, tier: nil, requestID: act.requestID, now: act.now))
            if case .deny(let reason, let seconds) = verdict.outcome {
                await record("policy: \(reason)", target, act)
                throw CommonProblems.denied(reason, retryAfterSeconds: seconds)
            }
            decision = verdict.decision
        }
        var candidate = try identity.candidate(applicant, "", act)
        candidate.decision = decision
        if try await store.kernelRead(
            KernelReason("identity.known_mail"),
            { [identity, digest = candidate.mailDigest] db in
                try identity.tenancy.user(mailDigest: digest, in: db)
            }) == nil
        {
            try await identity.claimOrRefuse(candidate, act)
        }
        let (entry, link): (Candidate, Identifier<IdentityLinkMark>) = (candidate, vault.entropy.id(act.now))
        let user: UserID? = try await store.kernel(KernelReason("identity.enter_federated")) { db in
            // Two returns of one person at once: one enters, the other finds the first.
            if let row = try db.row(FederationTable.linked, digest) { return try row.id(0) }
            guard try identity.tenancy.user(mailDigest: entry.mailDigest, in: db) == nil else { return nil }
            try found(entry, target, assertion, in: db, act)
            try db.run(
                FederationTable.insertLink, digest, entry.id, link, target.plugin, target.own?.id.description ?? target.connection.id,
                target.label, act.now)
            return entry.id
        }
        if user != candidate.id { try identity.discard(candidate) }
        guard let user else { throw FederationProblems.refused }
        if let tenant = target.tenant { identity.tenancy.forget(user, in: tenant) }
        return user
    }

    /// An account without a password: in a tenant of its own, or as a member of the one whose provider brought it.
    private func found(
        _ candidate: Candidate, _ target: Target, _ assertion: IdentityAssertion, in db: any KernelScope, _ act: Act
    ) throws {
        let applicant = candidate.applicant
        let home: TenantID
        if let own = target.own {
            home = own.tenant
            try identity.tenancy.admit(
                candidate.id, to: own.tenant, as: own.role(of: assertion.groups), vault.entropy.id(act.now), origin: "sso", in: db, act)
        } else {
            home = try identity.tenancy.found(
                Tenancy.Founding(kind: applicant.kind, name: applicant.tenantName, owner: candidate.id, origin: "provider"), in: db, act
            ).tenant
        }
        try identity.tenancy.route(mailDigest: candidate.mailDigest, to: candidate.id, in: db, act)
        try db.run(
            UserTable.insertUser, candidate.id, identity.tenancy.region.rawValue, candidate.mailDigest, candidate.mailBox,
            candidate.firstNameBox, candidate.lastNameBox, SQLValue.null, home, SQLValue.null, false, act.now, candidate.decision, act.now)
        if target.own == nil { try db.emit(UserVerified(tenant: home, user: candidate.id, chosenTier: nil), act) }
        try identity.mail("welcome_user", to: candidate.id, key: "welcome_user:\(candidate.id)", in: db, act)
        try identity.journal(
            "user.signed_up", "user:\(candidate.id)", .success, ["provider": .string(target.factor)], tenant: home, in: db, act,
            decision: candidate.decision)
    }

    private static func names(_ assertion: IdentityAssertion, _ mail: MailCanon) -> (String, String) {
        let words = (assertion.displayName ?? "").split(separator: " ").map(String.init)
        func fit(_ text: String?, _ fallback: String) -> String {
            guard let text, (try? Applicant.name(text, "name")) != nil else { return fallback }
            return text
        }
        let first = fit(assertion.givenName ?? words.first, fit(mail.local, "Member"))
        return (first, fit(assertion.familyName ?? (words.count > 1 ? words.last : nil), "-"))
    }
}

extension Identity {
    fileprivate func askOwner(
        _ user: UserID, ofLinkWith provider: String, _ text: String, _ token: [UInt8], for life: Duration, in db: any KernelScope,
        _ act: Act
    ) throws {
        try mail(
            "confirm_provider", to: user, key: "confirm_provider:\(Hex.encode(token.prefix(16)))",
            values: ["provider": provider, "minutes": String(life.wholeSeconds / 60)], sealed: ["token": text], in: db, act)
    }
}

package enum IdentityLinkMark {}
package enum ConnectionMark {}
package typealias ConnectionID = Identifier<ConnectionMark>
