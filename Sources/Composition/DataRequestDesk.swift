import DataRequests
import Identity
import Offboarding
import Store
import Tenancy
import Vocabulary

/// A person's rights, as the rooms keep them.
struct DataRequestDesk: PersonDesk {
    private static let reading = KernelReason("data_requests.tenants_of_person")
    let rooms: Rooms

    func prove(_ caller: Principal, _ act: Act) async throws { try await rooms.factors.requireRecentSignIn(caller, act) }

    func standing(of person: UserID, in tenant: TenantID, _ act: Act) async throws -> PersonStanding {
        var isHeld = false
        for place in try await tenants(of: person) {
            isHeld = try await rooms.offboarding.holds(on: place).contains { $0.liftedAt == nil } || isHeld
        }
        return PersonStanding(
            isLastOwner: try await rooms.identity.isNeeded(person, now: act.now),
            isStaff: try await rooms.identity.staff().contains(person),
            hasLegalHold: isHeld,
            region: try await rooms.tenancy.tenant(tenant)?.region.rawValue ?? "eu")
    }

    func restrict(_ person: UserID, isOwnWish: Bool, _ act: Act) async throws {
        try await rooms.identity.restrict(person, by: isOwnWish ? .person : .staff, act)
    }

    /// Memberships first: what ends with them is heard of by every room. A tenant of which the person was all there was leaves as a whole.
    func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder] {
        var remainders: [ClosureRemainder] = []
        for tenant in try await rooms.people.endPlaces(of: person, act) {
            let wish = Offboarding.Request(reason: .other, feedback: nil, isNow: true)
            do { _ = try await rooms.offboarding.request(wish, tenant: tenant, by: nil, act) } catch let problem as Problem
                where problem.code == OffboardingProblems.alreadyLeaving.code
            {}
            remainders.append(
                ClosureRemainder(
                    what: "what the organisation of which you were the only owner keeps",
                    why: "it leaves by itself now, and is purged when its retention is over", until: nil))
        }
        remainders += try await rooms.erase(person, act)
        for table in rooms.personRecords.flatMap(\.tables) {
            if case .bare(let why) = table.fate {
                remainders.append(ClosureRemainder(what: "bare ids in \(table.name)", why: why, until: nil))
            }
        }
        remainders.append(
            ClosureRemainder(
                what: "names of machines, as programs gave them, in the log of decisions beside a bare id",
                why: "a decision can be replayed as it was taken, until its log goes", until: act.now + .days(90)))
        if try await !rooms.scrubbed() {
            remainders.append(
                ClosureRemainder(
                    what: "dead rows in the database server's files and log, sealed where they tell of a person",
                    why: "the server overwrites them in its own time", until: nil))
        }
        return remainders
    }

    func records(of person: UserID) async throws -> [String: [String: [JSONValue]]] {
        let tenants = try await tenants(of: person)
        var given: [String: [String: [JSONValue]]] = [:]
        for room in rooms.personRecords { given[room.name] = try await room.give(person, in: tenants) }
        given["audit_log"] = ["entry": try await journal(of: person, in: tenants)]
        return given
    }

    private func tenants(of person: UserID) async throws -> [TenantID] {
        try await rooms.store.kernelRead(Self.reading) { db in try rooms.tenancy.routes(of: person, in: db) }
    }

    // MARK: - The audit log

    private static let entries = SQL(
        "data_requests.journal_of_person",
        """
        SELECT at, action, subject, outcome, origin FROM journal_entry_all
        WHERE tenant_id = $1 AND (actor = $2 OR actor LIKE $3 OR subject = $2) ORDER BY at LIMIT \(PersonTable.most)
        """)

    /// What the person did, and what was done to the account; the network addresses are the person's own.
    private func journal(of person: UserID, in tenants: [TenantID]) async throws -> [JSONValue] {
        let sealer = rooms.dataRequests.sealer
        var found: [JSONValue] = []
        for tenant in tenants {
            found += try await rooms.store.kernelRead(Self.reading) { db in
                try db.rows(Self.entries, tenant, "user:\(person)", "% for user:\(person)").map { row in
                    let address = try row.optional(4, row.blob).flatMap {
                        try? sealer.open($0, person: person, context: "journal.origin")
                    }
                    return [
                        "at": .string(try row.time(0).iso8601), "action": .string(try row.text(1)), "subject": .string(try row.text(2)),
                        "outcome": .string(try row.text(3)),
                        "address": address.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null,
                    ]
                }
            }
        }
        return found
    }
}
