import Foundation
import RoomTesting
import Store
import Synchronization
import Testing
import Vocabulary

@testable import Seats

/// A store whose first decision on a seat waits, and which counts them.
private final class HeldStore: Store {
    private let inner: any Store
    struct Away: Error, Equatable {}
    let decisions = Mutex(0)
    /// The number of the decision for which there is no database.
    let failing = Mutex(0)
    let fault = Mutex<any Error & Sendable>(Away())
    private let (held, holds) = AsyncStream<Void>.makeStream()
    private let (opened, opens) = AsyncStream<Void>.makeStream()
    init(_ inner: any Store) { self.inner = inner }
    var jobSignal: JobSignal { inner.jobSignal }
    func isHeld() async { for await _ in held { return } }
    func open() { opens.yield() }

    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value { try await inner.tenant(id, durability, body) }
    func tenantRead<Value: Sendable>(_ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value) async throws -> Value {
        try await inner.tenantRead(id, body)
    }
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        guard reason.name == "seats.acquire" else { return try await inner.kernel(reason, durability, body) }
        let number = decisions.withLock { decisions in
            decisions += 1
            return decisions
        }
        if number == failing.withLock({ $0 }) { throw fault.withLock { $0 } }
        if number == 1 {
            holds.yield()
            for await _ in opened { break }
        }
        return try await inner.kernel(reason, durability, body)
    }
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await inner.kernelRead(reason, body) }
}

/// Requests for seats that come while another is being decided.
private struct Crowd {
    let house: SeatHouse
    let store: HeldStore
    private let first: Task<LeaseGrant, any Error>

    /// One is being decided already.
    static func make(seats: Int) async throws -> Crowd {
        let box = Guarded<HeldStore?>(nil)
        let house = try await SeatHouse.make { inner in
            let store = HeldStore(inner)
            box.with { $0 = store }
            return store
        }
        try await house.license(seats: seats)
        let store = try #require(box.with { $0 })
        let first = Task { try await house.acquire("first") }
        await store.isHeld()
        return Crowd(house: house, store: store, first: first)
    }

    private var desk: AcquireDesk? { (house.ledger as? SQLLeaseLedger)?.desk ?? (house.ledger as? SharedLeaseLedger)?.desk }

    /// These come next, each with its own claim; then all of them are let go.
    func ask(
        _ devices: [String], claim: @escaping @Sendable (Int) -> IdempotencyClaim? = { _ in nil }
    ) async throws -> [Result<LeaseGrant, any Error>] {
        let desk = try #require(desk)
        let tasks = devices.enumerated().map { number, device in
            Task { () -> Result<LeaseGrant, any Error> in
                let person = house.person(UInt8(number % 5 + 1))
                let act = house.act(person, idempotency: claim(number))
                do {
                    return .success(try await house.answer(Leases.Request(hardwareID: device), person, act).grant)
                } catch { return .failure(error) }
            }
        }
        while desk.waiting(of: house.tenant) < devices.count { await Task.yield() }
        store.open()
        _ = try await first.value
        var answers: [Result<LeaseGrant, any Error>] = []
        for task in tasks { answers.append(await task.value) }
        return answers
    }
}

extension [Result<LeaseGrant, any Error>] {
    fileprivate var grants: [LeaseGrant] { compactMap { try? $0.get() } }
    fileprivate var codes: [String] {
        compactMap { if case .failure(let problem as Problem) = $0 { problem.code } else { nil } }
    }
}

struct AcquireTogetherTests {
    @Test("whoever asks at once shares a decision, and exactly as many get a seat as there are")
    func shared() async throws {
        let crowd = try await Crowd.make(seats: 9)
        let answers = try await crowd.ask((0..<20).map { "d\($0)" })
        let grants = answers.grants
        #expect(Set(grants.map(\.session)).count == 8)
        #expect(answers.codes == Array(repeating: "no_seats_available", count: 12))
        // One for the first, one for all others together.
        #expect(crowd.store.decisions.withLock { $0 } == 2)
        #expect(try await crowd.house.live() == 9)
        // Each has its own receipt, granted or refused, without a gap.
        #expect(Set(grants.map(\.count.sequence)).count == 8 && grants.allSatisfy { (2...21).contains($0.count.sequence) })
        #expect(try await crowd.house.journal().filter { $0 == "seat.denied" }.count == 12)
        for (number, answer) in answers.enumerated() {
            guard let grant = try? answer.get() else { continue }
            try await crowd.house.beat(grant.session, by: crowd.house.person(UInt8(number % 5 + 1)))
        }
    }

    @Test("one device that asks twice at once has one seat")
    func twice() async throws {
        let crowd = try await Crowd.make(seats: 20)
        // Of the same person: the first and the sixth.
        let grants = try await crowd.ask(["a", "b", "c", "d", "e", "a"]).grants
        #expect(grants.count == 6 && crowd.store.decisions.withLock { $0 } == 2)
        #expect(Set(grants.map(\.session)).count == 5 && grants.first?.session == grants.last?.session)
        #expect(grants.filter(\.isRepeated).count == 1)
        #expect(try await crowd.house.live() == 6)
    }

    @Test("one that cannot be carried out takes no other along")
    func alone() async throws {
        let crowd = try await Crowd.make(seats: 20)
        // Two with one Idempotency-Key and different requests: neither was heard of when they came.
        let answers = try await crowd.ask((0..<6).map { "d\($0)" }) { number in
            guard number == 2 || number == 4 else { return nil }
            return IdempotencyClaim(key: "the same", scope: "test", fingerprint: [UInt8](repeating: UInt8(number), count: 32))
        }
        #expect(answers.grants.count == 5 && answers.codes == ["idempotency_key_reused"])
        #expect(Set(answers.grants.map(\.session)).count == 5)
        // One for the first, one that was undone, one for each.
        #expect(crowd.store.decisions.withLock { $0 } == 8)
        #expect(try await crowd.house.live() == 6)
        // What was undone left nothing: the numbers of the receipts have no gap.
        let numbers = answers.grants.map(\.count.sequence).sorted()
        #expect(numbers == [2, 3, 4, 5, 6])
    }

    @Test("where the store cannot be asked, all of them are told so at once, and a later one is served")
    func away() async throws {
        let crowd = try await Crowd.make(seats: 20)
        crowd.store.failing.withLock { $0 = 2 }
        let answers = try await crowd.ask(["a", "b", "c"])
        #expect(answers.grants.isEmpty && answers.count == 3)
        for answer in answers { #expect(throws: HeldStore.Away()) { try answer.get() } }
        // Not once more for each of them: a database that is away has enough to do.
        #expect(crowd.store.decisions.withLock { $0 } == 2)
        #expect(try await crowd.house.live() == 1)
        try await crowd.house.acquire("a")
    }

    @Test("where the store goes away while each goes by itself, the others are told so without asking it")
    func goesAway() async throws {
        let crowd = try await Crowd.make(seats: 20)
        crowd.store.failing.withLock { $0 = 4 }
        crowd.store.fault.withLock { $0 = StoreFault.unreachable("silent") }
        let answers = try await crowd.ask((0..<6).map { "d\($0)" }) { number in
            guard number < 2 else { return nil }
            return IdempotencyClaim(key: "the same", scope: "test", fingerprint: [UInt8](repeating: UInt8(number), count: 32))
        }
        // One for the first, one that was undone, one that went well, and the one that did not.
        #expect(crowd.store.decisions.withLock { $0 } == 4)
        #expect(answers.grants.count == 1)
        let silent = answers.filter { if case .failure(StoreFault.unreachable) = $0 { true } else { false } }
        #expect(silent.count == 5)
    }
}
