import HTTPEdge
import Vocabulary

/// The figures of the business.
extension Console {
    private static let path = "/staff/analytics"

    var analyticsPages: [Route] {
        [
            route(.get, Self.path, "staff_analytics", "Recurring revenue, churn, trials, seats and sign-ups.") { call in
                let days = [30, 90, 365].first { String($0) == call.query["days"] } ?? 30
                let query = ["from": (call.act.now - .days(Int64(days))).iso8601, "to": call.act.now.iso8601]
                let found = try await ask("admin.analytics", call, query: query)
                return try desk(Self.analyticsDesk(found, days: days), call)
            },
            route(.get, "\(Self.path)/export", "staff_analytics_export", "The same as comma-separated values.") { call in
                try await services.operations.ask("admin.analytics.export", call)
            },
        ]
    }

    /// What `admin.analytics` answers, as tables with a bar beside each figure.
    static func analyticsDesk(_ found: JSONValue, days: Int) -> Desk {
        func share(_ part: String, _ whole: String) -> (String, Int) {
            let (some, all) = (found[part]?.int ?? 0, found[whole]?.int ?? 0)
            return ("\(some) of \(all)", all > 0 ? Int(min(1_000, some * 1_000 / all)) : 0)
        }
        var bars: [Desk.Bar] = []
        for (words, part, whole) in [
            ("Customers lost", "lost", "paying_at_start"), ("Trials that became customers", "trials_converted", "trials_ended"),
            ("Seats in use", "seats_used", "seats_sold"),
        ] {
            let (text, thousandths) = share(part, whole)
            bars.append(Desk.Bar(label: words, words: text, thousandths: thousandths))
        }
        var charts = [Desk.Chart(anchor: "shares", caption: "Churn, trials and seats", labels: ["Figure", "Value"], bars: bars)]
        let tiers = found.list("monthly_recurring_by_tier").flatMap { tier in
            tier.list("amounts").map { (tier.text("tier"), $0["currency"]?.string ?? "", $0["amount_minor"]?.int ?? 0, $0.asMoney ?? "") }
        }
        let most = Dictionary(tiers.map { ($0.1, $0.2) }, uniquingKeysWith: max)
        charts.append(
            Desk.Chart(
                anchor: "revenue", caption: "Recurring revenue a month, by tier", labels: ["Tier", "A month"],
                bars: tiers.map { tier, currency, minor, words in
                    let highest = most[currency] ?? 0
                    return Desk.Bar(label: tier, words: words, thousandths: highest > 0 ? Int(Double(minor) / Double(highest) * 1_000) : 0)
                }))
        let sums = found.list("monthly_recurring").compactMap(\.asMoney)
        return Desk(
            heading: "Analytics",
            intro: [
                "The last \(days) days, by list prices, computed anew from \(found.text("tenants")) tenants"
                    + (found["is_complete"]?.bool == true ? "." : ", which are not all of them.")
            ],
            facts: [
                ("Recurring a month", sums.isEmpty ? "nothing" : sums.joined(separator: ", ")),
                ("Paying subscriptions", found.text("paying_subscriptions")), ("Of those by contract", found.text("without_list_price")),
                ("Sign-ups", found.text("sign_ups")),
            ], charts: charts,
            elsewhere: [30, 90, 365].filter { $0 != days }.map { ("\($0) days", "\(path)?days=\($0)") }
                + [("The last 30 days as a file", "\(path)/export")] + staffWays)
    }
}
