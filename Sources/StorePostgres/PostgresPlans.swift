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
        /// Read now, and kept if that succeeds.
        case first(String)
        case kept(String)
    }
    private struct Standing {
        let name: String
        var uses = 0
        var isAsked = false
        var isKept = false
    }
    private var standings: [Subject: Standing] = [:]
    private var named = 0
    private var kept = 0
    /// Each takes the server some kilobytes for each connection.
    private static let most = 256
    /// So often it is used before it is worth a place.
    private static let worth = 3
    private static let longest = 2_048

    mutating func way(to subject: Subject) -> Way {
        if let standing = standings[subject], standing.isKept { return .kept(standing.name) }
        if standings.count >= Self.longest { standings = standings.filter { $0.value.isKept || $0.value.isAsked } }
        var standing = standings[subject] ?? Standing(name: "p\(named)")
        if standing.uses == 0 { named += 1 }
        standing.uses += 1
        defer { standings[subject] = standing }
        guard standing.uses >= Self.worth, kept < Self.most, !standing.isAsked else { return .once }
        standing.isAsked = true
        return .first(standing.name)
    }
    /// What the server said to the first.
    mutating func settle(_ subject: Subject, isKept: Bool) {
        if isKept {
            standings[subject]?.isKept = true
            kept += 1
        } else {
            standings[subject] = nil
        }
    }
}
