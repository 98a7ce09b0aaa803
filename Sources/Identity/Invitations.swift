import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// Whom a member wants to invite to what.
package struct InvitationForm: Sendable, Hashable {
    package var email: String
    package var role: Role
    package var scope: [String]?
    package var endsAt: Timestamp?
    package init(email: String, role: Role, scope: [String]?, endsAt: Timestamp?) {
        self.email = email
        self.role = role
        self.scope = scope
        self.endsAt = endsAt
    }
}

extension People {
    /// Invites an address to a role below the caller's own. The answer is the same whether or not somebody has an account with it; only a
    /// member of this very tenant is told apart.
    package func invite(_ form: InvitationForm, by caller: Principal, _ act: Act) async throws -> Invitation {
        if let earlier = try await store.recalled(act, as: Invited.self) { return try await invitation(earlier.id, of: caller.tenant) }
        guard let mail = MailCanon(form.email) else { throw CommonProblems.invalid("email", "is not a mail address") }
        try Roster.check(form.role, endsAt: form.endsAt, scope: form.scope, now: act.now)
        let counts = try await store.kernelRead(KernelReason("people.count")) { db in
            try Roster.checkGift(form.role, by: role(of: caller, in: db, now: act.now))
            return try db.within(caller.tenant) { db in
                (try tenancy.memberCount(in: db, now: act.now), try db.row(InvitationTable.countPending, act.now)?.int(0) ?? 0)
            }
        }
        let verdict = try await ask(mail, form.role, members: counts.0, pending: counts.1, caller, act)
        let id: Invitation.ID = entropy.id(act.now)
        let token = InvitationToken(tenant: caller.tenant, invitation: id, secret: entropy.bytes(32))
        let digest = identity.fields.digest(mail)
        let life = min(
            settings.seconds(PeopleSettings.invitationSeconds), verdict.terms.expiresSeconds.map { .seconds(Int64($0)) } ?? .days(7))
        let made = try await store.kernel(KernelReason("people.invite")) { db in
            let actor = try role(of: caller, in: db, now: act.now)
            try Roster.checkGift(form.role, by: actor)
            let known = try tenancy.user(mailDigest: digest, in: db)
            let invited: Invited = try db.once(act) {
                try db.within(caller.tenant) { db in
                    if let known, let entry = try tenancy.member(of: known, in: db), entry.membership.isActive(at: act.now) {
                        throw PeopleProblems.alreadyMember
                    }
                    if let open = try pending(digest, in: db) {
                        guard open.status(at: act.now) != .pending else { throw PeopleProblems.alreadyInvited }
                        try db.run(InvitationTable.settle, open.id, Invitation.Status.expired.rawValue, act.now)
                    }
                    guard try db.row(InvitationTable.countPending, act.now)?.int(0) ?? 0 < settings[PeopleSettings.openInvitations] else {
                        throw PeopleProblems.tooManyInvitations
                    }
                    let box = try sealer.seal(Array(mail.display.utf8), context: Self.mailContext(id))
                    let scope = try form.scope.map { String(decoding: try JSONCoding.encode($0), as: UTF8.self) }
                    try db.run(
                        InvitationTable.insert, db.tenant, id, digest, box, form.role.rawValue, scope, form.endsAt, token.digest(sealer),
                        act.now, act.now + life, caller.user, verdict.decision)
                    try db.journal(
                        JournalEntry(
                            "invitation.sent", subject: "invitation:\(id)", details: ["role": .string(form.role.rawValue)],
                            decision: verdict.decision), act)
                    return Invited(id: id)
                }
            }
            let row = try db.within(caller.tenant) { try $0.row(InvitationTable.one, invited.id).map { try Invitation($0, caller.tenant) } }
            guard let row else { throw StoreFault.corrupt("an invitation is gone") }
            if invited.id == id { try mailLink(row, token, from: caller, in: db, act) }
            return row
        }
        return made
    }
    private struct Invited: Codable, Sendable { let id: InvitationID }

    private func ask(
        _ mail: MailCanon, _ role: Role, members: Int, pending: Int, _ caller: Principal, _ act: Act
    ) async throws -> Verdict<InviteHook.Terms> {
        let kind = try await tenancy.tenant(caller.tenant)?.kind ?? .organization
        let tier = try await identity.tierOf(caller.tenant, act.now)
        let verdict = try await identity.hooks.decide(
            InviteHook.self,
            InviteHook.Input(
                user: caller.user.description, role: caller.role, invitedDomain: mail.domain, invitedRole: role.rawValue,
                tenantKind: kind.rawValue, tier: tier, members: members, pending: pending,
                ownsDomain: try await ownsDomain(mail.domain, caller.tenant)),
            HookSubject(tenant: caller.tenant, tier: tier, requestID: act.requestID, now: act.now))
        if case .deny(let reason, let seconds) = verdict.outcome {
            let entry = JournalEntry(
                "invitation.refused", subject: "tenant:\(caller.tenant)", outcome: .denied,
                details: ["reason": .string(reason), "role": .string(role.rawValue)], decision: verdict.decision)
            try await store.tenant(caller.tenant) { db in try db.journal(entry, act) }
            throw CommonProblems.denied(reason, retryAfterSeconds: seconds)
        }
        return verdict
    }

    private func mailLink(
        _ invitation: Invitation, _ token: InvitationToken, from caller: Principal, in db: any KernelScope, _ act: Act
    ) throws {
        let address = String(decoding: try sealer.open(invitation.mailBox, context: Self.mailContext(invitation.id)), as: UTF8.self)
        let inviter = try identity.account(caller.user, in: db)?.open(identity.fields).name ?? ""
        let tenant = try tenancy.tenant(invitation.tenant, in: db)?.name ?? ""
        // What a stranger's mail prints is chosen by whoever invites: it must not pass for a message of its own.
        let (who, whereto) = (TenantName.isPlain(inviter) ? inviter : "A member", TenantName.isPlain(tenant) ? tenant : "an organisation")
        let key = "invitation:\(invitation.id):\(invitation.sends)"
        let days = max(1, (invitation.expiresAt - invitation.sentAt).wholeSeconds / 86_400)
        let values = ["role": invitation.role.rawValue, "days": String(days)]
        let sealed = ["address": address, "token": identity.vault.mark.marked(token.text), "organization": whereto, "inviter": who]
        let template = "invitation"
        // In the tenant's transaction, hence in its name.
        try db.within(invitation.tenant) {
            try identity.mail(template, to: .invited(invitation.id), key: key, values: values, sealed: sealed, in: $0, act)
        }
    }

    // MARK: Looking, resending, revoking

    /// In the order of their ids; up to one more than `limit`.
    package func invitations(_ tenant: TenantID, after: Invitation.ID?, limit: Int) async throws -> [Invitation] {
        try await store.tenantRead(tenant) { db in
            try db.rows(InvitationTable.page, after?.uuid.bytes ?? [], limit + 1).map { try Invitation($0, tenant) }
        }
    }
    package func invitation(_ id: Invitation.ID, of tenant: TenantID) async throws -> Invitation {
        try await store.tenantRead(tenant) { db in try read(id, in: db) }
    }
    private func read(_ id: Invitation.ID, in db: any TenantScope) throws -> Invitation {
        guard let row = try db.row(InvitationTable.one, id) else { throw CommonProblems.notFound }
        return try Invitation(row, db.tenant)
    }
    private func pending(_ digest: [UInt8], in db: any TenantScope) throws -> Invitation? {
        try db.row(InvitationTable.pendingFor, digest).map { try Invitation($0, db.tenant) }
    }
    /// The address, for those who may see invitations.
    package func address(of invitation: Invitation) throws -> String {
        String(decoding: try sealer.open(invitation.mailBox, context: Self.mailContext(invitation.id)), as: UTF8.self)
    }
    static func mailContext(_ id: Invitation.ID) -> String { "invitation.mail:\(id)" }

    /// Mails a new link, good for a whole term again; the one before becomes worthless.
    package func resend(_ id: Invitation.ID, by caller: Principal, _ act: Act) async throws -> Invitation {
        let token = InvitationToken(tenant: caller.tenant, invitation: id, secret: entropy.bytes(32))
        return try await store.kernel(KernelReason("people.resend")) { db in
            let actor = try role(of: caller, in: db, now: act.now)
            let renewed = try db.within(caller.tenant) { db in
                let old = try read(id, in: db)
                guard old.status(at: act.now) != .accepted, old.storedStatus == .pending else { throw PeopleProblems.settled }
                try Roster.check(old.role, endsAt: old.endsAt, scope: old.scope, now: act.now)
                try Roster.checkGift(old.role, by: actor)
                let wait = old.sentAt + .minutes(1) - act.now
                guard old.sends < settings[PeopleSettings.invitationSends] else { throw PeopleProblems.settled }
                guard wait <= .zero else { throw CommonProblems.rateLimited.retry(afterSeconds: wait.wholeSeconds + 1) }
                let life = old.expiresAt - old.sentAt
                try db.run(InvitationTable.renew, id, token.digest(sealer), act.now, act.now + life)
                try db.journal(JournalEntry("invitation.resent", subject: "invitation:\(id)"), act)
                return try read(id, in: db)
            }
            try mailLink(renewed, token, from: caller, in: db, act)
            return renewed
        }
    }

    package func revoke(_ id: Invitation.ID, by caller: Principal, _ act: Act) async throws {
        try await store.kernel(KernelReason("people.revoke_invitation")) { db in
            let actor = try role(of: caller, in: db, now: act.now)
            try db.within(caller.tenant) { db in
                let old = try read(id, in: db)
                try Roster.checkGift(old.role, by: actor)
                try revoke(old, in: db, act)
            }
        }
    }
    private func revoke(_ invitation: Invitation, in db: any TenantScope, _ act: Act) throws {
        guard try db.row(InvitationTable.settle, invitation.id, Invitation.Status.revoked.rawValue, act.now) != nil else {
            throw PeopleProblems.settled
        }
        try db.journal(JournalEntry("invitation.revoked", subject: "invitation:\(invitation.id)"), act)
    }

    /// What somebody invited whom the tenant no longer trusts with it falls with that; nil: with everything.
    func revokeInvitations(of user: UserID, role: Role?, in db: any TenantScope, _ act: Act) throws {
        for row in try db.rows(InvitationTable.ofInviter, user) {
            let invitation = try Invitation(row, db.tenant)
            if let role, (try? Roster.checkGift(invitation.role, by: role)) != nil { continue }
            try revoke(invitation, in: db, act)
        }
    }
}
