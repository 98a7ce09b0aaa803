import Licensing
import Store
import Vocabulary

/// A beat that the shared store has taken.
struct SharedBeat: Sendable {
    let beat: Beat
    let held: Int64
    let at: LedgerTime
    let marker: LeaseMemory.Marker
    let memory: String
}

extension SharedLeaseLedger {
    private static let beatReason = KernelReason("seats.heartbeat")

    /// The usual one is a script and, shared with its neighbours, one look into the Store; the rest is decided by the Store.
    package func heartbeat(_ beat: Beat) async throws -> BeatOutcome {
        if isNear, let marker = known.withLock({ $0.marker(beat.tenant) }) {
            var told: LeaseMemory.Told<LeaseMemory.Beaten>?
            do { told = try await memory.beat(beat.lease, beat.tenant, marker, inner.time.reckon()) } catch {
                try await retreat(from: marker.generation, error)
            }
            if let told, case .alive(let held, let at) = told.value {
                let taken = SharedBeat(beat: beat, held: held, at: at, marker: marker, memory: told.memory)
                if let outcome = try await beats.submit(taken, write: { [self] batch in try await confirm(batch) }) { return outcome }
            }
        }
        let (outcome, second) = try await decide(beat.tenant, .session(beat.lease), Self.beatReason) { [inner] db, now in
            var desk = BeatDesk(ledger: inner, db: db, now: now)
            let outcome = try desk.settle(beat)
            let second = try desk.close()
            guard case .alive = outcome, let row = try db.within(beat.tenant, { try $0.row(SeatTable.bySession, beat.lease) }) else {
                return ((outcome, second), [])
            }
            return ((outcome, second), [try SQLLeaseLedger.lease(row)])
        }.value
        inner.isTallied(second)
        return outcome
    }

    /// Whether each beat moved the end of a lease that the Store still knows under the very number that was moved; nil: it did not,
    /// or there is more to decide.
    private func confirm(_ batch: [SharedBeat]) async throws -> [BeatOutcome?] {
        let outcomes = try await inner.store.kernelRead(Self.beatReason) { [inner] db in
            let now = try inner.time.look(in: db)
            var berths: [TenantID: Berth] = [:]
            var licenses: [License.ID: Bool] = [:]
            let rows = try Self.held(batch, in: db)
            return try batch.map { taken -> BeatOutcome? in
                let beat = taken.beat
                let berth = try berths[beat.tenant] ?? Self.berth(beat.tenant, in: db)
                berths[beat.tenant] = berth
                guard berth.marker == taken.marker, berth.memories.contains(taken.memory), now - taken.at <= Self.slack,
                    let row = rows[beat.tenant]?[beat.lease], try row.integer(6) == taken.held,
                    try row.id(5) == beat.user, try beat.epoch == nil || row.integer(2) == beat.epoch
                else { return nil }
                let license: License.ID = try row.id(1)
                let isUsable =
                    try licenses[license]
                    ?? db.within(beat.tenant) { db in
                        try inner.licenses.seatLicense(license, in: db)?.status(at: beat.act.now).isUsable ?? false
                    }
                licenses[license] = isUsable
                guard isUsable else { return nil }
                return .alive(
                    epoch: try row.integer(2), ttlSeconds: Duration.microseconds(try row.integer(3)).wholeSeconds,
                    isResurrected: try row.bool(4), revived: nil)
            }
        }
        try await count(zip(batch, outcomes).compactMap { $1 == nil ? nil : $0.beat })
        return outcomes
    }

    /// The rows of these leases, many with each statement.
    private static func held(_ batch: [SharedBeat], in db: any KernelScope) throws -> [TenantID: [Lease.ID: Row]] {
        var wanted: [TenantID: Set<Lease.ID>] = [:]
        for taken in batch { wanted[taken.beat.tenant, default: []].insert(taken.beat.lease) }
        var found: [TenantID: [Lease.ID: Row]] = [:]
        for (tenant, leases) in wanted {
            var left = Array(leases)
            while let first = left.first {
                let some = left.prefix(SeatTable.heldAtOnce)
                left.removeFirst(some.count)
                let padding = Array(repeating: first, count: SeatTable.heldAtOnce - some.count)
                let rows =
                    some.count == 1
                    ? try db.rows(SeatTable.held, tenant, first)
                    : try db.rows(SeatTable.heldMany, [tenant] as [any SQLBindable] + (some + padding).map { $0 as any SQLBindable })
                for row in rows { found[tenant, default: [:]][try row.id(0)] = row }
            }
        }
        return found
    }

    // MARK: The journal's count

    /// The first of a second is written at once, with a job for that second; the others are kept here until the job or the next second
    /// comes. A process that is killed loses the count of its last second, never a beat.
    private func count(_ beats: [Beat]) async throws {
        guard let last = beats.last else { return }
        tallies.withLock { tallies in
            for beat in beats { tallies.counts[BeatDesk.Tally(tenant: beat.tenant, second: beat.act.now.seconds), default: 0] += 1 }
            tallies.act = last.act
        }
        if inner.tallySecond.withLock({ $0 < last.act.now.seconds }) { try await flush(before: last.act.now.seconds + 1) }
    }

    /// Writes the counts of seconds that are over until the task is cancelled, for when nobody beats any more.
    package func run() async {
        while !Task.isCancelled {
            // What cannot be written is kept, and tried again.
            try? await flush(before: clock.now().seconds)
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Writes the counts of the seconds before `second`.
    package func flush(before second: Int64) async throws {
        let (due, act) = tallies.withLock { tallies in
            let due = tallies.counts.filter { $0.key.second < second }
            for tally in due.keys { tallies.counts[tally] = nil }
            return (due, tallies.act)
        }
        guard !due.isEmpty, let act else { return }
        do {
            let second = try await inner.store.kernel(Self.beatReason) { [inner] db in try BeatDesk.write(due, inner, in: db, act) }
            inner.isTallied(second)
        } catch {
            tallies.withLock { tallies in tallies.counts.merge(due, uniquingKeysWith: +) }
            throw error
        }
    }

    // MARK: Reconciling

    package func jobs() -> [JobHandler] {
        inner.jobs().map { handler in
            switch handler.kind {
            case SQLLeaseLedger.tallyJob:
                JobHandler(handler.kind) { [self] delivery, act in
                    try await flush(before: act.now.seconds)
                    try await handler.run(delivery, act)
                }
            case SQLLeaseLedger.retireJob:
                JobHandler(handler.kind) { [self] delivery, act in
                    try await reconcile()
                    try await handler.run(delivery, act)
                }
            default: handler
            }
        }
    }
    package func start(_ act: Act) async throws { try await inner.start(act) }

    /// Ends what is past its end though nobody asked, and gives held rows that the shared store knows nothing of a last full term: the
    /// process that was to write them down there died between the two. Runs before leases that expired for good are ended.
    package func reconcile() async throws {
        var after: [UInt8] = []
        while true {
            let from = after
            let tenants: [TenantID] = try await inner.store.kernelRead(Self.lookReason) { db in
                try db.rows(SeatTable.tenantsAboard, from, 100).map { try $0.id(0) }
            }
            for tenant in tenants {
                try await sweep(tenant)
                try await landUnknown(tenant)
            }
            guard tenants.count == 100, let last = tenants.last else { return }
            after = last.uuid.bytes
        }
    }

    private func landUnknown(_ tenant: TenantID) async throws {
        var after: [UInt8] = []
        while let marker = try await berth(tenant).marker {
            let from = after
            let rows = try await inner.store.tenantRead(tenant) { db in
                try db.rows(SeatTable.heldOnes, from, 500).map { row -> (Lease.ID, Int64, Int64) in
                    (try row.id(0), try row.integer(1), try row.integer(2))
                }
            }
            guard let last = rows.last, let ends = try? await memory.ends(rows.map(\.0), tenant, marker, inner.time.reckon()).value else {
                return
            }
            let unknown = zip(rows, ends).filter { $1 == nil }.map(\.0)
            if !unknown.isEmpty {
                try await inner.store.kernel(Self.lookReason) { [inner] db in
                    let now = try inner.time.advance(in: db)
                    try db.within(tenant) { db in
                        for (session, held, ttl) in unknown {
                            try db.run(SeatTable.setEnd, session, held, now + .microseconds(ttl) + Self.slack)
                        }
                    }
                }
            }
            guard rows.count == 500 else { return }
            after = last.0.uuid.bytes
        }
    }
}
