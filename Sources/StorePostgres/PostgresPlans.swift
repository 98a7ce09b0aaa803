import CPostgres

/// Which statements a server keeps read and planned for one connection: those that come again and again, each under a name. For direct connections
/// only: behind a pooler the next transaction may get a server process that knows none of the names.
struct PostgresPlans {
    /// What a plan was made from. The server looks for itself whether tables or their statistics have changed since. A null has no type, so that a text
    /// has a plan for each of the ways in which its arguments are left out.
    struct Subject: Hashable {
        let role: String
        let text: String
        let types: [Oid]
    }
    enum Way {
        /// Without a name, read and planned for this once.
        case once
        /// Read now, and kept if that succeeds; where every place is taken, another is given up then.
        case first(String, insteadOf: Plan?)
        case kept(String)
    }
    struct Plan {
        let subject: Subject
        let name: String
    }
    private enum State { case loose, asked, kept }
    private struct Standing {
        let name: String
        /// Of late: halved now and then.
        var uses = 0
        var state = State.loose
    }
    private var standings: [Subject: Standing] = [:]
    private var named = 0
    private var kept = 0
    private var untilHalved = Self.period
    /// None of the kept was used less when this was last looked at, and none that was kept since has been.
    private var least = 0
    /// Each takes the server some kilobytes for each connection.
    private static let most = 256
    /// So often it is used before it is worth a place.
    private static let worth = 3
    private static let longest = 2_048
    private static let period = 16_384

    mutating func way(to subject: Subject) -> Way {
        age()
        if standings.count >= Self.longest, standings[subject] == nil { standings = standings.filter { $0.value.state != .loose } }
        var standing = standings[subject] ?? Standing(name: "p\(named)")
        if standings[subject] == nil { named += 1 }
        standing.uses += 1
        defer { standings[subject] = standing }
        switch standing.state {
        case .kept: return .kept(standing.name)
        case .asked: return .once
        case .loose: break
        }
        guard standing.uses >= Self.worth else { return .once }
        var other: Plan?
        if kept >= Self.most {
            guard let found = weaker(than: standing.uses) else { return .once }
            standings[found.subject]?.state = .asked
            other = found
        } else {
            least = min(least, standing.uses)
        }
        kept += 1
        standing.state = .asked
        return .first(standing.name, insteadOf: other)
    }

    /// One that is used so much less than `uses` that the two will not take turns.
    private mutating func weaker(than uses: Int) -> Plan? {
        guard uses >= 2 * least + Self.worth,
            let found = standings.filter({ $0.value.state == .kept }).min(by: { $0.value.uses < $1.value.uses })
        else { return nil }
        least = found.value.uses
        return uses >= 2 * least + Self.worth ? Plan(subject: found.key, name: found.value.name) : nil
    }
    private mutating func age() {
        untilHalved -= 1
        guard untilHalved == 0 else { return }
        untilHalved = Self.period
        least /= 2
        for subject in standings.keys { standings[subject]?.uses /= 2 }
    }

    /// What the server said to the first.
    mutating func settle(_ subject: Subject, isKept: Bool) {
        if isKept {
            standings[subject]?.state = .kept
        } else {
            standings[subject] = nil
            kept -= 1
        }
    }
    /// What the server said to giving it up.
    mutating func settle(giving plan: Plan, isGone: Bool) {
        standings[plan.subject]?.state = isGone ? .loose : .kept
        if isGone { kept -= 1 }
    }
}
