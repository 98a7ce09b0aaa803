import Foundation
import Store
import Vocabulary

/// Jobs: what waits, what was given up, and giving it another go. Beside a running server, on its store.
package struct JobsDesk: Sendable {
    private static let reason = KernelReason("operator.jobs")
    private let store: any StoreDriver
    private let options: PlatformOptions

    package init(_ options: PlatformOptions) async throws {
        self.options = options
        store = try await Ground.storeBesideServer(try DataDirectory(options.data, isShared: true), options)
    }

    package func close() async { await store.close() }

    /// A line for each kind of job that is not done.
    package func backlog() async throws -> [String] {
        let now = options.clock.now()
        return try await store.kernelRead(Self.reason) { try $0.ledger.backlog() }.map { kind in
            let late = kind.oldestDue.map { max(0, (now.microseconds - $0.microseconds) / 1_000_000) } ?? 0
            return
                "\(kind.kind)  \(kind.due) due\(late > 0 ? ", the oldest for \(late) s" : "")  \(kind.leased) running  \(kind.dead) given up"
        }
    }

    /// Jobs that were given up, newest first.
    package func dead(json: Bool) async throws -> [String] {
        try await store.kernelRead(Self.reason) { try $0.ledger.deadJobs(limit: 1_000) }.map { job in
            guard json else {
                let owner = job.tenant.map { "tenant \($0)" } ?? "platform"
                return "\(job.id.uuidString.lowercased())  \(job.kind)  \(job.diedAt.iso8601)  \(owner)  \(job.attempts) attempts  "
                    + String(job.reason.prefix(500))
            }
            let members: JSONValue = [
                "id": .string(job.id.uuidString.lowercased()), "kind": .string(job.kind), "key": .string(job.key),
                "tenant_id": job.tenant.map { .string($0.description) } ?? .null, "attempts": .int(Int64(job.attempts)),
                "reason": .string(job.reason), "given_up_at": .string(job.diedAt.iso8601),
            ]
            return String(decoding: try JSONCoding.encode(members), as: UTF8.self)
        }
    }

    /// Makes it due at once with all its attempts; on the record. Done by a running server within its next look, 30 s at most.
    package func retry(_ text: String) async throws {
        guard let id = UUID(uuidString: text) else { throw OperatorProblem("'\(text)' is no job's id; coditectd jobs dead lists them") }
        let act = Act(actor: .system("coditectd"), requestID: "jobs-retry", now: options.clock.now())
        let isThere = try await store.kernel(Self.reason) { db in
            guard try db.ledger.revive(id, now: act.now) else { return false }
            try db.journal(JournalEntry("job.retried", subject: "job:\(id.uuidString.lowercased())"), act, tenant: nil)
            return true
        }
        guard isThere else { throw OperatorProblem("no job \(text) was given up; coditectd jobs dead lists those that were") }
    }
}
