import Licensing
import Store
import Vocabulary

/// A request for a seat on its way to the ledger.
struct SeatAsking: Sendable {
    let claim: LeaseClaim
    let act: Act
    private let trace = TraceContext.current

    init(_ claim: LeaseClaim, _ act: Act) {
        self.claim = claim
        self.act = act
    }
    /// Whoever leads writes for the others: what follows from a request belongs to that request's trace.
    func traced<Value>(_ body: () throws -> Value) rethrows -> Value { try TraceContext.$current.withValue(trace) { try body() } }
}

/// Whose seats are looked at before policy is asked.
struct Asker: Sendable {
    let device: DeviceHandle
    /// Whose other devices are counted; nil: nobody's.
    let user: UserID?
    let wall: Timestamp
}

/// Decides together what a tenant asks for at once: in transactions side by side the requests would stand in each other's way, all of them
/// change the same row of the pool.
final class AcquireDesk: Sendable {
    typealias Decided = Result<AcquireOutcome, any Error>
    /// Decides all of them in one transaction, in this order. Throws for one as for all: nothing of it happened then.
    typealias Decide = @Sendable ([SeatAsking]) async throws -> [Decided]
    private let lanes = TenantGatherings<SeatAsking, Decided>(most: 32, longest: 1_024)

    /// How many of a tenant's wait for others to be decided.
    func waiting(of tenant: TenantID) -> Int { lanes.waiting(of: tenant) }

    func decide(_ claim: LeaseClaim, _ act: Act, _ decide: @escaping Decide) async throws -> AcquireOutcome {
        try await lanes.submit(SeatAsking(claim, act), of: claim.tenant) { batch in try await Self.settle(batch, decide) }.get()
    }

    private static func settle(_ batch: [SeatAsking], _ decide: Decide) async throws -> [Decided] {
        do {
            return try await decide(batch)
        } catch  where batch.count > 1 && isOfOne(error) {
            // The others did nothing wrong: each goes by itself.
            return try await oneByOne(batch, decide)
        }
    }

    static func oneByOne(_ batch: [SeatAsking], _ decide: Decide) async throws -> [Decided] {
        var results: [Decided] = []
        for (index, asking) in batch.enumerated() {
            do { results += try await decide([asking]) } catch is CancellationError where Task.isCancelled {
                throw CancellationError()
            } catch  where isOfNobody(error) {
                // The next one would wait as long, and be told the same.
                return results + batch[index...].map { _ in .failure(error) }
            } catch { results.append(.failure(error)) }
        }
        return results
    }

    /// Whether the store does not answer, whoever asks.
    private static func isOfNobody(_ error: any Error) -> Bool {
        switch error {
        case StoreFault.unreachable, StoreFault.overloaded: true
        default: false
        }
    }

    /// Whether an error may be about one request alone, and not about the store.
    private static func isOfOne(_ error: any Error) -> Bool {
        switch error {
        case let problem as Problem: problem.code != SeatProblems.busy.code
        case StoreFault.column, StoreFault.refused, StoreFault.conflict, StoreFault.outOfScope, StoreFault.corrupt: true
        default: false
        }
    }
}
