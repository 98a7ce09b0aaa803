import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Staff in a member's place: for a reason, for a time, seen by the tenant. It ends with the first of its causes, at that very request.
package struct Impersonation: Sendable, Hashable {
    package let session: AuthSessionID
    package let staff: UserID
    let staffSession: AuthSessionID
    package let user: UserID
    package let tenant: TenantID
    package let reason: String
    let survivesSuspension: Bool
    package let createdAt: Timestamp
    package let expiresAt: Timestamp

    init(_ row: Row) throws {
        session = try row.id(0)
        staff = try row.id(1)
        staffSession = try row.id(2)
        user = try row.id(3)
        tenant = try row.id(4)
        reason = try row.text(5)
        survivesSuspension = try row.bool(6)
        createdAt = try row.time(7)
        expiresAt = try row.time(8)
    }
    func bears(_ status: Tenant.Status) -> Bool { status == .active || survivesSuspension && status == .suspended }
}

package enum ImpersonationPermissions {
    package static let act = Permission(
        "staff:impersonate", "Act in a member's place, with a reason that the tenant sees.", delegates: .none, isSensitive: true)
    package static let appoint = Permission(
        "platform:appoint", "Give and take the roles of staff and administrators.", delegates: .none, isSensitive: true)
    package static let all = [act, appoint]
}

package enum ImpersonationProblems {
    package static let protected = Problem(
        "cannot_impersonate", status: 403, title: "Nobody acts in the place of staff, or in their own.",
        hint: "Choose a member of a customer.")
    package static let notAppointable = Problem(
        "not_appointable", status: 409,
        title: "A platform role needs an account whose own tenant has no other members, and one administrator stays.",
        hint: "Let the person sign up with an account of its own; appoint another administrator first.")
    package static let all = [protected, notAppointable]
}

enum ImpersonationTable {
    private static let columns =
        "session_id, staff_id, staff_session_id, user_id, tenant_id, reason, survives_suspension, created_at, expires_at"
    static let insert = SQL(
        "identity.insert_impersonation", "INSERT INTO impersonation (\(columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    static let one = SQL("identity.impersonation", "SELECT \(columns) FROM impersonation WHERE session_id = $1")
    static let ofTenant = SQL(
        "identity.impersonations_of_tenant", "SELECT \(columns) FROM impersonation WHERE tenant_id = $1 ORDER BY session_id DESC LIMIT 200")
    static let ofStaff = SQL(
        "identity.impersonations_of_staff", "SELECT \(columns) FROM impersonation WHERE staff_id = $1 ORDER BY session_id DESC LIMIT 200")
    static let appoint = SQL(
        "identity.appoint",
        "UPDATE user_account SET platform_role = $2, changed_at = $3 WHERE user_id = $1 AND status = 'active' RETURNING user_id")
    static let otherAdministrator = SQL(
        "identity.other_administrator",
        "SELECT 1 FROM user_account WHERE platform_role = 'platform_admin' AND status = 'active' AND user_id <> $1 LIMIT 1")
}

/// What staff asks for.
package struct ImpersonationForm: Sendable {
    package var user: UserID
    package var tenant: TenantID
    package var reason: String
    package var minutes: Int
    package var survivesSuspension: Bool
    package init(user: UserID, tenant: TenantID, reason: String, minutes: Int, survivesSuspension: Bool = false) {
        self.user = user
        self.tenant = tenant
        self.reason = reason
        self.minutes = minutes
        self.survivesSuspension = survivesSuspension
    }
}

extension Identity {
    /// Opens a session of the member that staff holds; mails the tenant's owners. There is no refresh token: its time is its end.
    package func impersonate(_ form: ImpersonationForm, by caller: Principal, _ act: Act) async throws -> TokenGrant {
        let (opening, account, place) = try await open(form, as: .token, by: caller, act)
        let access = try await tokens.issue(account, place, session: opening.session, act)
        return TokenGrant(access: access, refreshToken: nil, account: account, place: place, session: opening.session)
    }

    /// The same for the pages.
    package func impersonateInBrowser(_ form: ImpersonationForm, by caller: Principal, _ act: Act) async throws -> PageGrant {
        let (opening, account, place) = try await open(form, as: .page, by: caller, act)
        guard case .cookie(let cookie) = opening.secret else { throw CommonProblems.internal }
        return PageGrant(
            cookie: cookie.text, expiresAt: act.now + .minutes(Int64(form.minutes)), account: account, place: place,
            session: opening.session)
    }

    private func open(
        _ form: ImpersonationForm, as kind: AuthSession.Kind, by caller: Principal, _ act: Act
    ) async throws -> (Opening, UserAccount, MemberStanding) {
        let provenance = Provenance(factor: "impersonation")
        let opening = try opening(kind, user: form.user, provenance, Device("staff"), act)
        let ends = act.now + .minutes(Int64(form.minutes))
        let (sealed, place) = try await change(KernelReason("identity.impersonate")) { db in
            guard let account = try self.account(form.user, in: db), account.status == .active,
                let place = try tenancy.standing(of: form.user, in: form.tenant, db), place.isActive(at: act.now)
            else { throw CommonProblems.notFound }
            guard account.platformRole == nil, form.user != caller.user else { throw ImpersonationProblems.protected }
            guard let staff = try self.account(caller.user, in: db), staff.status == .active, staff.platformRole != nil else {
                throw CommonProblems.forbidden
            }
            try insert(opening, user: form.user, place, in: db, act)
            try db.run(
                ImpersonationTable.insert, opening.session, caller.user, caller.session, form.user, form.tenant, form.reason,
                form.survivesSuspension, act.now, ends)
            // Once where the tenant reads it, once where the platform does.
            for journal in [form.tenant, nil] {
                try self.journal(
                    "impersonation.started", "user:\(form.user)", .success,
                    [
                        "staff": .string(caller.user.description), "reason": .string(form.reason), "until": .string(ends.iso8601),
                        "tenant": .string(form.tenant.description),
                    ], tenant: journal, in: db, act)
            }
            let (key, values) = ("impersonation:\(opening.session)", ["minutes": String(form.minutes), "reason": form.reason])
            try mail("impersonation_started", to: .owners(form.tenant), key: key, values: values, in: db, act)
            return Changed((account, place), sessions: [opening.session])
        }
        return (opening, try sealed.open(fields), place)
    }

    /// The newest first, with whether each still stands.
    package func impersonations(of tenant: TenantID?, by staff: UserID?, now: Timestamp) async throws -> [(Impersonation, isLive: Bool)] {
        let found = try await store.kernelRead(KernelReason("identity.impersonations")) { db in
            let rows =
                if let tenant { try db.rows(ImpersonationTable.ofTenant, tenant) } else { try db.rows(ImpersonationTable.ofStaff, staff) }
            return try rows.map(Impersonation.init)
        }
        var shown: [(Impersonation, isLive: Bool)] = []
        for one in found {
            let session = try await standing(of: one.session)
            let isLive = session?.isActive == true && now < one.expiresAt
            shown.append((one, isLive: isLive ? try await stands(one, now) : false))
        }
        return shown
    }

    /// Ends one, by its staff or by the tenant; throws `not_found` for another's.
    package func endImpersonation(_ id: AuthSessionID, of tenant: TenantID?, by staff: UserID?, _ act: Act) async throws {
        try await change(KernelReason("identity.end_impersonation")) { db in
            guard let one = try db.row(ImpersonationTable.one, id).map(Impersonation.init), tenant == nil || one.tenant == tenant,
                staff == nil || one.staff == staff
            else { throw CommonProblems.notFound }
            guard try !db.rows(SessionTable.revoke, id, one.user, act.now, "impersonation_ended").isEmpty else { return Changed(()) }
            for journal in [one.tenant, nil] {
                try self.journal(
                    "impersonation.ended", "user:\(one.user)", .success, ["staff": .string(one.staff.description)], tenant: journal, in: db,
                    act)
            }
            return Changed((), sessions: [id])
        }
    }

    /// Whether every cause of it still stands: the time, the staff's own session, account and role, the tenant.
    func stands(_ one: Impersonation, _ now: Timestamp) async throws -> Bool {
        guard now < one.expiresAt, let session = try await standing(of: one.staffSession), session.isActive, session.user == one.staff,
            now < session.expiresAt, let staff = try await standing(of: one.staff), staff.isActive, staff.platformRole != nil,
            let user = try await standing(of: one.user), user.platformRole == nil,
            let place = try await tenancy.standing(of: one.user, in: one.tenant), place.isActive(at: now)
        else { return false }
        return one.bears(place.tenantStatus)
    }

    /// Gives or takes a platform role. It counts in the person's own tenant alone; elsewhere the person is a member like any other.
    package func appoint(_ user: UserID, to role: Role?, by caller: Principal, _ act: Act) async throws {
        try await change(KernelReason("identity.appoint")) { db in
            guard let account = try self.account(user, in: db), account.status == .active else { throw CommonProblems.notFound }
            if role != .platformAdmin, account.platformRole == .platformAdmin,
                try db.row(ImpersonationTable.otherAdministrator, user) == nil
            {
                throw ImpersonationProblems.notAppointable
            }
            if role != nil {
                let isAlone = try db.within(account.homeTenant) { db in
                    try tenancy.memberCount(in: db, now: act.now) == 1 && tenancy.member(of: user, in: db)?.membership.role == .owner
                }
                guard isAlone else { throw ImpersonationProblems.notAppointable }
            }
            try db.run(ImpersonationTable.appoint, user, role?.rawValue, act.now)
            try journal(
                "user.appointed", "user:\(user)", .success, ["role": role.map { .string($0.rawValue) } ?? .null], tenant: nil, in: db, act)
            return Changed((), users: [user])
        }
    }
}
