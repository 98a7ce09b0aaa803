import Testing
import Vocabulary

@testable import Identity

/// Counting of guesses as a pure machine.
struct LoginGuardTests {
    static let start = Timestamp(seconds: 1_000_000)
    static let limits = LoginGuard.Limits(
        failures: 5, lock: .minutes(15), memory: .hours(1), pressureFailures: 20, pressureMax: .seconds(60))

    static func fresh(_ limits: LoginGuard.Limits = limits) -> LoginGuard {
        LoginGuard(pair: nil, pressure: nil, limits: limits, now: start)
    }

    /// Another network of the same account: its own pair, the same pressure.
    static func elsewhere(_ state: LoginGuard, at now: Timestamp) -> LoginGuard {
        LoginGuard(pair: nil, pressure: state.pressure, limits: state.limits, now: now)
    }

    func expect(
        _ state: inout LoginGuard, isKnownNetwork: Bool, now: Timestamp, _ entrance: LoginGuard.Entrance,
        at place: SourceLocation = #_sourceLocation
    ) {
        let found = state.begin(isKnownNetwork: isKnownNetwork, now: now)
        #expect(found == entrance, sourceLocation: place)
    }

    @Test("five failures lock the pair for fifteen minutes to the microsecond, and the person is told once")
    func serial() throws {
        var state = Self.fresh()
        for number in 1...5 {
            let now = Self.start + .seconds(Int64(number))
            guard case .proceed(let reservation) = state.begin(isKnownNetwork: true, now: now) else {
                Issue.record("attempt \(number) was refused")
                return
            }
            let told = state.fail(reservation, now: now)
            #expect(told == (number == 5))
        }
        let until = Self.start + .seconds(5) + .minutes(15)
        expect(&state, isKnownNetwork: true, now: Self.start + .seconds(6), .locked(until: until, tellPerson: false))
        expect(&state, isKnownNetwork: true, now: until - .microseconds(1), .locked(until: until, tellPerson: false))
        guard case .proceed = state.begin(isKnownNetwork: true, now: until) else {
            Issue.record("the lock outlives its time")
            return
        }
        #expect(state.pair.begun == 1, "a lock that ran out leaves a clean sheet")
    }

    @Test("of any number of parallel guesses five begin")
    func parallel() {
        var state = Self.fresh()
        let entrances = (0..<100).map { _ in state.begin(isKnownNetwork: true, now: Self.start) }
        let begun = entrances.count { if case .proceed = $0 { true } else { false } }
        #expect(begun == 5)
    }

    @Test("parallel failures tell the person once, when the fifth is known to have failed")
    func parallelNotice() {
        var state = Self.fresh()
        var reservations: [LoginGuard.Reservation] = []
        for _ in 0..<7 {
            if case .proceed(let reservation) = state.begin(isKnownNetwork: true, now: Self.start) { reservations.append(reservation) }
        }
        let told = reservations.map { state.fail($0, now: Self.start) }
        #expect(told == [false, false, false, false, true])
    }

    @Test("a right password among parallel guesses opens the pair again, and what had begun before counts anew when it fails")
    func successAmongFailures() {
        var state = Self.fresh()
        var reservations: [LoginGuard.Reservation] = []
        for _ in 0..<5 {
            if case .proceed(let reservation) = state.begin(isKnownNetwork: true, now: Self.start) { reservations.append(reservation) }
        }
        #expect(state.pair.lockedUntil != nil)
        state.succeed(reservations[4], now: Self.start)
        #expect(state.pair.lockedUntil == nil)
        #expect(state.pair.begun == 0)
        for reservation in reservations[0..<4] {
            let told = state.fail(reservation, now: Self.start)
            #expect(!told)
        }
        #expect(state.pair.begun == 4, "failures after a success count on the new sheet")
        guard case .proceed(let last) = state.begin(isKnownNetwork: true, now: Self.start) else {
            Issue.record("the fifth on the new sheet may begin")
            return
        }
        let told = state.fail(last, now: Self.start)
        #expect(told)
    }

    @Test("an attempt that could not be checked is taken back, and unlocks what it had locked")
    func abandon() {
        var state = Self.fresh()
        var last: LoginGuard.Reservation?
        for _ in 0..<5 {
            if case .proceed(let reservation) = state.begin(isKnownNetwork: true, now: Self.start) { last = reservation }
        }
        guard let last else { return }
        state.abandon(last)
        #expect(state.pair.begun == 4)
        #expect(state.pair.lockedUntil == nil)
        #expect(state.pressure.begun == 4)
    }

    @Test("an attempt of an older sheet takes nothing back from a newer one")
    func abandonOld() {
        var state = Self.fresh()
        guard case .proceed(let old) = state.begin(isKnownNetwork: true, now: Self.start) else { return }
        guard case .proceed(let right) = state.begin(isKnownNetwork: true, now: Self.start) else { return }
        state.succeed(right, now: Self.start)
        _ = state.begin(isKnownNetwork: true, now: Self.start)
        state.abandon(old)
        #expect(state.pair.begun == 1)
    }

    @Test("an hour without an attempt forgets failures, one microsecond less does not")
    func memory() {
        for (span, begun) in [(Duration.hours(1), 1), (.hours(1) - .microseconds(1), 5)] {
            var state = Self.fresh()
            for _ in 0..<4 { _ = state.begin(isKnownNetwork: true, now: Self.start) }
            _ = state.begin(isKnownNetwork: true, now: Self.start + span)
            #expect(state.pair.begun == begun)
        }
    }

    @Test("when the process died between counting and knowing, the person is told at a later refused attempt")
    func lateNotice() {
        var state = Self.fresh()
        for _ in 0..<5 { _ = state.begin(isKnownNetwork: true, now: Self.start) }
        let until = Self.start + .minutes(15)
        expect(&state, isKnownNetwork: true, now: Self.start + .seconds(59), .locked(until: until, tellPerson: false))
        expect(&state, isKnownNetwork: true, now: Self.start + .seconds(60), .locked(until: until, tellPerson: true))
        expect(&state, isKnownNetwork: true, now: Self.start + .seconds(61), .locked(until: until, tellPerson: false))
    }

    @Test("a distributed attack meets ever longer distances, but locks nobody out of a known network")
    func pressure() {
        var state = Self.fresh()
        // Twenty networks, one failure each.
        for number in 0..<20 {
            state = Self.elsewhere(state, at: Self.start)
            guard case .proceed(let reservation) = state.begin(isKnownNetwork: false, now: Self.start) else {
                Issue.record("network \(number) was refused too early")
                return
            }
            _ = state.fail(reservation, now: Self.start)
        }
        var stranger = Self.elsewhere(state, at: Self.start)
        expect(&stranger, isKnownNetwork: false, now: Self.start, .slowed(until: Self.start + .seconds(1)))
        var owner = Self.elsewhere(state, at: Self.start)
        guard case .proceed(let reservation) = owner.begin(isKnownNetwork: true, now: Self.start) else {
            Issue.record("the owner is locked out by strangers")
            return
        }
        owner.succeed(reservation, now: Self.start)
        #expect(owner.pressure.begun == 20, "the owner's success does not wipe what strangers did")

        // The distance doubles: 1, 2, 4 … seconds, 60 at most.
        var now = Self.start + .seconds(1)
        var distances: [Int64] = []
        for _ in 0..<8 {
            state = Self.elsewhere(state, at: now)
            guard case .proceed = state.begin(isKnownNetwork: false, now: now) else {
                Issue.record("refused at its slot")
                return
            }
            distances.append((state.pressure.nextSlotAt - now).wholeSeconds)
            now = state.pressure.nextSlotAt
        }
        #expect(distances == [2, 4, 8, 16, 32, 60, 60, 60])
    }

    @Test("of strangers racing for one slot one gets it")
    func slotRace() {
        var state = Self.fresh()
        state.pressure = LoginGuard.Pressure(begun: 25, since: Self.start, nextSlotAt: Self.start)
        var begun = 0
        for _ in 0..<50 {
            state = Self.elsewhere(state, at: Self.start)
            if case .proceed = state.begin(isKnownNetwork: false, now: Self.start) { begun += 1 }
        }
        #expect(begun == 1)
    }

    @Test("random schedules never let more wrong guesses begin on one sheet than the limit")
    func random() {
        var seed: UInt64 = 42
        func draw(_ bound: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % bound
        }
        for _ in 0..<2_000 {
            var state = Self.fresh()
            var open: [LoginGuard.Reservation] = []
            for _ in 0..<40 {
                switch draw(3) {
                case 0:
                    if case .proceed(let reservation) = state.begin(isKnownNetwork: true, now: Self.start) { open.append(reservation) }
                case 1 where !open.isEmpty: _ = state.fail(open.remove(at: draw(open.count)), now: Self.start)
                case 2 where !open.isEmpty: state.abandon(open.remove(at: draw(open.count)))
                default: break
                }
                #expect(state.pair.failed <= state.pair.begun)
                #expect(state.pair.begun <= Self.limits.failures)
                #expect((state.pair.begun == Self.limits.failures) == (state.pair.lockedUntil != nil))
                #expect(state.pair.begun == state.pair.failed + open.count)
            }
        }
    }
}
