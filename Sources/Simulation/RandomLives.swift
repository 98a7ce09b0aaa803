import Vocabulary

/// Lives by a seed: who buys what, whose card dies when, who pays after all, who leaves; and when the platform and the provider fail.
package struct RandomLives: Sendable {
    package static let mostTenants = 10_000
    private let tenants: Int
    private let days: Int
    private let seed: UInt64

    package init(tenants: Int, days: Int, seed: UInt64) {
        self.tenants = tenants
        self.days = days
        self.seed = seed
    }

    package func script() -> Script {
        let dice = Dice(seed)
        var script = Script()
        script.seed = seed
        script.days = days
        script.manner.webhooks = dice.pick(ProviderManner.Webhooks.allCases)
        script.manner.delay = .hours(Int64(dice.roll(1...12)))
        script.manner.endsUnpaid = dice.happens(50)
        script.manner.retryDays = dice.pick([[3, 5, 7], [1, 2, 3, 4], [7, 14, 21], []])
        for number in 0..<tenants { script.lives.append(life(number, script.start, dice)) }
        for _ in 0..<max(1, days / 60) {
            let at = script.start + .minutes(Int64(dice.roll(60...max(61, days * 1_440))))
            let point = dice.happens(30) ? nil : dice.pick(BreakPoint.allCases)
            script.crashes.append(Script.Crash(at: at, point: point, down: .minutes(Int64(dice.roll(1...90)))))
        }
        for _ in 0..<max(1, days / 150) {
            let from = script.start + .minutes(Int64(dice.roll(60...max(61, days * 1_440))))
            let to = from + .minutes(Int64(dice.roll(30...2_000)))
            script.manner.outages.append(ProviderManner.Outage(from: from, to: to, losesWebhooks: dice.happens(50)))
        }
        return script
    }

    private func life(_ number: Int, _ start: Timestamp, _ dice: Dice) -> Script.Life {
        let name = "t\(number)"
        var at = start + .minutes(Int64(dice.roll(0...max(1, days * 1_440 / 4))))
        let end = start + .days(Int64(days))
        var steps = [Script.Step(at: at, .signUp)]
        func then(_ minutes: ClosedRange<Int>, _ deed: Script.Deed) {
            at = at + .minutes(Int64(dice.roll(minutes)))
            if at < end { steps.append(Script.Step(at: at, deed)) }
        }
        let day = 1_440
        then(5...3 * day, Self.purchase(dice))
        while at < end {
            switch dice.roll(0...13) {
            case 0, 1:
                then(day...40 * day, .cardDeclines(dice.pick(DeclineReason.allCases)))
                if dice.happens(70) { then(day...60 * day, .payOpen) }
            case 2: then(day...30 * day, .change(tier: nil, interval: nil, quantity: dice.roll(1...12)))
            case 3: then(day...60 * day, .change(tier: dice.pick(["team", "pro"]), interval: nil, quantity: nil))
            case 4:
                then(day...60 * day, .cancel(dice.happens(70) ? .periodEnd : .now))
                if dice.happens(50) { then(10...10 * day, .resume) }
            case 5:
                then(
                    day...20 * day,
                    .invite(
                        email: "p\(steps.count)@\(name).example", role: dice.pick(["developer", "auditor", "admin"]),
                        endsAfterDays: dice.happens(30) ? dice.roll(2...60) : nil))
            case 6: then(day...30 * day, dice.happens(60) ? .refund : .dispute)
            case 7: then(day...90 * day, Self.purchase(dice))
            case 8:
                let device = "desk\(steps.count)"
                then(day...20 * day, .takeSeat(email: nil, device: device))
                if dice.happens(60) { then(1...3 * day, .releaseSeat(device: device)) }
            case 9: then(day...40 * day, .pause(days: dice.roll(5...60)))
            case 10:
                let email = "gone\(steps.count)@\(name).example"
                then(day...20 * day, .invite(email: email, role: "developer", endsAfterDays: nil))
                then(day...20 * day, dice.happens(50) ? .erase(email: email) : .remove(email: email))
            case 11 where dice.happens(40):
                then(day...60 * day, .leave(isNow: dice.happens(50), reason: dice.pick(["price", "no_need", "other"])))
                if dice.happens(50) { then(day...45 * day, .comeBack) }
            default: at = at + .days(Int64(dice.roll(5...80)))
            }
        }
        return Script.Life(name: name, owner: "owner@\(name).example", steps: steps)
    }

    private static func purchase(_ dice: Dice) -> Script.Deed {
        switch dice.roll(0...3) {
        case 0: .subscribe(tier: "pro", interval: dice.happens(30) ? .year : .month, quantity: 1)
        case 1: .subscribe(tier: "pilot_professional", interval: .month, quantity: 1)
        default: .subscribe(tier: "team", interval: .month, quantity: dice.roll(1...8))
        }
    }
}
