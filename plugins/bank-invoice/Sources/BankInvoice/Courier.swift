import Foundation
import PluginKit

/// Delivers webhooks by HTTP to the server's own webhook address, signed, again and again until it is answered with 2xx; and does what
/// time does in each account. What waits is kept in the accounts, so a restart loses nothing.
actor Courier {
    private let context: PluginContext
    private let ledger: Ledger
    private let signature: WebhookSignature
    private let taxation: Taxation
    private var cashier: Cashier?
    private var rounds: [String: Round] = [:]
    private var isOpen = false

    /// One customer's work under way.
    private struct Round {
        var task: Task<Void, Never>
        var sleep: Task<Void, Never>?
        /// Something new came while it was at work or asleep.
        var isCalled = false
    }

    init(context: PluginContext, ledger: Ledger, signature: WebhookSignature, taxation: Taxation) {
        self.context = context
        self.ledger = ledger
        self.signature = signature
        self.taxation = taxation
    }

    func open(_ cashier: Cashier) async throws {
        self.cashier = cashier
        isOpen = true
        for customer in try await ledger.waiting() { call(customer) }
    }

    /// Finishes what is under way in each round and starts nothing else.
    func close() async {
        isOpen = false
        for round in rounds.values { round.sleep?.cancel() }
        for round in rounds.values { await round.task.value }
    }

    /// Says that there may be something to do for this customer.
    func call(_ customer: String) {
        guard isOpen else { return }
        if rounds[customer] == nil {
            rounds[customer] = Round(task: Task { await self.round(customer) })
        } else {
            rounds[customer]?.isCalled = true
            rounds[customer]?.sleep?.cancel()
        }
    }

    private func round(_ customer: String) async {
        while isOpen {
            rounds[customer]?.isCalled = false
            let next: Timestamp?
            do { next = try await step(customer) } catch {
                context.log.error("An account cannot be worked on now.", ["why": "\(error)"])
                next = context.clock.now() + .seconds(30)
            }
            if rounds[customer]?.isCalled == true { continue }
            guard let next else { break }
            let wait = next - context.clock.now()
            // A day at most, so that a clock that was set is noticed.
            if wait > .zero { await sleep(min(wait, .days(1)), customer) }
        }
        rounds[customer] = nil
    }

    private func sleep(_ wait: Duration, _ customer: String) async {
        let clock = context.clock
        let sleep = Task { _ = try? await clock.sleep(for: wait) }
        rounds[customer]?.sleep = sleep
        await sleep.value
        rounds[customer]?.sleep = nil
    }

    /// Does what is due; answers when the next is due, nil when nothing waits.
    private func step(_ customer: String) async throws -> Timestamp? {
        guard var account = try await ledger.account(customer) else {
            try await ledger.isDone(customer)
            return nil
        }
        let (now, pace, taxation) = (context.clock.now(), ledger.pace, taxation)
        if account.nextDue(pace).map({ $0 <= now }) ?? false {
            account = try await ledger.update(customer) { $0.tick(pace: pace, taxation: taxation, now: now) }
            if let cashier, !account.drafts.isEmpty { account = try await cashier.finishDrafts(customer) }
        }
        if let webhook = account.webhook(now) {
            let isTaken = await deliver(webhook)
            let later = context.clock.now()
            account = try await ledger.update(customer) { account in
                if isTaken { account.delivered(webhook.number) } else { account.undelivered(webhook.number, now: later) }
            }
        }
        let next = account.nextDue(pace)
        if next == nil { try await ledger.isDone(customer) }
        return next
    }

    private func deliver(_ webhook: Account.PendingWebhook) async -> Bool {
        let body = Data(webhook.body.utf8)
        let request = OutboundRequest(
            "POST", context.site.webhookAddress(),
            headers: [
                "content-type": "application/json", "user-agent": "bank-invoice",
                "bank-invoice-signature": signature.header(body: body, at: context.clock.now()),
            ], body: body, timeout: .seconds(10), maxAnswerBytes: 65_536)
        do {
            let answer = try await context.http.send(request)
            if (200..<300).contains(answer.status) { return true }
            context.log.warning("The server did not take a webhook.", ["status": "\(answer.status)", "event": webhook.event])
        } catch {
            context.log.warning("A webhook could not be delivered.", ["why": "\(error)", "event": webhook.event])
        }
        return false
    }
}
