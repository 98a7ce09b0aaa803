import Foundation
import HookEngine
import LicenseFormat
import Licensing
import Signing
import Store
import Vocabulary

/// The rest of a lease's life: beats, release, borrowing, and what operators see and do.
extension Leases {
    package struct Beaten: Sendable {
        package let epoch: Int64
        package let ttlSeconds: Int64
        package let isResurrected: Bool
        /// Of the revival, where this very beat brought the lease back.
        package let receipt: SignedDocument?
    }

    /// The hot path: asks no policy. Suspension, epoch and holder are checked by the ledger in the same step.
    package func heartbeat(_ lease: Lease.ID, epoch: Int64?, _ caller: Principal, _ act: Act) async throws -> Beaten {
        switch try await ledger.heartbeat(Beat(tenant: caller.tenant, lease: lease, user: caller.user, epoch: epoch, act: act)) {
        case .alive(let epoch, let seconds, let isResurrected, let revived):
            var receipt: SignedDocument?
            if let revived {
                receipt = try await sign(
                    SeatReceipt(
                        .resurrected, tenant: caller.tenant, license: revived.license, session: lease.description, epoch: epoch,
                        sequence: revived.count.sequence, seatsUsed: revived.count.used, seatsTotal: revived.count.total, at: act.now))
            }
            return Beaten(epoch: epoch, ttlSeconds: seconds, isResurrected: isResurrected, receipt: receipt)
        case .refused(let refusal, _): throw SeatProblems.problem(refusal)
        }
    }

    /// By the holder. Releasing again is harmless.
    package func release(_ lease: Lease.ID, _ caller: Principal, _ act: Act) async throws {
        try await ledger.release(lease, tenant: caller.tenant, by: caller.user, note: nil, act)
    }

    /// By an operator of the tenant; the holder is told `reason` at its next heartbeat.
    @discardableResult
    package func forceRelease(_ lease: Lease.ID, tenant: TenantID, reason: String, _ act: Act) async throws -> SignedDocument? {
        guard let forced = try await ledger.release(lease, tenant: tenant, by: nil, note: reason, act) else { return nil }
        var receipt = SeatReceipt(
            .forced, tenant: tenant, license: forced.license, session: lease.description, epoch: forced.epoch,
            sequence: forced.count.sequence, seatsUsed: forced.count.used, seatsTotal: forced.count.total, at: act.now)
        receipt.reason = reason
        return try await sign(receipt)
    }

    // MARK: Borrowing

    package struct Borrowing: Sendable {
        package let grant: BorrowGrant
        /// The signed seat, for the device's disk.
        package let file: SignedDocument
        package let receipt: SignedDocument?
    }

    /// Lends the seat of a live lease for use without the network, if policy and the low-water mark allow it.
    package func borrow(_ lease: Lease.ID, hardwareID: String, hours: Int, _ caller: Principal, _ act: Act) async throws -> Borrowing {
        let device = licenses.device(hardwareID, tenant: caller.tenant)
        let survey = try await ledger.survey(caller.tenant, device: device, user: caller.user, now: act.now)
        let held = try await ledger.leases(LeaseQuery(tenant: caller.tenant, user: caller.user, limit: 1, only: lease), now: act.now).first
        guard let held, let standing = survey.standings.first(where: { $0.license.id == held.lease.license }) else {
            throw CommonProblems.notFound
        }
        let question = SeatRequestHook.Input(
            purpose: .borrow, borrowHours: hours, user: caller.user.description, role: caller.role, recentDevices: survey.recentDevices,
            device: Hex.encode(device.bytes.prefix(16)),
            hostname: held.hostname.map { licenses.nameHandle($0, tenant: caller.tenant) }, os: held.os, version: held.version,
            license: standing.license.id.description, tier: standing.license.tier,
            status: standing.license.status(at: act.now).rawValue, seats: standing.license.seats, seatsUsed: standing.live)
        let verdict = try await ask(question, standing.license, caller.tenant, act)
        try verdict.enforce()
        // The file works without us: it must not outlive the membership.
        let left = caller.bounds.endsAt.map { max(0, Int(($0 - act.now).wholeSeconds / 3_600)) } ?? .max
        let most = min(verdict.terms.borrowHours ?? .max, settings[SeatSettings.borrowHours], left)
        guard hours <= most else { throw SeatProblems.borrowRefused.with(["max_hours": .int(Int64(most))]) }
        let claim = BorrowClaim(
            tenant: caller.tenant, lease: lease, user: caller.user, device: device, hours: hours, asked: try asked(verdict, question))
        let grant = try await ledger.borrow(claim, act)
        let seat = BorrowedSeat(
            license: grant.license, session: grant.session.description, epoch: grant.epoch,
            hardwareHash: LicenseFile.hash(hardwareID: hardwareID), issuedAt: grant.issuedAt, expiresAt: grant.expiresAt)
        var receipt = SeatReceipt(
            .borrowed, tenant: caller.tenant, license: grant.license, session: grant.session.description, epoch: grant.epoch,
            sequence: grant.count.sequence, seatsUsed: grant.count.used, seatsTotal: grant.count.total, at: grant.issuedAt)
        receipt.tell(grant.asked)
        return Borrowing(grant: grant, file: try await sign(seat.json, try seat.message()), receipt: try await sign(receipt))
    }

    // MARK: Looks

    package func list(_ query: LeaseQuery, now: Timestamp) async throws -> [LeaseView] { try await ledger.leases(query, now: now) }
    package func history(_ query: LeaseQuery) async throws -> [EndedLease] { try await ledger.history(query) }

    /// Each licence with its live leases, for pages.
    package func usage(_ tenant: TenantID, now: Timestamp) async throws -> [SeatStanding] {
        try await ledger.survey(tenant, device: DeviceHandle([]), user: nil, now: now).standings
    }
}
