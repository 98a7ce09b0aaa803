import Foundation
import Signing
import Store
import Vocabulary

/// A mail address leads to one account of one region. Whoever makes an account claims the address of the directory first:
///
///     claiming (here) → claimed (directory) → held (here, with the account)        dies in between → releasing → given back
package struct RegionClaims: Sendable {
    package enum Outcome: Sendable, Hashable {
        /// Nobody else anywhere; the account's transaction confirms it.
        case granted
        /// Of another account of this region, or of one that is being made.
        case heldHere
        case heldElsewhere(Region)
    }
    /// To whom a tenant or an address leads was written nowhere yet; done again until the directory takes it.
    package struct Publishing: Codable, Sendable { let tenant: TenantID }
    struct Settling: Codable, Sendable { let user: UserID }
    struct Telling: Codable, Sendable {
        let region: Region
        let digest: String
    }

    let store: any Store
    package let directory: RegionDirectory
    package let home: Region
    /// How long an account may take to be made after its claim.
    let patience: Duration
    /// Tells another region that somebody signed up with an address that leads there.
    let tell: @Sendable (Region, _ digest: String) async throws -> Void

    package init(
        store: any Store, directory: RegionDirectory, home: Region, patience: Duration,
        tell: @escaping @Sendable (Region, _ digest: String) async throws -> Void
    ) {
        self.store = store
        self.directory = directory
        self.home = home
        self.patience = patience
        self.tell = tell
    }

    private static let intending = KernelReason("tenancy.intend_claim")
    private static let settling = KernelReason("tenancy.settle_claim")
    static let settleKind = "tenancy.settle_claim"
    static let publishKind = "tenancy.publish_tenant"
    static let tellKind = "tenancy.tell_region"

    // MARK: Claiming

    /// Throws `directory_unavailable` alike for known and unknown addresses; what was begun is given back by itself.
    package func claim(_ mail: String, for user: UserID, _ act: Act) async throws -> Outcome {
        let digest = directory.digestOf(mail)
        let job = try settleJob(user, at: act.now + patience)
        try await store.kernel(Self.intending) { db in
            try db.run(ClaimTable.intend, user, digest, act.now)
            try db.enqueue(job, act)
        }
        let holder: RegionDirectory.Holder
        do { holder = try await directory.claim(digest, region: home, user: user, act.now) } catch {
            throw RegionProblems.directoryUnavailable.retry(afterSeconds: 5)
        }
        guard holder.region == home else { return .heldElsewhere(holder.region) }
        return holder.user == user ? .granted : .heldHere
    }

    /// In the transaction that makes the account.
    func confirm(_ user: UserID, in db: any KernelScope, _ now: Timestamp) throws {
        guard try db.row(ClaimTable.hold, user, now) != nil else { throw CommonProblems.unavailable.retry(afterSeconds: 5) }
    }

    /// In the caller's transaction: the address leads to nobody any more as soon as the directory has heard of it.
    func release(_ user: UserID, in db: any KernelScope, _ act: Act) throws {
        guard try db.row(ClaimTable.giveUp, user, act.now) != nil else { return }
        try db.enqueue(try settleJob(user, at: act.now), act)
    }

    /// Whose account of this region an address leads to, by its digest under the directory's key.
    func user(digest: [UInt8], in db: any KernelScope) throws -> UserID? { try db.row(ClaimTable.holder, digest)?.id(0) }

    // MARK: What is told afterwards

    func publish(_ tenant: TenantID, in db: any KernelScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob(Self.publishKind, key: tenant.description, tenant: nil, payload: Publishing(tenant: tenant), runAt: act.now), act)
    }
    /// One such job for an address in an hour, however often somebody signs up with it.
    func tell(_ region: Region, of mail: String, in db: any KernelScope, _ act: Act) throws {
        let digest = Hex.encode(directory.digestOf(mail))
        try db.enqueue(
            try NewJob(
                Self.tellKind, key: "\(digest):\(act.now.seconds / 3_600)", tenant: nil, payload: Telling(region: region, digest: digest),
                runAt: act.now), act)
    }
    private func settleJob(_ user: UserID, at moment: Timestamp) throws -> NewJob {
        try NewJob(Self.settleKind, key: "\(user):\(moment.microseconds)", tenant: nil, payload: Settling(user: user), runAt: moment)
    }

    // MARK: Jobs

    func jobs() -> [JobHandler] {
        [
            JobHandler(Self.settleKind) { delivery, act in try await settle(delivery, act) },
            JobHandler(Self.publishKind) { delivery, act in
                let tenant = try delivery.decode(Publishing.self).tenant
                try await ending(delivery, act) { try await directory.route(tenant, to: home) }
            },
            JobHandler(Self.tellKind) { delivery, act in
                let told = try delivery.decode(Telling.self)
                try await ending(delivery, act) { try await tell(told.region, told.digest) }
            },
        ]
    }

    /// What a crash left, and what was given up: taken out of the directory, then out of here.
    private func settle(_ delivery: Delivery, _ act: Act) async throws {
        let user = try delivery.decode(Settling.self).user
        let claim = try await store.kernel(Self.settling) { db -> (digest: [UInt8], isOver: Bool)? in
            // From here on the account, should it still be on its way, cannot be made any more.
            try db.run(ClaimTable.abandon, user, act.now)
            return try db.row(ClaimTable.one, user).map { (try $0.blob(0), try $0.text(1) == "releasing") }
        }
        try await ending(delivery, act) {
            if let claim, claim.isOver { try await directory.release(claim.digest, region: home, user: user) }
        } finally: {
            try $0.run(ClaimTable.forget, user)
        }
    }

    /// Does what another place must take; where that does not answer, the same becomes due again, for as long as it takes.
    private func ending(
        _ delivery: Delivery, _ act: Act, _ work: () async throws -> Void,
        finally: @escaping @Sendable (any KernelScope) throws -> Void = { _ in }
    ) async throws {
        var isDone = true
        do { try await work() } catch { isDone = false }
        let (kind, payload, key) = (delivery.kind, delivery.payload, delivery.key)
        let done = isDone
        try await store.kernel(Self.settling) { db in
            if done {
                try finally(db)
            } else {
                let base = key.split(separator: "~").first.map(String.init) ?? key
                try db.enqueue(
                    NewJob(kind, key: "\(base)~\(act.now.seconds)", tenant: nil, encoded: payload, runAt: act.now + .minutes(1)), act)
            }
            try db.settle(delivery)
        }
    }
}

extension Tenancy {
    /// Before an account is made. Always granted where one region is alone.
    package func claim(_ mail: String, for user: UserID, _ act: Act) async throws -> RegionClaims.Outcome {
        try await claims?.claim(mail, for: user, act) ?? .granted
    }
    /// A claim that no account follows.
    package func giveUp(claimOf user: UserID, in db: any KernelScope, _ act: Act) throws { try claims?.release(user, in: db, act) }
    /// Somebody signed up here with an address that leads to another region: the person hears of it by mail, from there.
    package func tell(_ region: Region, of mail: String, in db: any KernelScope, _ act: Act) throws {
        try claims?.tell(region, of: mail, in: db, act)
    }
    package func user(claimDigest: [UInt8], in db: any KernelScope) throws -> UserID? { try claims?.user(digest: claimDigest, in: db) }
    package func jobs() -> [JobHandler] { claims?.jobs() ?? [] }
}
