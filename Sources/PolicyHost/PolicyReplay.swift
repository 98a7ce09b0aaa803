import Foundation
import HookEngine
import Synchronization
import Vocabulary

/// What became of recorded decisions when a set was asked again.
package struct PolicyReplayReport: Sendable {
    /// One decision that the candidate answers otherwise.
    package struct Flip: Sendable {
        package let id: DecisionID
        package let hook: String
        package let tenant: String?
        package let tier: String?
        package let user: String?
        package let role: String?
        package let before: PolicyRuling
        package let after: PolicyRuling
    }
    /// How a numeric term moved over all decisions that carry it before and after.
    package struct Shift: Sendable, Hashable {
        package var decisions = 0
        package var before: Int64 = 0
        package var after: Int64 = 0
    }

    package var decisions = 0
    /// Answered with the same bytes, fuel and all.
    package var same = 0
    /// The same outcome in other bytes: another policy or line decided, or the way there cost other fuel.
    package var equal = 0
    /// By the set that was recorded, and yet not the same bytes: determinism is broken, or the record was edited.
    package var broken: [DecisionID] = []
    /// Nobody was asked then: the queue was full, or no set was live.
    package var unasked = 0
    /// Of a hook that this server does not have.
    package var unknown = 0
    /// Of tenants whose own policies of then are not kept any more.
    package var gone = 0
    /// Lines that are no record: left by a crash.
    package var torn = 0
    package var flips = 0
    /// The first of them, in the order of the log.
    package var listed: [Flip] = []
    package var byHook: [String: Int] = [:]
    package var byTenant: [String: Int] = [:]
    package var byTier: [String: Int] = [:]
    package var byRole: [String: Int] = [:]
    package var byChange: [String: Int] = [:]
    /// (tenant, user) of the flips.
    package var people: Set<String> = []
    package var shifts: [String: Shift] = [:]
    /// Sum of `payment.amount_minor` of flipped decisions, by currency.
    package var money: [String: Int64] = [:]

    static let mostListed = 10_000

    mutating func add(_ flip: Flip, _ input: HookValue) {
        flips += 1
        if listed.count < Self.mostListed { listed.append(flip) }
        byHook[flip.hook, default: 0] += 1
        byTenant[flip.tenant ?? "–", default: 0] += 1
        byTier[flip.tier ?? "–", default: 0] += 1
        byRole[flip.role ?? "–", default: 0] += 1
        byChange["\(flip.hook): \(flip.before.headline) → \(flip.after.headline)", default: 0] += 1
        people.insert("\(flip.tenant ?? "–") \(flip.user ?? "–")")
        if let payment = input["payment"], let amount = payment["amount_minor"]?.int {
            money[payment["currency"]?.string ?? "–", default: 0] &+= amount
        }
        for (name, value) in flip.before.numbers {
            guard let now = flip.after.numbers.first(where: { $0.name == name })?.value, now != value else { continue }
            shifts[name, default: Shift()].decisions += 1
            shifts[name, default: Shift()].before &+= value
            shifts[name, default: Shift()].after &+= now
        }
    }

    mutating func merge(_ other: Self) {
        decisions += other.decisions
        same += other.same
        equal += other.equal
        broken += other.broken
        unasked += other.unasked
        unknown += other.unknown
        gone += other.gone
        torn += other.torn
        flips += other.flips
        listed += other.listed.prefix(max(0, Self.mostListed - listed.count))
        byHook.merge(other.byHook, uniquingKeysWith: +)
        byTenant.merge(other.byTenant, uniquingKeysWith: +)
        byTier.merge(other.byTier, uniquingKeysWith: +)
        byRole.merge(other.byRole, uniquingKeysWith: +)
        byChange.merge(other.byChange, uniquingKeysWith: +)
        people.formUnion(other.people)
        money.merge(other.money, uniquingKeysWith: &+)
        for (name, shift) in other.shifts {
            shifts[name, default: Shift()].decisions += shift.decisions
            shifts[name, default: Shift()].before &+= shift.before
            shifts[name, default: Shift()].after &+= shift.after
        }
    }
}

extension PolicyRuling {
    /// Without numbers and details, so that like changes count together.
    var headline: String {
        switch outcome {
        case .allow: "allow"
        case .deny(let reason, _): "deny \(reason)"
        case .plan(let actions): actions.isEmpty ? "plan nothing" : "plan " + actions.map(\.name).joined(separator: ", ")
        case .shippedPlan: "the shipped plan"
        case .failed: "failed"
        }
    }
}
