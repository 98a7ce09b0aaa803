import Foundation
import HTTPEdge
import Identity
import Tenancy
import Vocabulary

/// Accounts as staff looks after them, and acting in a member's place.
extension Console {
    private static let users = "/staff/users"
    private static let places = "/staff/places"
    private static let reason = FormField(
        name: "reason", label: "Reason",
        hint: "Into the journals of tenant and platform; a person whose account is closed gets it by mail.",
        minLength: 10, maxLength: 500)

    var accountPagesOfStaff: [Route] { [usersPage, findUser, userPage] + userActs }

    private var usersPage: Route {
        route(.get, Self.users, "staff_users", "Every account, the newest first.") { call in
            let found = try await ask("admin.users.list", call, query: call.query.filter { $0.key == "cursor" })
            return try desk(
                Desk(
                    heading: "Accounts",
                    tables: [
                        Desk.Table(
                            anchor: "accounts", caption: "Accounts", columns: ["Since", "State", "Address proved", "Staff"],
                            rows: found.list("users").map { one in
                                let id = one.text("id")
                                return Desk.Row(
                                    cells: [
                                        one.moment("created_at"), one.text("status"), one.text("is_verified"), one.words("platform_role"),
                                    ], ways: [Desk.Way(words: "Look", target: "\(Self.users)/\(id)", whom: id)])
                            }, more: Self.more(found, Self.users))
                    ],
                    forms: [
                        Desk.Form(
                            anchor: "find", title: "Find one", action: "\(Self.users)/find",
                            fields: [
                                FormField(
                                    name: "email", label: "Mail address", type: "email",
                                    hint: "The exact address. That you asked is journalled."
                                )
                            ], button: "Find")
                    ], elsewhere: Self.staffWays), call)
        }
    }

    private var findUser: Route {
        acting("\(Self.users)/find", "staff_find_user", "The account with exactly this address.") { call in
            let found = try await ask("admin.users.search", call, body: ["email": .string(try SentForm(call)["email"])])
            guard let user = found.list("users").first else { throw CommonProblems.notFound }
            return .redirect(to: "\(Self.users)/\(user.text("id"))")
        }
    }

    private static func userPath(_ call: Call) throws -> String {
        let id: UserID = try call.id("id")
        return "\(users)/\(id)"
    }

    private var userPage: Route {
        route(.get, "\(Self.users)/{id}", "staff_user", "One account, with where it belongs.") { call in
            let path = try Self.userPath(call)
            let user = try await ask("admin.users.get", call, ["id": call.parameters["id"] ?? ""])
            let isOpen = user.text("status") == "active"
            var desk = Desk(
                heading: user.text("name"), intro: ["That you looked stands in the journal of the person's own tenant."],
                facts: [
                    ("Address", user.text("email")), ("Id", user.text("id")),
                    ("State", isOpen ? "active" : "\(user.text("status")), by \(user.text("closed_by"))"),
                    ("Since", user.moment("created_at")), ("Address proved", user.text("is_verified")),
                    ("Second factor", user.text("has_second_factor")), ("Live sessions", user.text("live_sessions")),
                    ("Platform role", user["platform_role"]?.string ?? "none"),
                ],
                tables: [
                    Desk.Table(
                        anchor: "memberships", caption: "Memberships", columns: ["Tenant", "Role", "Until"],
                        rows: user.list("memberships").map { one in
                            let tenant = one.text("tenant_id")
                            var ways = [Desk.Way(words: "Look", target: "/staff/tenants/\(tenant)", whom: tenant)]
                            if isOpen {
                                ways.append(
                                    Desk.Way(
                                        words: "Act in this place", target: "\(Self.places)/new/\(user.text("id"))/\(tenant)", whom: tenant)
                                )
                            }
                            return Desk.Row(cells: [tenant, one.words("role"), one.moment("ends_at", or: "no end")], ways: ways)
                        })
                ], elsewhere: Self.staffWays)
            for (verb, words) in isOpen
                ? [("sign-out", "End every session"), ("deactivate", "Deactivate the account")] : [("reactivate", "Open the account again")]
            {
                desk.forms.append(
                    Desk.Form(anchor: verb, title: words, action: "\(path)/\(verb)", fields: [Self.reason], button: words))
            }
            return try self.desk(desk, call)
        }
    }

    private var userActs: [Route] {
        [("sign-out", "sign_out"), ("deactivate", "deactivate"), ("reactivate", "reactivate")].map { verb, name in
            asking(
                "\(Self.users)/{id}/\(verb)", "staff_user_\(name)", "\(verb.capitalized) an account.", "admin.users.\(name)",
                on: Self.userPath, isSensitive: true
            ) { sent in ["reason": .string(sent["reason"])] }
        }
    }

    // MARK: In a member's place

    var impersonationPages: [Route] { [placesPage, placeForm, takePlace, endPlace, backFromPlace, leavePlace] }

    private var placesPage: Route {
        route(.get, Self.places, "staff_places", "In whose place the caller acted.") { call in
            let found = try await ask("impersonations.list", call)
            return try desk(
                Desk(
                    heading: "In a member's place",
                    intro: ["Begin at an account. The tenant sees who acted, when and why, and can end it."],
                    tables: [
                        Desk.Table(
                            anchor: "places", caption: "Where you acted, the newest first",
                            columns: ["Tenant", "Reason", "Since", "Until"],
                            rows: found.list("impersonations").map { one in
                                let id = one.text("id")
                                let isLive = one["is_live"]?.bool == true
                                return Desk.Row(
                                    cells: [
                                        one.text("tenant_id"), one.text("reason"), one.moment("created_at"),
                                        isLive ? one.moment("expires_at") : "over",
                                    ], acts: isLive ? [Desk.Way(words: "End", target: "\(Self.places)/\(id)/end", whom: id)] : [])
                            })
                    ], elsewhere: Self.staffWays), call)
        }
    }

    private var placeForm: Route {
        route(.get, "\(Self.places)/new/{user}/{tenant}", "staff_place_form", "Act in a member's place.") { call in
            _ = try await holder(of: ImpersonationPermissions.act, call)
            let (user, tenant): (UserID, TenantID) = (try call.id("user"), try call.id("tenant"))
            let ends = [5, 15, 30, 60].map { FormField.Option(value: String($0), words: "\($0) minutes") }
            return try desk(
                Desk(
                    heading: "Act in a member's place",
                    intro: [
                        "The tenant's owners get a mail with your reason, and what you do stands in their journal under your name.",
                        "It ends by itself when the time is over, when you sign out, and whenever the tenant ends it.",
                    ], facts: [("Account", user.description), ("Tenant", tenant.description)],
                    forms: [
                        Desk.Form(
                            anchor: "place", title: "Begin", action: "\(Self.places)/new/\(user)/\(tenant)",
                            fields: [
                                FormField(name: "reason", label: "Reason", hint: "Shown to the tenant.", minLength: 10, maxLength: 500),
                                FormField(name: "minutes", label: "For how long", options: ends),
                            ], values: ["minutes": "30"], button: "Act in this place")
                    ], elsewhere: [("Back to the account", "\(Self.users)/\(user)")] + Self.staffWays), call)
        }
    }

    /// The session of the place takes the own one's place in this browser, and gives it back.
    private var takePlace: Route {
        route(
            .post, "\(Self.places)/new/{user}/{tenant}", "staff_place", "Act in a member's place.",
            proof: RouteProof(isSensitive: true, back: Self.users)
        ) { call in
            let caller = try await holder(of: ImpersonationPermissions.act, call)
            let sent = try SentForm(call)
            let reason = try TenantName.read(sent["reason"], "reason", max: 500)
            guard reason.count >= 10 else { throw CommonProblems.invalid("reason", "must have at least 10 characters") }
            guard let minutes = Int(sent["minutes"]), (1...60).contains(minutes) else {
                throw CommonProblems.invalid("minutes", "must be a whole number from 1 to 60")
            }
            guard let own = call.cookie(Cookies.session(isSecure: call.isSecure)) else { throw CommonProblems.unauthenticated }
            let grant = try await services.identity.impersonateInBrowser(
                ImpersonationForm(
                    user: try call.id("user"), tenant: try call.id("tenant"), reason: reason, minutes: minutes),
                by: caller, call.act)
            return Reply.redirect(to: "/licence").setting(Federation.sessionCookie(grant, call))
                .setting(StaffPlace(own: own, until: grant.expiresAt).cookie(isSecure: call.isSecure))
        }
    }

    private var endPlace: Route {
        route(.post, "\(Self.places)/{id}/end", "staff_place_end", "End one of the caller's impersonations.") { call in
            _ = try await ask("impersonations.end", call, call.parameters)
            return .redirect(to: Self.places)
        }
    }

    /// The banner's button: ends it, whoever it was, and takes the own session up again.
    private var leavePlace: Route {
        route(
            .post, "\(Self.places)/leave", "staff_place_leave", "Back from a member's place.",
            proof: RouteProof(isForEnrolment: true, isForDelegates: true)
        ) { call in
            guard let caller = call.principal, case .impersonation(let staff) = caller.bounds.delegation else {
                return .redirect(to: Self.places)
            }
            try await services.identity.endImpersonation(caller.session, of: nil, by: staff, call.act)
            return restored(call, to: Self.places)
        }
    }

    /// Where a browser comes whose place has ended by another cause.
    private var backFromPlace: Route {
        route(.get, "\(Self.places)/back", "staff_place_back", "The place has ended: on with the own session.") { call in
            if let delegation = call.principal?.bounds.delegation, case .impersonation = delegation { return .redirect(to: "/licence") }
            return restored(call, to: Self.places)
        }
    }

    private func restored(_ call: Call, to next: String) -> Reply {
        let name = StaffPlace.name(isSecure: call.isSecure)
        guard let place = StaffPlace(call) else { return .redirect(to: next) }
        return Reply.redirect(to: next).setting(SetCookie(Cookies.session(isSecure: call.isSecure), place.own, isSecure: call.isSecure))
            .setting(.removal(of: name, isSecure: call.isSecure))
    }
}

/// The own session of somebody of staff, kept while the browser acts in a member's place. Nothing is proved by it: it is put back whole.
struct StaffPlace {
    let own: String
    let until: Timestamp

    static func name(isSecure: Bool) -> String { isSecure ? "__Host-coditect_staff" : "coditect_staff" }

    init(own: String, until: Timestamp) {
        self.own = own
        self.until = until
    }
    init?(_ call: Call) {
        let parts = (call.cookie(Self.name(isSecure: call.isSecure)) ?? "").split(separator: "~", maxSplits: 1)
        guard parts.count == 2, let seconds = Int64(parts[0]), (0...253_402_300_799).contains(seconds), parts[1].utf8.count <= 512,
            parts[1].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && ![0x22, 0x2C, 0x3B, 0x5C].contains($0) })
        else { return nil }
        own = String(parts[1])
        until = Timestamp(seconds: seconds)
    }

    func cookie(isSecure: Bool) -> SetCookie { SetCookie(Self.name(isSecure: isSecure), "\(until.seconds)~\(own)", isSecure: isSecure) }
}
