import Foundation
import PluginKit

/// Delivers webhooks the way a provider from outside does: by HTTP to the server's own webhook address, signed, again and again until
/// it is answered with 2xx. What waits is kept in the accounts, so a restart loses nothing.
actor Courier {
    private let context: PluginContext
    private let ledger: Ledger
    private let signature: WebhookSignature
    private var rounds: [String: Round] = [:]
    private var isOpen = false

    /// One customer's deliveries under way.
    private struct Round {
        var task: Task<Void, Never>
        var sleep: Task<Void, Never>?
        /// Something new came while it was at work or asleep.
        var isCalled = false
    }

    init(context: PluginContext, ledger: Ledger, signature: WebhookSignature) {
        self.context = context
        self.ledger = ledger
        self.signature = signature
    }

    func open() async throws {
        isOpen = true
        for customer in try await ledger.waiting() { call(customer) }
    }

    /// Finishes the delivery that is under way in each round and starts no other.
    func close() async {
        isOpen = false
        for round in rounds.values { round.sleep?.cancel() }
        for round in rounds.values { await round.task.value }
    }

    /// Says that there may be something to deliver for this customer.
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
                context.log.error("Webhooks of a customer cannot be delivered now.", ["why": "\(error)"])
                next = context.clock.now() + .seconds(30)
            }
            if rounds[customer]?.isCalled == true { continue }
            guard let next else { break }
            let wait = next - context.clock.now()
            if wait > .zero { await sleep(wait, customer) }
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

    /// Does what is due first; answers when the next is due, nil when nothing waits.
    private func step(_ customer: String) async throws -> Timestamp? {
        let now = context.clock.now()
        let delay = Duration.seconds(try context.settings.integer("delay_seconds"))
        guard var account = try await ledger.account(customer) else {
            try await ledger.isDone(customer)
            return nil
        }
        if account.transfers.contains(where: { $0.arrivesAt <= now }) {
            account = try await ledger.update(customer) { $0.settle(delay: delay, now: now) }
        }
        if let webhook = account.due(now) {
            let isTaken = await deliver(webhook)
            let later = context.clock.now()
            account = try await ledger.update(customer) { account in
                if isTaken { account.delivered(webhook.number) } else { _ = account.undelivered(webhook.number, now: later) }
            }
            if !isTaken, !account.pending.contains(where: { $0.number == webhook.number }) {
                context.log.error("A webhook was given up after its last attempt.", ["event": webhook.event])
            }
        }
        if account.nextDue == nil { try await ledger.isDone(customer) }
        return account.nextDue
    }

    private func deliver(_ webhook: Account.PendingWebhook) async -> Bool {
        let body = Data(webhook.body.utf8)
        let request = OutboundRequest(
            "POST", context.site.webhookAddress(),
            headers: [
                "content-type": "application/json", "user-agent": "sandbox-payments",
                "sandbox-signature": signature.header(body: body, at: context.clock.now()),
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
