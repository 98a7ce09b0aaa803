import Billing
import Composition
import Foundation
import Vocabulary

/// What is asked of the coming months.
package struct ForecastOrder: Sendable {
    package static let mostMonths = 120
    package var tenant: TenantID
    package var months = 18
    package var from: Timestamp
    package var seed: UInt64 = 1
    /// The policies in force.
    package var policies: URL
    /// Those that somebody thinks of; nil: none.
    package var candidate: URL?
    /// What happens meanwhile at the provider and to the platform; nil: every card pays, or goes on failing.
    package var script: Script?

    package init(tenant: TenantID, from: Timestamp, policies: URL) {
        (self.tenant, self.from, self.policies) = (tenant, from, policies)
    }

    var end: Timestamp { (0..<months).reduce(from) { moment, _ in Calendars.adding(.month, to: moment) } }

    /// The life to be lived, or why this script says none.
    func life(_ name: String) throws -> Script {
        var life = script ?? Script()
        (life.start, life.seed) = (from, seed)
        life.days = Int((end - from).wholeSeconds / 86_400)
        var findings: [String] = []
        if life.lives.count > 1 { findings.append("a script for a look ahead has one tenant") }
        if !life.settings.isEmpty { findings.append("settings: a look ahead has the server's own") }
        for expectation in life.expectations { findings.append("line \(expectation.line): nobody signs in, so nothing is seen to expect") }
        let steps = life.lives.first?.steps ?? []
        for step in steps where !step.deed.isAtProvider {
            findings.append("line \(step.line): \(step.deed.name) needs somebody who signs in; a look ahead knows nobody's password")
        }
        guard findings.isEmpty else { throw ScriptRefused(findings: findings) }
        life.lives = [Script.Life(name: name, owner: "", steps: steps)]
        return life
    }
}

extension Script.Deed {
    /// Done without signing in to the platform.
    var isAtProvider: Bool {
        switch self {
        case .cardDeclines, .cardWorks, .payOpen, .refund, .dispute: true
        default: false
        }
    }
}

extension SimulationDesk {
    /// Lives the coming months of one tenant on copies of a server's data, once under the policies in force and once under the candidate.
    /// The server may run meanwhile; nothing of it is written, and nobody is told anything.
    package static func forecast(_ order: ForecastOrder, over server: PlatformOptions) async throws -> Forecast {
        guard (1...ForecastOrder.mostMonths).contains(order.months) else {
            throw ScriptRefused(findings: ["a look ahead is 1 to \(ForecastOrder.mostMonths) months long"])
        }
        let bytes = try ForecastCopy.bytes(of: server)
        sweep()
        let (first, second) = (folder(for: bytes * 2), folder(for: bytes * 2))
        defer { for folder in [first, second] { try? FileManager.default.removeItem(at: folder) } }
        try await ForecastCopy.make(of: server, at: first)
        if order.candidate != nil { try await ForecastCopy.again(first, at: second) }
        let inForce = try await future(order, order.policies, over: server, copy: first)
        guard let candidate = order.candidate else { return Forecast(months: order.months, inForce: inForce, candidate: nil) }
        return Forecast(months: order.months, inForce: inForce, candidate: try await future(order, candidate, over: server, copy: second))
    }

    private static func future(
        _ order: ForecastOrder, _ policies: URL, over server: PlatformOptions, copy: URL
    ) async throws -> Forecast.Future {
        let options = ForecastCopy.options(server, data: copy, policies: policies)
        // Another row of dice than any server's or simulation's own, so that no name comes twice.
        let world = try World(
            options, clock: VirtualClock(at: order.from), manner: order.script?.manner ?? ProviderManner(),
            seed: order.seed ^ 0x6c6f_6f6b_6168_6561)
        try await world.open()
        let (outlook, script): (TenantOutlook, Script)
        do {
            guard let found = try await world.platform?.outlook(on: order.tenant), !found.isOver else {
                throw ScriptRefused(findings: ["there is no tenant \(order.tenant), or it is over"])
            }
            (outlook, script) = (found, try order.life(found.name))
            let providers = Set(found.agreements.map(\.provider))
            guard providers.count <= 1 else {
                throw ScriptRefused(findings: [
                    "the tenant holds subscriptions at \(providers.sorted().joined(separator: " and ")): one at a time"
                ])
            }
            if let name = providers.first { world.call(provider: name) }
            try await world.platform?.liveOn(with: order.tenant)
            world.provider.inBooks { books, now in
                for agreement in found.agreements { books.take(over: agreement, of: order.tenant, now: now) }
            }
        } catch {
            await world.close()
            throw error
        }
        let run = SimulationRun(script, world: world)
        await run.begin(with: order.tenant, outlook)
        var timeline = try await run.live()
        timeline.title = "The next \(order.months) months of \(outlook.name)"
        return Forecast.Future(policies: outlook.policies, timeline: timeline)
    }
}

extension SimulationRun {
    /// Puts the tenant of a server in the place of the one household; what it has at the beginning is the first entry.
    func begin(with tenant: TenantID, _ outlook: TenantOutlook) {
        update(0) { home in
            home.tenant = tenant
            for address in outlook.addresses { home.people[address] = Inhabitant(email: address) }
        }
        guard let standing = outlook.subscription?.standing else { return note(outlook.name, .state, "nothing is bought") }
        let until = standing.periodEnd.map { ", until \(Timeline.moment($0))" } ?? ""
        var entry = TimelineEntry(
            now, outlook.name, .state, "is \(standing.state.rawValue): \(standing.quantity) × \(standing.tier)\(until)")
        (entry.state, entry.seats) = (standing.state.rawValue, outlook.subscription?.seats)
        entries.append(entry)
    }
}

extension ProviderBooks {
    /// Goes on where another provider's books end. A card whose last payment failed goes on failing.
    mutating func take(over mirrored: MirroredAgreement, of tenant: TenantID, now: Timestamp) {
        (mark, outbox.mark) = ("ahead_", "ahead_")
        let (latest, owner) = (mirrored.latest, tenant.description)
        let start = latest.periodStart ?? now
        var agreement = Agreement(
            id: latest.subscription, customer: latest.customer ?? "cus_ahead", tenant: owner, reference: latest.reference,
            tier: mirrored.offer.tier, providerPrice: latest.providerPrice, interval: mirrored.offer.interval, quantity: latest.quantity,
            unitPrice: mirrored.unitPrice, status: latest.status, periodStart: start,
            periodEnd: latest.periodEnd ?? Calendars.adding(mirrored.offer.interval, to: start), trialEnd: latest.trialEnd,
            cancelsAt: latest.cancelsAt, changedAt: Timestamp(microseconds: 0))
        agreement.tellsTier = latest.tier != nil
        add(agreement)
        customers[owner] = agreement.customer
        for bill in mirrored.bills.sorted(by: { $0.object < $1.object }) {
            take(over: bill, agreement)
            let isOpen = !bill.state.isPaid && bill.state.firstFailure != nil
            if isOpen, agreement.status == .pastDue { cards[owner] = .insufficientFunds }
        }
    }

    private mutating func take(over mirrored: MirroredAgreement.Bill, _ agreement: Agreement) {
        let state = mirrored.state
        guard let amount = state.amount?.money else { return }
        let end = state.periodEnd ?? agreement.periodEnd
        var bill = Bill(
            id: mirrored.object, subscription: agreement.id, customer: agreement.customer, tenant: agreement.tenant, amount: amount,
            isPaid: state.isPaid, periodStart: state.periodStart ?? agreement.periodStart, periodEnd: end,
            issuedAt: state.since ?? agreement.periodStart, paidAt: state.paidAt, summary: agreement.tier,
            changedAt: Timestamp(microseconds: 0))
        if !state.isPaid {
            (bill.failedAt, bill.reason, bill.tries) = (state.failures.first, .insufficientFunds, max(1, state.failures.count))
            bill.nextTryAt = state.nextAttempt?.at
        }
        add(bill)
    }
}
