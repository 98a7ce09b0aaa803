import Foundation
import Vocabulary

/// The webhooks that the provider has to deliver, and every event that it ever made.
struct ProviderOutbox: Sendable {
    struct Event: Sendable, Hashable {
        let id: String
        let type: String
        let createdAt: Timestamp
        let body: Data
        let tenant: String
    }
    struct Delivery: Sendable, Hashable {
        let event: Int
        /// The order in which they were made.
        let number: Int
        var due: Timestamp
        var attempts = 0
    }
    /// What the body of an event is.
    struct Body: Codable, Sendable {
        let id: String
        let type: String
        let created: Timestamp
        let facts: [PaymentFact]
    }

    private(set) var events: [Event] = []
    private(set) var waiting: [Delivery] = []
    /// Those that were given up or lost, by tenant.
    private(set) var lost: [(at: Timestamp, tenant: String, type: String)] = []
    private var number = 0
    private var last = Timestamp(microseconds: 0)
    /// Chooses where the manner leaves a choice.
    var dice = Dice(1)
    var mark = ""
    /// The same instants between tries as providers take: a minute, later a day; three days in all.
    private static let waits: [Int64] = [60, 300, 1_800, 7_200, 21_600, 43_200, 86_400, 86_400]

    mutating func tell(
        _ made: [(Timestamp) -> (type: String, fact: PaymentFact)], of tenant: String, manner: ProviderManner, now: Timestamp
    ) {
        var fresh: [Int] = []
        for make in made {
            // Each is later than the one before, so that "newest" has one meaning.
            last = max(now, last + .microseconds(1))
            let (type, fact) = make(last)
            let body = Body(id: "evt_\(mark)\(events.count + 1)", type: type, created: last, facts: [fact])
            guard let data = try? Self.encoder.encode(body) else { continue }
            fresh.append(events.count)
            events.append(Event(id: body.id, type: type, createdAt: last, body: data, tenant: tenant))
        }
        var order = fresh
        if manner.webhooks == .reversed { order.reverse() }
        if manner.webhooks == .shuffled {
            for place in order.indices.dropFirst().reversed() { order.swapAt(place, dice.roll(0...place)) }
        }
        for event in order {
            switch manner.webhooks {
            case .inOrder, .reversed: enqueue(event, now)
            case .late: enqueue(event, now + manner.delay)
            case .twice:
                enqueue(event, now)
                enqueue(event, now + .seconds(1))
            case .shuffled:
                enqueue(event, now + .seconds(Int64(dice.roll(0...Int(max(1, manner.delay.wholeSeconds))))))
                if dice.happens(20) { enqueue(event, now + manner.delay) }
            }
        }
    }
    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return encoder
    }()

    private mutating func enqueue(_ event: Int, _ due: Timestamp) {
        number += 1
        waiting.append(Delivery(event: event, number: number, due: due))
    }

    var nextDue: Timestamp? { waiting.map(\.due).min() }
    /// True where something of this tenant's was not delivered yet.
    func waits(for tenant: String) -> Bool { waiting.contains { events[$0.event].tenant == tenant } }

    /// Takes out the next one that is due.
    mutating func take(_ now: Timestamp) -> Delivery? {
        guard
            let place = waiting.indices.filter({ waiting[$0].due <= now }).min(by: {
                (waiting[$0].due, waiting[$0].number) < (waiting[$1].due, waiting[$1].number)
            })
        else { return nil }
        return waiting.remove(at: place)
    }
    /// Puts one back for later, or gives it up after the last try.
    mutating func again(_ delivery: Delivery, now: Timestamp) {
        var delivery = delivery
        guard delivery.attempts < Self.waits.count else { return lose(delivery, now) }
        delivery.due = now + .seconds(Self.waits[delivery.attempts])
        delivery.attempts += 1
        waiting.append(delivery)
    }
    /// Puts one back until a moment.
    mutating func hold(_ delivery: Delivery, until moment: Timestamp) {
        var delivery = delivery
        delivery.due = moment
        waiting.append(delivery)
    }
    mutating func lose(_ delivery: Delivery, _ now: Timestamp) {
        lost.append((now, events[delivery.event].tenant, events[delivery.event].type))
    }
}
