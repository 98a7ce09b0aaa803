import Catalog
import Foundation
import HTTPEdge
import Vocabulary

/// What is agreed with single tenants: written by staff with a reason, read by both.
extension Billing {
    func contractRoutes() -> [Route] { [ownContractsRoute, contractsRoute, agreeRoute, reviseRoute] }

    private var ownContractsRoute: Route {
        Route(
            .get, "/api/v1/billing/contracts", name: "billing.contracts",
            summary: "What was agreed with the tenant about single tiers, newest first, each with its versions and their reasons.",
            access: .permission(BillingPermissions.read), answers: [RouteAnswer(200, "All of them", ContractSchemas.contracts)]
        ) { call in
            let contracts = try await self.contracts.list(of: try call.caller().tenant)
            return .json(value: ["contracts": .array(contracts.map { self.json($0, call.act.now) })])
        }
    }

    private var contractsRoute: Route {
        Route(
            .get, "/api/v1/admin/tenants/{id}/contracts", name: "admin.contracts.list",
            summary: "What was agreed with any tenant about single tiers, newest first, each with its versions and their reasons.",
            access: .permission(BillingPermissions.staff), answers: [RouteAnswer(200, "All of them", ContractSchemas.contracts)],
            problems: [CommonProblems.notFound]
        ) { call in
            let contracts = try await self.contracts.listForStaff(try call.id("id"), call.act)
            return .json(value: ["contracts": .array(contracts.map { self.json($0, call.act.now) })])
        }
    }

    private var agreeRoute: Route {
        Route(
            .post, "/api/v1/admin/tenants/{id}/contracts", name: "admin.contracts.agree",
            summary: "Changes fields of a tier for one tenant, from a date to a date; who did it and why stands in the tenant's journal.",
            access: .permission(BillingPermissions.staff), request: ContractSchemas.order,
            answers: [RouteAnswer(201, "The contract", ContractSchemas.contract)],
            problems: [
                CommonProblems.notFound, CatalogProblems.unknownTier, ContractSchemas.refused,
                CatalogProblems.contractOverlaps.with(["contract_id": "018f…"]), CatalogProblems.tooManyContracts,
                BillingProblems.cardNumberRefused, CommonProblems.idempotencyKeyReused,
            ], creates: true
        ) { call in
            let body = try call.decode(ContractBody.self)
            let contract = try await self.agree(try body.order(), with: try call.id("id"), call.act)
            return .json(value: self.json(contract, call.act.now), status: 201)
        }
    }

    private var reviseRoute: Route {
        Route(
            .put, "/api/v1/admin/tenants/{id}/contracts/{contract}", name: "admin.contracts.revise",
            summary: "Puts another version in the place of the one that `version` names; an `ends_at` that has passed ends it at once.",
            access: .permission(BillingPermissions.staff), request: ContractSchemas.revision,
            answers: [RouteAnswer(200, "The contract", ContractSchemas.contract)],
            problems: [
                CommonProblems.notFound, CatalogProblems.unknownTier, ContractSchemas.refused,
                CatalogProblems.contractOverlaps.with(["contract_id": "018f…"]), CatalogProblems.contractChanged.with(["version": 2]),
                BillingProblems.cardNumberRefused,
            ]
        ) { call in
            let body = try call.decode(ContractBody.self)
            guard let version = body.version else { throw CommonProblems.invalid("version", "is required") }
            let contract = try await self.revise(
                try call.id("contract"), version: version, try body.order(), with: try call.id("id"), call.act)
            return .json(value: self.json(contract, call.act.now))
        }
    }

    private func json(_ contract: Contract, _ now: Timestamp) -> JSONValue {
        func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
        let tier = contracts.tier(under: contract)
        return [
            "id": .string(contract.id.description), "tier": .string(contract.tier.name), "version": .int(Int64(contract.version)),
            "status": .string(contract.status(at: now).rawValue), "is_readable": .bool(tier != nil), "terms": contract.terms,
            "starts_at": time(contract.startsAt), "ends_at": time(contract.endsAt), "changed_at": time(contract.madeAt),
            "seats_per_unit": tier.map { .int(Int64($0.seatsPerUnit)) } ?? .null,
            "prices": .array(
                BillingInterval.allCases.compactMap { interval in
                    tier?.prices[interval].map { price in
                        [
                            "interval": .string(interval.rawValue), "amount_minor": .int(price.amountMinor),
                            "currency": .string(price.currency.code),
                        ]
                    }
                }),
            "changes": .array(changes(contract, tier)),
            "versions": .array(
                contract.versions.map { version in
                    [
                        "version": .int(Int64(version.number)), "terms": version.terms, "starts_at": time(version.startsAt),
                        "ends_at": time(version.endsAt), "reason": .string(version.reason), "made_at": time(version.madeAt),
                    ]
                }),
        ]
    }
}

extension Billing {
    /// What the contract makes another of the tier as everybody is sold it now; nothing of a tier that is gone.
    fileprivate func changes(_ contract: Contract, _ tier: Tier?) -> [JSONValue] {
        guard let tier, let listed = contracts.catalog.current[contract.tier] else { return [] }
        return listed.differences(to: tier).map { one in
            ["field": .string(one.field), "listed": one.listed ?? .null, "agreed": one.agreed ?? .null]
        }
    }
}

struct ContractBody: Decodable {
    let tier: String
    let terms: JSONValue
    let startsAt: Timestamp?
    let endsAt: Timestamp?
    let reason: String
    let version: Int?
    enum CodingKeys: String, CodingKey {
        case tier, terms, reason, version
        case startsAt = "starts_at"
        case endsAt = "ends_at"
    }
    func order() throws(Problem) -> ContractOrder {
        ContractOrder(
            tier: tier, terms: terms, startsAt: startsAt, endsAt: endsAt, reason: reason.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

enum ContractSchemas {
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let tier = SchemaField("tier", .string(min: 1, max: 32), "Whose fields are changed")
    private static let terms = SchemaField(
        "terms", .map(.any), "Fields of the table of tiers, each in the place of the tier's own; null takes one away")
    private static let fields = [
        tier, terms, SchemaField("starts_at", .nullable(time), "Now if absent", optional: true),
        SchemaField("ends_at", .nullable(time), "Until another version says when, if absent", optional: true),
        SchemaField("reason", .string(min: 1, max: 200), "Why; the tenant reads it"),
    ]
    static let order = Schema.object(fields)
    static let revision = Schema.object(
        [SchemaField("version", .integer(1...1_000_000), "The version that this one replaces")] + fields)
    static let refused = CatalogProblems.termsRefused.with(["complaints": ["tiers.pro.seats_per_unit: must be 1 … 1000000"]])

    static let contract = Schema.named(
        "Contract",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("tier", .string(max: 32)),
            SchemaField("version", .integer(1...1_000_000)),
            SchemaField("status", .choice(Contract.Status.allCases.map(\.rawValue)), "By its dates"),
            SchemaField(
                "is_readable", .boolean,
                "False: the table of tiers has changed and no longer fits; whoever has the tier keeps what it granted"),
            SchemaField("terms", .map(.any), "The fields that it changes"), SchemaField("starts_at", time),
            SchemaField("ends_at", .nullable(time)), SchemaField("changed_at", time),
            SchemaField("seats_per_unit", .nullable(.integer(1...1_000_000)), "Of the tier under it"),
            SchemaField(
                "prices",
                .array(
                    .object([
                        SchemaField("interval", .choice(BillingInterval.allCases.map(\.rawValue))),
                        SchemaField("amount_minor", .integer(0...Int64.max)), SchemaField("currency", .string(min: 3, max: 3)),
                    ]), max: 2), "Of the tier under it, for each unit"),
            SchemaField(
                "changes",
                .array(
                    .object([
                        SchemaField("field", .string(max: 200), "As the table of tiers writes it"),
                        SchemaField("listed", .any, "What everybody is sold; null: nothing"),
                        SchemaField("agreed", .any, "What holds under the contract; null: nothing"),
                    ]), max: 1_000), "Each field that is another than the tier's own now"),
            SchemaField(
                "versions",
                .array(
                    .object([
                        SchemaField("version", .integer(1...1_000_000)), SchemaField("terms", .map(.any)), SchemaField("starts_at", time),
                        SchemaField("ends_at", .nullable(time)), SchemaField("reason", .string(max: 200)), SchemaField("made_at", time),
                    ]), max: 100), "Newest first"),
        ]))
    static let contracts = Schema.object([SchemaField("contracts", .array(contract, max: Contracts.most), "Newest first")])
}
