import HTTPEdge
import Vocabulary

extension Tenancy {
    /// The routes of organisations as far as a single member needs them.
    package func routes() -> [Route] { currentRoutes() + addressRoutes() }

    private func currentRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/orgs/current", name: "orgs.current", summary: "The tenant that the access token speaks for.",
                access: .session,
                answers: [RouteAnswer(200, "The tenant.", OrganizationWire.schema)],
                problems: [CommonProblems.unauthenticated, CommonProblems.notFound]
            ) { call in
                let caller = try call.caller()
                guard let tenant = try await tenant(caller.tenant) else { throw CommonProblems.notFound }
                return try .json(OrganizationWire(tenant, role: caller.role))
            }
        ]
    }
}

struct OrganizationWire: Encodable {
    let id: TenantID
    let name: String
    let kind: Tenant.Kind
    let region: Tenant.Region
    let status: Tenant.Status
    let role: String
    let createdAt: Timestamp

    init(_ tenant: Tenant, role: String) {
        id = tenant.id
        name = tenant.name
        kind = tenant.kind
        region = tenant.region
        status = tenant.status
        self.role = role
        createdAt = tenant.createdAt
    }
    enum CodingKeys: String, CodingKey {
        case id, name, kind, region, status, role
        case createdAt = "created_at"
    }
    static let schema = Schema.named(
        "Organization",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)),
            SchemaField("name", .string(max: 200)),
            SchemaField("kind", .choice(Tenant.Kind.allCases.map(\.rawValue))),
            SchemaField("region", .choice(Tenant.Region.allCases.map(\.rawValue))),
            SchemaField("status", .choice(Tenant.Status.allCases.map(\.rawValue))),
            SchemaField("role", .string(max: 64), "The caller's role."),
            SchemaField("created_at", .string(max: 40, format: .dateTime)),
        ]))
}
