import Store
import Vocabulary

extension Identity {
    package func jobs() -> [JobHandler] {
        [
            JobHandler("identity.send_link") { delivery, act in try await sendRequestedLink(delivery, act) },
            JobHandler("identity.sweep") { delivery, act in try await sweep(delivery, act) },
        ]
    }
    package func subscribers() -> [EventSubscriber] { [] }

    /// Makes the hourly sweep due. Called at every start; a sweep that is already due stays the one.
    package func start(_ act: Act) async throws {
        let job = try sweepJob(at: act.now)
        try await store.kernel(KernelReason("identity.start")) { db in try db.enqueue(job, act) }
    }

    private func sweepJob(at moment: Timestamp) throws -> NewJob {
        try NewJob("identity.sweep", key: String(moment.seconds / 3_600), tenant: nil, payload: [String: String](), runAt: moment)
    }

    /// Removes what has run out: links, withdrawals, forgotten failures and old sessions, a bounded number of each, so that no sweep holds
    /// the writer for long. What runs out is refused by its time, swept or not.
    private func sweep(_ delivery: Delivery, _ act: Act) async throws {
        let next = try sweepJob(at: act.now + .hours(1))
        let memory = max(settings.seconds(IdentitySettings.failureMemorySeconds), settings.seconds(IdentitySettings.lockSeconds))
        let batch = 500
        let sessionsBefore = act.now - .days(Int64(settings[IdentitySettings.sessionRetentionDays]))
        let networksBefore = act.now - .days(Int64(settings[IdentitySettings.knownNetworkDays]))
        // At most 20 batches in an hour keep up with 10,000 rows of each kind; the limits of the edge let fewer come.
        for _ in 0..<20 {
            let most = try await store.kernel(KernelReason("identity.sweep")) { db in
                try [
                    db.rows(UserTable.sweepLinks, act.now, batch).count, db.rows(SessionTable.sweepTokens, act.now, batch).count,
                    db.rows(SessionTable.sweep, sessionsBefore, batch).count, db.rows(GuardTable.sweepPairs, act.now - memory, batch).count,
                    db.rows(GuardTable.sweepPressure, act.now - memory, batch).count,
                    db.rows(GuardTable.sweepNetworks, networksBefore, batch).count,
                    db.rows(FederationTable.sweepFlows, act.now, batch).count,
                    db.rows(FederationTable.sweepPending, act.now, batch).count, db.rows(FederationTable.sweepGrants, act.now, batch).count,
                    db.rows(FactorTable.sweepChallenges, act.now, batch).count, db.rows(FactorTable.sweepSteps, act.now, batch).count,
                    db.rows(FactorTable.sweepEnrolments, act.now, batch).count,
                ].max() ?? 0
            }
            if most < batch { break }
        }
        try await store.kernel(KernelReason("identity.sweep_again")) { db in
            try db.enqueue(next, act)
            try db.settle(delivery)
        }
    }
}
