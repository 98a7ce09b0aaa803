import Foundation
import Store
import Tenancy
import Vocabulary

extension Identity {
    /// The secret of a link that makes its holder the platform's first administrator; nil once there is one. Every call makes the link
    /// before it worthless, so a restart prints a new one. Shown once, stored as a hash.
    package func firstAdministratorLink(_ act: Act) async throws -> String? {
        let link = vault.drawLink(.firstAdministrator)
        let life = settings.seconds(IdentitySettings.verifySeconds)
        let isOpen = try await store.kernel(KernelReason("identity.first_administrator_link")) { db in
            try db.run(UserTable.dropAdministratorLinks)
            guard try db.row(UserTable.anyAdministrator) == nil else { return false }
            try db.run(
                UserTable.insertLink, link.digest, LinkPurpose.firstAdministrator.rawValue, SQLValue.null, act.now, act.now + life)
            try journal("administrator.link_made", "platform", tenant: nil, in: db, act)
            return true
        }
        return isOpen ? link.text : nil
    }

    /// Makes the account, its tenant and the platform role in one step. The link proves the operator, so the address needs no mail.
    package func redeemFirstAdministrator(
        _ token: String, email: String, password: String, firstName: String, lastName: String, _ act: Act
    ) async throws -> UserAccount {
        let digest = vault.digest(link: token, .firstAdministrator)
        let isOpen = try await store.kernelRead(KernelReason("identity.peek_link")) { db in
            try db.row(UserTable.peekLink, digest, LinkPurpose.firstAdministrator.rawValue, act.now) != nil
        }
        guard isOpen else { throw IdentityProblems.linkInvalid }
        let applicant = try Applicant(
            SignUpForm(email: email, password: password, firstName: firstName, lastName: lastName, organization: nil, tier: nil))
        try strength.check(password, person: applicant.person)
        let candidate = try candidate(applicant, try await passwords.hash(password), act)
        guard try await claim(candidate, act) == .granted else {
            try discard(candidate)
            throw IdentityProblems.addressTaken
        }
        do { try await appoint(candidate, by: digest, act) } catch let problem as Problem {
            try discard(candidate)
            throw problem
        }
        return try await account(candidate.id)
    }

    private func appoint(_ candidate: Candidate, by digest: [UInt8], _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.redeem_first_administrator")) { db in
            guard try db.row(UserTable.useLink, digest, LinkPurpose.firstAdministrator.rawValue, act.now) != nil,
                try db.row(UserTable.anyAdministrator) == nil
            else { throw IdentityProblems.linkInvalid }
            guard try tenancy.user(mailDigest: candidate.mailDigest, in: db) == nil else { throw IdentityProblems.addressTaken }
            let tenant = try create(
                candidate, platformRole: .platformAdmin, verifiedAt: act.now, origin: "administrator_link", in: db, act)
            try journal(
                "administrator.appointed", "user:\(candidate.id)", .success, ["tenant": .string(tenant.description)], tenant: nil, in: db,
                act)
            try mail("welcome_admin", to: candidate.id, key: "welcome_admin:\(candidate.id)", in: db, act)
        }
    }
}
