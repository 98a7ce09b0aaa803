import Foundation
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

@testable import TenantPolicies

/// Takes whatever it gets; the hash is the content's.
final class PaperRunner: TenantPolicyRunner {
    let told = Guarded<[TenantPolicyChange]>([])
    let refuses = Guarded<Bool>(false)
    func check(_ files: [String: String], for tenant: TenantID) async throws -> CheckedUpload {
        if refuses.with({ $0 }) { throw TenantPolicyProblems.refused }
        let content = files.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ";")
        return CheckedUpload(hash: Hex.encode(Digest.sha256(Data(content.utf8))), hooks: ["on_role_check"], tests: 1)
    }
    func put(_ change: TenantPolicyChange) { told.with { $0.append(change) } }
    func report(_ tenant: TenantID) -> TenantPolicyReport? { nil }
}

@Suite("Tenants' own policies, kept")
struct TenantPolicyTests {
    struct House {
        let test: TestStore
        let runner = PaperRunner()
        let room: TenantPolicies
        let tenant: TenantID
        let person: Principal

        init(_ settings: Settings = Settings()) async throws {
            test = try await TestStore.make(migrations: try TenantPoliciesRoom.migrations())
            room = TenantPolicies(store: test.store, runner: runner, settings: settings)
            tenant = TenantID(UUID())
            person = House.principal(tenant)
        }
        static func principal(_ tenant: TenantID) -> Principal {
            Principal(
                user: UserID(UUID()), tenant: tenant, membership: MembershipID(UUID()), session: AuthSessionID(UUID()), role: "owner")
        }
        func upload(_ text: String) async throws -> String {
            test.clock.advance(by: .seconds(1))
            return try await room.upload(["init.lua": text], note: text, by: person, test.act()).hash
        }
        func change(_ hash: String?, replacing: String) async throws {
            try await room.change(to: hash, replacing: replacing, tenant, test.act())
        }
        func refusal(_ body: () async throws -> Void) async -> String? {
            do { try await body() } catch { return (error as? Problem)?.code ?? "\(error)" }
            return nil
        }
    }

    @Test("an upload is kept and not in force; the same content is the same version")
    func upload() async throws {
        let house = try await House()
        let first = try await house.upload("one")
        #expect(try await house.upload("one") == first)
        let standing = try await house.room.standing(house.tenant)
        #expect(standing.inForce == nil && standing.versions.map(\.hash) == [first])
        #expect(try await house.room.version(first, house.tenant).files == ["init.lua": "one"])
        #expect(house.runner.told.with { $0 }.isEmpty)
    }

    @Test("a change names what it replaces; of two that name the same one wins, and the runner hears revisions that grow")
    func replaces() async throws {
        let house = try await House()
        let (one, two) = (try await house.upload("one"), try await house.upload("two"))
        try await house.change(one, replacing: "")
        #expect(await house.refusal { try await house.change(two, replacing: "") } == "tenant_policies_moved_on")
        try await house.change(two, replacing: one)
        try await house.change(one, replacing: two)
        try await house.change(nil, replacing: one)
        #expect(await house.refusal { try await house.change(nil, replacing: one) } == "tenant_policies_moved_on")
        #expect(house.runner.told.with { $0.map(\.revision) } == [1, 2, 3, 4])
        #expect(house.runner.told.with { $0.map(\.hash) } == [one, two, one, nil])

        let winners = await withTaskGroup(of: Bool.self) { group in
            for hash in [one, two, one, two] {
                group.addTask { await house.refusal { try await house.change(hash, replacing: "") } == nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
    }

    @Test("a version in force is not dropped, by the room nor by the schema; another is")
    func drop() async throws {
        let house = try await House()
        let (one, two) = (try await house.upload("one"), try await house.upload("two"))
        try await house.change(one, replacing: "")
        #expect(await house.refusal { try await house.room.drop(one, house.tenant, house.test.act()) } == "tenant_policies_in_force")
        try await house.room.drop(two, house.tenant, house.test.act())
        #expect(await house.refusal { try await house.room.drop(two, house.tenant, house.test.act()) } == "tenant_policies_not_kept")
        await #expect(throws: (any Error).self) {
            try await house.test.store.tenant(house.tenant) { db in
                try db.run(TenantPolicyTable.drop, Hex.decode(one) ?? [])
            }
        }
    }

    @Test("the newest fifty are kept, and the one in force however old")
    func keepsFifty() async throws {
        let house = try await House()
        let first = try await house.upload("first")
        try await house.change(first, replacing: "")
        for number in 1...60 { _ = try await house.upload("\(number)") }
        let versions = try await house.room.standing(house.tenant).versions
        #expect(versions.count == TenantPolicyVersion.mostKept + 1)
        #expect(versions.last?.hash == first)
        #expect(versions.first?.note == "60")
    }

    @Test("another tenant sees, drops and activates nothing of it")
    func otherTenant() async throws {
        let house = try await House()
        let one = try await house.upload("one")
        let stranger = TenantID(UUID())
        let act = house.test.act()
        #expect(try await house.room.standing(stranger).versions.isEmpty)
        #expect(try await house.room.files(one, of: stranger) == nil)
        #expect(await house.refusal { _ = try await house.room.version(one, stranger) } == "tenant_policies_not_kept")
        #expect(await house.refusal { try await house.room.drop(one, stranger, act) } == "tenant_policies_not_kept")
        #expect(await house.refusal { try await house.room.change(to: one, replacing: "", stranger, act) } == "tenant_policies_not_kept")
    }

    @Test("a start tells of every tenant with policies in force and of no other")
    func start() async throws {
        let house = try await House()
        var expected: Set<TenantID> = []
        for number in 0..<7 {
            let person = House.principal(TenantID(UUID()))
            let hash = try await house.room.upload(["init.lua": "x"], note: "", by: person, house.test.act()).hash
            try await house.room.change(to: hash, replacing: "", person.tenant, house.test.act())
            if number == 3 {
                try await house.room.change(to: nil, replacing: hash, person.tenant, house.test.act())
            } else {
                expected.insert(person.tenant)
            }
        }
        let fresh = PaperRunner()
        try await TenantPolicies(store: house.test.store, runner: fresh, settings: Settings()).start()
        #expect(Set(fresh.told.with { $0.map(\.tenant) }) == expected)
        #expect(fresh.told.with { $0.map(\.hooks) }.allSatisfy { $0 == ["on_role_check"] })
    }

    @Test("what is refused leaves no row, and what has become unfit is not activated")
    func refused() async throws {
        let house = try await House()
        let one = try await house.upload("one")
        house.runner.refuses.with { $0 = true }
        #expect(await house.refusal { _ = try await house.upload("two") } == "tenant_policies_refused")
        #expect(await house.refusal { try await house.change(one, replacing: "") } == "tenant_policies_refused")
        #expect(try await house.room.standing(house.tenant).versions.count == 1)
    }

    @Test("the operator switches a tenant's policies off with a reason that the tenant's journal shows")
    func switchOff() async throws {
        let house = try await House()
        let one = try await house.upload("one")
        #expect(
            await house.refusal { try await house.room.switchOff(house.tenant, reason: "spins", house.test.act()) }
                == "tenant_policies_not_kept")
        try await house.change(one, replacing: "")
        try await house.room.switchOff(house.tenant, reason: "spins", house.test.act())
        #expect(try await house.room.standing(house.tenant).inForce == nil)
        #expect(house.runner.told.with { $0.last?.hash } == .some(nil))
        let told = Guarded<[String]>([])
        try await JournalKeeper(store: house.test.store).export(house.tenant.uuid) { line in told.with { $0.append(line) } }
        #expect(told.with { $0.contains { $0.contains("tenant_policies.switched_off") && $0.contains("spins") } })
    }
}
