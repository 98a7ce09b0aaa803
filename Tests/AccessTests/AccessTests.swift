import Foundation
import HTTPEdge
import HookEngine
import Identity
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Access

struct AccessTests {
    static let register = [
        Permission("licenses:read", "See licences."), Permission("billing:write", "Change the subscription."),
        Permission("audit:read", "Read the log."),
        Permission("licenses:read", "Said twice."),
    ]

    struct House: Sendable {
        let bench: TestStore
        let hooks: MatrixHooks
        let tenancy: Tenancy
        let access: Access
        let owner: Principal

        init() async throws {
            let bench = try await TestStore.make(migrations: try TenancyRoom.migrations())
            self.bench = bench
            let tenancy = Tenancy(store: bench.store, sealer: bench.sealer, entropy: bench.entropy, settings: Settings())
            self.tenancy = tenancy
            hooks = MatrixHooks()
            access = Access(hooks: hooks, tenancy: tenancy, store: bench.store, permissions: AccessTests.register)
            let user: UserID = bench.entropy.id(bench.clock.now())
            let act = bench.act()
            let (tenant, membership) = try await bench.store.kernel(KernelReason("test.found")) { db in
                try tenancy.found(Tenancy.Founding(kind: .organization, name: "Engines", owner: user, origin: "test"), in: db, act)
            }
            owner = Principal(user: user, tenant: tenant, membership: membership, session: AuthSessionID(UUID()), role: "owner")
        }
        func may(_ permission: String, _ principal: Principal? = nil) async -> Problem? {
            do {
                try await access.require(Permission(permission, ""), of: principal ?? owner, bench.act())
                return nil
            } catch { return error as? Problem }
        }
        func journal() async throws -> [String] {
            try await bench.store.kernelRead(KernelReason("test.journal")) { db in
                try db.rows(SQL("test.journal", "SELECT action || ' ' || subject || ' ' || details FROM journal_entry_all ORDER BY seq"))
                    .map { try $0.text(0) }
            }
        }
    }

    @Test("a granted permission passes, one that nobody granted is forbidden, one that a rule forbids is denied with its reason")
    func outcomes() async throws {
        let house = try await House()
        house.hooks.grant("owner", "licenses:read")
        #expect(await house.may("licenses:read") == nil)
        #expect(await house.may("billing:write") == CommonProblems.forbidden)
        house.hooks.refuse("billing:write", "outside_hours", 60)
        #expect(await house.may("billing:write") == CommonProblems.denied("outside_hours", retryAfterSeconds: 60))
        house.hooks.refuse("billing:write", "not_granted", nil)
        #expect(await house.may("billing:write") == CommonProblems.forbidden)
    }

    @Test("policy is told role, permission and kind of tenant, and who is concerned")
    func question() async throws {
        let house = try await House()
        _ = await house.may("licenses:read")
        let asked = try #require(house.hooks.questions.last)
        #expect(asked.input["user"]?["role"]?.string == "owner")
        #expect(asked.input["permission"]?.string == "licenses:read")
        #expect(asked.input["tenant"]?["kind"]?.string == "organization")
        #expect(asked.subject.tenant == house.owner.tenant)
    }

    @Test("every use asks: a changed matrix counts at the next one")
    func noCache() async throws {
        let house = try await House()
        house.hooks.grant("owner", "licenses:read")
        for _ in 0..<10 { #expect(await house.may("licenses:read") == nil) }
        #expect(house.hooks.questions.count == 10)
        house.hooks.clear()
        #expect(await house.may("licenses:read") == CommonProblems.forbidden)
    }

    @Test("a refusal stands in the tenant's journal with its decision, without personal data; a grant costs no write")
    func journal() async throws {
        let house = try await House()
        house.hooks.grant("owner", "licenses:read")
        let before = try await house.journal().count
        _ = await house.may("licenses:read")
        #expect(try await house.journal().count == before)
        _ = await house.may("billing:write")
        #expect(
            try await house.journal().last == #"permission.refused permission:billing:write {"reason":"no_policy_allows","role":"owner"}"#)
    }

    @Test("who is no active member of the tenant is forbidden without a question")
    func strangers() async throws {
        let house = try await House()
        house.hooks.grant("owner", "licenses:read")
        let stranger = Principal(
            user: UserID(UUID()), tenant: house.owner.tenant, membership: house.owner.membership, session: house.owner.session,
            role: "owner")
        #expect(await house.may("licenses:read", stranger) == CommonProblems.forbidden)
        try await house.tenancy.move(house.owner.tenant, from: .active, to: .closing, house.bench.act())
        #expect(await house.may("licenses:read") == nil)
        try await house.tenancy.move(house.owner.tenant, from: .closing, to: .purged, house.bench.act())
        #expect(await house.may("licenses:read") == CommonProblems.forbidden)
        #expect(house.hooks.questions.count == 1)
    }

    @Test("a list of permissions is that of the matrix, sorted and without repeats")
    func listing() async throws {
        let house = try await House()
        house.hooks.grant("owner", "licenses:read")
        house.hooks.grant("owner", "audit:read")
        house.hooks.grant("viewer", "audit:read")
        let tenant = house.owner.tenant
        func list(_ role: Role) async throws -> [String] {
            try await house.access.permissions(of: role, tenant: tenant, kind: .organization, act: house.bench.act())
        }
        #expect(try await list(.owner) == ["audit:read", "licenses:read"])
        #expect(try await list(.viewer) == ["audit:read"])
        #expect(try await list(Role(rawValue: "nobody")) == [])
    }

    @Test("a kept list costs one question, lasts five minutes, and falls with the policies")
    func keptListing() async throws {
        let house = try await House()
        house.hooks.grant("owner", "licenses:read")
        func list() async throws -> [String] {
            try await house.access.permissions(of: .owner, tenant: house.owner.tenant, kind: .organization, act: house.bench.act())
        }
        _ = try await list()
        let asked = house.hooks.questions.count
        #expect(asked == 3)
        _ = try await list()
        #expect(house.hooks.questions.count == asked + 1)
        house.hooks.grant("owner", "billing:write")
        #expect(try await list() == ["licenses:read"], "shown, never believed: kept while the hash is the same")
        house.hooks.setHash("other")
        #expect(try await list() == ["billing:write", "licenses:read"])
        house.hooks.grant("owner", "audit:read")
        house.bench.clock.advance(by: .minutes(5))
        #expect(try await list() == ["audit:read", "billing:write", "licenses:read"])
    }

    @Test("a platform role is asked for as such")
    func platformRole() async throws {
        let house = try await House()
        house.hooks.grant("platform_admin", "billing:write")
        let admin = Principal(
            user: house.owner.user, tenant: house.owner.tenant, membership: house.owner.membership, session: house.owner.session,
            role: "platform_admin")
        #expect(await house.may("billing:write", admin) == nil)
        #expect(await house.may("billing:write") == CommonProblems.forbidden)
    }

    @Test("the edge's question and the room's are one")
    func authorizer() async throws {
        let house = try await House()
        let authorizer: any Authorizer = AccessAuthorizer(house.access)
        await #expect(throws: Problem.self) {
            try await authorizer.require(Permission("licenses:read", ""), of: house.owner, act: house.bench.act())
        }
    }

    @Test("the hook is defined as it is asked")
    func definition() {
        let definition = RoleCheckHook.definition
        #expect(definition.name == "on_role_check")
        #expect(definition.whenAllAbstain == .deny)
        #expect(definition.whenFailing == .deny)
        let asked = RoleCheckHook.encode(RoleCheckHook.Input(role: .owner, permission: "a:b", tenantKind: .individual))
        guard case .object(let members) = asked else { return }
        #expect(members.map(\.0) == definition.input.map(\.name))
    }
}

/// A matrix as the shipped policy keeps one, with a hash that the test sets.
final class MatrixHooks: Hooks {
    struct Question: Sendable {
        let input: HookValue
        let subject: HookSubject
    }
    private struct State: Sendable {
        var granted: Set<String> = []
        var refused: [String: (String, Int64?)] = [:]
        var hash = "first"
        var questions: [Question] = []
    }
    private let state = Guarded(State())
    var questions: [Question] { state.with { $0.questions } }
    func grant(_ role: String, _ permission: String) { state.with { _ = $0.granted.insert("\(role) \(permission)") } }
    func refuse(_ permission: String, _ reason: String, _ seconds: Int64?) { state.with { $0.refused[permission] = (reason, seconds) } }
    func clear() { state.with { $0.granted = [] } }
    func setHash(_ hash: String) { state.with { $0.hash = hash } }

    func decide<Hook: DecideHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Verdict<Hook.Terms> {
        let value = Hook.encode(input)
        let (outcome, hash): (Verdict<Hook.Terms>.Outcome, String) = state.with { state in
            state.questions.append(Question(input: value, subject: subject))
            let permission = value["permission"]?.string ?? ""
            if let (reason, seconds) = state.refused[permission] { return (.deny(reason: reason, retryAfterSeconds: seconds), state.hash) }
            let isGranted = state.granted.contains("\(value["user"]?["role"]?.string ?? "") \(permission)")
            return (isGranted ? .allow : .deny(reason: "no_policy_allows", retryAfterSeconds: nil), state.hash)
        }
        return Verdict(decision: DecisionID(UUID()), outcome: outcome, terms: Hook.terms(.object([])), policyHash: hash)
    }
    func plan<Hook: PlanHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Plan {
        throw HookFailure(hook: Hook.definition.name, reason: "not asked")
    }
}
