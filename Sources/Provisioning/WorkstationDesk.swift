import Foundation
import PluginKit
import Store
import Vocabulary

/// Works off what a workstation needs, one call to the provisioner a job. Who has taken it holds it for a little longer than a call may
/// last; a process that dies is found out when that time is over, and the provisioner is asked what is there before anything is repeated.
struct WorkstationDesk: Sendable {
    static let kind = "provisioning.workstation"
    static let idleKind = "provisioning.idle"
    private static let taking = KernelReason("provisioning.workstation")
    /// A call ends after 61 s at the latest: `ProvisionerLimits.answerSeconds`, and the host's one second.
    static let hold = Duration.seconds(65)

    let parts: ProvisioningParts

    struct Target: Codable {
        let tenant: TenantID
        let workstation: Workstation.ID
        let turn: Int64
    }
    static func job(_ one: Workstation, at moment: Timestamp) throws -> NewJob {
        try NewJob(
            kind, key: "\(one.id)/\(one.turn)/\(moment.microseconds)", tenant: one.tenant,
            payload: Target(tenant: one.tenant, workstation: one.id, turn: one.turn), runAt: moment)
    }
    static func idleJob(_ one: Workstation) throws -> NewJob {
        let moment = one.idleAt ?? one.activeAt
        return try NewJob(
            idleKind, key: "\(one.id)/\(moment.microseconds)", tenant: one.tenant,
            payload: Target(tenant: one.tenant, workstation: one.id, turn: 0), runAt: moment)
    }

    func jobs() -> [JobHandler] {
        [
            JobHandler(Self.kind) { delivery, act in try await turn(try delivery.decode(Target.self), delivery, act) },
            JobHandler(Self.idleKind) { delivery, act in try await idle(try delivery.decode(Target.self), delivery, act) },
        ]
    }

    // MARK: One turn

    private func turn(_ target: Target, _ delivery: Delivery, _ act: Act) async throws {
        guard let (one, wasCutOff) = try await take(target, delivery, act) else { return }
        let outcome = await perform(one, asksFirst: wasCutOff || one.isUnknown)
        let jitter = UInt16(parts.entropy.bytes(2).reduce(0) { $0 << 8 | Int($1) })
        try await parts.store.kernel(Self.taking) { db in
            try db.within(target.tenant) { db in
                let books = ProvisioningBooks(db: db, act: act)
                // Whoever took it over meanwhile has the last word.
                guard let held = try books.workstation(target.workstation), held.busyBy == delivery.leaseToken.bytes else { return }
                var next = held
                (next.busyBy, next.busyUntil) = (nil, Timestamp(microseconds: 0))
                // The wish may have changed, the work not: it is changed by who holds it.
                next.apply(outcome, now: act.now, rules: parts.rules, jitter: jitter)
                try record(outcome, held, in: db, act)
                try books.save(next, before: held)
                if next.state == .deleted {
                    // The member may have come back meanwhile.
                    try db.enqueue(try TenantReview.job(next.tenant, key: "\(next.id)/\(next.turn)", at: act.now), act)
                }
                if next.state == .failed, held.state != .failed {
                    try parts.tellStaff("workstation_failed", about: "\(next.id)/\(next.turn)", in: db, act)
                }
            }
            try db.settle(delivery)
        }
    }

    private func record(_ outcome: WorkOutcome, _ held: Workstation, in db: any TenantScope, _ act: Act) throws {
        let name: String
        switch outcome {
        case .stepped(let step): name = step
        case .finished(_, .some(let step)): name = step
        default: return
        }
        // Begun anew, it counts anew.
        try db.run(ProvisioningTable.clear, held.id, held.step + 1)
        try db.run(ProvisioningTable.done, db.tenant, held.id, held.step + 1, name, act.now)
    }

    /// Nil where there is nothing to do now; then the job is settled.
    private func take(_ target: Target, _ delivery: Delivery, _ act: Act) async throws -> (Workstation, wasCutOff: Bool)? {
        try await parts.store.kernel(Self.taking) { db in
            let taken = try db.within(target.tenant) { db -> (Workstation, wasCutOff: Bool)? in
                let books = ProvisioningBooks(db: db, act: act)
                guard let held = try books.workstation(target.workstation), held.turn == target.turn, let work = held.current else {
                    return nil
                }
                // Where none is named nobody comes by asking again: the look at the next start, or tomorrow's, wakes it.
                if parts.isWithoutMaker, held.isUntouched { return nil }
                if held.busyBy != nil, held.busyBy != delivery.leaseToken.bytes, held.busyUntil > act.now {
                    try db.enqueue(try Self.job(held, at: held.busyUntil), act)
                    return nil
                }
                let wasCutOff = held.busyBy != nil
                var one = held
                if one.work != work { try db.run(ProvisioningTable.clear, one.id, 1) }
                one.begin(work, now: act.now)
                (one.busyBy, one.busyUntil) = (delivery.leaseToken.bytes, act.now + Self.hold)
                try books.write(one)
                return (one, wasCutOff)
            }
            if taken == nil { try db.settle(delivery) }
            return taken
        }
    }

    // MARK: What the provisioner says

    private func perform(_ one: Workstation, asksFirst: Bool) async -> WorkOutcome {
        guard let work = one.work, let provisioner = parts.provisioner() else {
            return .failed("no provisioner is at work", isUnknown: false, again: false)
        }
        do {
            if asksFirst {
                let shown = try await provisioner.observe(one.key)
                if work.isReached(shown) { return .finished(shown, step: nil) }
            }
            let task = one.task(of: work)
            let steps = try await provisioner.steps(for: task)
            guard one.step < steps.count else { return .finished(try await provisioner.observe(one.key), step: nil) }
            let name = steps[one.step]
            switch try await provisioner.carryOut(WorkstationStep(key: one.key, task: task, name: name)) {
            case .underWay(let again): return .waiting(min(max(.seconds(1), again), .hours(1)))
            default: break
            }
            // The last one is done whether or not it can be looked at now.
            guard one.step + 1 == steps.count, let shown = try? await provisioner.observe(one.key) else { return .stepped(name) }
            return .finished(shown, step: name)
        } catch let error as ProvisionerError {
            switch error {
            case .unavailable, .full: return .failed("\(error)", isUnknown: false, again: false)
            case .outOfOrder: return .failed("\(error)", isUnknown: false, again: true)
            case .conflict, .refused: return .refused("\(error)", try? await provisioner.observe(one.key))
            default: return .failed("\(error)", isUnknown: true, again: false)
            }
        } catch {
            return .failed("nobody knows what became of it", isUnknown: true, again: false)
        }
    }

    // MARK: Idle

    /// Stops what nobody used for so long; what was used meanwhile is looked at again.
    private func idle(_ target: Target, _ delivery: Delivery, _ act: Act) async throws {
        try await parts.store.kernel(Self.taking) { db in
            try db.within(target.tenant) { db in
                let books = ProvisioningBooks(db: db, act: act)
                guard let held = try books.workstation(target.workstation), let moment = held.idleAt, held.wish == .running else { return }
                if moment > act.now { return try db.enqueue(try Self.idleJob(held), act) }
                var one = held
                one.wish = .stopped
                try db.journal(
                    JournalEntry(
                        "workstation.idle", subject: "workstation:\(one.id)", details: ["active_at": .string(one.activeAt.iso8601)]), act)
                try books.save(one, before: held)
            }
            try db.settle(delivery)
        }
    }
}
