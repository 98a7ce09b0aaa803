import Foundation
import Vocabulary

/// The store's own recurring work: seals journals, drops what is too old of them, removes what is done and expired.
package struct StoreUpkeep: Sendable {
    package static let checkpointKind = "store.checkpoint"
    package static let sweepKind = "store.sweep"
    package static let retentionKind = "store.journal_retention"
    package static let proofKind = "store.journal_proof"
    private static let reason = KernelReason("store.upkeep")

    private let store: any Store
    private let sign: JournalKeeper.Sign
    /// How long a done job stays to be looked at.
    private let keepDone: Duration
    /// How long an entry of a journal is kept.
    private let keepJournal: Duration
    private let checkpointEvery: Duration
    private let sweepEvery: Duration
    private let log: @Sendable (String) -> Void
    /// Who checks every journal once a day; nil: nobody.
    package var proof: JournalProof?

    package init(
        store: any Store, keepDone: Duration = .days(7), keepJournal: Duration = .days(731), checkpointEvery: Duration = .hours(1),
        sweepEvery: Duration = .hours(1),
        log: @escaping @Sendable (String) -> Void = { _ in }, signer sign: @escaping JournalKeeper.Sign
    ) {
        self.store = store
        self.sign = sign
        self.keepDone = keepDone
        self.keepJournal = keepJournal
        self.checkpointEvery = checkpointEvery
        self.sweepEvery = sweepEvery
        self.log = log
    }

    /// For the runner, beside the rooms' own.
    package func storeJobs() -> [JobHandler] {
        let proofs = proof.map { [proving($0)] } ?? []
        return proofs + [
            recurring(StoreUpkeep.checkpointKind, every: checkpointEvery) { act in
                _ = try await JournalKeeper(store: store).checkpoint(now: act.now, signer: sign)
            },
            recurring(StoreUpkeep.sweepKind, every: sweepEvery) { act in _ = try await sweep(act.now) },
            recurring(StoreUpkeep.retentionKind, every: .days(1)) { act in
                try await JournalKeeper(store: store).drop(before: act.now - keepJournal, now: act.now, signer: sign)
            },
        ]
    }

    /// Makes the work due for the first time; at every start, since it leaves alone what is scheduled already.
    package func schedule(_ act: Act) async throws {
        try await store.kernel(StoreUpkeep.reason) { db in
            let proofs = proof == nil ? [] : [StoreUpkeep.proofKind]
            for kind in [StoreUpkeep.checkpointKind, StoreUpkeep.sweepKind, StoreUpkeep.retentionKind] + proofs {
                try next(kind, at: act.now, db, act)
            }
        }
    }

    /// Removes done jobs past their time and expired idempotency results, a thousand at a time, and rounds past theirs; answers how many.
    package func sweep(_ now: Timestamp) async throws -> Int {
        var removed = try await store.kernel(StoreUpkeep.reason) { try $0.ledger.forgetRounds(before: now - JournalRound.kept) }
        while true {
            let some = try await store.kernel(StoreUpkeep.reason) { [keepDone] db in
                try db.ledger.sweep(doneBefore: now - keepDone, now: now, limit: 1_000)
            }
            removed += some
            if some < 1_000 { return removed }
        }
    }

    /// The round may outlast any lease, so its job ends as it begins: a process that dies in it leaves the next to tomorrow.
    private func proving(_ proof: JournalProof) -> JobHandler {
        JobHandler(StoreUpkeep.proofKind) { [store, log] delivery, act in
            try await store.kernel(StoreUpkeep.reason) { db in
                try db.settle(delivery)
                try next(StoreUpkeep.proofKind, at: act.now + .days(1), db, act)
            }
            proof.begin {
                do {
                    let round = try await proof.round(JournalKeeper(store: store), now: act.now)
                    for finding in round.findings { log("\(StoreUpkeep.proofKind): \(finding)") }
                    try await store.kernel(StoreUpkeep.reason, .flushed) { try $0.ledger.keep(round) }
                    proof.tell(round)
                } catch StoreFault.closed {
                    // The process ends.
                } catch { log("\(StoreUpkeep.proofKind): \(error)") }
            }
        }
    }

    /// A failed round is logged and does not end the series: the next one comes at its time.
    private func recurring(_ kind: String, every period: Duration, _ work: @escaping @Sendable (Act) async throws -> Void) -> JobHandler {
        JobHandler(kind) { delivery, act in
            do { try await work(act) } catch { log("\(kind): \(error)") }
            try await store.kernel(StoreUpkeep.reason) { db in
                try db.settle(delivery)
                try next(kind, at: act.now + period, db, act)
            }
        }
    }

    private func next(_ kind: String, at moment: Timestamp, _ db: any KernelScope, _ act: Act) throws {
        try db.enqueue(try NewJob(kind, key: "all", tenant: nil, payload: [String](), runAt: moment), act)
    }
}
