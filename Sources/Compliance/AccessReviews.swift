import Foundation
import PluginKit
import Store
import Tenancy
import Vocabulary

/// One look at who has what role, by an owner or admin: open → each confirmed or removed → signed off.
package struct AccessReview: Sendable, Hashable {
    package typealias ID = Identifier<AccessReview>
    package enum Decision: String, Sendable, Codable, CaseIterable { case pending, confirmed, removed, gone }
    package struct Item: Sendable, Hashable {
        package let membership: MembershipID
        package let user: UserID
        /// When the review was opened.
        package let role: Role
        package let decision: Decision
        package let decidedAt: Timestamp?
        package let decidedBy: UserID?
    }
    package let id: ID
    package let openedAt: Timestamp
    package let openedBy: UserID
    package let signedOffAt: Timestamp?
    package let signedOffBy: UserID?
}

extension Compliance {
    static let mostMembers = 10_000

    package func reviews(_ tenant: TenantID, before: AccessReview.ID?, limit: Int) async throws -> [AccessReview] {
        try await store.tenantRead(tenant) { db in try db.rows(ComplianceTable.reviews, before, limit).map(Self.review) }
    }

    package func review(_ id: AccessReview.ID, _ tenant: TenantID) async throws -> (review: AccessReview, items: [AccessReview.Item]) {
        try await store.tenantRead(tenant) { db in (try Self.review(id, db), try db.rows(ComplianceTable.items, id).map(Self.item)) }
    }

    /// Lists who is a member now. One review at a time.
    package func openReview(_ caller: Principal, _ act: Act) async throws -> AccessReview.ID {
        let fresh: AccessReview.ID = floor.entropy.id(act.now)
        let tenancy = tenancy
        return try await store.tenant(caller.tenant) { db in
            try db.once(act) {
                if let last = try db.row(ComplianceTable.reviews, SQLValue.null, 1).map(Self.review), last.signedOffAt == nil {
                    throw ComplianceProblems.reviewOpen.with(["review_id": .string(last.id.description)])
                }
                let members = try tenancy.roster(in: db).members.filter { $0.isActive(at: act.now) }
                guard members.count <= Self.mostMembers else { throw ComplianceProblems.tooManyMembers }
                try db.run(ComplianceTable.openReview, db.tenant, fresh, act.now, caller.user)
                for member in members {
                    try db.run(ComplianceTable.insertItem, db.tenant, fresh, member.id, member.user, member.role.rawValue)
                }
                try db.journal(
                    JournalEntry(
                        "access_review.opened", subject: "access_review:\(fresh)", details: ["members": .int(Int64(members.count))]), act)
                return fresh
            }
        }
    }

    /// Confirms a member in the role that it has now, or removes it: then its membership ends here and now, with what hangs on it.
    package func decide(
        _ membership: MembershipID, _ decision: AccessReview.Decision, in id: AccessReview.ID, _ caller: Principal, _ act: Act
    ) async throws {
        let tenancy = tenancy
        let item = try await store.tenantRead(caller.tenant) { db in
            guard try Self.review(id, db).signedOffAt == nil else { throw ComplianceProblems.reviewSigned }
            guard let item = try db.rows(ComplianceTable.items, id).map(Self.item).first(where: { $0.membership == membership }) else {
                throw CommonProblems.notFound
            }
            return item
        }
        guard item.decision != .removed, item.decision != .gone else { throw ComplianceProblems.reviewDecided }
        if decision == .removed {
            do {
                try await ending.end(membership, of: item.user, in: caller.tenant, by: Role(rawValue: caller.role), act)
            } catch CommonProblems.notFound {
                // It has ended by itself meanwhile: then that is what the review says.
                return try await write(.gone, membership, id, caller, act)
            }
            return try await write(.removed, membership, id, caller, act)
        }
        let now = try await store.tenantRead(caller.tenant) { db in try tenancy.roster(in: db).members.first { $0.id == membership } }
        guard let now, now.isActive(at: act.now) else { return try await write(.gone, membership, id, caller, act) }
        guard now.role == item.role else { throw ComplianceProblems.roleChanged.with(["role": .string(now.role.rawValue)]) }
        try await write(.confirmed, membership, id, caller, act)
    }

    private func write(
        _ decision: AccessReview.Decision, _ membership: MembershipID, _ id: AccessReview.ID, _ caller: Principal, _ act: Act
    ) async throws {
        try await store.tenant(caller.tenant) { db in
            // Read again: somebody may have signed it off meanwhile. What was removed stays removed, and is told by the membership's own entry.
            guard try Self.review(id, db).signedOffAt == nil else { throw ComplianceProblems.reviewSigned }
            guard try db.row(ComplianceTable.decide, id, membership, decision.rawValue, act.now, caller.user) != nil else {
                throw ComplianceProblems.reviewDecided
            }
            try db.journal(
                JournalEntry(
                    "access_review.decided", subject: "membership:\(membership)",
                    details: ["review": .string(id.description), "decision": .string(decision.rawValue)]), act)
        }
    }

    /// Refused while somebody who is still a member is neither confirmed nor removed.
    package func signOff(_ id: AccessReview.ID, _ caller: Principal, _ act: Act) async throws {
        let tenancy = tenancy
        try await store.tenant(caller.tenant) { db in
            guard try Self.review(id, db).signedOffAt == nil else { throw ComplianceProblems.reviewSigned }
            let items = try db.rows(ComplianceTable.items, id).map(Self.item)
            let there = Set(try tenancy.roster(in: db).members.filter { $0.isActive(at: act.now) }.map(\.id))
            let pending = items.filter { $0.decision == .pending }
            let open = pending.count { there.contains($0.membership) }
            guard open == 0 else { throw ComplianceProblems.reviewUndecided.with(["undecided": .int(Int64(open))]) }
            for item in pending {
                try db.run(ComplianceTable.decide, id, item.membership, AccessReview.Decision.gone.rawValue, act.now, caller.user)
            }
            try db.run(ComplianceTable.signOff, id, act.now, caller.user)
            try db.journal(
                JournalEntry(
                    "access_review.signed_off", subject: "access_review:\(id)",
                    details: [
                        "confirmed": .int(Int64(items.count { $0.decision == .confirmed })),
                        "removed": .int(Int64(items.count { $0.decision == .removed })),
                    ]), act)
        }
    }

    // MARK: - Rows

    static func review(_ id: AccessReview.ID, _ db: any TenantScope) throws -> AccessReview {
        guard let row = try db.row(ComplianceTable.review, id) else { throw CommonProblems.notFound }
        return try review(row)
    }
    static func review(_ row: Row) throws -> AccessReview {
        AccessReview(
            id: try row.id(0), openedAt: try row.time(1), openedBy: try row.id(2), signedOffAt: try row.optional(3, row.time),
            signedOffBy: try row.optional(4, row.id))
    }
    static func item(_ row: Row) throws -> AccessReview.Item {
        AccessReview.Item(
            membership: try row.id(0), user: try row.id(1), role: Role(rawValue: try row.text(2)),
            decision: AccessReview.Decision(rawValue: try row.text(3)) ?? .pending, decidedAt: try row.optional(4, row.time),
            decidedBy: try row.optional(5, row.id))
    }
}

/// How things stand against the last review that was signed off.
struct AccessReviewEvidence: EvidenceSource {
    let store: any Store
    let tenancy: Tenancy
    let kind = EvidenceKind.accessReview
    let name = "access reviews"
    /// A newest one may still be open; one before it is signed.
    private static let looked = 20

    func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
        guard case .tenant(let tenant) = scope else { return nil }
        let tenancy = tenancy
        return try await store.tenantRead(tenant) { db in
            let members = try tenancy.roster(in: db).members.filter { $0.isActive(at: now) }
            let reviews = try db.rows(ComplianceTable.reviews, SQLValue.null, Self.looked).map(Compliance.review)
            guard let last = reviews.first(where: { $0.signedOffAt != nil }) else {
                return AccessReviewFacts(
                    members: members.count, confirmed: 0, newSince: 0, unreviewed: members.count, removed: 0, signedOffAt: nil, review: nil,
                    reviewer: nil)
            }
            let items = try db.rows(ComplianceTable.items, last.id).map(Compliance.item)
            let known = Dictionary(items.map { ($0.membership, $0) }, uniquingKeysWith: { first, _ in first })
            var (confirmed, newSince, unreviewed) = (0, 0, 0)
            for member in members {
                switch known[member.id] {
                case nil: newSince += 1
                case let item? where item.role != member.role: newSince += 1
                case let item? where item.decision == .confirmed: confirmed += 1
                default: unreviewed += 1
                }
            }
            return AccessReviewFacts(
                members: members.count, confirmed: confirmed, newSince: newSince, unreviewed: unreviewed,
                removed: items.count { $0.decision == .removed }, signedOffAt: last.signedOffAt, review: last.id.description,
                reviewer: last.signedOffBy?.description)
        }
    }
}
