import Catalog
import HTTPEdge
import Licensing
import Vocabulary

/// What the platform's own people see and do: tenants, their licences and holds.
extension Console {
    static let staffHome = "/staff"
    static let staffWays: [(words: String, target: String)] = [
        ("Tenants", "/staff"), ("Licences", "/staff/licences"), ("Accounts", "/staff/users"), ("Analytics", "/staff/analytics"),
        ("Leaving tenants", "/staff/leaving"),
        ("In a member's place", "/staff/places"),
    ]
    private static let reason = FormField(
        name: "reason", label: "Reason", hint: "The tenant reads it, in a mail and in its journal.", minLength: 10, maxLength: 200)

    var staffPages: [Route] {
        [tenantsPage, findTenant, tenantPage, licencesPage, licenceDesk] + licenceActs + contractPages + tenantActs + [leavingTenants]
            + accountPagesOfStaff
            + impersonationPages + analyticsPages
    }

    // MARK: Tenants

    private var tenantsPage: Route {
        route(.get, Self.staffHome, "staff_tenants", "Every tenant, the newest first.") { call in
            let narrowed = call.query.filter { ["status", "region", "tier"].contains($0.key) && !$0.value.isEmpty }
            let asked = narrowed.merging(call.query["cursor"].map { ["cursor": $0] } ?? [:]) { own, _ in own }
            let found = try await ask("admin.tenants.list", call, query: asked)
            let states = ["active", "suspended", "closing", "purged"].map {
                (words: "Only \($0)", target: "\(Self.staffHome)?status=\($0)")
            }
            return try desk(
                Desk(
                    heading: "Tenants", intro: narrowed.isEmpty ? [] : ["Only: \(narrowed.values.sorted().joined(separator: ", "))."],
                    tables: [
                        Desk.Table(
                            anchor: "tenants", caption: "Tenants", columns: ["Since", "State", "Tier", "Kind"],
                            rows: found.list("tenants").map { one in
                                Desk.Row(
                                    cells: [one.moment("created_at"), one.text("status"), one.text("tier"), one.text("kind")],
                                    ways: [Desk.Way(words: "Look", target: "/staff/tenants/\(one.text("id"))", whom: one.text("id"))])
                            }, more: Self.more(found, Self.staffHome, keeping: narrowed) + [("All", Self.staffHome)] + states)
                    ],
                    forms: [
                        Desk.Form(
                            anchor: "find", title: "Find one", action: "/staff/tenants/find",
                            fields: [
                                FormField(
                                    name: "what", label: "Tenant or mail address",
                                    hint: "The id of a tenant, or the address of somebody in it. That you asked is journalled.")
                            ], button: "Find")
                    ], elsewhere: Self.staffWays), call)
        }
    }

    private var findTenant: Route {
        acting("/staff/tenants/find", "staff_find_tenant", "Find a tenant by its id or by somebody's address.") { call in
            let what = try SentForm(call)["what"].split(whereSeparator: \.isWhitespace).joined()
            if let id = TenantID(what) { return .redirect(to: "/staff/tenants/\(id)") }
            let found = try await ask("admin.users.search", call, body: ["email": .string(what)])
            guard let user = found.list("users").first else { throw CommonProblems.notFound }
            return .redirect(to: "/staff/tenants/\(user.text("home_tenant_id"))")
        }
    }

    private var tenantPage: Route {
        route(.get, "/staff/tenants/{id}", "staff_tenant", "One tenant: its standing, licences, seats, invoices, setting up and holds.") {
            call in
            let id: TenantID = try call.id("id")
            let (here, path) = (["id": id.description], "/staff/tenants/\(id)")
            let tenant = try await ask("admin.tenants.get", call, here)
            var desk = Desk(
                heading: tenant.text("name"), intro: ["That you looked stands in the tenant's journal."], facts: Self.facts(of: tenant),
                elsewhere: Self.staffWays)
            if let found = try await part("admin.licenses.list", call, here) {
                desk.tables.append(Self.licenceTable(found, path))
            }
            if let found = try await part("admin.contracts.list", call, here) { desk.tables.append(Self.contractTable(found, path)) }
            if let found = try await part("admin.invoices.list", call, here) { desk.tables.append(Self.invoiceTable(found)) }
            if let found = try await part("admin.workstations.list", call, here) {
                desk.tables += Self.setupTables(found, path)
                desk.forms.append(
                    Desk.Form(anchor: "review", title: "Setting up", action: "\(path)/review", fields: [], button: "Look at it now"))
            }
            if let found = try await part("admin.offboarding.holds", call, ["tenant": id.description]) {
                desk.tables.append(Self.holdTable(found, path))
                desk.forms.append(
                    Desk.Form(
                        anchor: "hold", title: "Place a legal hold", action: "\(path)/holds",
                        fields: [
                            FormField(
                                name: "reason", label: "Reason", hint: "Which court, authority or dispute asks for it.", minLength: 10,
                                maxLength: 500)
                        ], button: "Let nothing be deleted"))
            }
            return try self.desk(desk, call)
        }
    }

    private static func facts(of tenant: JSONValue) -> [(String, String)] {
        var facts = [
            ("Id", tenant.text("id")), ("State", tenant.text("status")), ("Kind", tenant.text("kind")), ("Region", tenant.text("region")),
            ("Since", tenant.moment("created_at")), ("Members", tenant.text("members")), ("Tier", tenant.text("tier")),
            ("Seats sold", tenant.text("seats_sold")), ("Own networks alone", tenant.text("limits_networks")),
        ]
        guard let paid = tenant["subscription"], !paid.isNull else { return facts + [("Subscription", "none")] }
        facts += [
            ("Subscription", "\(paid.words("standing")) (\(paid.words("reason")))"),
            ("Pays", "\(paid.text("quantity")) × \(paid.text("tier")), each \(paid.text("interval")), through \(paid.text("provider"))"),
            ("Paid until", paid.moment("period_end", or: "not known")),
        ]
        if paid["trial_ends_at"]?.string != nil { facts.append(("Trial until", paid.moment("trial_ends_at"))) }
        if paid["cancels_at"]?.string != nil { facts.append(("Ends", paid.moment("cancels_at"))) }
        return facts
    }

    private static func licenceTable(_ found: JSONValue, _ path: String) -> Desk.Table {
        Desk.Table(
            anchor: "licences", caption: "Licences", columns: ["Tier", "State", "Seats", "Until"],
            rows: found.list("licenses").map { one in
                Desk.Row(
                    cells: [one.text("tier_name"), one.text("status"), one.text("seats"), one.moment("expires_at", or: "no end")],
                    ways: one.text("status") == "revoked"
                        ? [] : [Desk.Way(words: "Look after", target: "\(path)/licences/\(one.text("id"))", whom: one.text("tier_name"))])
            })
    }
    private static func invoiceTable(_ found: JSONValue) -> Desk.Table {
        Desk.Table(
            anchor: "invoices", caption: "Invoices, the newest", columns: ["Issued", "Amount", "State", "Paid"],
            rows: found.list("invoices").map { one in
                Desk.Row(cells: [one.moment("issued_at"), one.money("amount"), one.words("status"), one.moment("paid_at", or: "no")])
            })
    }
    private static func setupTables(_ found: JSONValue, _ path: String) -> [Desk.Table] {
        var tables: [Desk.Table] = []
        if let plan = found["plan"], !plan.isNull { tables.append(planTable(plan)) }
        tables.append(
            Desk.Table(
                anchor: "workstations", caption: "Workstations", columns: ["State", "Should be", "Machine", "Note"],
                rows: found.list("workstations").map { one in
                    let acts = [Desk.Way(words: "Try again", target: "\(path)/workstations/\(one.text("id"))/retry", whom: one.text("id"))]
                    return Desk.Row(
                        cells: [one.text("state"), one.text("wish"), one.text("machine_type"), one.text("note")],
                        acts: one.text("state") == "failed" ? acts : [])
                }))
        return tables
    }
    /// What is set up for an organization, as far as it is.
    static func planTable(_ plan: JSONValue) -> Desk.Table {
        let note = plan.text("note").isEmpty ? "" : ": \(plan.text("note"))"
        return Desk.Table(
            anchor: "plan", caption: "Setting up for \(plan.text("tier")): \(plan.text("state"))\(note)",
            columns: ["Step", "State", "When"],
            rows: plan.list("steps").map { Desk.Row(cells: [$0.words("action"), $0.words("state"), $0.moment("at")]) })
    }
    private static func holdTable(_ found: JSONValue, _ path: String) -> Desk.Table {
        Desk.Table(
            anchor: "holds", caption: "Legal holds", columns: ["Reason", "Placed", "Lifted"],
            rows: found.list("holds").map { one in
                let stands = one["lifted_at"]?.string == nil
                let lift = Desk.Way(words: "Lift", target: "\(path)/holds/\(one.text("id"))/lift", whom: one.text("reason"))
                return Desk.Row(
                    cells: [one.text("reason"), one.moment("placed_at"), one.moment("lifted_at", or: "stands")], acts: stands ? [lift] : [])
            })
    }

    /// One tenant's page.
    private static func tenantPath(_ call: Call) throws -> String {
        let id: TenantID = try call.id("id")
        return "/staff/tenants/\(id)"
    }

    private var tenantActs: [Route] {
        [
            asking(
                "/staff/tenants/{id}/review", "staff_review", "Look at a tenant now.", "admin.workstations.review", on: Self.tenantPath),
            asking(
                "/staff/tenants/{id}/workstations/{workstation}/retry", "staff_retry", "Try a workstation again.",
                "admin.workstations.retry",
                on: Self.tenantPath),
            acting("/staff/tenants/{id}/holds", "staff_hold", "Place a legal hold.", isSensitive: true) { call in
                let id: TenantID = try call.id("id")
                _ = try await ask(
                    "admin.offboarding.hold", call, ["tenant": id.description], body: ["reason": .string(try SentForm(call)["reason"])])
                return .redirect(to: try Self.tenantPath(call))
            },
            acting("/staff/tenants/{id}/holds/{hold}/lift", "staff_lift", "Lift a legal hold.", isSensitive: true) { call in
                let parameters = ["tenant": call.parameters["id"] ?? "", "id": call.parameters["hold"] ?? ""]
                _ = try await ask("admin.offboarding.lift", call, parameters)
                return .redirect(to: try Self.tenantPath(call))
            },
        ]
    }

    // MARK: Licences

    private static let licences = "/staff/licences"

    private var licencesPage: Route {
        route(.get, Self.licences, "staff_licences", "Licences of every tenant, the newest first.") { call in
            let narrowed = call.query.filter { ["status", "tier", "tenant", "key_end"].contains($0.key) && !$0.value.isEmpty }
            let asked = narrowed.merging(call.query["cursor"].map { ["cursor": $0] } ?? [:]) { own, _ in own }
            let found = try await ask("admin.licenses.search", call, query: asked)
            let any = FormField.Option(value: "", words: "any")
            let tiers = services.catalog.current.tiers.map { FormField.Option(value: $0.id.name, words: $0.name) }
            let states = LicenseStatus.allCases.map { FormField.Option(value: $0.rawValue, words: $0.rawValue) }
            return try desk(
                Desk(
                    heading: "Licences",
                    intro: narrowed.isEmpty ? [] : ["Only: \(narrowed.sorted { $0.key < $1.key }.map(\.value).joined(separator: ", "))."],
                    tables: [
                        Desk.Table(
                            anchor: "licences", caption: "Licences of every tenant", columns: ["Key", "Tier", "State", "Until", "Tenant"],
                            rows: found.list("licenses").map(Self.licenceRow),
                            more: Self.more(found, Self.licences, keeping: narrowed) + (narrowed.isEmpty ? [] : [("All", Self.licences)]))
                    ],
                    forms: [
                        Desk.Form(
                            anchor: "narrow", title: "Look for some", action: Self.licences,
                            fields: [
                                FormField(
                                    name: "key_end", label: "Last four signs of the key", hint: "That you asked is journalled.",
                                    maxLength: 8, isOptional: true),
                                FormField(name: "status", label: "State", options: [any] + states),
                                FormField(name: "tier", label: "Tier", options: [any] + tiers),
                                FormField(
                                    name: "tenant", label: "Tenant", hint: "Its id. That you looked stands in its journal.", maxLength: 36,
                                    isOptional: true),
                            ], values: narrowed, button: "Look", isQuestion: true)
                    ], elsewhere: Self.staffWays), call)
        }
    }
    private static func licenceRow(_ one: JSONValue) -> Desk.Row {
        let (key, path) = ("… \(one.text("key_end"))", "/staff/tenants/\(one.text("tenant_id"))")
        let here = "\(path)/licences/\(one.text("id"))"
        var ways = [Desk.Way(words: "Tenant", target: path, whom: one.text("tenant_id"))]
        if one.text("status") != "revoked" {
            let isHeld = one["is_held"]?.bool == true
            ways = [
                Desk.Way(words: "Look after", target: here, whom: key),
                isHeld
                    ? Desk.Way(words: "Reinstate", target: "\(here)#reinstate", whom: key)
                    : Desk.Way(words: "Suspend", target: "\(here)#suspend", whom: key),
            ]
        }
        let state = one.text("status") + (one["is_held"]?.bool == true ? ", by staff" : "")
        return Desk.Row(
            cells: [key, one.text("tier"), state, one.moment("expires_at", or: "no end"), one.text("tenant_id")], ways: ways)
    }

    private var licenceDesk: Route {
        route(.get, "/staff/tenants/{id}/licences/{license}", "staff_licence", "One licence of a tenant.") { call in
            let id: TenantID = try call.id("id")
            let path = "/staff/tenants/\(id)"
            let found = try await ask("admin.licenses.list", call, ["id": id.description], query: ["limit": "100"])
            guard let one = found.list("licenses").first(where: { $0.text("id") == call.parameters["license"]?.lowercased() }) else {
                throw CommonProblems.notFound
            }
            let acts = [
                ("suspend", "Suspend it", "It works no more until you let go of it, whatever is paid."),
                ("reinstate", "Let go of it", "It is again what is paid for."), ("revoke", "End it for good", "Nothing brings it back."),
            ]
            return try desk(
                Desk(
                    heading: "A \(one.text("tier_name")) licence",
                    facts: [
                        ("Id", one.text("id")), ("State", one.text("status")), ("Seats", one.text("seats")),
                        ("Issued", one.moment("issued_at")), ("Until", one.moment("expires_at", or: "no end")),
                    ],
                    forms: acts.map { verb, words, hint in
                        var field = Self.reason
                        field.hint = "\(hint) The owners get the reason by mail, and it stands in their journal."
                        return Desk.Form(
                            anchor: verb, title: words, action: "\(path)/licences/\(one.text("id"))/\(verb)", fields: [field], button: words
                        )
                    }, elsewhere: [("Back to the tenant", path)] + Self.staffWays), call)
        }
    }
    private var licenceActs: [Route] {
        ["suspend", "reinstate", "revoke"].map { verb in
            asking(
                "/staff/tenants/{id}/licences/{license}/\(verb)", "staff_licence_\(verb)", "\(verb.capitalized) a tenant's licence.",
                "admin.licenses.\(verb)", on: Self.tenantPath
            ) { sent in ["reason": .string(sent["reason"])] }
        }
    }

    // MARK: Who leaves

    private var leavingTenants: Route {
        route(.get, "/staff/leaving", "staff_leaving", "Which tenants leave.") { call in
            let found = try await ask("admin.offboarding", call, query: call.query.filter { $0.key == "cursor" })
            return try desk(
                Desk(
                    heading: "Leaving tenants",
                    tables: [
                        Desk.Table(
                            anchor: "leaving", caption: "On the way out", columns: ["State", "Because", "Reason", "Leaves", "Kept until"],
                            rows: found.list("offboardings").map { one in
                                let id = one.text("tenant_id")
                                return Desk.Row(
                                    cells: [
                                        one.words("state"), one.words("cause"), one.words("reason"), one.moment("leaves_at"),
                                        one.moment("retained_until"),
                                    ],
                                    ways: [Desk.Way(words: "Look", target: "/staff/tenants/\(id)", whom: id)])
                            }, more: Self.more(found, "/staff/leaving"))
                    ], elsewhere: Self.staffWays), call)
        }
    }
}
