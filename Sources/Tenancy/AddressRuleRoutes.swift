import Foundation
import HTTPEdge
import Vocabulary

extension Tenancy {
    private static let path = "/api/v1/orgs/current/allowed-networks"
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let list = Schema.array(.string(min: 2, max: 49), max: AddressRule.mostNetworks)
    private static let rule = Schema.named(
        "AllowedNetworks",
        .object([
            SchemaField("networks", .nullable(list), "Prefixes; null: from anywhere"),
            SchemaField("covers_license_keys", .boolean, "Whether what a licence key alone proves must come from there too"),
            SchemaField("set_at", .nullable(time)), SchemaField("lifted_until", .nullable(time), "Staff suspended it until then"),
            SchemaField("your_address", .nullable(.string(max: 64)), "Where this request came from"),
        ]))

    func addressRoutes() -> [Route] { ownerRoutes + staffRoutes }

    private var ownerRoutes: [Route] {
        [
            Route(
                .get, Self.path, name: "orgs.allowed_networks", summary: "From which networks the tenant lets its people in.",
                access: .permission(TenancyPermissions.tenantRead), answers: [RouteAnswer(200, "The rule", Self.rule)]
            ) { call in .json(value: Self.json(try await addressRule(of: try call.caller().tenant), call.act.address)) },
            Route(
                .put, Self.path, name: "orgs.allow_networks",
                summary:
                    "Lets people in from these networks alone, from their next request on: sessions, tokens, API keys, every way of signing in.",
                access: .permission(TenancyPermissions.tenantWrite),
                request: .object([
                    SchemaField("networks", Self.list, "Addresses or prefixes, of IPv4 or IPv6"),
                    SchemaField("covers_license_keys", .boolean, "False where not said", optional: true),
                    SchemaField("confirm_exclusion", .boolean, "True: although the caller's own address is not among them", optional: true),
                ]), answers: [RouteAnswer(200, "The rule", Self.rule)],
                problems: [TenancyProblems.listExcludesCaller.with(["address": "198.51.100.7"])]
            ) { call in
                let networks = try AddressRule.read(call.json?["networks"]?.array?.compactMap(\.string) ?? [])
                let rule = try await allow(
                    networks, coversLicenseKeys: call.json?["covers_license_keys"]?.bool ?? false,
                    confirmed: call.json?["confirm_exclusion"]?.bool ?? false, in: try call.caller().tenant, call.act)
                return .json(value: Self.json(rule, call.act.address))
            },
            Route(
                .delete, Self.path, name: "orgs.allow_anywhere", summary: "Lets people in from anywhere again.",
                access: .permission(TenancyPermissions.tenantWrite), answers: [RouteAnswer(204, "From anywhere.")]
            ) { call in
                try await allowAnywhere(in: try call.caller().tenant, call.act)
                return Reply(status: 204)
            },
        ]
    }

    /// For a tenant whose networks changed before its list did.
    private var staffRoutes: [Route] {
        let path = "/api/v1/admin/tenants/{id}/allowed-networks/lift"
        return [
            Route(
                .post, path, name: "admin.lift_allowed_networks",
                summary: "Suspends a tenant's list of networks for a time; why stands in the tenant's journal and in the platform's.",
                access: .permission(TenancyPermissions.staff),
                request: .object([
                    SchemaField("reason", .string(min: 10, max: 500), "Shown to the tenant"),
                    SchemaField("minutes", .integer(1...1_440), "60 where not said", optional: true),
                ]), answers: [RouteAnswer(200, "Suspended", .object([SchemaField("lifted_until", Self.time)]))],
                problems: [CommonProblems.notFound]
            ) { call in
                let until = call.act.now + .minutes(call.json?["minutes"]?.int ?? 60)
                let reason = try TenantName.read(call.json?["reason"]?.string ?? "", "reason", max: 500)
                try await lift(try call.id("id"), until: until, reason: reason, call.act)
                return .json(value: ["lifted_until": .string(until.iso8601)])
            },
            Route(
                .delete, path, name: "admin.bind_allowed_networks", summary: "The tenant's list of networks binds again, at once.",
                access: .permission(TenancyPermissions.staff), answers: [RouteAnswer(204, "Binds.")], problems: [CommonProblems.notFound]
            ) { call in
                try await lift(try call.id("id"), until: nil, reason: "ended by staff", call.act)
                return Reply(status: 204)
            },
        ]
    }

    private static func json(_ rule: AddressRule?, _ address: String?) -> JSONValue {
        func time(_ time: Timestamp?) -> JSONValue { time.map { .string($0.iso8601) } ?? .null }
        return [
            "networks": rule.map { .array($0.networks.map { .string($0.description) }) } ?? .null,
            "covers_license_keys": .bool(rule?.coversLicenseKeys ?? false), "set_at": time(rule?.setAt),
            "lifted_until": time(rule?.liftedUntil), "your_address": address.map { .string($0) } ?? .null,
        ]
    }
}
