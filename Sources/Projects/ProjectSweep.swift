import Foundation
import Store
import Vocabulary

/// What leaves: uploads whose hours are over, contents that nothing names any more, projects past their days. A row goes after its bytes.
extension Projects {
    static let sweepKind = "projects.sweep"
    private static let roundKind = "projects.round"
    private static let roundReason = KernelReason("projects.round")
    private static let atOnce = 200

    static func sweepJob(_ tenant: TenantID, cause: String, at moment: Timestamp) throws -> NewJob {
        try NewJob(sweepKind, key: "\(tenant):\(cause)", tenant: tenant, payload: ["tenant": tenant], runAt: moment)
    }

    package func jobs() -> [JobHandler] {
        [
            JobHandler(Self.sweepKind) { delivery, act in
                guard let tenant = try delivery.decode([String: TenantID].self)["tenant"] else { throw PermanentFailure("no tenant") }
                try await sweep(tenant, cause: "\(delivery.id)", act)
            },
            JobHandler(Self.roundKind) { delivery, act in try await round(delivery, act) },
        ]
    }
    package func start(_ act: Act) async throws {
        try await store.kernel(Self.roundReason) { db in try Self.nextRound(at: act.now + .minutes(5), db, act) }
    }
    private static func nextRound(at moment: Timestamp, _ db: any KernelScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob(roundKind, key: "\(moment.seconds / 86_400)", tenant: nil, payload: [String: String](), runAt: moment), act)
    }

    /// Once a day every tenant is looked at, whatever became of its own jobs.
    private func round(_ delivery: Delivery, _ act: Act) async throws {
        var last: [UInt8] = []
        while true {
            let from = last
            let tenants: [TenantID] = try await store.kernel(Self.roundReason) { db in
                let tenants: [TenantID] = try db.rows(ProjectTable.tenants, from, 500).map { try $0.id(0) }
                for tenant in tenants { try db.enqueue(try Self.sweepJob(tenant, cause: "\(delivery.id)", at: act.now), act) }
                return tenants
            }
            guard let end = tenants.last else { break }
            last = end.uuid.bytes
        }
        try await store.kernel(Self.roundReason) { db in
            // Settled first: until then the next one is this one.
            try db.settle(delivery)
            try Self.nextRound(at: act.now + .days(1), db, act)
        }
    }

    /// Everything of the tenant that is due now, some hundred at a time; what is left, or due later, gets a job of its own.
    package func sweep(_ tenant: TenantID, cause: String, _ act: Act) async throws {
        let isHeld = try await store.kernel(Self.roundReason) { db in
            guard try !db.isHeld(tenant) else { return true }
            try db.within(tenant) { db in
                for row in try db.rows(ProjectTable.purgeable, act.now, Self.atOnce) { try Self.purge(try row.id(0), db, act) }
            }
            return false
        }
        try await store.tenant(tenant) { db in
            for object in try db.rows(ProjectFileTable.due, "declared", act.now - Self.lateness, Self.atOnce).map(FileObject.init) {
                try Self.abandon(object, db, act)
                try db.journal(
                    JournalEntry("upload.expired", subject: "project:\(object.project)", details: ["upload": .string("\(object.id)")]), act)
            }
            for row in try db.rows(ProjectTable.purging, Self.atOnce) { try Self.empty(try row.id(0), db, act) }
        }
        let dropped = try await store.tenantRead(tenant) { db in
            try db.rows(ProjectFileTable.due, "dropped", act.now, Self.atOnce).map(FileObject.init)
        }
        for object in dropped { try await letGo(object, tenant, act) }
        try await store.tenant(tenant) { db in
            for row in try db.rows(ProjectTable.purging, Self.atOnce) {
                let project: Project.ID = try row.id(0)
                guard try db.row(ProjectFileTable.countOfProject, project)?.int(0) == 0 else { continue }
                try db.run(ProjectTable.unshareAll, project)
                guard try db.row(ProjectTable.remove, project) != nil else { continue }
                try Self.tell(project, .purged, db, act)
            }
            let declared = try db.row(ProjectFileTable.nextDue, "declared").flatMap { try $0.optional(0, $0.time) }
            let dropped = try db.row(ProjectFileTable.nextDue, "dropped").flatMap { try $0.optional(0, $0.time) }
            // Under a legal hold the daily round looks again.
            let purge = isHeld ? nil : try db.row(ProjectTable.nextPurge).flatMap { try $0.optional(0, $0.time) }
            guard let next = [declared.map { $0 + Self.lateness }, dropped, purge].compactMap({ $0 }).min() else { return }
            // All that wait for one moment wait in one job; what is due already gets one of its own, since this one is not done yet.
            let cause = next > act.now ? "next:\(next.microseconds)" : "\(cause)+"
            try db.enqueue(try Self.sweepJob(tenant, cause: cause, at: max(next, act.now)), act)
        }
    }

    /// The store forgets the content, then the row goes, or waits for a second look where a writing may have been under way.
    private func letGo(_ object: FileObject, _ tenant: TenantID, _ act: Act) async throws {
        guard let shelf = shelves.shelf(object.store) else { throw FileStoreError.unavailable("\(object.store) is not at work") }
        if let upload = object.storeUpload { try await shelf.abandonUpload(FileUpload(file: object.declaration(tenant), id: upload)) }
        try await shelf.delete(object.key(tenant))
        try await store.tenant(tenant) { db in
            if try db.row(ProjectFileTable.looked, object.id, act.now + .days(1)) != nil { return }
            try db.run(ProjectFileTable.dropPieces, object.id)
            try db.run(ProjectFileTable.remove, object.id)
        }
    }

    // MARK: Inside a transaction

    static func purge(_ id: Project.ID, _ db: any TenantScope, _ act: Act) throws {
        guard let project = try find(id, db), projectLifecycle.transition(from: project.state, to: .purging) != nil else { return }
        try db.run(ProjectTable.move, id, project.state.rawValue, Project.State.purging.rawValue, SQLValue.null, act.now)
        if project.state.isShown { try db.run(ProjectTable.giveProject) }
        try db.journal(JournalEntry("project.purge_started", subject: "project:\(id)"), act)
        try empty(id, db, act)
    }

    /// Takes the names and marks the contents of a project that is purged, some hundred at a time.
    private static func empty(_ id: Project.ID, _ db: any TenantScope, _ act: Act) throws {
        try db.run(ProjectFileTable.removeFiles, id)
        for object in try db.rows(ProjectFileTable.ofProject, id, "stored", atOnce).map(FileObject.init) { try drop(object, db, act) }
        for object in try db.rows(ProjectFileTable.ofProject, id, "declared", atOnce).map(FileObject.init) { try abandon(object, db, act) }
    }

    /// A content that was a version leaves.
    static func drop(_ object: FileObject, _ db: any TenantScope, _ act: Act) throws {
        guard try db.row(ProjectFileTable.drop, object.id, "stored", act.now, 1) != nil else { return }
        try db.run(ProjectTable.free, object.bytes)
        try db.enqueue(try sweepJob(db.tenant, cause: "\(object.id):gone", at: act.now), act)
    }
    /// An upload ends without a file. A writing may land after the store was told: it is told twice.
    static func abandon(_ object: FileObject, _ db: any TenantScope, _ act: Act) throws {
        guard try db.row(ProjectFileTable.drop, object.id, "declared", act.now, 2) != nil else { return }
        try db.run(ProjectTable.release, object.bytes)
        try db.enqueue(try sweepJob(db.tenant, cause: "\(object.id):gone", at: act.now), act)
    }
}
