import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// How somebody answers an invitation. Who has proved the address already sends nothing but the token.
package struct InvitationAnswer: Sendable {
    package var token: String
    package var password: String?
    package var firstName: String?
    package var lastName: String?
    package init(token: String, password: String? = nil, firstName: String? = nil, lastName: String? = nil) {
        self.token = token
        self.password = password
        self.firstName = firstName
        self.lastName = lastName
    }
}

/// What the holder of an invitation's link sees of it.
package struct InvitationView: Sendable, Hashable {
    package let organization: String
    package let email: String
    package let role: Role
    package let endsAt: Timestamp?
    package let expiresAt: Timestamp
    /// Somebody has proved the address: the token alone accepts.
    package let hasAccount: Bool
}

extension People {
    /// An open invitation with whoever has proved its address.
    private struct Open: Sendable {
        let invitation: Invitation
        let token: InvitationToken
        let mail: MailCanon
        let organization: String
        let account: SealedAccount?
        var hasProved: Bool { account?.verifiedAt != nil }
    }

    /// Throws `link_invalid` alike for unknown, spent, revoked and expired ones, and where the tenant or the account takes no members.
    private func open(_ text: String, _ now: Timestamp) async throws -> Open {
        guard let token = InvitationToken(identity.vault.mark.bare(text)) else { throw IdentityProblems.linkInvalid }
        let found = try await store.kernelRead(KernelReason("people.open_invitation")) { db in
            try usable(token, in: db, now)
        }
        let address = try address(of: found.invitation)
        guard let mail = MailCanon(address) else { throw IdentityProblems.linkInvalid }
        return Open(
            invitation: found.invitation, token: token, mail: mail, organization: found.tenant.name, account: found.account)
    }
    private func usable(
        _ token: InvitationToken, in db: any KernelScope, _ now: Timestamp
    ) throws -> (invitation: Invitation, tenant: Tenant, account: SealedAccount?) {
        let row = try db.within(token.tenant) { try $0.row(InvitationTable.one, token.invitation).map { try Invitation($0, token.tenant) } }
        guard let row, ConstantTime.equal(row.tokenDigest, token.digest(sealer)), row.status(at: now) == .pending,
            let tenant = try tenancy.tenant(token.tenant, in: db), tenant.status == .active
        else { throw IdentityProblems.linkInvalid }
        let account = try tenancy.user(mailDigest: row.mailDigest, in: db).flatMap { try identity.account($0, in: db) }
        guard account?.status ?? .active == .active else { throw IdentityProblems.linkInvalid }
        return (row, tenant, account)
    }

    package func look(at text: String, now: Timestamp) async throws -> InvitationView {
        let open = try await open(text, now)
        return InvitationView(
            organization: open.organization, email: open.mail.display, role: open.invitation.role, endsAt: open.invitation.endsAt,
            expiresAt: open.invitation.expiresAt, hasAccount: open.hasProved)
    }

    /// Makes whoever has the address a member. The link came by mail to it and so proves it: an account that nobody has proved gets the
    /// password that is sent here, and whoever made it before is signed out.
    package func accept(_ answer: InvitationAnswer, _ act: Act) async throws -> (account: UserAccount, membership: Membership) {
        let open = try await open(answer.token, act.now)
        var candidate: Candidate?
        if !open.hasProved {
            let made = try await self.candidate(answer, open, act)
            candidate = made
            // An account that nobody has proved is of this region already.
            if open.account == nil { try await identity.claimOrRefuse(made, act) }
        }
        let entry = candidate
        do {
            let membership = try await change(KernelReason("people.accept"), in: open.invitation.tenant) { db in
                try accept(open, entry, in: db, act)
            }
            if let entry, membership.user != entry.id { try identity.discard(entry) }
            return (try await identity.account(membership.user), membership)
        } catch let problem as Problem {
            try candidate.map(identity.discard)
            throw problem
        }
    }

    private func candidate(_ answer: InvitationAnswer, _ open: Open, _ act: Act) async throws -> Candidate {
        guard let password = answer.password, let firstName = answer.firstName, let lastName = answer.lastName else {
            throw PeopleProblems.accountNeeded
        }
        let applicant = try Applicant(
            SignUpForm(
                email: open.mail.display, password: password, firstName: firstName, lastName: lastName, organization: nil, tier: nil))
        try identity.strength.check(password, person: applicant.person)
        return try identity.candidate(applicant, try await identity.passwords.hash(password), act)
    }

    /// Everything is read again; of two racing answers one gets the invitation.
    private func accept(_ open: Open, _ candidate: Candidate?, in db: any KernelScope, _ act: Act) throws -> Touched<Membership> {
        let invitation = open.invitation
        let now = try usable(open.token, in: db, act.now)
        guard (now.account?.verifiedAt != nil) == (candidate == nil) else { throw IdentityProblems.linkInvalid }
        var sessions: [AuthSessionID] = []
        let user: UserID
        if let account = now.account {
            user = account.id
            if let candidate { sessions = try takeOver(account, candidate, in: db, act) }
        } else if let candidate {
            user = candidate.id
            try enroll(candidate, home: invitation.tenant, in: db, act)
        } else {
            throw IdentityProblems.linkInvalid
        }
        guard try db.within(invitation.tenant, { try $0.row(InvitationTable.settle, invitation.id, "accepted", act.now) }) != nil else {
            throw IdentityProblems.linkInvalid
        }
        let admission = Admission(
            user: user, role: invitation.role, scope: invitation.scope, endsAt: invitation.endsAt, origin: "invitation")
        guard let membership = try tenancy.admit(admission, to: invitation.tenant, in: db, act) else { throw PeopleProblems.alreadyMember }
        try db.within(invitation.tenant) { db in
            if let endsAt = membership.endsAt { try scheduleEnd(membership.id, endsAt, in: db, act) }
            try db.journal(
                JournalEntry(
                    "invitation.accepted", subject: "invitation:\(invitation.id)", details: ["user": .string(user.description)]), act)
        }
        return Touched(membership, sessions: sessions, users: [user])
    }

    /// A person whose only tenant is the one that invites.
    private func enroll(_ candidate: Candidate, home: TenantID, in db: any KernelScope, _ act: Act) throws {
        try tenancy.route(mailDigest: candidate.mailDigest, to: candidate.id, in: db, act)
        try db.run(
            PeopleTable.enroll, candidate.id, tenancy.region.rawValue, candidate.mailDigest, candidate.mailBox, candidate.firstNameBox,
            candidate.lastNameBox, home, act.now)
        try db.run(UserTable.insertCredential, candidate.id, candidate.encoded, act.now)
        try identity.journal("user.enrolled", "user:\(candidate.id)", tenant: home, in: db, act)
    }

    /// Somebody signed up with the address and never proved it: the password of that sign-up must not open what is proved here.
    private func takeOver(
        _ account: SealedAccount, _ candidate: Candidate, in db: any KernelScope, _ act: Act
    ) throws -> [AuthSessionID] {
        if let credential = try identity.credential(of: account.id, in: db) {
            try db.run(UserTable.replaceCredential, account.id, candidate.encoded, act.now, credential.version)
        } else {
            try db.run(UserTable.insertCredential, account.id, candidate.encoded, act.now)
        }
        for purpose in [LinkPurpose.verifyEmail, .resetPassword] {
            try db.run(UserTable.spendLinks, account.id, purpose.rawValue, act.now)
        }
        let applicant = candidate.applicant
        try db.run(
            UserTable.rename, account.id, try identity.fields.seal(applicant.firstName, account.id, "first_name"),
            try identity.fields.seal(applicant.lastName, account.id, "last_name"), act.now)
        try identity.prove(account.id, by: "invitation", in: db, act)
        return try identity.endAll(of: account.id, but: nil, .passwordReset, tenant: account.homeTenant, in: db, act)
    }
}
