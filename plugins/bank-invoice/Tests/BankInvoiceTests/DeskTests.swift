import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import BankInvoice

@Suite struct DeskTests {
    @Test("from order to licence: the page makes an invoice, the statement pays it, the server hears it once")
    func wholeWay() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let checkout = try await plugin.provider.startCheckout(request())
        #expect(try await plugin.provider.startCheckout(request()) == checkout, "the same key is the same checkout")
        let page = try await plugin.page("GET", checkout.url)
        #expect(page.status == 200 && page.text.contains("EUR 145.00") && page.text.contains("value=\"ada@example.test\""))
        #expect(page.text.contains("name=\"csrf\" value=\"t0&lt;k&gt;en\""))
        let wrong = try await plugin.page("POST", checkout.url, address.merging(["country": "Germany"]) { $1 })
        #expect(wrong.status == 422 && wrong.text.contains("role=\"alert\"") && wrong.text.contains("value=\"Ada &amp; Co\""))
        let (customer, number) = try await plugin.buy()
        #expect(number.description == "INV-2027-000001")
        let finished = try await plugin.page("POST", checkout.url, address)
        #expect(finished.status == 200 && finished.text.contains("Open the invoice"), "ordering twice is ordering once")
        try await stage.settled(plugin, customer)
        #expect(stage.types == ["subscription.changed", "checkout.waiting", "invoice.open"])

        let link = plugin.provider.shop.address(of: number)
        let invoice = try await plugin.page("GET", link)
        #expect(invoice.status == 200 && invoice.text.contains("EUR 172.55") && invoice.text.contains(number.reference.printed))
        #expect(try await plugin.page("GET", link + "/xml").text.contains("<cbc:PayableAmount currencyID=\"EUR\">172.55<"))
        #expect(try await plugin.page("GET", link.dropLast() + (link.hasSuffix("0") ? "1" : "0")).status == 404)

        let statement = camt([("172.55", true, "order \(number.reference.printed.lowercased())"), ("9.99", false, "rent")])
        #expect(try await plugin.take(statement) == Cashier.Report(posted: 1, ignored: 1))
        #expect(try await plugin.take(statement) == Cashier.Report(known: 1, ignored: 1))
        try await stage.settled(plugin, customer)
        #expect(stage.types.suffix(3) == ["subscription.changed", "invoice.paid", "checkout.paid"] && stage.types.count == 6)
        guard case .checkout(let fact)? = stage.facts.last else { throw PluginRefusal("no checkout") }
        #expect(fact.isPaid && fact.reference == "ref_key_1" && fact.customer == customer)
        #expect(try await plugin.page("GET", link).text.contains("This invoice is paid."))
        #expect(stage.bench.http.requests.allSatisfy { $0.url == "http://127.0.0.1:8080/webhooks/bank-invoice" })

        let portal = try await plugin.provider.openPortal(PortalRequest(customer: customer, returnURL: "http://127.0.0.1:8080/billing"))
        #expect(try await plugin.page("GET", portal.url).text.contains("INV-2027-000001"))
        let left = try await plugin.page("POST", portal.url, ["step": "leave", "subscription": fact.subscription ?? ""])
        #expect(left.status == 303 && left.location?.hasSuffix("?done=leave") == true)
        try await stage.settled(plugin, customer)
        #expect(stage.types.last == "subscription.changed")
        await plugin.drain()
    }

    @Test("only the secret opens the desk, and what it opened closes after an hour")
    func door() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        for secret in ["", "wrong", deskSecret + " ", String(deskSecret.dropLast())] {
            #expect(try await plugin.page("POST", "desk", ["secret": secret, "statement": camt([])]).status == 403)
        }
        let open = try await plugin.page("POST", "desk", ["secret": deskSecret])
        let inside = try #require(open.location)
        #expect(open.status == 303)
        #expect(try await plugin.page("GET", inside).status == 200)
        let parts = try #require(inside.split(separator: "/").last).split(separator: "-")
        let longer = "desk/\((Int64(parts[0]) ?? 0) + 1)-\(parts[1])"
        for forged in [longer, "desk/x", "desk/\(parts[0])-", "desk/-\(parts[1])"] {
            #expect(try await plugin.page("GET", forged).status == 403)
        }
        stage.bench.clock.advance(by: .seconds(3_600))
        #expect(try await plugin.page("POST", inside, ["step": "import", "statement": camt([])]).status == 403)
        let context = try stage.bench.context(settings: given, secrets: ["BANK_INVOICE_DESK_SECRET": ["short"]])
        await #expect(throws: PluginRefusal.self) { _ = try await BankInvoice().make(context) }
        await plugin.drain()
    }

    @Test("a mistyped reference waits at the desk with the invoice that was meant, and a person assigns it once")
    func mistyped() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let (customer, number) = try await plugin.buy()
        let typo = String(number.reference.text.dropLast()) + "9"
        let answer = try await plugin.page(
            "POST", "desk", ["secret": deskSecret, "statement": camt([("172.55", true, typo), ("5.00", true, "gift")])])
        #expect(answer.status == 200 && answer.text.contains("2 wait below") && answer.text.contains("Probably INV-2027-000001."))
        let waiting = try await plugin.cashier.waiting()
        let mistyped = try #require(waiting.first { $0.booking.text == typo }?.booking.id)
        let gift = try #require(waiting.first { $0.booking.text == "gift" }?.booking.id)
        let desk = try #require(try await plugin.page("POST", "desk", ["secret": deskSecret]).location)
        #expect(try await plugin.page("POST", desk, ["step": "assign", "booking": mistyped, "number": "INV-2027-000009"]).status == 422)
        #expect(try await plugin.page("POST", desk, ["step": "assign", "booking": mistyped, "number": " inv-2027-000001 "]).status == 303)
        #expect(try await plugin.page("POST", desk, ["step": "assign", "booking": mistyped, "number": "INV-2027-000001"]).status == 422)
        #expect(try await plugin.page("POST", desk, ["step": "aside", "booking": gift]).status == 303)
        try await stage.settled(plugin, customer)
        #expect(stage.types.filter { $0 == "invoice.paid" }.count == 1)
        #expect(try await plugin.cashier.waiting().isEmpty)
        #expect(try await plugin.take(camt([("172.55", true, typo), ("5.00", true, "gift")])) == Cashier.Report(known: 2))
        await plugin.drain()
    }

    @Test("a statement of another account, a broken one and one of two invoices change nothing by themselves")
    func refusedStatements() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let first = try await plugin.buy("key_1").number
        let second = try await plugin.buy("key_2").number
        let good = camt([("172.55", true, first.reference.text)])
        for bad in [camt([("172.55", true, first.reference.text)], iban: "GB82WEST12345698765432"), String(good.dropLast(30)), "", "<a/>"] {
            await #expect(throws: StatementFault.self) { try await plugin.take(bad) }
        }
        let both = try await plugin.take(camt([("345.10", true, "\(first.reference) \(second.reference)")]))
        #expect(both == Cashier.Report(waiting: 1))
        #expect(try await plugin.cashier.waiting()[0].suggestions == [first, second])
        #expect(try await plugin.cashier.unsettledNumbers() == [first, second])
        await plugin.drain()
    }

    @Test("the desk writes a credit note, owes the money, and the transfer back settles it")
    func credit() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let (customer, number) = try await plugin.buy()
        _ = try await plugin.take(camt([("172.55", true, number.reference.text)]))
        let desk = try #require(try await plugin.page("POST", "desk", ["secret": deskSecret]).location)
        let done = try await plugin.page("POST", desk, ["step": "credit", "number": number.description, "net": "10.00"])
        #expect(done.status == 200 && done.text.contains("Credit note CRN-2027-000001 is written.") && done.text.contains("EUR 11.90"))
        let credit = try #require(try await plugin.cashier.register.invoice(DocumentNumber(series: "CRN", year: 2027, running: 1)))
        #expect(credit.gross == 1_190 && credit.corrects?.number == number && credit.buyer.name == "Ada & Co")
        _ = try await plugin.take(camt([("11.90", false, "back \(number.reference)")], id: "S2"))
        #expect(try await plugin.cashier.unsettledNumbers().isEmpty)
        try await stage.settled(plugin, customer)
        #expect(stage.types.filter { $0 == "refund.owed" }.count == 1 && !stage.types.contains("transfer.reversed"))
        await plugin.drain()
    }

    @Test("one statement that many send at once is posted once")
    func atOnce() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let (customer, number) = try await plugin.buy()
        let statement = camt([("100.00", true, number.reference.text), ("72.55", true, number.reference.text), ("1.00", true, "gift")])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { _ = try await plugin.take(statement) } }
            try await group.waitForAll()
        }
        try await stage.settled(plugin, customer)
        let bill = try #require(try await plugin.cashier.ledger.account(customer)?.bills.first)
        #expect(bill.postings.count == 2 && bill.balance == 17_255 && bill.isPaid && bill.owed == 0)
        #expect(stage.types.filter { $0 == "invoice.paid" }.count == 1)
        #expect(try await plugin.cashier.waiting().count == 1)
        await plugin.drain()
    }

    @Test("webhooks that are not taken are tried until they are, also by the next process")
    func undelivered() async throws {
        let stage = try Stage()
        stage.inbox.withLock { $0.answers = [503, 500] }
        let first = try await stage.start()
        let (customer, number) = try await first.buy()
        await first.drain()
        let second = try await stage.start()
        stage.bench.clock.advance(by: .hours(2))
        _ = try await second.take(camt([("172.55", true, number.reference.text)]))
        try await stage.settled(second, customer)
        // Whoever was refused in this process waits for its next moment.
        stage.bench.clock.advance(by: .hours(2))
        try await stage.settled(second, customer)
        #expect(
            stage.types.sorted() == [
                "checkout.paid", "checkout.waiting", "invoice.open", "invoice.paid", "subscription.changed", "subscription.changed",
            ])
        await second.drain()
    }

    @Test("a checkout in another currency or of an impossible amount is refused for good")
    func refusedCheckouts() async throws {
        let plugin = try await Stage().start()
        for bad in [
            request(currency: "USD"), request(quantity: 0), request(price: 0), request(quantity: 1_000_000, price: Invoice.largest),
        ] {
            do {
                _ = try await plugin.provider.startCheckout(bad)
                Issue.record("taken")
            } catch PaymentProviderError.refused {}
        }
        await plugin.drain()
    }
}

/// A space that fails when told to: like a process that dies in between.
private final class DyingSpace: PluginSpace {
    let space = MemorySpace()
    private let left = Mutex<Int?>(nil)
    func dies(after writes: Int?) { left.withLock { $0 = writes } }
    private func live() throws {
        try left.withLock { left in
            guard let count = left else { return }
            guard count > 0 else { throw PluginSpaceFailure.unavailable("dead") }
            left = count - 1
        }
    }
    func get(_ key: String) async throws -> Data? { try await space.get(key) }
    func set(_ key: String, _ value: Data) async throws {
        try live()
        try await space.set(key, value)
    }
    func remove(_ key: String) async throws {
        try live()
        try await space.remove(key)
    }
    func replace(_ key: String, expecting expected: Data?, with value: Data) async throws -> Bool {
        try live()
        await Task.yield()
        return try await space.replace(key, expecting: expected, with: value)
    }
    func keys(prefix: String, after: String?, limit: Int) async throws -> [String] {
        await space.keys(prefix: prefix, after: after, limit: limit)
    }
}

@Suite struct NumberTests {
    private func draft(_ claim: String, year: Int = 2027) throws -> Account.Draft {
        let line = BilledLine(name: claim, quantity: 1, unitPrice: 100, vat: VATTreatment(category: .standard, rate: 1_900))
        return Account.Draft(
            claim: claim, kind: .invoice, issued: try #require(Day(year: year, month: 1, day: 15)), lines: [line], buyer: buyer(),
            subscription: "sub_1")
    }

    @Test("many at once get every number once, without a gap, and each claim one")
    func concurrent() async throws {
        let register = Register(space: DyingSpace(), terms: try terms())
        let drafts = try (0..<40).map { try draft("claim \($0 % 20)") }
        let numbers = try await withThrowingTaskGroup(of: (String, Int).self) { group in
            for draft in drafts { group.addTask { (draft.claim, try await register.issue(draft, customer: "cus_1").number.running) } }
            return try await group.reduce(into: [(String, Int)]()) { $0.append($1) }
        }
        #expect(Set(numbers.map(\.1)) == Set(1...20))
        for (_, group) in Dictionary(grouping: numbers, by: \.0) { #expect(Set(group.map(\.1)).count == 1) }
    }

    @Test("whoever dies at any write leaves no gap, no double and no other document", arguments: 0..<8)
    func dying(writes: Int) async throws {
        let space = DyingSpace()
        let register = Register(space: space, terms: try terms())
        _ = try await register.issue(try draft("before"), customer: "cus_1")
        space.dies(after: writes)
        _ = try? await register.issue(try draft("dying"), customer: "cus_1")
        space.dies(after: nil)
        let other = try await register.issue(try draft("other"), customer: "cus_2")
        let again = try await register.issue(try draft("dying"), customer: "cus_1")
        #expect(Set([other.number.running, again.number.running]) == [2, 3])
        #expect(again.lines[0].name == "dying" && other.lines[0].name == "other")
    }

    @Test("each year and each series counts for itself, and a series belongs to one seller")
    func years() async throws {
        let space = MemorySpace()
        let register = Register(space: space, terms: try terms())
        try await register.open()
        var numbers: [String] = []
        for (claim, year) in [("a", 2026), ("b", 2027), ("c", 2026)] {
            numbers.append(try await register.issue(try draft(claim, year: year), customer: "cus_1").number.description)
        }
        #expect(numbers == ["INV-2026-000001", "INV-2027-000001", "INV-2026-000002"])
        let stranger = Register(space: space, terms: try terms(["seller_vat_id": "DE999999999"]))
        await #expect(throws: PluginRefusal.self) { try await stranger.open() }
        try await Register(space: space, terms: try terms(["seller_vat_id": "DE999999999", "series": "NEW", "credit_series": "NEWC"]))
            .open()
        #expect(try await register.matching().series == ["CRN", "INV", "NEW", "NEWC"])
    }

    @Test("a purchase that dies at any write is finished later with one invoice", arguments: 0..<12)
    func dyingPurchase(writes: Int) async throws {
        let (space, terms) = (DyingSpace(), try terms())
        let ledger = Ledger(space: space, pace: Pace(terms))
        let clock = ManualPluginClock(moment)
        let cashier = Cashier(ledger: ledger, register: Register(space: space, terms: terms), terms: terms, clock: clock) { _ in }
        let customer = "cus_0123456789abcdef01234567"
        try await ledger.update(customer, isNew: true) { try $0.open(session(), now: moment) }
        let vat = VATTreatment(category: .standard, rate: 1_900)
        @Sendable func order(_ account: inout Account) throws {
            try account.order(session().id, buyer: buyer(), orderReference: nil, vat: vat, pace: ledger.pace, now: moment)
        }
        space.dies(after: writes)
        _ = try? await ledger.update(customer, order)
        _ = try? await cashier.finishDrafts(customer)
        space.dies(after: nil)
        _ = try? await ledger.update(customer, order)
        let account = try await cashier.finishDrafts(customer)
        #expect(account.bills.map(\.number.description) == ["INV-2027-000001"] && account.drafts.isEmpty)
        #expect(account.pending.filter { $0.body.contains("invoice.open") }.count == 1)
        // And the same with its payment.
        let statement = Data(camt([("172.55", true, account.bills[0].number.reference.text)]).utf8)
        try await Register(space: space, terms: terms).open()
        space.dies(after: writes)
        _ = try? await cashier.take(statement)
        space.dies(after: nil)
        _ = try await cashier.take(statement)
        let paid = try #require(try await ledger.account(customer))
        #expect(
            paid.bills[0].isPaid && paid.bills[0].balance == 17_255 && paid.pending.filter { $0.body.contains("invoice.paid") }.count == 1)
    }
}
