import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import BankInvoice

/// A customer with a subscription that was bought over the pages and paid by a statement.
private struct Paid: Sendable {
    let stage: Stage
    let instance: Instance
    let customer: String
    let number: DocumentNumber
    let currency: String
    private let made = Counter()

    private final class Counter: Sendable { let value = Mutex(0) }

    init(_ currency: String = "EUR") async throws {
        stage = try Stage()
        instance = try await stage.start(["currency": .string(currency)])
        self.currency = currency
        (customer, number) = try await Self.buy("key_1", instance, currency)
        try await stage.settled(instance, customer)
    }

    static func buy(_ key: String, _ instance: Instance, _ currency: String) async throws -> (String, DocumentNumber) {
        let checkout = try await instance.provider.startCheckout(request(key, currency: currency))
        _ = try await instance.page("POST", checkout.url, address)
        let (account, _) = try #require(try await instance.provider.shop.session(checkout.id))
        let bill = try #require(account.bills.last)
        let paid = camt([("172.55", true, bill.number.reference.description)], id: key).replacing("\"EUR\"", with: "\"\(currency)\"")
        #expect(try await instance.take(paid).posted == 1)
        return (account.customer, bill.number)
    }

    func populate(_ count: Int) async throws {
        for _ in 0..<count {
            let next = made.value.withLock { value in
                value += 1
                return value
            }
            _ = try await Self.buy("more_\(next)", instance, currency)
        }
    }
    func account() async throws -> Account { try #require(try await instance.cashier.ledger.account(customer)) }
    /// What was told to be owed back.
    func refunds() async throws -> [Money] {
        try await stage.settled(instance, customer)
        return stage.facts.compactMap { if case .refund(let fact) = $0 { fact.amount } else { nil } }
    }
    func changes() async throws -> Int {
        try await stage.settled(instance, customer)
        let id = try await account().subscriptions[0].id
        return stage.facts.filter { if case .subscription(let fact) = $0 { fact.subscription == id } else { false } }.count
    }
}

extension BankSubject: PaymentCallsSubject {
    func stage(_ currency: Currency) async throws -> PaymentStage? {
        guard ["USD", "EUR"].contains(currency.code) else { return nil }
        let paid = try await Paid(currency.code)
        let before = try await paid.changes()
        var stage = PaymentStage(
            provider: paid.instance.provider, customer: paid.customer, subscription: try await paid.account().subscriptions[0].id,
            invoice: paid.number.description, payment: paid.number.description, paid: Money(amountMinor: 17_255, currency: currency),
            now: { paid.stage.bench.clock.now() },
            truth: {
                let it = try await paid.account().subscriptions[0]
                return PaymentTruth(
                    status: it.status, quantity: it.quantity, tier: it.tier, isCancelling: it.cancelsAt != nil,
                    changes: try await paid.changes() - before, refunds: try await paid.refunds(),
                    checkouts: try await paid.instance.cashier.ledger.names("session/", most: 1_000).count)
            })
        stage.populate = { try await paid.populate($0) }
        return stage
    }
}

@Suite("what the server asks of a bank") struct CallsTests {
    @Test("the provider's calls pass the public conformance kit; skipped is only what it does not claim, and what needs a wire")
    func calls() async {
        let findings = await PaymentCallsConformance(BankSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.filter { !$0.isSkipped }.count == 15, "\(findings.filter { !$0.isSkipped }.map(\.check))")
    }

    @Test("what was cancelled for the period's end ends with it, what was resumed is invoiced on")
    func ends() async throws {
        for isResumed in [false, true] {
            let paid = try await Paid()
            let id = try await paid.account().subscriptions[0].id
            let provider = paid.instance.provider
            let end = try #require(try await provider.readSubscription(id).periodEnd)
            _ = try await provider.cancelSubscription(SubscriptionCancellation(subscription: id, when: .periodEnd, idempotencyKey: "a"))
            if isResumed { _ = try await provider.resumeSubscription(SubscriptionResumption(subscription: id, idempotencyKey: "b")) }
            paid.stage.bench.clock.advance(by: end - moment + .hours(1))
            try await paid.stage.settled(paid.instance, paid.customer)
            let fact = try await provider.readSubscription(id)
            let invoices = try await provider.listInvoices(InvoiceQuery(customer: paid.customer)).items
            #expect(fact.status == (isResumed ? .active : .cancelled) && invoices.count == (isResumed ? 2 : 1))
            #expect(invoices.map(\.status) == (isResumed ? [.open, .paid] : [.paid]))
        }
    }

    @Test("an end at once takes back the invoice that nobody paid, by a credit note; the list says void")
    func endsUnpaid() async throws {
        let stage = try Stage()
        let instance = try await stage.start()
        let (customer, number) = try await instance.buy()
        try await stage.settled(instance, customer)
        let account = try #require(try await instance.cashier.ledger.account(customer))
        let id = account.subscriptions[0].id
        let fact = try await instance.provider.cancelSubscription(
            SubscriptionCancellation(subscription: id, when: .now, idempotencyKey: "a"))
        try await stage.settled(instance, customer)
        let invoice = try await instance.provider.readInvoice(number.description)
        #expect(fact.status == .cancelled && invoice.status == .void && invoice.due.amountMinor == 0)
        #expect(try await instance.provider.listPayments(ChangesRequest(since: moment - .days(1))).items.map(\.isPaid) == [false])
    }

    @Test("a refund is a credit note over all of it, once, by the rules; the transfer back settles it")
    func refunds() async throws {
        let paid = try await Paid()
        let provider = paid.instance.provider
        func order(_ key: String, _ amount: Int64? = nil) -> RefundRequest {
            RefundRequest(
                payment: paid.number.description, amount: amount.map { Money(amountMinor: $0, currency: eur) },
                reason: .requestedByCustomer,
                idempotencyKey: key)
        }
        let first = try await provider.refund(order("all", 17_255))
        #expect(first.status == .pending && first.fact.amount?.amountMinor == 17_255)
        #expect(try await provider.refund(order("all", 17_255)).fact == first.fact)
        await #expect(throws: PaymentProviderError.self) { try await provider.refund(order("all")) }
        await #expect(throws: PaymentProviderError.self) { try await provider.refund(order("again")) }
        let told = try await paid.refunds()
        #expect(told == [Money(amountMinor: 17_255, currency: eur)])
        let credits = try await paid.account().bills[0].credits
        let number = try #require(credits.first)
        let note = try #require(try await paid.instance.cashier.register.invoice(number))
        #expect(credits.count == 1 && note.kind == .creditNote && note.corrects?.number == paid.number && note.gross == 17_255)
        #expect(try await paid.instance.take(camt([("172.55", false, paid.number.reference.description)], id: "back")).posted == 1)
        #expect(try await provider.refund(order("all", 17_255)).status == .succeeded)
        #expect(try await provider.readSubscription(try await paid.account().subscriptions[0].id).status == .active, "access is policy's")
    }

    @Test("parts go back by a credit note each, to the cent and no further, and each transfer back settles what it names")
    func parts() async throws {
        let paid = try await Paid()
        let provider = paid.instance.provider
        func order(_ key: String, _ amount: Int64?) -> RefundRequest {
            RefundRequest(
                payment: paid.number.description, amount: amount.map { Money(amountMinor: $0, currency: eur) }, reason: .duplicate,
                idempotencyKey: key)
        }
        let first = try await provider.refund(order("a", 1_001))
        #expect(try await provider.refund(order("a", 1_001)).fact == first.fact && first.fact.amount?.amountMinor == 1_001)
        await #expect(throws: PaymentProviderError.self, "another request under its key") { try await provider.refund(order("a", 1_002)) }
        #expect(try await paid.instance.take(camt([("10.01", false, paid.number.reference.description)], id: "b1")).posted == 1)
        #expect(try await provider.refund(order("a", 1_001)).status == .succeeded)
        let second = try await provider.refund(order("b", 16_253))
        #expect(second.status == .pending && second.fact.refund != first.fact.refund)
        await #expect(throws: PaymentProviderError.self, "more than is left") { try await provider.refund(order("c", 2)) }
        #expect(try await provider.refund(order("d", nil)).fact.amount?.amountMinor == 1)
        await #expect(throws: PaymentProviderError.self, "nothing is left") { try await provider.refund(order("e", nil)) }
        #expect(try await paid.refunds().map(\.amountMinor) == [1_001, 16_253, 1])
        var notes: [Invoice] = []
        for number in try await paid.account().bills[0].credits {
            notes.append(try #require(try await paid.instance.cashier.register.invoice(number)))
        }
        #expect(notes.map(\.payable) == [1_001, 16_253, 1] && notes.reduce(0) { $0 + $1.net } == 14_500)
        #expect(notes.allSatisfy { $0.kind == .creditNote && $0.corrects?.number == paid.number })
    }

    @Test("what nobody paid, paid in part or too much is not refunded by order")
    func notRefunded() async throws {
        for amount in [nil, "100.00", "200.00"] {
            let stage = try Stage()
            let instance = try await stage.start()
            let (_, number) = try await instance.buy()
            if let amount { _ = try await instance.take(camt([(amount, true, number.reference.description)])) }
            await #expect(throws: PaymentProviderError.self, "\(amount ?? "nothing")") {
                try await instance.provider.refund(
                    RefundRequest(payment: number.description, amount: nil, reason: .duplicate, idempotencyKey: "a"))
            }
        }
    }

    @Test("what is read says what the webhooks said")
    func agrees() async throws {
        let paid = try await Paid()
        let told = paid.stage.facts.compactMap { if case .subscription(let fact) = $0 { fact } else { nil } }.last
        var read = try await paid.instance.provider.listSubscriptions(ChangesRequest(since: moment - .days(1))).items[0]
        read.asOf = try #require(told).asOf
        #expect(read == told)
        #expect(try await paid.instance.provider.listSubscriptions(ChangesRequest(since: moment + .days(1))).items.isEmpty)
    }

    @Test("an order without a payment waits and cannot be left at a period's end; a stranger's names lead nowhere")
    func refusals() async throws {
        let stage = try Stage()
        let instance = try await stage.start()
        let (customer, _) = try await instance.buy()
        let id = try #require(try await instance.cashier.ledger.account(customer)).subscriptions[0].id
        let provider = instance.provider
        let names = [id, "sub_0123456789abcdef01234567_1", "sub_x_1", "sub_\(customer.dropFirst(4))_99", "sub_\(customer.dropFirst(4))_-1"]
        for name in names {
            await #expect(throws: PaymentProviderError.self) {
                try await provider.cancelSubscription(SubscriptionCancellation(subscription: name, when: .periodEnd, idempotencyKey: "a"))
            }
        }
        for cursor in ["", "x", "cus_1.2", "../account", "cus_0123456789abcdef01234567.x"] {
            await #expect(throws: PaymentProviderError.self, "\(cursor)") {
                try await provider.listSubscriptions(ChangesRequest(since: moment, cursor: cursor))
            }
        }
    }
}
