import Foundation
import HookEngine
import LicenseFormat
import Licensing
import Signing
import Store
import Vocabulary

/// Gives seats out: looks, asks policy, lets the ledger decide, signs the answer.
package struct Leases: Sendable {
    private let ledger: any LeaseLedger
    private let licenses: Licenses
    private let hooks: any Hooks
    private let signer: any Signer
    private let settings: Settings

    package init(ledger: any LeaseLedger, licenses: Licenses, hooks: any Hooks, signer: any Signer, settings: Settings) {
        self.ledger = ledger
        self.licenses = licenses
        self.hooks = hooks
        self.signer = signer
        self.settings = settings
    }

    package struct Request: Sendable {
        package var hardwareID: String
        package var hostname: String?
        package var os: String?
        package var version: String?
        /// Nil: the oldest licence with a free seat.
        package var license: License.ID?
        package init(hardwareID: String, hostname: String? = nil, os: String? = nil, version: String? = nil, license: License.ID? = nil) {
            self.hardwareID = hardwareID
            self.hostname = hostname
            self.os = os
            self.version = version
            self.license = license
        }
    }

    package struct Answer: Sendable {
        package let grant: LeaseGrant
        /// Lower-case hexadecimal, over `SeatAnswer.message`.
        package let signature: String
        package let heartbeatIntervalSeconds: Int64
    }

    /// How many licences of a tenant one request tries.
    private static let mostTries = 8

    package func acquire(_ request: Request, _ caller: Principal, _ act: Act) async throws -> Answer {
        if act.idempotency != nil, let known = try await ledger.recalled(act) { return try await answer(known) }
        let device = licenses.device(request.hardwareID, tenant: caller.tenant)
        let standings = try await ledger.survey(caller.tenant, device: device)
        let candidates = try Self.candidates(standings, wanted: request.license, now: act.now)
        var wait: Int64 = 1
        for standing in candidates.prefix(Self.mostTries) {
            let verdict = try await hooks.decide(
                SeatRequestHook.self, question(request, device, standing, caller, act.now),
                HookSubject(tenant: caller.tenant, tier: standing.license.tier, requestID: act.requestID, now: act.now))
            let claim = claim(request, device, standing, caller, verdict)
            if case .deny(let reason, _) = verdict.outcome {
                try await ledger.deny(claim, reason: reason, act)
                try verdict.enforce()
            }
            switch try await ledger.acquire(claim, act) {
            case .granted(let grant): return try await answer(grant)
            case .exhausted(_, _, let seconds): wait = max(wait, seconds)
            case .unusable(let status): throw status.flatMap(LicenseProblems.refusal) ?? CommonProblems.notFound
            }
        }
        throw Self.exhausted(request.license == nil ? standings : candidates, wait: wait, now: act.now)
    }

    /// Which licences to try, in order: the one under which the device lives already, then the oldest with a free seat.
    /// Where none is free, the oldest alone: only an overdraft can help.
    static func candidates(_ standings: [SeatStanding], wanted: License.ID?, now: Timestamp) throws(Problem) -> [SeatStanding] {
        if let wanted {
            guard let standing = standings.first(where: { $0.license.id == wanted }) else { throw CommonProblems.notFound }
            if let refusal = LicenseProblems.refusal(standing.license.status(at: now)) { throw refusal }
            return [standing]
        }
        let usable = standings.filter { $0.license.status(at: now).isUsable }
        guard let oldest = usable.first else {
            // The mildest reason is the one that something can be done about.
            let statuses = Set(standings.map { $0.license.status(at: now) })
            let told = [LicenseStatus.suspended, .expired, .revoked].first(where: statuses.contains)
            throw told.flatMap(LicenseProblems.refusal) ?? SeatProblems.noLicense
        }
        let free = usable.filter { $0.isOwn } + usable.filter { !$0.isOwn && $0.isFree }
        return free.isEmpty ? [oldest] : free
    }

    private static func exhausted(_ standings: [SeatStanding], wait: Int64, now: Timestamp) -> Problem {
        let usable = standings.filter { $0.license.status(at: now).isUsable }
        return SeatProblems.exhausted.with([
            "seats_used": .int(Int64(usable.reduce(0) { $0 + $1.live })),
            "seats_total": .int(Int64(usable.reduce(0) { $0 + $1.license.seats })),
        ]).retry(afterSeconds: wait)
    }

    private func question(
        _ request: Request, _ device: DeviceHandle, _ standing: SeatStanding, _ caller: Principal, _ now: Timestamp
    ) -> SeatRequestHook.Input {
        SeatRequestHook.Input(
            user: caller.user.description, role: caller.role, device: Hex.encode(device.bytes.prefix(16)), hostname: request.hostname,
            os: request.os, version: request.version, license: standing.license.id.description, tier: standing.license.tier,
            status: standing.license.status(at: now).rawValue, seats: standing.license.seats, seatsUsed: standing.live)
    }

    private func claim(
        _ request: Request, _ device: DeviceHandle, _ standing: SeatStanding, _ caller: Principal, _ verdict: Verdict<SeatRequestHook.Terms>
    ) -> LeaseClaim {
        LeaseClaim(
            tenant: caller.tenant, license: standing.license.id, user: caller.user, device: device, hostname: request.hostname,
            os: request.os, version: request.version, overdraft: verdict.terms.overdraftSeats ?? 0,
            ttl: verdict.terms.leaseTTL ?? .seconds(Int64(settings[SeatSettings.leaseTTLSeconds])), decision: verdict.decision)
    }

    /// Signs off the store's threads, after the decision is durable.
    private func answer(_ grant: LeaseGrant) async throws -> Answer {
        let message = SeatAnswer.message(expiresAt: grant.expiresAt, license: grant.license, session: grant.session.description)
        let signature = try await signer.sign(message, settings[SeatSettings.signatureAlgorithm] == "ed25519" ? .license : .licenseRSA)
        return Answer(
            grant: grant, signature: Hex.encode(signature.bytes),
            heartbeatIntervalSeconds: min(Int64(settings[SeatSettings.heartbeatIntervalSeconds]), grant.ttlSeconds * 5 / 6))
    }

    // MARK: The rest of a lease's life

    /// The hot path: asks no policy. Suspension, epoch and holder are checked by the ledger in the same step.
    package func heartbeat(
        _ lease: Lease.ID, epoch: Int64?, _ caller: Principal, _ act: Act
    ) async throws -> (epoch: Int64, ttlSeconds: Int64, isResurrected: Bool) {
        switch try await ledger.heartbeat(Beat(tenant: caller.tenant, lease: lease, user: caller.user, epoch: epoch, act: act)) {
        case .alive(let epoch, let seconds, let isResurrected): return (epoch, seconds, isResurrected)
        case .refused(let refusal): throw SeatProblems.problem(refusal)
        }
    }

    /// By the holder. Releasing again is harmless.
    package func release(_ lease: Lease.ID, _ caller: Principal, _ act: Act) async throws {
        try await ledger.release(lease, tenant: caller.tenant, by: caller.user, note: nil, act)
    }

    /// By an operator of the tenant; the holder is told `reason` at its next heartbeat.
    package func forceRelease(_ lease: Lease.ID, tenant: TenantID, reason: String, _ act: Act) async throws {
        try await ledger.release(lease, tenant: tenant, by: nil, note: reason, act)
    }

    package func list(_ query: LeaseQuery, now: Timestamp) async throws -> [LeaseView] { try await ledger.leases(query, now: now) }
    package func history(_ query: LeaseQuery) async throws -> [EndedLease] { try await ledger.history(query) }

    /// Each licence with its live leases, for pages.
    package func usage(_ tenant: TenantID) async throws -> [SeatStanding] {
        try await ledger.survey(tenant, device: DeviceHandle([]))
    }
}
