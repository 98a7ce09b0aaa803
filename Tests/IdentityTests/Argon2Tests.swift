import CArgon2
import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Identity

struct Argon2Tests {
    static let cheap = Argon2Parameters(memoryKiB: 64, iterations: 1, parallelism: 1)

    func hasher(_ parameters: Argon2Parameters = cheap, threads: Int = 2, bound: Int = 64, sealer: TestSealer = TestSealer()) -> (
        Argon2Hasher, HashPool
    ) {
        let pool = HashPool(threads: threads, bound: bound)
        return (Argon2Hasher(parameters: parameters, pool: pool, sealer: sealer, entropy: SeededEntropy(5)), pool)
    }

    @Test("a password proves itself and no other, and two hashes of one differ")
    func roundTrip() async throws {
        let (hasher, pool) = hasher()
        defer { pool.close() }
        let (one, two) = (try await hasher.hash("maple-otter-lantern-42"), try await hasher.hash("maple-otter-lantern-42"))
        #expect(one != two)
        #expect(one.hasPrefix("$argon2id$v=19$m=64,t=1,p=1$"))
        #expect(try await hasher.verify("maple-otter-lantern-42", against: one))
        #expect(try await hasher.verify("maple-otter-lantern-42", against: two))
        for wrong in ["maple-otter-lantern-43", "", "Maple-otter-lantern-42", "maple-otter-lantern-42\u{0}"] {
            #expect(try await !hasher.verify(wrong, against: one))
        }
    }

    @Test("nobody's hash matches nothing")
    func nobody() async throws {
        let (hasher, pool) = hasher()
        defer { pool.close() }
        #expect(try await !hasher.verify("maple-otter-lantern-42", against: nil))
        for broken in ["", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "plain"] {
            #expect(try await !hasher.verify("plain", against: broken))
        }
    }

    @Test("two ways to type one password are one, and the hash is worthless without the installation's key")
    func composition() async throws {
        let (hasher, pool) = hasher()
        defer { pool.close() }
        let encoded = try await hasher.hash("caf\u{e9}-harbour-violin")
        #expect(try await hasher.verify("cafe\u{301}-harbour-violin", against: encoded))
        // The same table under another installation's key proves nothing, nor does a hash of the bare password.
        let foreign = Argon2Hasher(parameters: Self.cheap, pool: pool, sealer: TestSealerOfAnother(), entropy: SeededEntropy(9))
        #expect(try await !foreign.verify("caf\u{e9}-harbour-violin", against: encoded))
        let bare = Argon2Hasher(parameters: Self.cheap, pool: pool, sealer: KeylessSealer(), entropy: SeededEntropy(9))
        let stolen = try await bare.hash("caf\u{e9}-harbour-violin")
        #expect(try await bare.verify("caf\u{e9}-harbour-violin", against: stolen))
        #expect(try await !hasher.verify("caf\u{e9}-harbour-violin", against: stolen))
    }

    @Test("an older cost is seen, an equal or higher one is left alone")
    func outdated() {
        let (hasher, pool) = hasher(Argon2Parameters(memoryKiB: 19_456, iterations: 2, parallelism: 1))
        defer { pool.close() }
        #expect(hasher.isOutdated("$argon2id$v=19$m=16384,t=2,p=1$AAAA$AAAA"))
        #expect(hasher.isOutdated("$argon2id$v=19$m=19456,t=1,p=1$AAAA$AAAA"))
        #expect(hasher.isOutdated("$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA"))
        #expect(hasher.isOutdated("nonsense"))
        #expect(!hasher.isOutdated("$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA"))
        #expect(!hasher.isOutdated("$argon2id$v=19$m=65536,t=3,p=1$AAAA$AAAA"))
    }

    @Test("the shipped cost is OWASP's minimum or more, and no setting goes below it")
    func settings() {
        let shipped = Argon2Parameters(Settings())
        #expect(shipped.memoryKiB >= 19 * 1_024 && shipped.iterations >= 2 && shipped.parallelism >= 1)
        #expect(IdentitySettings.argonMemory.erased.check("19455") != nil)
        #expect(IdentitySettings.argonIterations.erased.check("1") != nil)
    }

    @Test("an unknown account costs what a known one costs: the library runs in full over a hash of the same cost and shape")
    func sameCost() async throws {
        let parameters = Argon2Parameters(memoryKiB: 256, iterations: 3, parallelism: 2)
        let (hasher, pool) = hasher(parameters)
        defer { pool.close() }
        let known = try await hasher.hash("maple-otter-lantern-42")
        #expect(Argon2Parameters(encoded: hasher.nobody) == parameters)
        #expect(hasher.nobody.split(separator: "$").map(\.count) == known.split(separator: "$").map(\.count))
        // Had the text been malformed, the library would return at once and say so.
        #expect(argon2id_verify(hasher.nobody, "guess", 5) == ARGON2_VERIFY_MISMATCH.rawValue)
    }
}

struct HashPoolTests {
    @Test("what does not fit into the queue is refused at once, and what fits is done")
    func bound() async throws {
        let pool = HashPool(threads: 1, bound: 2)
        defer { pool.close() }
        let (gate, begun) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let busy = Task {
            try await pool.run {
                begun.signal()
                gate.wait()
                return 0
            }
        }
        // The one thread is held before the queue is filled.
        await withCheckedContinuation { continuation in
            Thread {
                begun.wait()
                continuation.resume()
            }.start()
        }
        let outcomes = Guarded<[Int?]>([])
        await withTaskGroup(of: Void.self) { group in
            for number in 1...10 {
                group.addTask {
                    let value = try? await pool.run { number }
                    let isLast = outcomes.with {
                        $0.append(value)
                        return $0.count == 8
                    }
                    // Eight were refused while the thread was held; now let the two run.
                    if isLast { gate.signal() }
                }
            }
        }
        #expect(try await busy.value == 0)
        #expect(outcomes.with { $0.count { $0 == nil } } == 8)
        #expect(outcomes.with { $0.count { $0 != nil } } == 2)
    }

    @Test("a refused caller is told 503 and when to come back")
    func refusal() async {
        let pool = HashPool(threads: 1, bound: 1)
        pool.close()
        let found = await problem { _ = try await pool.run { 1 } }
        #expect(found?.status == 503)
        #expect(found?.fields["retry_after"]?.int == 2)
    }

    @Test("an error of the work is the caller's")
    func errors() async {
        struct Broken: Error {}
        let pool = HashPool(threads: 1, bound: 1)
        defer { pool.close() }
        await #expect(throws: Broken.self) { try await pool.run { throw Broken() } }
    }
}

/// Digests nothing: what somebody without any key would compute.
struct KeylessSealer: Sealer {
    private let inner = TestSealer()
    func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { try inner.seal(plain, context: context) }
    func open(_ box: [UInt8], context: String) throws -> [UInt8] { try inner.open(box, context: context) }
    func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        try inner.seal(plain, person: person, context: context)
    }
    func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] { try inner.open(box, person: person, context: context) }
    func discard(person: UserID) throws { try inner.discard(person: person) }
    func destroy(person: UserID) throws { try inner.destroy(person: person) }
    func digest(_ plain: [UInt8], purpose: String) -> [UInt8] { plain }
}
