import Foundation
import HTTPEdge
import PluginKit
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Compliance

@Suite("Compliance, reviews of access and evidence of people")
struct ReviewTests {
    @Test("a review lists who is there, ends who is removed, and is signed off once everybody is decided")
    func life() async throws {
        let house = try await House()
        let developer = try await house.join(.developer)
        let viewer = try await house.join(.viewer)
        let room = house.room
        let id = try await room.openReview(house.owner, house.test.act())
        #expect(try await room.review(id, house.tenant).items.map(\.decision) == [.pending, .pending, .pending])
        await #expect { try await room.openReview(house.owner, house.test.act()) } throws: { ComplianceProblems.reviewOpen ~= $0 }
        try await room.decide(house.owner.membership, .confirmed, in: id, house.owner, house.test.act())
        try await room.decide(developer.membership, .removed, in: id, house.owner, house.test.act())
        #expect(house.ending.ended.with { $0 } == [developer.user])
        await #expect { try await room.decide(developer.membership, .confirmed, in: id, house.owner, house.test.act()) } throws: {
            ComplianceProblems.reviewDecided ~= $0
        }
        await #expect { try await room.signOff(id, house.owner, house.test.act()) } throws: {
            ($0 as? Problem)?.fields["undecided"] == 1
        }
        // Who leaves by another way meanwhile keeps nobody from signing.
        try await house.tenancy.apply(.end(viewer.membership), tenant: house.tenant, by: .owner, house.test.act())
        try await room.signOff(id, house.owner, house.test.act())
        let items = try await room.review(id, house.tenant).items
        #expect(Set(items.map(\.decision)) == [.confirmed, .removed, .gone])
        await #expect { try await room.decide(viewer.membership, .confirmed, in: id, house.owner, house.test.act()) } throws: {
            ComplianceProblems.reviewSigned ~= $0
        }
    }

    @Test("nobody confirms a role that has changed, removes the last owner or whoever ranks above, or decides in another tenant")
    func refused() async throws {
        let house = try await House()
        let admin = try await house.join(.admin)
        let developer = try await house.join(.developer)
        let id = try await house.room.openReview(admin, house.test.act())
        try await house.tenancy.apply(
            .change(developer.membership, to: .viewer, endsAt: nil, scope: nil), tenant: house.tenant, by: .owner, house.test.act())
        await #expect { try await house.room.decide(developer.membership, .confirmed, in: id, admin, house.test.act()) } throws: {
            ComplianceProblems.roleChanged ~= $0
        }
        await #expect { try await house.room.decide(house.owner.membership, .removed, in: id, admin, house.test.act()) } throws: {
            ($0 as? Problem)?.status == 403
        }
        await #expect { try await house.room.decide(house.owner.membership, .removed, in: id, house.owner, house.test.act()) } throws: {
            TenancyProblems.lastOwner ~= $0
        }
        let (_, stranger) = try await House.found(house.tenancy, house.test)
        await #expect { try await house.room.decide(admin.membership, .removed, in: id, stranger, house.test.act()) } throws: {
            CommonProblems.notFound ~= $0
        }
        await #expect { try await house.room.signOff(id, stranger, house.test.act()) } throws: { CommonProblems.notFound ~= $0 }
        #expect(house.ending.ended.with { $0 }.isEmpty)
    }

    @Test("evidence of a review counts who was confirmed, who came since and who was never looked at")
    func reviewEvidence() async throws {
        let house = try await House()
        let source = AccessReviewEvidence(store: house.test.store, tenancy: house.tenancy)
        let developer = try await house.join(.developer)
        let never = try await house.facts(source, AccessReviewFacts.self)
        #expect(never?.members == 2 && never?.unreviewed == 2 && never?.signedOffAt == nil)
        let id = try await house.room.openReview(house.owner, house.test.act())
        for member in [house.owner, developer] {
            try await house.room.decide(member.membership, .confirmed, in: id, house.owner, house.test.act())
        }
        // Open, it proves nothing yet.
        #expect(try await house.facts(source, AccessReviewFacts.self)?.signedOffAt == nil)
        try await house.room.signOff(id, house.owner, house.test.act())
        _ = try await house.join(.viewer)
        try await house.tenancy.apply(
            .change(developer.membership, to: .admin, endsAt: nil, scope: nil), tenant: house.tenant, by: .owner, house.test.act())
        let since = try await house.facts(source, AccessReviewFacts.self)
        #expect(since?.members == 3 && since?.confirmed == 1 && since?.newSince == 2 && since?.unreviewed == 0)
        #expect(since?.signedOffAt == house.test.clock.now() && since?.reviewer == house.owner.user.description)
        #expect(try await source.facts(.platform, now: house.test.clock.now()) == nil)
    }

    @Test("an auditor's every read is journalled, and one whose scope names projects alone sees nothing")
    func auditors() async throws {
        let house = try await House()
        let until = house.test.clock.now() + .days(10)
        func look(_ who: Principal) async throws {
            try await house.room.look(
                Call(
                    act: house.test.act(), method: .get, path: "/api/v1/compliance/frameworks", parameters: [:], query: [:], headers: [:],
                    body: Data(), principal: who, tokenID: nil, origin: "", isLoopback: true))
        }
        func told() async throws -> Int {
            try await house.test.store.kernelRead(KernelReason("test.journal")) { db in
                try db.ledger.journalPage(of: house.tenant.uuid, after: .start, limit: 100).count { $0.action == "compliance.read" }
            }
        }
        try await look(house.owner)
        #expect(try await told() == 0)
        try await look(try await house.join(.auditor, endsAt: until))
        try await look(try await house.join(.auditor, endsAt: until, scope: #"["compliance"]"#))
        #expect(try await told() == 2)
        let projects = try await house.join(.auditor, endsAt: until, scope: #"["0193aaaa-0000-7000-8000-000000000001"]"#)
        await #expect { try await look(projects) } throws: { CommonProblems.forbidden ~= $0 }
        #expect(try await told() == 2)
    }

    @Test("evidence of second factors says that there are none where the server knows none, and counts owners and admins where it does")
    func factors() async throws {
        let house = try await House()
        let admin = try await house.join(.admin)
        _ = try await house.join(.developer)
        func facts(_ holders: Set<UserID>?) async throws -> SecondFactorFacts? {
            try await house.facts(
                SecondFactorEvidence(store: house.test.store, tenancy: house.tenancy, reading: PaperPeople(factors: holders)),
                SecondFactorFacts.self)
        }
        let none = try await facts(nil)
        #expect(none?.isSupported == false && none?.elevated == 2 && none?.withSecondFactor == 0)
        let one = try await facts([admin.user, UserID(UUID())])
        #expect(one?.isSupported == true && one?.withSecondFactor == 1)
    }

    @Test("evidence of leavers names whoever was ended or ended by itself in the last ninety days, with what is left")
    func leavers() async throws {
        let house = try await House()
        let developer = try await house.join(.developer)
        _ = try await house.join(.contractor, endsAt: house.test.clock.now() + .days(3))
        try await house.tenancy.apply(.end(developer.membership), tenant: house.tenant, by: .owner, house.test.act())
        func facts(_ sessions: Int) async throws -> LeaverFacts? {
            try await house.facts(
                LeaverEvidence(store: house.test.store, tenancy: house.tenancy, reading: PaperPeople(sessions: sessions)), LeaverFacts.self)
        }
        #expect(try await facts(0)?.ended == 1)
        house.test.clock.advance(by: .days(4))
        let both = try await facts(1)
        #expect(both?.ended == 2 && both?.withAccess == 2 && both?.leavers.count == 2)
        house.test.clock.advance(by: .days(90))
        #expect(try await facts(0)?.ended == 0)
    }

    @Test("changes of policies are read out of the journal: who asked and what the server says are one change, with the tests passed")
    func changes() {
        func record(_ at: Int64, _ actor: String, _ action: String, _ details: String, subject: String = "policies") -> JournalRecord {
            JournalRecord(
                tenant: JournalRecord.platform, segment: UUID(), seq: 1, previous: JournalRecord.genesis, at: Timestamp(seconds: at),
                actor: actor, requestID: "r", origin: nil, action: action, subject: subject, outcome: "success", decision: nil,
                details: details)
        }
        let found = PolicyChangeEvidence.changes([
            record(1, "system:policies", "policies.live", #"{"after":"aa","tests_passed":7}"#),
            record(2, "user:u1", "policies.reloaded", #"{"after":"bb"}"#),
            record(2, "system:policies", "policies.live", #"{"after":"bb","tests_passed":8}"#),
            record(3, "system:policies", "policies.live", #"{"after":"cc","tests_passed":9}"#),
            record(3, "user:u2", "policies.rolled_back", #"{"after":"aa"}"#),
            record(4, "user:u3", "tenant_policies.uploaded", #"{"tests":2}"#, subject: "policies:dd"),
            record(5, "user:u3", "tenant_policies.activated", #"{"after":"dd"}"#),
            record(6, "user:u3", "tenant_policies.switched_off", #"{"after":""}"#),
        ])
        #expect(found.map(\.hash) == ["aa", "bb", "cc", "aa", "dd", ""])
        #expect(found.map(\.actor) == ["system:policies", "user:u1", "system:policies", "user:u2", "user:u3", "user:u3"])
        #expect(found.map(\.testsPassed) == [7, 8, 9, 7, 2, nil])
    }
}
