import Testing
import Vocabulary

@testable import Billing

@Suite("The mirror is a join-semilattice")
struct MirrorLawTests {
    /// Facts from a small world, so that objects, moments and values meet often.
    struct World {
        var dice: Dice
        mutating func pick<Value>(_ values: [Value]) -> Value { values[Int(dice.next() % UInt64(values.count))] }
        mutating func chance() -> Bool { dice.next() % 2 == 0 }
        mutating func moment() -> Timestamp { day(Double(dice.next() % 6) * 10) }
        mutating func maybe<Value>(_ value: Value) -> Value? { chance() ? value : nil }

        mutating func fact() -> PaymentFact {
            let usd = Say.usd
            switch dice.next() % 8 {
            case 0:
                let reference = maybe(pick(["ref_1", "ref_2"]))
                return .checkout(
                    CheckoutFact(
                        session: pick(["cs_1", "cs_2"]), reference: reference, customer: maybe(pick(["cus_1", "cus_2"])),
                        subscription: maybe(pick(["sub_1", "sub_2"])), isPaid: chance(), hasFailed: chance(), asOf: moment()))
            case 1, 2, 3:
                let reference = maybe(pick(["ref_1", "ref_2", "stranger"]))
                return .subscription(
                    SubscriptionFact(
                        subscription: pick(["sub_1", "sub_2"]), customer: maybe(pick(["cus_1", "cus_2"])), reference: reference,
                        status: pick(SubscriptionStatus.allCases),
                        providerPrice: maybe(pick(["price_pro", "price_pro_year", "price_gone"])),
                        tier: maybe(pick(["team", "pro", "No Tier"])), quantity: pick([0, 1, 2, 5]), periodStart: maybe(moment()),
                        periodEnd: maybe(pick([moment(), day(900), day(2000)])), trialEnd: maybe(moment()), cancelsAt: maybe(moment()),
                        endedAt: maybe(moment()), asOf: moment()))
            case 4, 5, 6:
                let amount = maybe(Money(amountMinor: Int64(pick([0, 100, 2900])), currency: usd))
                return .invoice(
                    InvoiceFact(
                        invoice: pick(["in_1", "in_2", "in_3"]), subscription: maybe(pick(["sub_1", "sub_2"])), customer: maybe("cus_1"),
                        isPaid: chance(), hasFailed: chance(), amount: amount, periodStart: maybe(moment()), periodEnd: maybe(moment()),
                        nextAttemptAt: maybe(moment()), asOf: moment()))
            default:
                return .dispute(
                    DisputeFact(
                        dispute: pick(["dp_1", "dp_2"]), payment: nil, customer: maybe("cus_1"), subscription: maybe("sub_1"), amount: nil,
                        status: pick(["open", "lost", "won"]), reason: maybe("fraud"), asOf: moment()))
            }
        }

        mutating func directives() -> PaymentDirectives {
            var directives = PaymentDirectives()
            directives.issuesLicense = chance()
            directives.renewsLicense = chance()
            directives.suspendsLicense = dice.next() % 8 == 0
            directives.restoresAccess = chance()
            directives.graceDays = maybe(pick([0, 3, 7]))
            directives.ending = pick([nil, nil, nil, nil, .now, .periodEnd])
            return directives
        }

        mutating func mirror() -> Mirror {
            var mirror = Mirror()
            for _ in 0..<(1 + dice.next() % 4) {
                let news = PaymentNews(provider: "fake", event: "e\(dice.next() % 12)", facts: [fact()])
                mirror.join(
                    news.mirror(
                        directives: directives(), ownReferences: ["ref_1", "ref_2"],
                        intended: chance() ? ["cs_1": Offer(tier: "team", interval: .month)] : [:]))
            }
            return mirror
        }
    }

    @Test("joining is idempotent, commutative and associative on random facts, with random plans", arguments: 1...8)
    func laws(seed: Int) {
        var world = World(dice: Dice(seed: UInt64(seed)))
        for _ in 0..<250 {
            let (a, b, c) = (world.mirror(), world.mirror(), world.mirror())
            #expect(a.joined(a) == a)
            #expect(a.joined(b) == b.joined(a))
            #expect(a.joined(b).joined(c) == a.joined(b.joined(c)))
            #expect(a.joined(Mirror()) == a)
        }
    }

    @Test("what is stored comes back as it was")
    func stored() throws {
        var world = World(dice: Dice(seed: 99))
        for _ in 0..<100 {
            let mirror = world.mirror()
            #expect(try StoredJSON.decode(StoredJSON.encode(mirror)) == mirror)
        }
    }

    @Test("no facts and no moment make the reading of a standing contradict itself", arguments: 1...8)
    func soundness(seed: Int) {
        var world = World(dice: Dice(seed: UInt64(100 + seed)))
        for _ in 0..<250 {
            var room = PureRoom()
            for _ in 0..<3 { room.mirror.join(world.mirror()) }
            let now = world.moment()
            let standing = room.standing(now)
            if standing.state == .grace { #expect(standing.graceUntil.map { $0 > now } ?? false) }
            if standing.state != .grace { #expect(standing.graceUntil == nil) }
            if let review = standing.nextReview { #expect(review > now) }
            if standing.state == .active || standing.state == .grace {
                #expect(standing.isGranted && standing.cancelsAt.map { $0 > now } ?? true)
                #expect(standing.nextReview != nil, "time alone must end every access")
            }
            if standing.state == .pending { #expect(!standing.isGranted) }
            #expect(standing.quantity >= 0)
        }
    }

    @Test("time alone leads from access to its end, by the reviews that the standing itself names", arguments: 1...4)
    func ending(seed: Int) {
        var world = World(dice: Dice(seed: UInt64(200 + seed)))
        for _ in 0..<100 {
            var room = PureRoom()
            for _ in 0..<3 { room.mirror.join(world.mirror()) }
            var now = world.moment()
            var standing = room.standing(now)
            var reviews = 0
            while let next = standing.nextReview, reviews < 50 {
                // Nothing changes between two reviews.
                let middle = Timestamp(microseconds: next.microseconds - 1)
                if middle > now {
                    var between = room.standing(middle)
                    between.nextReview = standing.nextReview
                    #expect(between == standing, "between \(now) and \(next)")
                }
                now = next
                standing = room.standing(now)
                reviews += 1
            }
            #expect(standing.state != .active && standing.state != .grace)
        }
    }
}
