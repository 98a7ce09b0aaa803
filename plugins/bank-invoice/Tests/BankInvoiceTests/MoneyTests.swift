import PluginKit
import PluginKitTesting
import Testing

@testable import BankInvoice

@Suite struct ConformanceTests {
    @Test("the provider passes the public conformance kit")
    func conformance() async {
        let findings = await PaymentProviderConformance(BankSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.count >= 13)
    }
}

/// 5 × 29.00 net, 172.55 gross: what each kind of transfer leads to.
@Suite struct MoneyTests {
    private let gross: Int64 = 17_255

    @Test("an order waits, and the exact transfer begins the subscription")
    func exact() throws {
        var life = try Life()
        #expect(life.types() == ["subscription.changed", "checkout.waiting", "invoice.open"])
        #expect(life.status == .incomplete && life.account.bills[0].total == gross)
        try life.post(booking("a", gross))
        #expect(life.types() == ["subscription.changed", "invoice.paid", "checkout.paid"])
        #expect(life.status == .active && life.account.subscriptions[0].periodEnd?.iso8601 == "2027-02-15T08:00:00Z")
        try life.post(booking("a", gross))
        #expect(life.types() == [] && life.account.bills[0].postings.count == 1)
    }

    @Test("parts add up to the whole, in any order")
    func partial() throws {
        for parts in [[10_000, 7_255], [7_255, 10_000], [1, 17_254]] as [[Int64]] {
            var life = try Life()
            _ = life.types()
            try life.post(booking("a", parts[0]))
            #expect(life.types() == [] && life.account.bills[0].open == gross - parts[0])
            try life.post(booking("b", parts[1]))
            #expect(life.types() == ["subscription.changed", "invoice.paid", "checkout.paid"])
        }
    }

    @Test("what is missing within the tolerance is forgiven, a cent more is not")
    func tolerance() throws {
        var life = try Life(["tolerance_minor": 255])
        _ = life.types()
        try life.post(booking("a", 16_999))
        #expect(life.types() == [])
        try life.post(booking("b", 1))
        #expect(life.types().contains("invoice.paid") && life.account.bills[0].owed == 0)
    }

    @Test("too much pays, and staff hears once what is owed")
    func over() throws {
        var life = try Life()
        _ = life.types()
        try life.post(booking("a", gross + 500))
        let told = life.facts()
        #expect(told.map(\.type) == ["subscription.changed", "invoice.paid", "checkout.paid", "refund.owed"])
        #expect(told.last?.data["amount_minor"]?.int == 500 && told.last?.data["id"]?.string == "re_INV-2027-000001_1")
        try life.post(booking("a", gross + 500))
        #expect(life.types() == [])
    }

    @Test("a second transfer is owed back whole, and sending it back with the reference settles it")
    func double() throws {
        var life = try Life()
        try life.post(booking("a", gross))
        _ = life.types()
        try life.post(booking("b", gross))
        let told = life.facts()
        #expect(told.map(\.type) == ["refund.owed"] && told[0].data["amount_minor"]?.int == gross)
        #expect(life.account.bills[0].owed == gross && !life.account.bills[0].isSettled)
        try life.post(booking("c", -gross))
        #expect(life.types() == [] && life.account.bills[0].isSettled && life.status == .active)
        // A third one is news again, under a name of its own.
        try life.post(booking("d", 100))
        #expect(life.facts().first?.data["id"]?.string == "re_INV-2027-000001_2")
    }

    @Test("another currency pays nothing and is owed back")
    func currency() throws {
        var life = try Life()
        _ = life.types()
        let usd = try #require(Currency("USD"))
        try life.post(booking("a", gross, usd))
        let told = life.facts()
        #expect(told.map(\.type) == ["refund.owed"] && told[0].data["currency"]?.string == "USD")
        #expect(life.status == .incomplete && life.account.bills[0].foreign == [usd: gross] && life.account.bills[0].open == gross)
        try life.post(booking("b", -gross, usd))
        #expect(life.types() == [] && life.account.bills[0].foreign.isEmpty)
    }

    @Test("a transfer that the bank takes back reopens the claim under a new name, and paying again cures it")
    func reversed() throws {
        var life = try Life()
        try life.post(booking("a", gross))
        _ = life.types()
        try life.post(booking("b", -gross, isReversal: true))
        let told = life.facts()
        #expect(told.map(\.type) == ["transfer.reversed", "subscription.changed", "invoice.overdue"])
        #expect(told[2].data["id"]?.string == "INV-2027-000001:2" && told[2].data["failed"]?.bool == true && life.status == .pastDue)
        try life.post(booking("c", gross))
        let cured = life.facts()
        #expect(cured.map(\.type) == ["subscription.changed", "invoice.paid"] && cured[1].data["id"]?.string == "INV-2027-000001:2")
        #expect(life.status == .active && life.account.subscriptions[0].periodEnd?.iso8601 == "2027-02-15T08:00:00Z")
    }

    @Test("a reversal that comes before its transfer leaves nothing paid and nothing owed")
    func outOfOrder() throws {
        var life = try Life()
        _ = life.types()
        try life.post(booking("b", -gross, isReversal: true))
        try life.post(booking("a", gross))
        #expect(life.types() == [] && life.account.bills[0].balance == 0 && life.status == .incomplete)
    }

    @Test("every order and repetition of the same movements ends with the same balance, and owes the same", arguments: 0..<40)
    func anyOrder(seed: Int) throws {
        var dice = Dice(UInt64(seed) &* 0x9E37_79B9 + 7)
        let movements = [
            booking("a", 9_000), booking("b", 8_255), booking("c", 17_255), booking("d", -17_255, isReversal: true), booking("e", 300),
        ]
        var life = try Life()
        for movement in (movements + movements).shuffled(using: &dice) { try life.post(movement) }
        let bill = life.account.bills[0]
        #expect(bill.balance == 17_555 && bill.isPaid && bill.owed == 300 && life.status == .active)
        let told = life.facts()
        #expect(told.filter { $0.type == "invoice.paid" }.count - told.filter { $0.type == "transfer.reversed" }.count == 1)
        #expect(told.filter { $0.type == "checkout.paid" }.count == 1)
    }

    @Test("nobody pays: overdue after the slack, ended after the wait, and the invoice is cancelled by a credit note")
    func neverPaid() throws {
        var life = try Life()
        _ = life.types()
        life.pass(.days(14) + .days(3))
        #expect(life.types() == [])
        life.pass(.days(1))
        #expect(life.types() == ["invoice.overdue"])
        life.pass(.days(44))
        #expect(life.types() == [])
        life.pass(.days(2))
        #expect(life.types() == ["subscription.ended", "checkout.failed"])
        #expect(life.documents.map(\.kind) == [.invoice, .creditNote] && life.documents[1].gross == gross)
        #expect(life.account.bills[0].isCancelled && life.account.nextDue(life.pace) == nil)
        // It comes after all: nothing begins, all of it is owed.
        try life.post(booking("late", gross))
        let told = life.facts()
        #expect(told.map(\.type) == ["refund.owed"] && told[0].data["amount_minor"]?.int == gross && life.status == .cancelled)
    }

    @Test("a part that was paid of an order that ended is owed back")
    func partNeverPaid() throws {
        var life = try Life()
        try life.post(booking("a", 5_000))
        _ = life.types()
        life.pass(.days(70))
        #expect(life.types() == ["invoice.overdue", "subscription.ended", "checkout.failed", "refund.owed"])
        #expect(life.account.bills[0].owed == 5_000)
    }

    @Test("the next period is invoiced in time, and its late payment lifts what being overdue brought")
    func renewal() throws {
        var life = try Life()
        try life.post(booking("a", gross))
        _ = life.types()
        life.pass(.days(16))
        #expect(life.types() == [] && life.account.bills.count == 1)
        life.pass(.days(1))
        #expect(life.types() == ["invoice.open"] && life.account.bills.count == 2)
        #expect(life.documents[1].lines[0].name == "Team, 2027-02-15 to 2027-03-14" && life.documents[1].due?.description == "2027-02-15")
        life.pass(.days(18))
        #expect(life.types() == ["subscription.changed", "invoice.overdue"] && life.status == .pastDue)
        try life.post(booking("b", gross), on: life.last)
        #expect(life.types() == ["subscription.changed", "invoice.paid"] && life.status == .active)
        #expect(life.account.subscriptions[0].periodEnd?.iso8601 == "2027-03-15T08:00:00Z")
    }

    @Test("a trial costs nothing, its invoice comes before its end, and months keep their day")
    func trial() throws {
        var life = try Life(trialDays: 16)
        #expect(life.types() == ["subscription.changed", "checkout.paid"] && life.account.bills.isEmpty && life.status == .trialing)
        life.pass(.days(3))
        #expect(life.types() == ["invoice.open"])
        try life.post(booking("a", gross))
        #expect(life.types() == ["subscription.changed", "invoice.paid"] && life.status == .active)
        #expect(life.account.subscriptions[0].periodEnd?.iso8601 == "2027-02-28T08:00:00Z")
        life.pass(.days(30))
        try life.post(booking("b", gross), on: life.last)
        #expect(life.account.subscriptions[0].periodEnd?.iso8601 == "2027-03-31T08:00:00Z")
    }

    @Test("who leaves is not invoiced again, and an invoice that waited is cancelled")
    func leaving() throws {
        var life = try Life()
        try life.post(booking("a", gross))
        life.pass(.days(20))
        _ = life.types()
        let id = life.account.subscriptions[0].id
        try life.account.leave(id, true, now: life.now)
        life.number()
        #expect(life.types() == ["subscription.changed"] && life.account.bills[1].isCancelled)
        // Back again: the period is invoiced anew, under a number of its own, and may be left again.
        try life.account.leave(id, false, now: life.now)
        life.pass(.seconds(0))
        #expect(life.types() == ["subscription.changed", "invoice.open"] && life.last.running == 3)
        try life.account.leave(id, true, now: life.now)
        life.number()
        _ = life.types()
        life.pass(.days(40))
        #expect(life.types() == ["subscription.ended"] && life.account.nextDue(life.pace) == nil)
        #expect(life.documents.map(\.kind) == [.invoice, .invoice, .creditNote, .invoice, .creditNote])
    }

    @Test("crediting all of an unpaid invoice ends the order, or the subscription with what is paid")
    func withdrawn() throws {
        var life = try Life()
        _ = life.types()
        try life.account.credit(life.documents[0], net: nil, now: life.now)
        life.number()
        #expect(life.types() == ["subscription.ended", "checkout.failed"] && life.account.nextDue(life.pace) == nil)
        life = try Life()
        try life.post(booking("a", gross))
        life.pass(.days(20))
        _ = life.types()
        try life.account.credit(life.documents[1], net: nil, now: life.now)
        life.number()
        #expect(life.types() == ["subscription.changed"] && life.account.subscriptions[0].cancelsAt?.iso8601 == "2027-02-15T08:00:00Z")
        life.pass(.days(20))
        #expect(life.types() == ["subscription.ended"] && life.account.bills.count == 2)
    }

    @Test("a customer who pays in many small parts for years never fills the account")
    func smallParts() throws {
        var life = try Life()
        var count = 0
        for month in 0..<40 {
            if month > 0 { life.pass(.days(31)) }
            while let open = life.account.bills.first(where: { !$0.isPaid && !$0.isCancelled }) {
                count += 1
                try life.post(booking("\(count)_0123456789abcdef01", min(3_000, open.open)), on: open.number)
                _ = life.types()
            }
        }
        #expect(count == 240 && life.status == .active && life.account.bills.count <= Account.maxBills)
        #expect(try Ledger.encode(life.account).count < PluginSpaceLimits.maxValueBytes / 2)
    }

    @Test("a credit note over a part owes that part with its VAT, and over more than was invoiced there is none")
    func credits() throws {
        var life = try Life()
        try life.post(booking("a", gross))
        _ = life.types()
        let invoice = life.documents[0]
        try life.account.credit(invoice, net: 10_000, now: life.now)
        life.number()
        let told = life.facts()
        #expect(told.map(\.type) == ["refund.owed"] && told[0].data["amount_minor"]?.int == 11_900 && life.status == .active)
        #expect(throws: Misstep.self) { try life.account.credit(invoice, net: 4_501, now: life.now) }
        #expect(throws: Misstep.self) { try life.account.credit(invoice, net: nil, now: life.now) }
        try life.account.credit(invoice, net: 4_500, now: life.now)
        life.number()
        #expect(life.facts().first?.data["amount_minor"]?.int == 5_355 && life.account.bills[0].isCancelled)
    }

    @Test("however long it goes on, an account stays far below what one value may hold")
    func bounds() throws {
        var life = try Life()
        for index in 0..<60 {
            guard let open = life.account.bills.first(where: { !$0.isPaid && !$0.isCancelled }) else {
                life.pass(.days(5))
                _ = life.types()
                continue
            }
            try life.post(booking("\(index)_0123456789abcdef01234567", gross), on: open.number)
        }
        #expect(life.account.bills.count > 5 && life.account.bills.count <= Account.maxBills)
        #expect(try Ledger.encode(life.account).count < PluginSpaceLimits.maxValueBytes / 2)
    }
}

/// Repeatable chance (SplitMix64).
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
