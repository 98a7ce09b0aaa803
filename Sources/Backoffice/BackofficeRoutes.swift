import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension Backoffice {
    private static let uuid = Schema.string(max: 36, format: .uuid)
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let count = Schema.integer(0...1_000_000_000)
    private static let tier = Schema.nullable(.string(max: 64))
    private static let line: [SchemaField] = [
        SchemaField("id", uuid), SchemaField("kind", .choice(Tenant.Kind.allCases.map(\.rawValue))),
        SchemaField("region", .choice(Tenant.Region.allCases.map(\.rawValue))),
        SchemaField("status", .choice(Tenant.Status.allCases.map(\.rawValue))), SchemaField("tier", tier, "Of the licence in use"),
        SchemaField("created_at", time),
    ]
    private static let subscription = Schema.object([
        SchemaField("id", uuid), SchemaField("provider", .string(max: 64)), SchemaField("standing", .string(max: 20)),
        SchemaField("reason", .string(max: 40)), SchemaField("tier", .string(max: 64)), SchemaField("interval", .string(max: 10)),
        SchemaField("quantity", count), SchemaField("period_end", .nullable(time)), SchemaField("trial_ends_at", .nullable(time)),
        SchemaField("cancels_at", .nullable(time)),
    ])

    package func routes() -> [Route] { tenantRoutes + analyticsRoutes }

    private var tenantRoutes: [Route] {
        let path = "/api/v1/admin/tenants"
        return [
            Route(
                .get, path, name: "admin.tenants.list",
                summary:
                    "Every tenant, the newest first; nothing that says who it is. A page may hold fewer than asked for while more follow.",
                access: .permission(TenancyPermissions.staff),
                query: QueryField.paging + [
                    QueryField("status", .choice(Tenant.Status.allCases.map(\.rawValue)), "Only these"),
                    QueryField("region", .choice(Tenant.Region.allCases.map(\.rawValue)), "Only these"),
                    QueryField("tier", .string(min: 1, max: 64), "Only those whose licence in use is of this tier"),
                ], answers: [RouteAnswer(200, "One page", .page("tenants", of: .named("TenantSummary", .object(Self.line))))]
            ) { call in
                let page = try call.page()
                let filter = Filter(
                    status: call.query["status"].flatMap(Tenant.Status.init), region: call.query["region"].flatMap(Tenant.Region.init),
                    tier: call.query["tier"])
                let found = try await tenants(
                    filter, after: page.after.flatMap(TenantID.init), limit: page.limit, now: call.act.now)
                return call.reply(Page(found.lines, next: found.next?.description), named: "tenants") {
                    .object(Self.json($0.tenant, $0.tier))
                }
            },
            Route(
                .get, "\(path)/{id}", name: "admin.tenants.get",
                summary: "One tenant with its subscription and seats. That somebody looked stands in the tenant's journal.",
                access: .permission(TenancyPermissions.staff),
                answers: [
                    RouteAnswer(
                        200, "The tenant",
                        .object(
                            Self.line + [
                                SchemaField("name", .string(max: 200)), SchemaField("members", Self.count),
                                SchemaField("seats_sold", Self.count), SchemaField("subscription", .nullable(Self.subscription)),
                                SchemaField("limits_networks", .boolean, "Whether it lets its people in from its own networks alone"),
                            ]))
                ], problems: [CommonProblems.notFound]
            ) { call in .json(value: Self.json(try await file(of: try call.id("id"), call.act))) },
        ]
    }

    private static let span = [
        QueryField("from", time, "30 days before to where not said"),
        QueryField("to", time, "Now where not said; at most 366 days after from"),
    ]
    private static let money = Schema.object([
        SchemaField("currency", .string(max: 3)), SchemaField("amount_minor", .integer(0...Int64.max), "Whole minor units a month"),
        SchemaField("twelfths", .integer(0...11), "What is left of one more, in twelfths: years count a twelfth a month"),
    ])

    private var analyticsRoutes: [Route] {
        let path = "/api/v1/admin/analytics"
        let share = Schema.nullable(.integer(0...10_000))
        return [
            Route(
                .get, path, name: "admin.analytics",
                summary:
                    "Recurring revenue by list price, customers lost, trials converted, seats and sign-ups, computed anew from the rows.",
                access: .permission(BackofficePermissions.analytics), query: Self.span,
                answers: [
                    RouteAnswer(
                        200, "The figures",
                        .object([
                            SchemaField("from", Self.time), SchemaField("to", Self.time), SchemaField("as_of", Self.time),
                            SchemaField("tenants", Self.count, "Looked at"), SchemaField("is_complete", .boolean, "Whether that was all"),
                            SchemaField("monthly_recurring", .array(Self.money, max: 200)),
                            SchemaField(
                                "monthly_recurring_by_tier",
                                .array(
                                    .object([SchemaField("tier", .string(max: 64)), SchemaField("amounts", .array(Self.money, max: 200))]),
                                    max: 500)),
                            SchemaField("paying_subscriptions", Self.count),
                            SchemaField("without_list_price", Self.count, "Of those: by contract"),
                            SchemaField("paying_at_start", Self.count, "Tenants that paid at from"),
                            SchemaField("lost", Self.count, "Of those: who pays no more at to"),
                            SchemaField("churn_basis_points", share), SchemaField("trials_ended", Self.count),
                            SchemaField("trials_converted", Self.count), SchemaField("conversion_basis_points", share),
                            SchemaField("seats_sold", Self.count), SchemaField("seats_used", Self.count),
                            SchemaField("sign_ups", Self.count),
                        ]))
                ]
            ) { call in .json(value: Self.json(try await analytics(try Self.window(call), now: call.act.now), call.act.now)) },
            Route(
                .get, "\(path)/export", name: "admin.analytics.export",
                summary: "The same as comma-separated values, which no spreadsheet takes for formulas.",
                access: .permission(BackofficePermissions.analytics), query: Self.span,
                answers: [RouteAnswer(200, "metric, detail, value", contentType: "text/csv; charset=utf-8")]
            ) { call in
                let found = Self.json(try await analytics(try Self.window(call), now: call.act.now), call.act.now)
                return Reply(
                    status: 200,
                    headers: [
                        ("content-type", "text/csv; charset=utf-8"), ("content-disposition", "attachment; filename=\"analytics.csv\""),
                    ], body: Data(Self.csv(found).utf8))
            },
        ]
    }

    // MARK: Reading and showing

    private static func window(_ call: Call) throws -> AnalyticsWindow {
        func moment(_ name: String) throws -> Timestamp? {
            guard let text = call.query[name] else { return nil }
            guard let moment = Timestamp(iso8601: text) else { throw CommonProblems.invalid(name, "is not a moment") }
            return moment
        }
        let to = try moment("to") ?? call.act.now
        let from = try moment("from") ?? to - .days(30)
        guard from < to, to <= call.act.now, to - from <= .days(366) else {
            throw CommonProblems.invalid("from", "must lie before to, at most 366 days, and to not after now")
        }
        return AnalyticsWindow(from: from, to: to)
    }

    private static func json(_ tenant: TenantLine, _ tier: String?) -> [String: JSONValue] {
        [
            "id": .string(tenant.id.description), "kind": .string(tenant.kind.rawValue), "region": .string(tenant.region.rawValue),
            "status": .string(tenant.status.rawValue), "tier": tier.map { .string($0) } ?? .null,
            "created_at": .string(tenant.createdAt.iso8601),
        ]
    }
    private static func json(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }

    private static func json(_ file: File) -> JSONValue {
        let tenant = file.tenant
        var members = json(
            TenantLine(
                id: tenant.id, kind: tenant.kind, region: tenant.region, status: tenant.status, createdAt: tenant.createdAt), file.tier)
        members["name"] = .string(tenant.name)
        members["members"] = .int(Int64(file.members))
        members["seats_sold"] = .int(Int64(file.seatsSold))
        members["limits_networks"] = .bool(file.addressRule != nil)
        members["subscription"] =
            file.subscription.map { view in
                let standing = view.standing
                return [
                    "id": .string(view.id.description), "provider": .string(view.provider), "standing": .string(standing.state.rawValue),
                    "reason": .string(standing.reason.rawValue), "tier": .string(standing.tier),
                    "interval": .string(standing.interval.rawValue), "quantity": .int(Int64(standing.quantity)),
                    "period_end": json(standing.periodEnd), "trial_ends_at": json(standing.trialEndsAt),
                    "cancels_at": json(standing.cancelsAt),
                ]
            } ?? .null
        return .object(members)
    }

    private static func json(_ found: Analytics, _ now: Timestamp) -> JSONValue {
        let tally = found.tally
        func amounts(_ twelfths: [String: Int128]) -> JSONValue {
            .array(
                twelfths.sorted { $0.key < $1.key }.map { currency, sum in
                    let shown = AnalyticsTally.monthly(sum)
                    return ["currency": .string(currency), "amount_minor": .int(shown.minor), "twelfths": .int(shown.twelfths)]
                })
        }
        func count(_ number: Int) -> JSONValue { .int(Int64(number)) }
        func share(_ part: Int, _ whole: Int) -> JSONValue { AnalyticsTally.share(part, of: whole).map { .int($0) } ?? .null }
        return [
            "from": json(found.window.from), "to": json(found.window.to), "as_of": json(now), "tenants": count(tally.tenants),
            "is_complete": .bool(found.isComplete), "monthly_recurring": amounts(tally.monthlyTwelfths),
            "monthly_recurring_by_tier": .array(
                tally.twelfthsByTier.sorted { $0.key < $1.key }.map { ["tier": .string($0.key), "amounts": amounts($0.value)] }),
            "paying_subscriptions": count(tally.payingSubscriptions), "without_list_price": count(tally.withoutListPrice),
            "paying_at_start": count(tally.payingAtStart), "lost": count(tally.lost),
            "churn_basis_points": share(tally.lost, tally.payingAtStart), "trials_ended": count(tally.trialsEnded),
            "trials_converted": count(tally.trialsConverted),
            "conversion_basis_points": share(tally.trialsConverted, tally.trialsEnded), "seats_sold": count(tally.seatsSold),
            "seats_used": .int(found.seatsUsed), "sign_ups": count(tally.signUps),
        ]
    }

    /// One line a figure; those of money one for each currency.
    private static func csv(_ found: JSONValue) -> String {
        func text(_ value: JSONValue) -> String { value.string ?? value.int.map { String($0) } ?? value.bool.map { String($0) } ?? "" }
        var lines = [CSVText.line(["metric", "detail", "value"])]
        for (name, value) in (found.object ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let items = value.array else {
                lines.append(CSVText.line([name, "", text(value)]))
                continue
            }
            for item in items {
                let tier = item["tier"]?.string
                for amount in item["amounts"]?.array ?? [item] {
                    let detail = [tier, amount["currency"]?.string].compactMap { $0 }.joined(separator: " ")
                    lines.append(CSVText.line([name, detail, amount["amount_minor"].map(text) ?? ""]))
                }
            }
        }
        return lines.joined()
    }
}
