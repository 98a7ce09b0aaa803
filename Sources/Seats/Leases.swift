import Foundation
import HookEngine
import LicenseFormat
import Licensing
import Signing
import Store
import Vocabulary

/// Gives seats out: looks, asks policy, lets the ledger decide, signs the answer.
package struct Leases: Sendable {
    let ledger: any LeaseLedger
    let licenses: Licenses
    private let hooks: any Hooks
    private let signer: any Signer
    let settings: Settings

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
        /// Takes a place in the queue where no seat is free.
        package var waits: Bool
        package init(
            hardwareID: String, hostname: String? = nil, os: String? = nil, version: String? = nil, license: License.ID? = nil,
            waits: Bool = false
        ) {
            self.hardwareID = hardwareID
            self.hostname = hostname
            self.os = os
            self.version = version
            self.license = license
            self.waits = waits
        }
    }

    package struct Answer: Sendable {
        package let grant: LeaseGrant
        /// Lower-case hexadecimal, over `SeatAnswer.message`.
        package let signature: String
        package let heartbeatIntervalSeconds: Int64
        package let receipt: SignedDocument?
    }
    package enum Outcome: Sendable {
        case granted(Answer)
        case waiting(Place, SeatCount, license: License.ID)
    }

    /// How many licences of a tenant one request tries.
    private static let mostTries = 8

    package func acquire(_ request: Request, _ caller: Principal, _ act: Act) async throws -> Outcome {
        if act.idempotency != nil, let known = try await ledger.recalled(act) { return .granted(try await answer(known, caller.tenant)) }
        let device = licenses.device(request.hardwareID, tenant: caller.tenant)
        let survey = try await ledger.survey(caller.tenant, device: device, user: caller.user, now: act.now)
        let candidates = try Self.candidates(survey.standings, wanted: request.license, now: act.now)
        var refusal = SeatProblems.exhausted.retry(afterSeconds: 60)
        /// What the ledger counted when it refused: later, and truer, than the survey.
        var counted: [License.ID: SeatCount] = [:]
        for standing in candidates.prefix(Self.mostTries) {
            let question = question(request, device, standing, survey.recentDevices, caller, act.now)
            let verdict = try await ask(question, standing.license, caller.tenant, act)
            let claim = try claim(request, device, standing, caller, verdict, question)
            if case .deny(let reason, let seconds) = verdict.outcome {
                let count = try await ledger.deny(claim, reason: reason, act)
                let receipt = try await receipt(.denied, claim, count, reason: reason, act)
                throw CommonProblems.denied(reason, retryAfterSeconds: seconds).with(receipt)
            }
            switch try await ledger.acquire(claim, act) {
            case .granted(let grant): return .granted(try await answer(grant, caller.tenant))
            case .waiting(let place, let count): return .waiting(place, count, license: claim.license)
            case .exhausted(let count, let seconds):
                counted[claim.license] = count
                refusal = SeatProblems.exhausted.retry(afterSeconds: seconds)
                    .with(try await receipt(.refused, claim, count, reason: SeatProblems.exhausted.code, act))
            case .unusable(let status): throw status.flatMap(LicenseProblems.refusal) ?? CommonProblems.notFound
            }
        }
        let usable = (request.license == nil ? survey.standings : candidates).filter { $0.license.status(at: act.now).isUsable }
        throw refusal.with([
            "seats_used": .int(Int64(usable.reduce(0) { $0 + (counted[$1.license.id]?.used ?? $1.live) })),
            "seats_total": .int(Int64(usable.reduce(0) { $0 + (counted[$1.license.id]?.total ?? $1.license.seats) })),
        ])
    }

    func ask(
        _ question: SeatRequestHook.Input, _ license: SeatLicense, _ tenant: TenantID, _ act: Act
    ) async throws -> Verdict<SeatRequestHook.Terms> {
        try await hooks.decide(
            SeatRequestHook.self, question, HookSubject(tenant: tenant, tier: license.tier, requestID: act.requestID, now: act.now))
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

    private func question(
        _ request: Request, _ device: DeviceHandle, _ standing: SeatStanding, _ recentDevices: Int, _ caller: Principal, _ now: Timestamp
    ) -> SeatRequestHook.Input {
        SeatRequestHook.Input(
            user: caller.user.description, role: caller.role, recentDevices: recentDevices, device: Hex.encode(device.bytes.prefix(16)),
            hostname: request.hostname.map { licenses.nameHandle($0, tenant: caller.tenant) }, os: request.os, version: request.version,
            license: standing.license.id.description, tier: standing.license.tier, status: standing.license.status(at: now).rawValue,
            seats: standing.license.seats,
            seatsUsed: standing.live)
    }

    func asked(_ verdict: Verdict<SeatRequestHook.Terms>, _ question: SeatRequestHook.Input) throws -> Asked? {
        var asked = Asked(
            decision: verdict.decision, policyHash: verdict.policyHash, tenantPolicyHash: verdict.tenantPolicyHash, inputHash: "")
        if settings[SeatSettings.receipts] {
            asked.inputHash = Hex.encode(Digest.sha256(try CanonicalJSON.encode(SeatRequestHook.encode(question).json)))
        }
        return asked
    }

    private func claim(
        _ request: Request, _ device: DeviceHandle, _ standing: SeatStanding, _ caller: Principal,
        _ verdict: Verdict<SeatRequestHook.Terms>, _ question: SeatRequestHook.Input
    ) throws -> LeaseClaim {
        var claim = LeaseClaim(
            tenant: caller.tenant, license: standing.license.id, user: caller.user, device: device, hostname: request.hostname,
            os: request.os, version: request.version, overdraft: verdict.terms.overdraftSeats ?? 0,
            ttl: verdict.terms.leaseTTL ?? .seconds(Int64(settings[SeatSettings.leaseTTLSeconds])), asked: try asked(verdict, question))
        claim.linger = verdict.terms.linger ?? .zero
        claim.minimumHold = verdict.terms.minimumHold ?? .zero
        claim.waits = request.waits
        return claim
    }

    /// Signs off the store's threads, after the decision is durable.
    private func answer(_ grant: LeaseGrant, _ tenant: TenantID) async throws -> Answer {
        let message = SeatAnswer.message(expiresAt: grant.expiresAt, license: grant.license, session: grant.session.description)
        let signature = try await signer.sign(message, settings[SeatSettings.signatureAlgorithm] == "ed25519" ? .license : .licenseRSA)
        let act: SeatReceipt.Act = grant.isRepeated ? .repeated : grant.count.used > grant.count.total ? .overdraft : .granted
        var receipt = SeatReceipt(
            act, tenant: tenant, license: grant.license, session: grant.session.description, epoch: grant.epoch,
            sequence: grant.count.sequence, seatsUsed: grant.count.used, seatsTotal: grant.count.total, at: grant.grantedAt)
        receipt.tell(grant.asked)
        return Answer(
            grant: grant, signature: Hex.encode(signature.bytes),
            heartbeatIntervalSeconds: min(Int64(settings[SeatSettings.heartbeatIntervalSeconds]), grant.ttlSeconds * 5 / 6),
            receipt: try await sign(receipt))
    }

    // MARK: Receipts

    /// Nil where receipts are switched off.
    func sign(_ receipt: SeatReceipt) async throws -> SignedDocument? {
        guard settings[SeatSettings.receipts] else { return nil }
        return try await sign(receipt.json, try receipt.message())
    }
    func sign(_ document: JSONValue, _ message: [UInt8]) async throws -> SignedDocument {
        let signature = try await signer.sign(message, .license)
        return SignedDocument(
            document: document,
            mark: .init(keyID: signature.keyID, algorithm: KeyPurpose.license.algorithm.rawValue, bytes: signature.bytes))
    }

    private func receipt(
        _ what: SeatReceipt.Act, _ claim: LeaseClaim, _ count: SeatCount, reason: String, _ act: Act
    ) async throws -> [String: JSONValue] {
        var receipt = SeatReceipt(
            what, tenant: claim.tenant, license: claim.license, sequence: count.sequence, seatsUsed: count.used, seatsTotal: count.total,
            at: act.now)
        receipt.reason = reason
        receipt.tell(claim.asked)
        return try await sign(receipt).map { ["receipt": $0.json] } ?? [:]
    }
}

extension SeatReceipt {
    mutating func tell(_ asked: Asked?) {
        inputHash = asked?.inputHash
        policyHash = asked?.policyHash
        tenantPolicyHash = asked?.tenantPolicyHash
        decision = asked?.decision
    }
}
