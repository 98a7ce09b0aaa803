import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import SandboxPayments

/// A space in which somebody else always writes just before the first write.
private final class RacingSpace: PluginSpace {
    let space = MemorySpace()
    private let rival: Mutex<(@Sendable () async throws -> Void)?>
    init() { rival = Mutex(nil) }
    func comesBetween(_ work: @escaping @Sendable () async throws -> Void) { rival.withLock { $0 = work } }
    private func rush() async throws {
        let work = rival.withLock { rival in
            defer { rival = nil }
            return rival
        }
        try await work?()
    }

    func get(_ key: String) async throws -> Data? { try await space.get(key) }
    func set(_ key: String, _ value: Data) async throws {
        if key.hasPrefix("account/") { try await rush() }
        try await space.set(key, value)
    }
    func remove(_ key: String) async throws { try await space.remove(key) }
    func replace(_ key: String, expecting expected: Data?, with value: Data) async throws -> Bool {
        try await rush()
        return try await space.replace(key, expecting: expected, with: value)
    }
    func keys(prefix: String, after: String?, limit: Int) async throws -> [String] {
        await space.keys(prefix: prefix, after: after, limit: limit)
    }
}

@Suite struct LedgerTests {
    private let customer = "cus_0123456789abcdef01234567"

    @Test("of two changes at once none is lost: the slower one reads again")
    func races() async throws {
        let space = RacingSpace()
        let ledger = Ledger(space: space)
        try await ledger.update(customer, starting: .inOrder) { try $0.open(session("cs_1"), now: moment) }
        space.comesBetween { [customer] in
            try await Ledger(space: space.space).update(customer) { try $0.open(session("cs_2"), now: moment) }
        }
        try await ledger.update(customer) { $0.manner = .twice }
        let account = try #require(try await ledger.account(customer))
        #expect(account.sessions.map(\.id) == ["cs_1", "cs_2"] && account.manner == .twice)
    }

    @Test("a step that is refused writes nothing, and an unknown customer has no account")
    func refused() async throws {
        let ledger = Ledger(space: MemorySpace())
        await #expect(throws: Misstep("There is no such customer.")) { try await ledger.update(customer) { $0.manner = .late } }
        await #expect(throws: Misstep.self) { try await ledger.update("cus_../../x", starting: .inOrder) { $0.manner = .late } }
        await #expect(throws: Misstep("no")) { try await ledger.update(customer, starting: .inOrder) { _ in throw Misstep("no") } }
        #expect(try await ledger.account(customer) == nil)
    }

    @Test("what waits is marked before it is written, and found again")
    func marks() async throws {
        let ledger = Ledger(space: MemorySpace())
        try await ledger.update(customer, starting: .inOrder) { try $0.open(session("cs_1"), now: moment) }
        #expect(try await ledger.waiting() == [])
        try await ledger.update(customer) { try $0.pay("cs_1", by: .cardSucceeds, manner: .inOrder, delay: .seconds(1), now: moment) }
        #expect(try await ledger.waiting() == [customer])
    }
}
