import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

extension Identity {
    /// What a person sees of the own account.
    package struct Profile: Sendable {
        package let account: UserAccount
        package let tenants: [(tenant: Tenant, standing: MemberStanding)]
        package let permissions: [String]
    }

    package func profile(_ caller: Principal, _ act: Act) async throws -> Profile {
        let account = try await self.account(caller.user)
        let tenants = try await tenancy.tenants(of: caller.user, now: act.now)
        guard let here = tenants.first(where: { $0.tenant.id == caller.tenant }) else { throw CommonProblems.unauthenticated }
        let permissions = try await tokens.permissions(
            of: Role(rawValue: caller.role), tenant: caller.tenant, kind: here.tenant.kind, act)
        return Profile(account: account, tenants: tenants, permissions: permissions)
    }

    /// Changes the names that are given.
    package func rename(_ caller: Principal, firstName: String?, lastName: String?, _ act: Act) async throws {
        var account = try await account(caller.user)
        if let firstName { account.firstName = try Applicant.name(firstName, "first_name") }
        if let lastName { account.lastName = try Applicant.name(lastName, "last_name") }
        let first = try fields.seal(account.firstName, account.id, "first_name")
        let last = try fields.seal(account.lastName, account.id, "last_name")
        let changed: JSONValue = .array(
            [firstName.map { _ in "first_name" }, lastName.map { _ in "last_name" }].compactMap { $0 }.map { .string($0) })
        try await store.kernel(KernelReason("identity.rename")) { db in
            guard try !db.rows(UserTable.rename, caller.user, first, last, act.now).isEmpty else { throw CommonProblems.unauthenticated }
            try journal("user.renamed", "user:\(caller.user)", .success, ["fields": changed], tenant: caller.tenant, in: db, act)
        }
    }

    /// Replaces the password and ends the other sessions. A wrong current password counts like a failed sign-in: a stolen session is no
    /// place to guess from.
    package func changePassword(_ caller: Principal, current: String, to new: String, _ act: Act) async throws {
        let account = try await self.account(caller.user)
        let attempt = try await proveCurrent(current, account, "password.change_failed", act)
        try strength.check(new, person: account.person, field: "new_password")
        let encoded = try await passwords.hash(new)
        let isReplaced = try await change(KernelReason("identity.change_password")) { db -> Changed<Bool> in
            try requireLiving(caller, in: db)
            guard let known = attempt.known,
                try !db.rows(UserTable.replaceCredential, account.id, encoded, act.now, known.version).isEmpty
            else { return Changed(false) }
            try db.run(UserTable.spendLinks, account.id, LinkPurpose.resetPassword.rawValue, act.now)
            let ended = try endAll(of: account.id, but: caller.session, .passwordChanged, tenant: account.homeTenant, in: db, act)
            try journal("password.changed", "user:\(account.id)", tenant: account.homeTenant, in: db, act)
            try mail("password_changed", to: account.id, key: "password_changed:\(account.id):\(known.version)", in: db, act)
            return Changed(true, sessions: ended)
        }
        guard isReplaced else { throw IdentityProblems.passwordChanged }
    }

    /// Read again where it counts: the session may have been ended or the account deactivated since the request was let in.
    func requireLiving(_ caller: Principal, in db: any KernelScope) throws {
        guard try db.row(SessionTable.standing, caller.session)?.text(3) == "active",
            try self.account(caller.user, in: db)?.status == .active
        else { throw CommonProblems.unauthenticated }
    }

    /// The counted check of the caller's own password.
    func proveCurrent(_ password: String, _ account: UserAccount, _ action: String, _ act: Act) async throws -> Attempt {
        let attempt = try await beginAttempt(
            Guessing(account: accountDigest(account.email), network: fields.digest(Network(address: act.address))), act)
        guard try await check(password, attempt, act) else {
            try await fail(attempt, action, act)
            throw IdentityProblems.credentialsInvalid
        }
        try await store.kernel(KernelReason("identity.prove_password")) { db in try recordSuccess(attempt, in: db, act) }
        return attempt
    }
}

extension Identity: AddressBook {
    package func address(of user: UserID) async throws -> MailAddress? {
        let sealed = try await store.kernelRead(KernelReason("identity.address")) { db in try self.account(user, in: db) }
        guard let sealed, sealed.status == .active else { return nil }
        let account = try sealed.open(fields)
        return MailAddress(email: account.email, name: account.name)
    }
    package func owners(of tenant: TenantID) async throws -> [UserID] { try await tenancy.owners(of: tenant) }
    package func members(of tenant: TenantID) async throws -> [UserID] {
        try await store.tenantRead(tenant) { db in try tenancy.roster(in: db).members.filter { $0.standing == .active }.map(\.user) }
    }
    package func staff() async throws -> [UserID] {
        try await store.kernelRead(KernelReason("identity.staff")) { db in try db.rows(UserTable.withPlatformRole).map { try $0.id(0) } }
    }
}
