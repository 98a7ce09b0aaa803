import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

extension Identity {
    // MARK: Asking for a link

    /// Asks for a link by mail. Does the same for every address: one job, in which the address is looked up. Answers nothing.
    package func requestLink(_ purpose: LinkPurpose, email: String, _ act: Act) async throws {
        let account = Hex.encode(accountDigest(email))
        let job = try NewJob(
            "identity.send_link", key: "\(purpose.rawValue):\(account)", tenant: nil,
            payload: LinkRequest(purpose: purpose, account: account),
            runAt: act.now)
        try await store.kernel(KernelReason("identity.request_link")) { db in try db.enqueue(job, act) }
    }

    struct LinkRequest: Codable, Sendable {
        let purpose: LinkPurpose
        /// Digest of the canonical address, in hex.
        let account: String
    }

    func sendRequestedLink(_ delivery: Delivery, _ act: Act) async throws {
        let request = try delivery.decode(LinkRequest.self)
        guard let digest = Hex.decode(request.account) else { throw PermanentFailure("the account digest is not hex") }
        try await store.kernel(KernelReason("identity.send_link")) { db in
            try db.settle(delivery)
            guard let user = try tenancy.user(mailDigest: digest, in: db), let account = try self.account(user, in: db),
                account.status == .active,
                request.purpose != .verifyEmail || account.verifiedAt == nil
            else { return }
            let sent = try db.row(UserTable.countLinks, user, request.purpose.rawValue, act.now - .hours(1))?.int(0) ?? 0
            guard sent < settings[IdentitySettings.linksPerHour] else {
                try journal(
                    "link.withheld", "user:\(user)", .denied, ["purpose": .string(request.purpose.rawValue)], tenant: account.homeTenant,
                    in: db, act)
                return
            }
            try sendLink(request.purpose, to: user, in: db, act)
            try journal(
                "link.sent", "user:\(user)", .success, ["purpose": .string(request.purpose.rawValue)], tenant: account.homeTenant, in: db,
                act)
        }
    }

    // MARK: Using a link

    /// Proves the address. Single use: of two racing calls one succeeds.
    package func verifyEmail(_ token: String, _ act: Act) async throws -> UserAccount {
        let digest = vault.digest(link: token, .verifyEmail)
        let user: UserID = try await store.kernel(KernelReason("identity.verify_email")) { db in
            let user = try use(digest, .verifyEmail, in: db, act)
            guard let account = try self.account(user, in: db), account.status == .active else { throw IdentityProblems.linkInvalid }
            try prove(user, by: LinkPurpose.verifyEmail.rawValue, in: db, act)
            try db.run(UserTable.spendLinks, user, LinkPurpose.verifyEmail.rawValue, act.now)
            return user
        }
        return try await self.account(user)
    }

    /// Sets a new password, ends every session, and proves the address, since the link came by mail to it.
    package func resetPassword(_ token: String, to password: String, _ act: Act) async throws {
        let digest = vault.digest(link: token, .resetPassword)
        let holder = try await store.kernelRead(KernelReason("identity.peek_link")) { db -> SealedAccount? in
            guard let row = try db.row(UserTable.peekLink, digest, LinkPurpose.resetPassword.rawValue, act.now) else { return nil }
            return try self.account(try row.id(0), in: db)
        }
        guard let holder, holder.status == .active else { throw IdentityProblems.linkInvalid }
        let account = try holder.open(fields)
        try strength.check(password, person: account.person)
        let encoded = try await passwords.hash(password)
        let guessing = Guessing(account: accountDigest(account.email), network: fields.digest(Network(address: act.address)))
        try await change(KernelReason("identity.reset_password")) { db in
            guard try use(digest, .resetPassword, in: db, act) == account.id, let now = try self.account(account.id, in: db),
                now.status == .active
            else { throw IdentityProblems.linkInvalid }
            if let credential = try credential(of: account.id, in: db) {
                try db.run(UserTable.replaceCredential, account.id, encoded, act.now, credential.version)
            } else {
                try db.run(UserTable.insertCredential, account.id, encoded, act.now)
            }
            try db.run(UserTable.spendLinks, account.id, LinkPurpose.resetPassword.rawValue, act.now)
            try prove(account.id, by: LinkPurpose.resetPassword.rawValue, in: db, act)
            try forgiveGuesses(guessing, in: db, act.now)
            try db.run(GuardTable.learn, account.id, guessing.network, act.now)
            let ended = try endAll(of: account.id, but: nil, .passwordReset, tenant: account.homeTenant, in: db, act)
            try journal("password.reset", "user:\(account.id)", tenant: account.homeTenant, in: db, act)
            try mail("password_changed", to: account.id, key: "password_changed:\(Hex.encode(digest.prefix(16)))", in: db, act)
            return Changed((), sessions: ended, users: [account.id])
        }
    }

    /// Spends the link and gives whose it was; throws `link_invalid` alike for unknown, used and expired.
    private func use(_ digest: [UInt8], _ purpose: LinkPurpose, in db: any KernelScope, _ act: Act) throws -> UserID {
        guard let row = try db.row(UserTable.useLink, digest, purpose.rawValue, act.now) else { throw IdentityProblems.linkInvalid }
        return try row.id(0)
    }

    /// The first proof of the address tells the rooms to the right.
    func prove(_ user: UserID, by purpose: String, in db: any KernelScope, _ act: Act) throws {
        guard let row = try db.row(UserTable.verify, user, act.now) else { return }
        let home: TenantID = try row.id(0)
        try db.emit(UserVerified(tenant: home, user: user, chosenTier: try row.optional(1, row.text)), act)
        try mail("welcome_user", to: user, key: "welcome_user:\(user)", in: db, act)
        try journal("user.verified", "user:\(user)", .success, ["by": .string(purpose)], tenant: home, in: db, act)
    }
}

extension UserAccount {
    var person: PasswordStrength.Person { PasswordStrength.Person(mail: MailCanon(email), names: [firstName, lastName]) }
}
