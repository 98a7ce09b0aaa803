import Foundation
import HTTPEdge
import Store
import Vocabulary

/// What people do to a licence by hand. Everything else follows from what billing says.
extension Licenses {
    func revocationRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/licenses/{id}/revoke", name: "licenses.revoke",
                summary:
                    "Ends a licence for good: key, seats and files. The subscription is not cancelled by it. Repeating it is harmless.",
                access: .permission(LicensePermissions.revoke), request: .object([Wire.reason]), answers: [Wire.revoked],
                problems: [CommonProblems.notFound]
            ) { call in
                let license = try await revoke(
                    try call.id("id"), tenant: try call.caller().tenant, reason: try Wire.reason(call), call.act)
                return .json(value: ["license": Wire.json(license, now: call.act.now)])
            },
            Route(
                .get, "/api/v1/admin/tenants/{id}/licenses", name: "admin.licenses.list",
                summary:
                    "Any tenant's licences, the oldest first; without their keys. That somebody looked stands in the tenant's journal.",
                access: .permission(LicensePermissions.staff), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("licenses", of: Wire.license))], problems: [CommonProblems.notFound]
            ) { call in
                let page = try call.page()
                let found = try await listForStaff(
                    try call.id("id"), after: page.after.flatMap(LicenseID.init), limit: page.limit, call.act)
                return call.reply(Page(found.licenses, next: found.next?.description), named: "licenses") {
                    Wire.json($0, now: call.act.now)
                }
            },
            Route(
                .post, "/api/v1/admin/tenants/{id}/licenses/{license}/revoke", name: "admin.licenses.revoke",
                summary:
                    "Ends any tenant's licence for good; who did it and why stands in the tenant's journal, and its owners get a mail.",
                access: .permission(LicensePermissions.staff), request: .object([Wire.reason]), answers: [Wire.revoked],
                problems: [CommonProblems.notFound]
            ) { call in
                let license = try await revoke(
                    try call.id("license"), tenant: try call.id("id"), reason: try Wire.reason(call), call.act)
                return .json(value: ["license": Wire.json(license, now: call.act.now)])
            },
            holdRoute(
                "suspend",
                "Keeps any tenant's licence from being used, whatever is paid; who did it and why stands in the tenant's journal, and its "
                    + "owners get a mail. Repeating it is harmless.", hold),
            holdRoute(
                "reinstate", "Lets go of a licence that staff suspended: it is again what is paid for. Repeating it is harmless.", release),
        ]
    }

    private func holdRoute(
        _ verb: String, _ summary: String, _ act: @escaping @Sendable (License.ID, TenantID, String, Act) async throws -> License
    ) -> Route {
        Route(
            .post, "/api/v1/admin/tenants/{id}/licenses/{license}/\(verb)", name: "admin.licenses.\(verb)", summary: summary,
            access: .permission(LicensePermissions.staff), request: .object([Wire.reason]),
            answers: [RouteAnswer(200, "The licence as it is then", .object([SchemaField("license", Wire.license)]))],
            problems: [CommonProblems.notFound, LicenseProblems.revoked]
        ) { call in
            let license = try await act(try call.id("license"), try call.id("id"), try Wire.reason(call), call.act)
            return .json(value: ["license": Wire.json(license, now: call.act.now)])
        }
    }
}

extension Wire {
    static let reason = SchemaField("reason", .string(min: 1, max: 200), "Kept in the journal; what the tenant's auditors read")
    static let revoked = RouteAnswer(200, "Revoked, now or before", .object([SchemaField("license", license)]))

    /// White space is no reason.
    static func reason(_ call: Call) throws(Problem) -> String {
        let text = (call.json?["reason"]?.string ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw CommonProblems.invalid("reason", "must say why") }
        return text
    }
}
