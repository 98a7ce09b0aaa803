import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

package enum IdentityRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "identity", bundle: .module) }
}

/// People: sign-up, proof of address, sign-in, sessions, passwords. Its verbs stand in the files named after them.
package struct Identity: Sendable {
    let store: any Store
    let tenancy: Tenancy
    let hooks: any Hooks
    let vault: Vault
    let tokens: AccessTokens
    let passwords: any PasswordHashing
    let settings: Settings
    let strength: PasswordStrength
    let standings: Standings
    /// What a tenant has bought, for policies: told by whoever keeps licences. Nobody tells where there are none.
    package var tierOf: @Sendable (TenantID, Timestamp) async throws -> String? = { _, _ in nil }

    /// Throws when the list of common passwords is missing from the installation.
    package init(
        store: any Store, tenancy: Tenancy, hooks: any Hooks, vault: Vault, tokens: AccessTokens, passwords: any PasswordHashing,
        settings: Settings
    ) throws {
        self.store = store
        self.tenancy = tenancy
        self.hooks = hooks
        self.vault = vault
        self.tokens = tokens
        self.passwords = passwords
        self.settings = settings
        self.strength = PasswordStrength(words: try CommonWords.shipped())
        self.standings = Standings(capacity: settings[IdentitySettings.cacheEntries])
    }

    /// The address under which the account is looked up. Throws `not_found` for an erased person.
    package func canonicalMail(of user: UserID) async throws -> String {
        let mail = try await account(user).email
        return MailCanon(mail)?.text ?? mail
    }

    var fields: PersonalFields { PersonalFields(sealer: vault.sealer) }

    // MARK: Rows

    func account(_ id: UserID, in db: any KernelScope) throws -> SealedAccount? {
        try db.row(UserTable.user, id).map(SealedAccount.init)
    }
    /// The account with its fields open. Throws `not_found` for an erased person.
    func account(_ id: UserID) async throws -> UserAccount {
        let sealed = try await store.kernelRead(KernelReason("identity.account")) { db in try self.account(id, in: db) }
        guard let sealed, sealed.status != .erased else { throw CommonProblems.notFound }
        return try sealed.open(fields)
    }

    // MARK: Furniture of every change

    /// Into the audit log of the tenant concerned, or of the platform where there is none.
    func journal(
        _ action: String, _ subject: String, _ outcome: JournalEntry.Outcome = .success, _ details: JSONValue = [:], tenant: TenantID?,
        in db: any KernelScope, _ act: Act, decision: DecisionID? = nil
    ) throws {
        try db.journal(JournalEntry(action, subject: subject, outcome: outcome, details: details, decision: decision), act, tenant: tenant)
    }

    /// Asks for a mail; what stands in `sealed` travels sealed. Two with one key are one mail.
    func mail(
        _ template: String, to user: UserID, key: String, values: [String: String] = [:], sealed secrets: [String: String] = [:],
        in db: any KernelScope, _ act: Act
    ) throws {
        try mail(template, to: .user(user), key: key, values: values, sealed: secrets, in: db, act)
    }
    func mail(
        _ template: String, to recipient: MailRequested.Recipient, key: String, values: [String: String] = [:],
        sealed secrets: [String: String] = [:], in db: any SQLScope, _ act: Act
    ) throws {
        let sealed = try secrets.reduce(into: [String: String]()) { sealed, secret in
            let context = MailRequested.context(template: template, name: secret.key, key: key)
            sealed[secret.key] = Data(try vault.sealer.seal(Array(secret.value.utf8), context: context)).base64EncodedString()
        }
        try db.emit(MailRequested(recipient: recipient, template: template, values: values, sealed: sealed, key: key), act)
    }

    /// Makes a link for `user` and mails it.
    func sendLink(_ purpose: LinkPurpose, to user: UserID, in db: any KernelScope, _ act: Act) throws {
        let life = settings.seconds(purpose == .resetPassword ? IdentitySettings.resetSeconds : IdentitySettings.verifySeconds)
        let link = vault.drawLink(purpose)
        try db.run(UserTable.insertLink, link.digest, purpose.rawValue, user, act.now, act.now + life)
        try mail(
            purpose.rawValue, to: user, key: "\(purpose.rawValue):\(Hex.encode(link.digest.prefix(16)))",
            values: ["hours": String(life.wholeSeconds / 3_600)], sealed: ["token": link.text], in: db, act)
    }

    /// Ends sessions that `sql` names and gives their ids, to be forgotten after the commit.
    func ended(_ rows: [Row]) throws -> [AuthSessionID] { try rows.map { try $0.id(0) } }
}

/// A row of `user_account` as stored.
struct SealedAccount: Sendable {
    let id: UserID
    let mailBox: [UInt8]
    let firstNameBox: [UInt8]
    let lastNameBox: [UInt8]
    let status: UserAccount.Status
    let platformRole: Role?
    let homeTenant: TenantID
    let chosenTier: String?
    let verifiedAt: Timestamp?
    let createdAt: Timestamp

    init(_ row: Row) throws {
        id = try row.id(0)
        mailBox = try row.blob(1)
        firstNameBox = try row.blob(2)
        lastNameBox = try row.blob(3)
        guard let status = UserAccount.Status(rawValue: try row.text(4)) else { throw StoreFault.corrupt("user_account.status") }
        self.status = status
        platformRole = try row.optional(5, row.text).map(Role.init(rawValue:))
        homeTenant = try row.id(6)
        chosenTier = try row.optional(7, row.text)
        verifiedAt = try row.optional(8, row.time)
        createdAt = try row.time(9)
    }

    func open(_ fields: PersonalFields) throws -> UserAccount {
        UserAccount(
            id: id, email: try fields.open(mailBox, id, "mail"), firstName: try fields.open(firstNameBox, id, "first_name"),
            lastName: try fields.open(lastNameBox, id, "last_name"), status: status, platformRole: platformRole, homeTenant: homeTenant,
            chosenTier: chosenTier, verifiedAt: verifiedAt, createdAt: createdAt)
    }
}
