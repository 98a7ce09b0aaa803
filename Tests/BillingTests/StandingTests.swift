import Testing
import Vocabulary

@testable import Billing

@Suite("What facts entitle to")
struct StandingTests {
    func room(_ facts: PaymentFact..., rule: (inout PaymentDirectives) -> Void = { _ in }) -> PureRoom {
        var room = PureRoom()
        for (number, fact) in facts.enumerated() {
            let news = PaymentNews(provider: "fake", event: "e\(number)", facts: [fact])
            var directives = PureRoom.directives(news)
            rule(&directives)
            room.mirror.join(news.mirror(directives: directives, ownReferences: [Say.reference], intended: [:]))
        }
        return room
    }

    @Test("a cancelled subscription never comes back, whatever is told and however new it claims to be")
    func cancelledStays() {
        let gone = room(Say.checkout(), Say.plan(.active), Say.invoice("in_1"), Say.plan(.cancelled, endedAt: day(40), at: day(40)))
        #expect(gone.standing(day(41)).state == .cancelled)
        var back = gone
        for fact in [
            Say.plan(.active, from: day(30), to: day(60), at: day(39)), Say.plan(.active, from: day(60), to: day(90), at: day(50)),
            Say.invoice("in_9", from: day(41), to: day(90), at: day(42)), Say.checkout(at: day(43)),
        ] {
            back.mirror.join(PureRoom.delta(Told("late", fact)))
            #expect(back.standing(day(44)).state == .cancelled)
        }
    }

    @Test("an old event never overwrites newer state")
    func oldEvent() {
        let facts = room(
            Say.checkout(), Say.invoice("in_1"), Say.plan(.active, quantity: 9, at: day(5)), Say.plan(.incomplete, quantity: 1, at: day(1)))
        #expect(facts.standing(day(6)).quantity == 9)
    }

    @Test("a checkout with an unpaid delayed method waits, however active the subscription calls itself")
    func delayed() {
        let waiting = room(Say.checkout(paid: false), Say.plan(.active), Say.invoice("in_1", paid: false))
        let standing = waiting.standing(day(1))
        #expect(standing.state == .pending && standing.reason == .checkoutOpen && !standing.isGranted)
    }

    @Test("an unrelated invoice neither pays nor fails anything")
    func unrelated() {
        let base = room(Say.checkout(), Say.plan(.active), Say.invoice("in_1"))
        var more = base
        for (number, fact) in [
            Say.invoice("in_7", paid: false, failed: true, at: day(2), subscription: nil),
            Say.invoice("in_8", to: day(500), subscription: nil),
            Say.invoice("in_9", paid: false, failed: true, at: day(2), subscription: "sub_other"),
        ].enumerated() { more.mirror.join(PureRoom.delta(Told("u\(number)", fact))) }
        #expect(more.standing(day(3)) == base.standing(day(3)))
    }

    @Test("grace runs from the first failure, not from the last")
    func firstFailure() {
        let facts = room(
            Say.checkout(), Say.plan(.active), Say.invoice("in_1"), Say.failure("in_2", at: day(33)), Say.failure("in_2", at: day(30)),
            Say.failure("in_2", at: day(36)))
        #expect(facts.standing(day(36)).graceUntil == day(37))
        #expect(facts.standing(day(36)).nextReview == day(37))
        #expect(facts.standing(day(37)).state == .suspended)
    }

    @Test("a plan's own grace holds; without one access ends at the failure")
    func ownGrace() {
        let facts: [PaymentFact] = [Say.checkout(), Say.plan(.active), Say.invoice("in_1"), Say.failure("in_2", at: day(30))]
        for (days, end) in [(14, day(44)), (0, day(30))] {
            var room = PureRoom()
            for (number, fact) in facts.enumerated() {
                let news = PaymentNews(provider: "fake", event: "e\(number)", facts: [fact])
                var directives = PureRoom.directives(news)
                if news.type == .paymentFailed { directives.graceDays = days }
                room.mirror.join(news.mirror(directives: directives, ownReferences: [Say.reference], intended: [:]))
            }
            #expect(room.standing(Timestamp(microseconds: end.microseconds - 1)).state == .grace)
            #expect(room.standing(end).state == .suspended)
        }
    }

    @Test("a licence that the plan withholds waits for staff, and staff cannot release what is unpaid")
    func withheld() {
        var withheld = room(Say.checkout(), Say.plan(.active), Say.invoice("in_1")) { $0.issuesLicense = false }
        #expect(withheld.standing(day(1)).reason == .withheld)
        var unpaid = room(Say.checkout(paid: false), Say.plan(.active))
        for subject in [0, 1] {
            var release = SubscriptionState()
            release.isReleased = true
            var delta = Mirror()
            delta.subscriptions[Say.subscription] = release
            if subject == 0 { withheld.mirror.join(delta) } else { unpaid.mirror.join(delta) }
        }
        #expect(withheld.standing(day(1)).state == .active)
        #expect(unpaid.standing(day(1)).state == .pending)
    }

    @Test("a renewal that the plan does not let count leaves the period where it was")
    func unrenewed() {
        let facts = room(
            Say.checkout(), Say.plan(.active, from: day(30), to: day(60), at: day(30)), Say.invoice("in_1"),
            Say.invoice("in_2", from: day(30), to: day(60), at: day(30))
        ) { directives in if directives.renewsLicense { directives.renewsLicense = false } }
        #expect(facts.standing(day(31)).periodEnd == day(60), "no invoice counts, so the subscription's own period speaks")
        var mixed = room(Say.checkout(), Say.plan(.active, from: day(30), to: day(60), at: day(30)), Say.invoice("in_1"))
        var directives = PaymentDirectives()
        directives.restoresAccess = true
        let second = PaymentNews(
            provider: "fake", event: "x", facts: [Say.invoice("in_2", from: day(30), to: day(60), at: day(30))])
        mixed.mirror.join(second.mirror(directives: directives, ownReferences: [], intended: [:]))
        #expect(mixed.standing(day(31)).state == .grace && mixed.standing(day(31)).periodEnd == day(30))
    }

    @Test("a suspension by plan holds until a later plan restores access, in any order of telling")
    func suspension() {
        func state(_ marks: [(Double, Bool)]) -> Standing.State {
            var facts = room(Say.checkout(), Say.plan(.active), Say.invoice("in_1")) { $0.restoresAccess = false }
            for (moment, suspends) in marks {
                var directives = PaymentDirectives()
                directives.suspendsLicense = suspends
                directives.restoresAccess = !suspends
                let news = PaymentNews(provider: "fake", event: "m\(moment)", facts: [Say.dispute("dp_1", at: day(moment))])
                facts.mirror.join(news.mirror(directives: directives, ownReferences: [], intended: [:]))
            }
            return facts.standing(day(20)).state
        }
        #expect(state([(3, true)]) == .suspended)
        #expect(state([(3, true), (4, false)]) == .active)
        #expect(state([(4, false), (3, true)]) == .active)
        #expect(state([(4, true), (3, false)]) == .suspended)
        #expect(state([(4, true), (4, false)]) == .suspended)
    }

    @Test("a plan ends a subscription at once or at the end of the period in which it says so")
    func endings() {
        func facts(_ ending: PaymentDirectives.Ending) -> PureRoom {
            var facts = room(Say.checkout(), Say.plan(.active), Say.invoice("in_1"))
            var directives = PaymentDirectives()
            directives.ending = ending
            let news = PaymentNews(provider: "fake", event: "end", facts: [Say.dispute("dp_1", at: day(12))])
            facts.mirror.join(news.mirror(directives: directives, ownReferences: [], intended: [:]))
            // A later renewal changes nothing about it.
            facts.mirror.join(PureRoom.delta(Told("r", Say.invoice("in_2", from: day(30), to: day(60), at: day(30)))))
            return facts
        }
        #expect(facts(.now).standing(day(12)).state == .cancelled)
        #expect(facts(.periodEnd).standing(day(29)).state == .active && facts(.periodEnd).standing(day(29)).cancelsAt == day(30))
        #expect(facts(.periodEnd).standing(day(31)).state == .cancelled)
    }

    @Test("a failed invoice that the provider gave up on, while it calls the subscription sound, takes nothing away")
    func voided() {
        let facts = room(
            Say.checkout(), Say.plan(.active), Say.invoice("in_1"), Say.failure("in_2", at: day(10), from: day(10), to: day(30)),
            Say.plan(.active, at: day(11)))
        #expect(facts.standing(day(20)).state == .active)
        let pastDue = room(
            Say.checkout(), Say.plan(.active), Say.invoice("in_1"), Say.failure("in_2", at: day(10), from: day(10), to: day(30)),
            Say.plan(.pastDue, at: day(11)))
        #expect(pastDue.standing(day(12)).state == .grace)
    }

    @Test("higher tier now, lower tier at the period's end, by the order of the catalog")
    func tiers() {
        let up = room(
            Say.checkout(), Say.plan(.active, tier: "pilot_starter"), Say.invoice("in_1"),
            Say.plan(.active, at: day(3), price: "price_pro", tier: nil))
        #expect(up.standing(day(4)).tier == "pro" && up.standing(day(4)).change == nil)
        let down = room(
            Say.checkout(), Say.plan(.active, price: "price_pro"), Say.invoice("in_1"), Say.plan(.active, at: day(3), tier: "pilot_starter")
        )
        #expect(
            down.standing(day(4)).tier == "pro" && down.standing(day(4)).change == .init(tier: "pilot_starter", quantity: 1, at: day(30)))
        #expect(down.standing(day(30)).tier == "pilot_starter")
    }

    @Test("the configured price says the tier, then the provider's notes, then what was offered; else nothing is granted")
    func prices() {
        let configured = room(Say.checkout(), Say.plan(.active, price: "price_pro_year", tier: "team"), Say.invoice("in_1"))
        #expect(configured.standing(day(1)).tier == "pro" && configured.standing(day(1)).interval == .year)
        let noted = room(Say.checkout(), Say.plan(.active, price: "price_gone", tier: "team"), Say.invoice("in_1"))
        #expect(noted.standing(day(1)).tier == "team" && noted.standing(day(1)).interval == .month)
        let yearly = room(Say.checkout(), Say.plan(.active, to: day(365), tier: "team"), Say.invoice("in_1", to: day(365)))
        #expect(yearly.standing(day(1)).interval == .year)
        let unknown = room(Say.checkout(), Say.plan(.active, price: "price_gone", tier: nil), Say.invoice("in_1"))
        #expect(unknown.standing(day(1)).state == .pending && unknown.standing(day(1)).reason == .unknownPrice)
        var offered = unknown
        var delta = Mirror()
        delta.checkouts[Say.session] = CheckoutState()
        delta.checkouts[Say.session]?.intended = Offer(tier: "pro", interval: .month)
        offered.mirror.join(delta)
        #expect(offered.standing(day(1)).tier == "pro" && offered.standing(day(1)).state == .active)
        let odd = room(Say.checkout(), Say.plan(.active, tier: "Not A Tier"), Say.invoice("in_1"))
        #expect(odd.standing(day(1)).reason == .unknownPrice)
    }

    @Test("the paid period is that of the lines, and a provider without invoices speaks by the subscription")
    func periods() {
        let quiet = room(Say.checkout(), Say.plan(.active))
        #expect(quiet.standing(day(1)).periodEnd == day(30) && quiet.standing(day(1)).state == .active)
        // The subscription rolls before the renewal is paid.
        let rolled = room(Say.checkout(), Say.invoice("in_1"), Say.plan(.active, from: day(30), to: day(60), at: day(30)))
        #expect(rolled.standing(day(30, 60)).periodEnd == day(30) && rolled.standing(day(30, 60)).state == .grace)
        let pastDue = room(Say.checkout(), Say.plan(.pastDue, from: day(30), to: day(60), at: day(30)))
        #expect(pastDue.standing(day(31)).state == .grace && pastDue.standing(day(31)).graceUntil == day(37))
    }

    @Test("a paused subscription gives no access")
    func paused() {
        #expect(room(Say.checkout(), Say.invoice("in_1"), Say.plan(.paused, at: day(7))).standing(day(8)).state == .suspended)
    }

    @Test("the lifecycle names every change but those back to pending, and cancelled is left only by correction")
    func lifecycle() {
        for from in Standing.State.allCases {
            for to in Standing.State.allCases where from != to {
                let transition = standingLifecycle.transition(from: from, to: to)
                #expect((transition == nil) == (to == .pending), "\(from) → \(to)")
                if from == .cancelled, to != .pending { #expect(transition?.past == "corrected") }
            }
        }
    }
}
