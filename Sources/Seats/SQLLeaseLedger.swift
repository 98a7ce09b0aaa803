import Foundation
import Licensing
import Store
import Synchronization
import Vocabulary

/// The ledger on the Store: each decision is one transaction over the seats' rows, with its journal entry.
package final class SQLLeaseLedger: LeaseLedger {
    let store: any Store
    let licenses: any SeatLicenses
    let sealer: any Sealer
    let entropy: any Entropy
    let time: LedgerClock
    let settings: Settings
    let reviveWindow: Duration
    let beats = HeartbeatBatch()
    /// The second whose heartbeats have a job that will journal them, and the day whose ended leases have one that will purge them.
    let tallySecond = Mutex<Int64>(-1)
    let purgeDay = Mutex<Int64>(-1)

    private static let surveyReason = KernelReason("seats.survey")
    private static let acquireReason = KernelReason("seats.acquire")
    private static let releaseReason = KernelReason("seats.release")
    private static let listReason = KernelReason("seats.list")

    package init(
        store: any Store, licenses: any SeatLicenses, sealer: any Sealer, entropy: any Entropy, time: LedgerClock, settings: Settings
    ) {
        self.store = store
        self.licenses = licenses
        self.sealer = sealer
        self.entropy = entropy
        self.time = time
        self.settings = settings
        reviveWindow = .seconds(Int64(settings[SeatSettings.reviveWindowSeconds]))
    }

    // MARK: Looks

    package func recalled(_ act: Act) async throws -> LeaseGrant? { try await store.recalled(act, as: LeaseGrant.self) }

    package func survey(_ tenant: TenantID, device: DeviceHandle) async throws -> [SeatStanding] {
        try await store.kernelRead(Self.surveyReason) { [time, licenses] db in
            let now = try time.look(in: db)
            return try db.within(tenant) { db in
                var counts: [License.ID: (live: Int, isOwn: Bool)] = [:]
                for row in try db.rows(SeatTable.survey, now, device.bytes) { counts[try row.id(0)] = (try row.int(1), try row.bool(2)) }
                return try licenses.seatLicenses(in: db).map { license in
                    let count = counts[license.id] ?? (0, false)
                    return SeatStanding(license: license, live: count.live, isOwn: count.isOwn)
                }
            }
        }
    }

    package func leases(_ query: LeaseQuery, now wall: Timestamp) async throws -> [LeaseView] {
        try await store.kernelRead(Self.listReason) { [time, sealer] db in
            let now = try time.look(in: db)
            return try db.within(query.tenant) { db in
                try db.rows(SeatTable.list, query.after?.uuid.bytes ?? [], now, query.user, query.license, query.limit).map { row in
                    let lease = try Self.lease(row)
                    // The name of the machine goes with its person.
                    let hostname = try row.optional(11, row.blob).flatMap {
                        (try? sealer.open($0, person: lease.user, context: Self.hostnameContext)).map {
                            String(decoding: $0, as: UTF8.self)
                        }
                    }
                    return LeaseView(
                        lease: lease, expiresAt: Self.wall(lease.expiresAt, now, wall), lastHeartbeatAt: try row.time(10),
                        hostname: hostname,
                        os: try row.optional(12, row.text), version: try row.optional(13, row.text))
                }
            }
        }
    }

    package func history(_ query: LeaseQuery) async throws -> [EndedLease] {
        try await store.tenantRead(query.tenant) { db in
            try db.rows(SeatTable.history, query.after?.uuid.bytes ?? [], query.user, query.license, query.limit).map(Self.ended)
        }
    }

    // MARK: Acquire

    /// Thrown out of `once`, so that a refusal is not kept as the answer to an Idempotency-Key; caught in the same closure.
    private struct NotGranted: Error { let outcome: AcquireOutcome }

    package func acquire(_ claim: LeaseClaim, _ act: Act) async throws -> AcquireOutcome {
        try await store.kernel(Self.acquireReason) { [self] db in
            let now = try time.advance(in: db)
            return try db.within(claim.tenant) { db in
                do {
                    return .granted(try db.once(act) { try grant(claim, now, in: db, act) })
                } catch let refusal as NotGranted {
                    try journalRefusal(claim, refusal.outcome, in: db, act)
                    return refusal.outcome
                }
            }
        }
    }

    private func grant(_ claim: LeaseClaim, _ now: LedgerTime, in db: any TenantScope, _ act: Act) throws -> LeaseGrant {
        guard let license = try licenses.seatLicense(claim.license, in: db) else { throw NotGranted(outcome: .unusable(nil)) }
        let status = license.status(at: act.now)
        guard status.isUsable else { throw NotGranted(outcome: .unusable(status)) }
        let ceiling = license.seats + claim.overdraft
        let own = try db.row(SeatTable.byDevice, claim.license, claim.device.bytes).map(Self.lease)
        let census = try census(claim.license, ceiling: ceiling, now, in: db)
        let step = LeasePool.acquire(own: own, user: claim.user, census: census, ceiling: ceiling, now: now)

        var lease: Lease
        var used = census.live
        switch step {
        case .refuse(let seconds):
            throw NotGranted(outcome: .exhausted(used: census.live, total: license.seats, retryAfterSeconds: seconds))
        case .keep:
            guard var kept = own else { throw StoreFault.corrupt("a lease kept that is not there") }
            let row = try db.row(SeatTable.keep, claim.license, kept.slot, claim.ttl.microseconds, now + claim.ttl, act.now)
            guard let row else { throw StoreFault.corrupt("the seat of a lease is gone") }
            kept.expiresAt = LedgerTime(microseconds: try row.integer(0))
            kept.ttl = claim.ttl
            lease = kept
        case .renew(let slot), .take(let slot), .open(let slot), .reclaim(let slot):
            if !(own.map { now < $0.expiresAt } ?? false) { used += 1 }
            lease = try begin(claim, slot: slot, ceiling: ceiling, own: own, step: step, now: now, in: db, act)
            try warn(claim, before: census.live, after: used, of: license.seats, in: db, act)
        }
        try db.journal(
            JournalEntry(
                "seat.acquired", subject: "lease:\(lease.id)",
                details: [
                    "license": .string(claim.license.description), "epoch": .int(lease.epoch), "seats_used": .int(Int64(used)),
                    "seats_total": .int(Int64(license.seats)), "repeated": .bool(step == .keep),
                ], decision: claim.decision), act)
        return LeaseGrant(
            license: claim.license, session: lease.id, epoch: lease.epoch, seatsUsed: used, seatsTotal: license.seats,
            expiresAt: Self.wall(lease.expiresAt, now, act.now), ttlSeconds: claim.ttl.wholeSeconds)
    }

    /// Writes a new life into `slot`, after whatever the seat and the device held before is in the history.
    private func begin(
        _ claim: LeaseClaim, slot: Int, ceiling: Int, own: Lease?, step: LeasePool.AcquireStep, now: LedgerTime, in db: any TenantScope,
        _ act: Act
    ) throws -> Lease {
        if let own {
            try end(own, .superseded, note: nil, in: db, act)
            if own.slot != slot { try db.run(SeatTable.vacate, own.license, own.slot) }
        }
        if case .reclaim = step, let other = try db.row(SeatTable.bySlot, claim.license, slot).map(Self.lease) {
            try end(other, .expired, note: nil, in: db, act)
        }
        let before = try own?.epoch ?? db.row(SeatTable.lastEpoch, claim.license, claim.device.bytes)?.integer(0) ?? 0
        let lease = Lease(
            id: entropy.id(act.now), license: claim.license, slot: slot, device: claim.device, user: claim.user, epoch: before + 1,
            ttl: claim.ttl, expiresAt: now + claim.ttl, acquiredAt: act.now)
        let hostname = try claim.hostname.map { try sealer.seal(Array($0.utf8), person: claim.user, context: Self.hostnameContext) }
        if case .open = step {
            try db.run(
                SeatTable.openSeat, db.tenant, lease.license, slot, ceiling, lease.id, lease.device.bytes, lease.user, lease.epoch,
                lease.ttl.microseconds, lease.expiresAt, act.now, hostname, claim.os, claim.version)
        } else {
            let row = try db.row(
                SeatTable.occupy, lease.license, slot, ceiling, lease.id, lease.device.bytes, lease.user, lease.epoch,
                lease.ttl.microseconds, lease.expiresAt, act.now, hostname, claim.os, claim.version)
            guard row != nil else { throw StoreFault.corrupt("a seat to be taken has no row") }
        }
        return lease
    }

    private func census(_ license: License.ID, ceiling: Int, _ now: LedgerTime, in db: any TenantScope) throws -> LeasePool.Census {
        guard let row = try db.row(SeatTable.census, license, now, ceiling) else {
            return LeasePool.Census(live: 0, highest: 0, vacant: nil, lapsed: nil, nextExpiry: nil)
        }
        var census = LeasePool.Census(
            live: try row.int(0), highest: try row.int(1), vacant: try row.optional(2, row.int), lapsed: nil,
            nextExpiry: try row.optional(3, row.integer).map(LedgerTime.init(microseconds:)))
        if census.live < ceiling, census.vacant == nil, census.highest >= ceiling {
            census.lapsed = try db.row(SeatTable.lapsed, license, now, ceiling)?.int(0)
        }
        return census
    }

    /// The owners hear of it once a day, when use rises over the mark.
    private func warn(
        _ claim: LeaseClaim, before: Int, after: Int, of seats: Int, in db: any TenantScope, _ act: Act
    ) throws {
        let percent = settings[SeatSettings.warningPercent]
        guard seats >= 2, after * 100 >= seats * percent, before * 100 < seats * percent else { return }
        try db.emit(
            MailRequested(
                recipient: .owners(claim.tenant), template: "seats_nearly_full",
                values: ["license_id": claim.license.description, "seats_used": String(after), "seats_total": String(seats)],
                key: "seats_nearly_full:\(claim.license):\(act.now.seconds / 86_400)"), act)
    }

    private func journalRefusal(_ claim: LeaseClaim, _ outcome: AcquireOutcome, in db: any TenantScope, _ act: Act) throws {
        let reason =
            switch outcome {
            case .granted: "granted"
            case .exhausted: SeatProblems.exhausted.code
            case .unusable(let status): status.flatMap(LicenseProblems.refusal)?.code ?? CommonProblems.notFound.code
            }
        try db.journal(
            JournalEntry(
                "seat.denied", subject: "license:\(claim.license)", outcome: .denied, details: ["reason": .string(reason)],
                decision: claim.decision), act)
    }

    package func deny(_ claim: LeaseClaim, reason: String, _ act: Act) async throws {
        try await store.tenant(claim.tenant) { db in
            try db.journal(
                JournalEntry(
                    "seat.denied", subject: "license:\(claim.license)", outcome: .denied,
                    details: ["reason": .string(CommonProblems.policyDenied.code), "policy_reason": .string(reason)],
                    decision: claim.decision), act)
        }
    }

    // MARK: Release

    package func release(_ id: Lease.ID, tenant: TenantID, by user: UserID?, note: String?, _ act: Act) async throws {
        try await store.kernel(Self.releaseReason) { [self] db in
            let now = try time.advance(in: db)
            try db.within(tenant) { db in
                let lease = try db.row(SeatTable.bySession, id).map(Self.lease)
                let over = lease == nil ? try db.row(SeatTable.endedBySession, id).map(Self.ended) : nil
                switch LeasePool.release(lease, ended: over, by: user, now: now) {
                case .refuse(let refusal): throw SeatProblems.problem(refusal)
                case .nothing: return
                case .vacate(let reason):
                    guard let lease else { return }
                    try end(lease, reason, note: reason == .forced ? note : nil, in: db, act)
                    try db.run(SeatTable.vacate, lease.license, lease.slot)
                }
            }
        }
    }

    // MARK: Shared steps

    /// Remembers a life that is over; its row is the caller's to empty or to fill.
    func end(_ lease: Lease, _ reason: LeaseEnd, note: String?, in db: any TenantScope, _ act: Act) throws {
        try db.run(
            SeatTable.remember, db.tenant, lease.id, lease.license, lease.device.bytes, lease.user, lease.epoch, lease.acquiredAt, act.now,
            reason.rawValue, note)
        var details: [String: JSONValue] = [
            "license": .string(lease.license.description), "epoch": .int(lease.epoch), "reason": .string(reason.rawValue),
        ]
        if let note { details["note"] = .string(note) }
        try db.journal(
            JournalEntry(reason == .released ? "seat.released" : "seat.ended", subject: "lease:\(lease.id)", details: .object(details)), act
        )
        try schedulePurge(in: db, act)
    }

    static let hostnameContext = "seat.hostname"

    static func lease(_ row: Row) throws -> Lease {
        Lease(
            id: try row.id(0), license: try row.id(1), slot: try row.int(2), device: DeviceHandle(try row.blob(3)), user: try row.id(4),
            epoch: try row.integer(5), ttl: .microseconds(try row.integer(6)), expiresAt: LedgerTime(microseconds: try row.integer(7)),
            acquiredAt: try row.time(8), isResurrected: try row.bool(9))
    }
    static func ended(_ row: Row) throws -> EndedLease {
        guard let end = LeaseEnd(rawValue: try row.text(6)) else { throw StoreFault.corrupt("a lease that ended for an unknown reason") }
        return EndedLease(
            id: try row.id(0), license: try row.id(1), user: try row.id(2), epoch: try row.integer(3), acquiredAt: try row.time(4),
            endedAt: try row.time(5), end: end, note: try row.optional(7, row.text))
    }
    /// A ledger time as the wall clock shows it, in whole seconds rounded down.
    static func wall(_ moment: LedgerTime, _ now: LedgerTime, _ wall: Timestamp) -> Timestamp {
        Timestamp(seconds: (wall + (moment - now)).seconds)
    }
}

extension LedgerTime: SQLBindable { package var sqlValue: SQLValue { .integer(microseconds) } }
