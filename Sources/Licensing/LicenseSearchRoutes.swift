import HTTPEdge
import Vocabulary

/// The list across tenants.
extension Licenses {
    func searchRoute() -> Route {
        Route(
            .get, "/api/v1/admin/licenses", name: "admin.licenses.search",
            summary:
                "Licences of every tenant, the newest first; of a key its end alone, and nothing that says whose it is. A page may hold fewer "
                + "than asked for while more follow.",
            access: .permission(LicensePermissions.staff),
            query: QueryField.paging + [
                QueryField("status", .choice(LicenseStatus.allCases.map(\.rawValue)), "Only these"),
                QueryField("tier", .string(min: 1, max: 32), "Only of this tier"),
                QueryField("tenant", .string(min: 36, max: 36, format: .uuid), "Only this tenant's; that stands in its journal"),
                QueryField(
                    "key_end", .string(min: Self.keyEndSigns, max: 8),
                    "Only whose key ends in these four signs; that somebody looked stands in the platform's journal"),
            ], answers: [RouteAnswer(200, "One page", .page("licenses", of: Wire.line))]
        ) { call in
            let page = try call.page()
            let tenant: TenantID? = try call.query["tenant"].map { text in
                guard let id = TenantID(text) else { throw CommonProblems.invalid("tenant", "must be a tenant's id") }
                return id
            }
            let filter = LicenseFilter(
                status: call.query["status"].flatMap(LicenseStatus.init), tier: call.query["tier"], tenant: tenant,
                keyEnd: call.query["key_end"])
            let found = try await search(filter, after: page.after.flatMap(LicenseID.init), limit: page.limit, call.act)
            return call.reply(Page(found.lines, next: found.next?.description), named: "licenses") { Wire.json($0, now: call.act.now) }
        }
    }
}

extension Wire {
    static let line = Schema.named(
        "LicenseLine",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("tenant_id", .string(max: 36, format: .uuid)),
            SchemaField("tier", .string(max: 32)), SchemaField("quantity", figure), SchemaField("status", status),
            SchemaField("is_held", .boolean, "Staff keeps it from being used"), SchemaField("expires_at", .nullable(moment)),
            SchemaField("issued_at", moment), SchemaField("key_end", .string(max: 8), "The last four signs of its key"),
        ]))

    static func json(_ line: LicenseLine, now: Timestamp) -> JSONValue {
        [
            "id": .string(line.id.description), "tenant_id": .string(line.tenant.description), "tier": .string(line.tier),
            "quantity": count(line.quantity), "status": .string(line.terms.status(at: now).rawValue),
            "is_held": .bool(line.terms.heldAt != nil), "expires_at": time(line.terms.effectiveEnd(at: now)),
            "issued_at": time(line.issuedAt), "key_end": .string(line.keyEnd),
        ]
    }
}
