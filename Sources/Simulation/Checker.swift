import Foundation
import Vocabulary

/// Holds what people see against what the provider knows. It knows nothing of the platform but its answers.
struct Checker {
    let run: SimulationRun
    /// News takes its way: what is decided at a moment may be seen so much later.
    static let slack = Duration.minutes(10)
    /// The longest grace that any setting allows.
    static let longestGrace = Duration.days(90)
    /// Lost webhooks are found by the comparison with the provider, at the latest after so long.
    static let comparison = Duration.hours(25)

    /// What the owner and a device of a tenant see at one moment.
    struct Sight: Sendable, Hashable {
        /// Of the subscription that counts most.
        var state: String?
        var tier: String?
        var seats: Int?
        /// Of all of them.
        var states: Set<String> = []
        var graceUntil: Timestamp?
        var moments: Set<Timestamp> = []
        /// Whether any licence that was paid for may be used; nil: there never was one.
        var access: Bool?
        var code: String?
    }

    func sight(of household: Int) async throws -> Sight {
        var sight = Sight()
        let home = await run.households[household]
        guard home.tenant != nil, !home.owner.isEmpty else { return sight }
        let deeds = Deeds(run: run, household: household)
        guard let token = try? await deeds.token(home.owner),
            let bought = try await run.world.ask(Ask("GET", "/api/v1/billing/subscription", token: token)), bought.isGood
        else { return sight }
        let main = bought.json["subscription"]
        sight.state = main?["status"]?.string
        sight.tier = main?["tier"]?.string
        sight.seats = main?["seats"]?.int.map(Int.init)
        for subscription in bought.json["subscriptions"]?.array ?? [] {
            func moment(_ name: String) -> Timestamp? { subscription[name]?.string.flatMap { Timestamp(iso8601: $0) } }
            sight.states.insert(subscription["status"]?.string ?? "")
            if subscription["status"] == "grace" { sight.graceUntil = [sight.graceUntil, moment("grace_until")].compactMap { $0 }.max() }
            sight.moments.formUnion(["grace_until", "period_end", "trial_ends_at", "cancels_at"].compactMap(moment))
        }
        for key in try await keys(household, home, token) {
            let body: JSONValue = ["license_key": .string(key), "hardware_id": "a-look-from-outside"]
            guard let valid = try await run.world.ask(Ask("POST", "/api/v1/licenses/validate", body)) else { continue }
            sight.access = sight.access == true || valid.json["valid"]?.bool == true
            sight.code = valid.json["code"]?.string
        }
        return sight
    }

    /// The keys of every licence that was paid for and not ended for good; their owner looks a new one up.
    private func keys(_ household: Int, _ home: Household, _ token: String) async throws -> [String] {
        guard let listed = try await run.world.ask(Ask("GET", "/api/v1/licenses?limit=100", token: token)), listed.isGood else {
            return home.keys.sorted { $0.key < $1.key }.map(\.value)
        }
        var found: [String] = []
        for license in listed.json["licenses"]?.array ?? [] where license["tier"]?.string != "free" {
            guard let id = license["id"]?.string else { continue }
            if let known = home.keys[id] {
                found.append(known)
            } else if let shown = try await run.world.ask(Ask("GET", "/api/v1/licenses/\(id)", token: token)),
                let key = shown.json["license"]?["key"]?.string
            {
                await run.update(household) { $0.keys[id] = key }
                found.append(key)
            }
        }
        return found
    }

    // MARK: - At a moment

    /// Looks, tells what is new to see, and checks it.
    func look(at household: Int) async throws {
        let home = await run.households[household]
        guard home.tenant != nil, !home.owner.isEmpty else { return }
        let sight = try await sight(of: household)
        guard run.world.platform != nil else { return }
        let seen = sentence(sight)
        if seen != home.lastSeen, !(home.lastSeen == nil && sight.state == nil) {
            await run.saw(home.name, seen, sight)
            await run.update(household) { $0.lastSeen = seen }
        }
        for moment in sight.moments.sorted() { await run.lookAgain(household, at: moment + Self.slack) }
        for finding in judge(sight, home) { await run.find(home.name, finding) }
    }

    private func sentence(_ sight: Sight) -> String {
        guard let state = sight.state else { return "nothing is bought" }
        let access = sight.access.map { $0 ? "may be used" : "may not be used (\(sight.code ?? ""))" } ?? "no licence"
        let seats = sight.seats.map { ", \($0) seats" } ?? ""
        let until = sight.graceUntil.map { ", until \(Timeline.moment($0))" } ?? ""
        return "\(state) \(sight.tier ?? "")\(seats)\(until): \(access)"
    }

    /// What must not be: paid and shut out, unpaid and let in.
    private func judge(_ sight: Sight, _ home: Household) -> [String] {
        guard let tenant = home.tenant?.description else { return [] }
        let run = run
        let script = run.script
        return run.world.provider.inBooks { books, now in
            let agreements = books.agreements.filter { $0.tenant == tenant }
            let isUnsettled =
                books.outbox.waits(for: tenant) || script.manner.outage(at: now) != nil
                || books.outbox.lost.contains { $0.tenant == tenant && now - $0.at < Self.comparison }
                || script.manner.outages.contains { $0.to <= now && now - $0.to < Self.comparison }
            guard !agreements.isEmpty, !isUnsettled else { return [] }
            let entitling = agreements.filter { agreement in
                (agreement.status == .active || agreement.status == .trialing) && now + Self.slack < agreement.periodEnd
            }
            if let best = entitling.filter({ now > $0.changedAt + Self.slack }).max(by: { $0.periodEnd < $1.periodEnd }) {
                guard sight.access != true else { return [] }
                return ["paid until \(Timeline.moment(best.periodEnd)), but it may not be used: \(sight.code ?? "no licence")"]
            }
            guard entitling.isEmpty else { return [] }
            if let grace = sight.graceUntil, now < grace { return sight.access == true ? [] : ["in grace, but it may not be used"] }
            guard sight.access == true else { return [] }
            return Self.overdue(agreements, books, sight, now).map { [$0] } ?? []
        }
    }

    /// Why nothing may be used any more; nil: something still may.
    private static func overdue(
        _ agreements: [ProviderBooks.Agreement], _ books: ProviderBooks, _ sight: Sight, _ now: Timestamp
    ) -> String? {
        var latest = Timestamp(microseconds: 0)
        for agreement in agreements {
            let paid = books.bills(of: agreement.id).filter(\.isPaid).map(\.periodEnd).max() ?? agreement.periodStart
            let failed = books.openBills(of: agreement.id).compactMap(\.failedAt).min()
            switch agreement.status {
            case .pastDue: latest = max(latest, max(failed ?? now, paid))
            case .cancelled: latest = max(latest, max(agreement.endedAt ?? now, paid))
            default: latest = max(latest, agreement.periodEnd)
            }
        }
        if now > latest + slack, !sight.states.contains("grace") {
            return "nothing is paid since \(Timeline.moment(latest)), and it may be used"
        }
        if let grace = sight.graceUntil, now > grace + slack { return "the grace is over and it may be used" }
        if now > latest + longestGrace + .days(1) { return "unpaid for longer than any grace, and it may be used" }
        return nil
    }

    // MARK: - At the end

    /// One thing that must hold when a run is over.
    struct ClosingCheck: Sendable {
        let name: String
        /// Says nothing where a life was begun elsewhere.
        var isOfWholeLives = false
        /// Tenant, or none, and what is wrong.
        let run: @Sendable (Checker) async throws -> [(String, String)]
    }
    /// A room whose promise can be seen from outside adds its check here.
    static let closingChecks = [
        ClosingCheck(name: "money at the provider is money in the books", isOfWholeLives: true) { try await $0.books() },
        ClosingCheck(name: "nobody has a mail twice") { $0.mails() },
        ClosingCheck(name: "the journals hold", isOfWholeLives: true) { checker in
            try await checker.run.world.alive { try await $0.brokenJournals() }.map { $0.map { ("", $0) } } ?? []
        },
        ClosingCheck(name: "who was erased is nobody", isOfWholeLives: true) { try await $0.erasedWhoSignIn() },
        ClosingCheck(name: "nothing of who was deleted can be read", isOfWholeLives: true) { try await $0.remains() },
    ]
    func closing() async throws -> [(tenant: String, finding: String)] {
        var findings: [(String, String)] = []
        // The journals of a server on whose copy somebody looks ahead are the server's own to prove.
        let isForecast = await run.isForecast
        for check in Self.closingChecks where !(isForecast && check.isOfWholeLives) { findings += try await check.run(self) }
        return findings
    }

    private func books() async throws -> [(String, String)] {
        var findings: [(String, String)] = []
        for index in await run.households.indices {
            let home = await run.households[index]
            guard let tenant = home.tenant?.description, !home.owner.isEmpty else { continue }
            if let finding = try await money(index, home, tenant) { findings.append((home.name, finding)) }
        }
        return findings
    }

    private func money(_ index: Int, _ home: Household, _ tenant: String) async throws -> String? {
        let (mine, isUnsettled) = run.world.provider.inBooks { books, now in
            let paid = books.bills.filter { $0.tenant == tenant && $0.isPaid }
            return (
                paid.reduce(0) { $0 + $1.amount.amountMinor },
                books.outbox.waits(for: tenant) || books.outbox.lost.contains { now - $0.at < Self.comparison }
            )
        }
        guard !isUnsettled, let token = try await Deeds(run: run, household: index).token(home.owner) else { return nil }
        var theirs: Int64 = 0
        var after: String?
        repeat {
            let path = "/api/v1/billing/invoices?limit=100" + (after.map { "&after=\($0)" } ?? "")
            guard let page = try await run.world.ask(Ask("GET", path, token: token)), page.isGood else { return nil }
            for invoice in page.json["invoices"]?.array ?? [] where invoice["status"]?.string == "paid" {
                theirs += invoice["amount"]?["amount_minor"]?.int ?? 0
            }
            after = (page.json["next_cursor"] ?? page.json["next"])?.string
        } while after != nil
        return mine == theirs ? nil : "the provider was paid \(Coins.text(mine)), the platform's books say \(Coins.text(theirs))"
    }

    /// One occasion, one mail: the same words to the same person under two ids within a day are two mails for one thing.
    private func mails() -> [(String, String)] {
        var last: [String: ReceivedMail] = [:]
        var findings: [(String, String)] = []
        for mail in run.world.post.all {
            let words = "\(mail.to) \(mail.template) \(mail.text)"
            if let before = last[words], mail.at - before.at < .days(1) {
                findings.append(
                    ("", "\(mail.to) had the mail \(mail.template) twice, at \(Timeline.moment(before.at)) and \(Timeline.moment(mail.at))")
                )
            }
            last[words] = mail
        }
        return findings
    }
}

/// Money in a timeline.
enum Coins {
    static func text(_ minor: Int64, _ currency: String = "") -> String {
        let whole = abs(minor) / 100
        let rest = abs(minor) % 100
        return "\(minor < 0 ? "-" : "")\(whole).\(rest < 10 ? "0" : "")\(rest)\(currency.isEmpty ? "" : " \(currency)")"
    }
}
