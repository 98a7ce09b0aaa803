import Testing
import Vocabulary

@testable import Billing

@Suite("Orders of the events of a life")
struct OrderTests {
    @Test("in the order in which it happened a life stands as the specification says", arguments: Lives.all)
    func inOrder(life: Life) {
        var room = PureRoom()
        for event in life.events { room.mirror.join(PureRoom.delta(event)) }
        for expected in life.expectations {
            let standing = room.standing(expected.now)
            #expect(standing.state == expected.state, "\(expected.now)")
            #expect(standing.quantity == expected.quantity && standing.tier == expected.tier, "\(expected.now)")
            #expect(standing.periodEnd == expected.periodEnd && standing.graceUntil == expected.graceUntil, "\(expected.now)")
            #expect(standing.cancelsAt == expected.cancelsAt && standing.change == expected.change, "\(expected.now)")
        }
    }

    @Test("every order of its events, each told twice, leads to the same mirror and standing", arguments: Lives.all)
    func everyOrder(life: Life) {
        let deltas = life.events.map(PureRoom.delta)
        var room = PureRoom()
        for delta in deltas { room.mirror.join(delta) }
        let expected = room
        var walk = Walk(deltas: deltas, life: life, expected: expected.mirror)
        walk.visit(Mirror(), left: Array(deltas.indices))
        let orders = (1...deltas.count).reduce(1, *)
        #expect(walk.orders == orders, "all \(orders) orders were walked")
        #expect(walk.faults.isEmpty)
    }

    /// Walks all orders as a tree, so that orders share their beginnings.
    private struct Walk {
        let deltas: [Mirror]
        let life: Life
        let expected: Mirror
        var orders = 0
        var faults: [String] = []
        var told: [Int] = []

        mutating func visit(_ mirror: Mirror, left: [Int]) {
            guard faults.count < 5 else { return }
            if left.isEmpty {
                orders += 1
                if mirror != expected { faults.append("order \(told) ends in another mirror") }
                let room = PureRoom(mirror: mirror)
                for moment in life.expectations where room.standing(moment.now).state != moment.state {
                    faults.append("order \(told) stands as \(room.standing(moment.now).state) at \(moment.now)")
                }
                return
            }
            for next in left {
                var after = mirror
                after.join(deltas[next])
                // Told twice, at once and again later.
                for repeated in [next, told.first ?? next, told.last ?? next] where after.joined(deltas[repeated]) != after {
                    faults.append("after \(told + [next]) a repetition of \(repeated) changes something")
                }
                told.append(next)
                visit(after, left: left.filter { $0 != next })
                told.removeLast()
            }
        }
    }

    @Test("at no point of any order does the standing move along a way that the lifecycle does not name", arguments: Lives.all)
    func transitions(life: Life) {
        let deltas = life.events.map(PureRoom.delta)
        let moments = life.expectations.map(\.now)
        var generator = Dice(seed: 7)
        for _ in 0..<200 {
            var room = PureRoom()
            var states: [Timestamp: Standing.State] = [:]
            for index in deltas.indices.shuffled(using: &generator) {
                room.mirror.join(deltas[index])
                for now in moments {
                    let state = room.standing(now).state
                    let before = states[now] ?? .pending
                    #expect(before == state || standingLifecycle.transition(from: before, to: state) != nil, "\(before) → \(state)")
                    states[now] = state
                }
            }
        }
    }
}

/// The same throws for the same seed (SplitMix64).
struct Dice: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
