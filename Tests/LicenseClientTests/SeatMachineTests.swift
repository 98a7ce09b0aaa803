import Foundation
import Testing
import Vocabulary

@testable import LicenseClient

/// Tables of what happens and what the machine does about it. Seconds since the start; chance is always one half.
struct SeatMachineTests {
    typealias Machine = SeatMachine
    struct Step: Sendable {
        let at: Int64
        let event: Machine.Event
        let actions: [Machine.Action]
        init(_ at: Int64, _ event: Machine.Event, _ actions: [Machine.Action]) {
            self.at = at
            self.event = event
            self.actions = actions
        }
    }
    struct Story: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var rules = Machine.Rules()
        let steps: [Step]
    }

    static func lease(until end: Int64, _ session: String = "s-1", epoch: Int64 = 1) -> Machine.Lease {
        Machine.Lease(session: session, license: "l", epoch: epoch, end: .seconds(end), interval: .seconds(300), used: 1, total: 2)
    }
    static let away = LicenseClientError(.unreachable, "away", next: "wait")
    static let full = LicenseClientError(.noSeat, "no seat free", next: "wait", retryAfter: .seconds(200))
    static let forced = LicenseClientError(.forced, "an operator released the seat: demo", next: "wait")
    static let over = LicenseClientError(.leaseEnded, "the lease expired", next: "wait")
    static let suspended = LicenseClientError(.suspended, "the licence is suspended", next: "wait")
    static let signedOut = LicenseClientError(.notSignedIn, "signed out", next: "wait")
    static let busy = LicenseClientError(.deviceBusy, "another process does not go on", next: "wait")
    static let noFile = LicenseClientError(.notActivated, "this device is not activated", next: "wait")
    static let tooOld = LicenseClientError(.offlineGraceOver, "the offline grace ended", next: "wait")
    static let fileEnd = Timestamp(seconds: 1_800_000_000)
    static let fileDate = Date(timeIntervalSince1970: 1_800_000_000)
    static let patience = Duration.seconds(10)
    static func both(_ code: LicenseClientError.Code, _ fault: LicenseClientError) -> LicenseClientError {
        LicenseClientError(code, "away; and \(fault.message)", next: fault.next)
    }

    static let start = Step(0, .start, [.acquire(again: false, patience: patience)])
    /// A lease until 360, the next heartbeat at nine tenths of the interval.
    static let taken = [start, Step(0, .granted(lease(until: 360)), [.tell(.held(used: 1, total: 2)), .wake(at: .seconds(270))])]

    static let stories: [Story] = [
        Story(
            testDescription: "a seat lives on heartbeats that never come late",
            steps: taken + [
                Step(270, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(271, .beaten(end: .seconds(630), epoch: 1, resurrected: false), [.wake(at: .seconds(541))]),
                Step(600, .release, [.giveBack(lease(until: 630)), .tell(.released)]),
                Step(601, .due, []), Step(601, .release, []),
            ]),
        Story(
            testDescription: "a lost answer is asked for again as the same request",
            steps: [
                start, Step(1, .unanswered(away), [.wake(at: .milliseconds(1_187) + .microseconds(500))]),
                Step(2, .due, [.acquire(again: true, patience: patience)]),
                Step(2, .granted(lease(until: 360)), [.tell(.held(used: 1, total: 2)), .wake(at: .seconds(272))]),
            ]),
        Story(
            testDescription: "a repeated request that is told of a lease that has ended is made anew",
            steps: [start, Step(400, .granted(lease(until: 360)), [.acquire(again: false, patience: patience)])]),
        Story(
            testDescription: "a short outage costs nothing: the seat is kept, asked for with growing pauses, and goes on",
            steps: taken + [
                Step(270, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(
                    270, .unanswered(away), [.tell(.unsure(away, left: .seconds(90))), .wake(at: .milliseconds(270_750))]),
                Step(271, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(271, .unanswered(away), [.wake(at: .milliseconds(272_500))]),
                Step(273, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(273, .beaten(end: .seconds(633), epoch: 1, resurrected: false), [.tell(.answered), .wake(at: .seconds(543))]),
            ]),
        Story(
            testDescription: "at the end of the lease the signed file takes over, and the seat comes back with the server",
            steps: taken + [
                Step(359, .due, [.beat(lease(until: 360), patience: .seconds(2))]),
                Step(361, .unanswered(away), [.judgeFile]),
                Step(361, .fileHolds(until: fileEnd), [.tell(.offline(away, until: fileDate)), .wake(at: .milliseconds(362_500))]),
                Step(363, .due, [.beat(lease(until: 360), patience: patience)]), Step(363, .unanswered(away), [.judgeFile]),
                Step(363, .fileHolds(until: fileEnd), [.wake(at: .seconds(366))]),
                Step(500, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(500, .beaten(end: .seconds(860), epoch: 2, resurrected: true), [.tell(.regained), .wake(at: .seconds(770))]),
            ]),
        Story(
            testDescription: "without a file the seat is lost with its lease, told once, and taken again when the server is back",
            steps: taken + [
                Step(360, .due, [.beat(lease(until: 360), patience: patience)]), Step(360, .unanswered(away), [.judgeFile]),
                Step(
                    360, .fileRefused(noFile),
                    [.tell(.lost(both(.unreachable, noFile), grace: .zero)), .wake(at: .milliseconds(361_500))]),
                Step(362, .due, [.beat(lease(until: 360), patience: patience)]), Step(362, .unanswered(away), [.judgeFile]),
                Step(362, .fileRefused(noFile), [.wake(at: .seconds(365))]),
                Step(900, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(900, .refused(over), [.acquire(again: false, patience: patience)]),
                Step(900, .granted(lease(until: 1_260, "s-2")), [.tell(.regained), .wake(at: .seconds(1_170))]),
            ]),
        Story(
            testDescription: "who was frozen beyond the lease asks first, and is told that the lease was revived",
            steps: taken + [
                Step(600, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(600, .beaten(end: .seconds(960), epoch: 2, resurrected: true), [.tell(.revived), .wake(at: .seconds(870))]),
            ]),
        Story(
            testDescription: "a lease that is over is followed by another; where none is free the seat is lost until one is",
            steps: taken + [
                Step(700, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(700, .refused(over), [.tell(.asking(over)), .acquire(again: false, patience: patience)]),
                Step(700, .refused(full), [.tell(.lost(full, grace: .zero)), .wake(at: .seconds(910))]),
                Step(910, .due, [.acquire(again: false, patience: patience)]), Step(910, .refused(full), [.wake(at: .seconds(1_120))]),
                Step(1_120, .due, [.acquire(again: false, patience: patience)]),
                Step(1_120, .granted(lease(until: 1_480, "s-2")), [.tell(.regained), .wake(at: .seconds(1_390))]),
            ]),
        Story(
            testDescription: "what an operator took is not asked for again; the lease's last term is the grace",
            steps: taken + [
                Step(270, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(270, .refused(forced), [.tell(.lost(forced, grace: .seconds(90)))]), Step(400, .due, []),
                Step(400, .release, [.tell(.released)]),
            ]),
        Story(
            testDescription: "a suspended licence takes the seat, and payment brings it back",
            steps: taken + [
                Step(270, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(270, .refused(suspended), [.tell(.lost(suspended, grace: .seconds(90))), .wake(at: .milliseconds(271_500))]),
                Step(272, .due, [.acquire(again: false, patience: patience)]),
                Step(272, .granted(lease(until: 632, "s-2")), [.tell(.regained), .wake(at: .seconds(542))]),
            ]),
        Story(
            testDescription: "who is signed out keeps the seat for the lease, in case somebody signs in",
            steps: taken + [
                Step(270, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(
                    270, .refused(signedOut), [.tell(.unsure(signedOut, left: .seconds(90))), .wake(at: .milliseconds(270_750))]),
            ]),
        Story(
            testDescription: "trouble of this machine is no server that is away: nothing begins on a file for it",
            steps: [start, Step(0, .refused(busy), [.tell(.refused(busy))])]),
        Story(
            testDescription: "the first seat is refused at once when none is free",
            steps: [start, Step(0, .refused(full), [.tell(.refused(full))]), Step(1, .due, []), Step(1, .release, [])]),
        Story(
            testDescription: "who waits asks again by retry_after, yet at least each 17 seconds, and gives up in time",
            rules: .init(waitsUntil: .seconds(40)),
            steps: [
                start,
                Step(0, .refused(full), [.tell(.waiting(full, .milliseconds(15_750))), .wake(at: .milliseconds(15_750))]),
                Step(32, .due, [.acquire(again: false, patience: patience)]), Step(32, .refused(full), [.tell(.refused(full))]),
            ]),
        Story(
            testDescription: "a refusal for good is not waited for", rules: .init(waitsUntil: .seconds(60)),
            steps: [start, Step(0, .refused(suspended), [.tell(.refused(suspended))])]),
        Story(
            testDescription: "a server that is away at the start is tried some times; then the file decides",
            rules: .init(firstAttempts: 2),
            steps: [
                start, Step(0, .unanswered(away), [.wake(at: .microseconds(187_500))]),
                Step(1, .due, [.acquire(again: true, patience: patience)]), Step(1, .unanswered(away), [.judgeFile]),
                Step(1, .fileHolds(until: fileEnd), [.tell(.offline(away, until: fileDate)), .wake(at: .milliseconds(2_500))]),
                Step(3, .due, [.acquire(again: false, patience: patience)]), Step(3, .unanswered(away), [.judgeFile]),
                Step(3, .fileRefused(tooOld), [.tell(.lost(both(.offlineGraceOver, tooOld), grace: .zero)), .wake(at: .seconds(6))]),
                Step(9, .due, [.acquire(again: false, patience: patience)]),
                Step(9, .granted(lease(until: 369)), [.tell(.regained), .wake(at: .seconds(279))]),
            ]),
        Story(
            testDescription: "without server and without file nothing begins", rules: .init(firstAttempts: 1),
            steps: [
                start, Step(0, .unanswered(away), [.judgeFile]),
                Step(0, .fileRefused(noFile), [.tell(.refused(both(.unreachable, noFile)))]),
            ]),
        Story(
            testDescription: "a seat that arrives after it was given back is given back as well",
            steps: [start, Step(1, .release, [.tell(.released)]), Step(2, .granted(lease(until: 362)), [.giveBack(lease(until: 362))])]),
        Story(
            testDescription: "another process's newer lease is taken over without a request",
            steps: taken + [
                Step(270, .due, [.beat(lease(until: 360), patience: patience)]),
                Step(270, .adopted(lease(until: 500, "s-2")), [.wake(at: .seconds(454))]),
            ]),
    ]

    @Test("the machine does what its table says", arguments: stories)
    func table(_ story: Story) {
        var machine = SeatMachine(rules: story.rules)
        for (number, step) in story.steps.enumerated() {
            let actions = machine.handle(step.event, at: .seconds(step.at), jitter: 0.5)
            #expect(actions == step.actions, "step \(number + 1), \(step.event), leaves \(machine.state)")
        }
    }

    @Test("whatever happens in whatever order: nothing is asked after the end, and a held seat always has its next heartbeat")
    func anyOrder() {
        var chance = Chance(seed: 7)
        let leases = [Self.lease(until: 360), Self.lease(until: 90, "s-2"), Self.lease(until: 10_000, "s-3")]
        for _ in 0..<2_000 {
            var machine = SeatMachine(rules: .init(waitsUntil: chance.flip ? .seconds(5_000) : nil))
            var now = Duration.zero
            _ = machine.handle(.start, at: now, jitter: 0)
            for _ in 0..<40 {
                let before = machine.state
                let events: [Machine.Event] = [
                    .due, .granted(leases[chance.below(3)]), .beaten(end: now + .seconds(360), epoch: 2, resurrected: chance.flip),
                    .unanswered(Self.away), .refused([Self.full, Self.forced, Self.over, Self.suspended, Self.signedOut][chance.below(5)]),
                    .adopted(leases[chance.below(3)]), .fileHolds(until: Self.fileEnd), .fileRefused(Self.tooOld),
                    chance.below(20) == 0 ? .release : .due,
                ]
                let event = events[chance.below(events.count)]
                let actions = machine.handle(event, at: now, jitter: Double(chance.below(100)) / 100)
                switch before {
                case .released, .ended:
                    #expect(actions.allSatisfy { if case .giveBack = $0 { true } else { false } }, "\(before) \(event)")
                default: break
                }
                if case .held = machine.state, before != machine.state {
                    #expect(actions.contains { if case .wake = $0 { true } else { false } }, "\(before) \(event)")
                }
                now += .seconds(chance.below(400))
            }
        }
    }

    @Test("back-off grows to its cap and is never less than half of it")
    func backOff() {
        for attempt in 1...40 {
            let least = SeatMachine.backOff(attempt, .seconds(1), .seconds(30), 0)
            let most = SeatMachine.backOff(attempt, .seconds(1), .seconds(30), 0.999)
            #expect(least >= .milliseconds(500) && most < .seconds(30) && most < least * 2)
        }
        #expect(SeatMachine.backOff(40, .seconds(1), .seconds(30), 0) == .seconds(15))
    }
}

/// Chance that repeats.
struct Chance {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
    var flip: Bool { mutating get { below(2) == 0 } }
}
