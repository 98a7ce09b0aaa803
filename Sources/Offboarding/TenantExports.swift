import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Making an export: slice after slice, each under its own lease. Whoever dies leaves what stands; the next goes on from there.
extension Offboarding {
    static let exportJob = "offboarding.export"
    static let dropExportJob = "offboarding.drop_export"
    static let manifestName = "manifest.json"
    static let signatureName = "manifest.signature.json"
    static let listName = "files.jsonl"

    struct ExportTask: Codable, Sendable {
        let export: TenantExport.ID
        let tenant: TenantID
    }

    // MARK: - Asking

    private struct Asked: Codable, Sendable { let id: TenantExport.ID }

    /// A copy for a tenant that stays. One at a time, and so many a day.
    package func askExport(tenant: TenantID, by user: UserID, _ act: Act) async throws -> TenantExport {
        let id: TenantExport.ID = floor.entropy.id(act.now)
        let shelf = work().export.shelves.current ?? ""
        let most = floor.settings[OffboardingSettings.exportsPerDay]
        let asked = try await store.tenant(tenant, .flushed) { db in
            try db.once(act) {
                guard try db.row(ExportTable.making) == nil else { throw OffboardingProblems.exportAtWork }
                let today = try db.row(ExportTable.countSince, act.now - .days(1))?.int(0) ?? 0
                guard today < most else { throw OffboardingProblems.exportsUsedUp.with(["per_day": .int(Int64(most))]) }
                try db.run(ExportTable.insert, tenant, id, TenantExport.Cause.asked.rawValue, user, shelf, act.now)
                try db.journal(JournalEntry("export.requested", subject: "export:\(id)"), act)
                try Self.goOn(ExportTask(export: id, tenant: tenant), turn: 0, db, act)
                return Asked(id: id)
            }
        }
        return try await export(asked.id, of: tenant)
    }

    /// In nobody's name, as all jobs of the room.
    private static func goOn(_ task: ExportTask, turn: Int, _ db: any SQLScope, _ act: Act) throws {
        try db.enqueue(try NewJob(exportJob, key: "\(task.export):\(turn)", tenant: nil, payload: task, runAt: act.now), act)
    }

    func exportJobs() -> [JobHandler] {
        [
            JobHandler(Self.exportJob) { delivery, act in
                let task = try delivery.decode(ExportTask.self)
                let own = Act(actor: .system("offboarding"), requestID: act.requestID, now: act.now)
                guard try await !makeSlice(task.export, of: task.tenant, days: nil, own) else { return }
                let turn = try await export(task.export, of: task.tenant).turn
                try await store.tenant(task.tenant) { db in try Self.goOn(task, turn: turn, db, own) }
            },
            JobHandler(Self.dropExportJob) { delivery, act in
                let task = try delivery.decode(ExportTask.self)
                try await dropExport(
                    task.export, of: task.tenant, Act(actor: .system("offboarding"), requestID: act.requestID, now: act.now))
            },
        ]
    }

    // MARK: - The step of the way out

    /// The export of an offboarding has its id: it is made once, however often the step is begun. Nil when it is ready, else the turn
    /// that wrote a part of it.
    func exportStep(_ offboarding: LeavingTenant, _ act: Act) async throws -> Int? {
        let id = Self.exportID(offboarding.id)
        let tenant = offboarding.tenant
        let shelf = work().export.shelves.current ?? ""
        try await store.tenant(tenant, .flushed) { db in
            guard try db.row(ExportTable.find, id) == nil else { return }
            try db.run(ExportTable.insert, tenant, id, TenantExport.Cause.leaving.rawValue, nil as UserID?, shelf, act.now)
        }
        guard try await !makeSlice(id, of: tenant, days: offboarding.retentionDays, act) else { return nil }
        return try await export(id, of: tenant).turn
    }
    static func exportID(_ id: LeavingTenant.ID) -> TenantExport.ID { TenantExport.ID(id.uuid) }

    // MARK: - One slice

    /// True when it is ready, or over. `days`: the tenant leaves, and its export goes with it.
    func makeSlice(_ id: TenantExport.ID, of tenant: TenantID, days: Int?, _ act: Act) async throws -> Bool {
        let turn = try await store.tenant(tenant) { db in try db.row(ExportTable.turn, id)?.int(0) }
        guard let turn else { return true }
        let export = try await export(id, of: tenant)
        let work = work().export
        let shelf = ExportShelf(room: self, export: export, tenant: tenant, turn: turn, shelves: work.shelves)
        try await shelf.forget(from: export.progress.bytes)
        let sink = ArchiveSink(shelf, from: export.progress, share: work.share)
        do {
            for source in work.sources.dropFirst(export.progress.rooms) {
                await sink.enter(source.name)
                try await source.export(tenant, to: sink, act)
                try await sink.leave()
            }
            try await finish(export, tenant, sink, shelf, days: days, act)
            return true
        } catch is ArchivePause { return false }
    }

    private func finish(
        _ export: TenantExport, _ tenant: TenantID, _ sink: ArchiveSink, _ shelf: ExportShelf, days: Int?, _ act: Act
    ) async throws {
        let rest = ExportList(export: export.id, tenant: tenant, store: store)
        let listed = try await sink.own(Self.listName) { try await rest.next() }
        let count = await sink.progress.entries
        let manifest: JSONValue = [
            "kind": "coditect.tenant_export", "version": 1, "tenant_id": .string(tenant.description),
            "export_id": .string(export.id.description), "exported_at": .string(act.now.iso8601), "files": .int(Int64(count - 1)),
            "list": [
                "name": .string(listed.name), "bytes": .int(listed.size), "sha256": .string(Hex.encode(listed.sha256)),
            ],
        ]
        let message = try TypedMessage(.tenantExport, json: manifest)
        let signature = try await floor.signer.sign(message.bytes, .journal)
        let proof: JSONValue = [
            "algorithm": "ed25519", "key_id": .string(signature.keyID), "signed_prefix": "coditect:tenant-export.v1\\0",
            "signature": .string(Base64URL.encode(signature.bytes)),
        ]
        _ = try await sink.own(Self.manifestName, message.body)
        _ = try await sink.own(Self.signatureName, [UInt8](try JSONCoding.encode(proof)))
        let done = try await sink.finish { try await rest.page(from: $0) }
        let life = Int64(floor.settings[OffboardingSettings.exportDays])
        let until = act.now + .days(days.map { min(life, Int64($0)) } ?? life)
        try await store.tenant(tenant, .flushed) { db in
            guard try db.row(ExportTable.isTurn, export.id, shelf.turn) != nil else { throw ExportTaken() }
            try db.run(ExportTable.ready, export.id, done.rooms, done.pieces, done.bytes, done.entries, act.now, until)
            try db.journal(
                JournalEntry(
                    "export.made", subject: "export:\(export.id)",
                    details: [
                        "bytes": .int(done.bytes), "files": .int(Int64(done.entries)),
                        "manifest_sha256": .string(Hex.encode(Digest.sha256(message.body))),
                    ]), act)
            try mailExport(export, until: until, days: days, db, act)
            let task = ExportTask(export: export.id, tenant: tenant)
            try db.enqueue(try NewJob(Self.dropExportJob, key: "\(export.id)", tenant: nil, payload: task, runAt: until), act)
        }
    }

    /// To the owners, with the link to the archive; whoever leaves gets the link to how far it is as well.
    private func mailExport(_ export: TenantExport, until: Timestamp, days: Int?, _ db: any TenantScope, _ act: Act) throws {
        let words = days == nil ? ExportMail(template: "tenant_export") : ExportMail(template: Self.exportMail)
        let template = words.template
        let key = "\(template):\(export.id)"
        var sealed: [String: String] = [:]
        var secrets = ["download": exportLink(export.id, of: db.tenant, until: until)]
        if days != nil { secrets["token"] = linkText(LeavingTenant.ID(export.id.uuid)) }
        for (name, secret) in secrets {
            let context = MailRequested.context(template: template, name: name, key: key)
            sealed[name] = Data(try floor.sealer.seal(Array(secret.utf8), context: context)).base64EncodedString()
        }
        var values = ["until": until.iso8601]
        if let days { values["days"] = String(days) }
        try db.emit(MailRequested(recipient: .owners(db.tenant), template: template, values: values, sealed: sealed, key: key), act)
    }

    // MARK: - Its end

    /// Nothing of it lies anywhere afterwards; that there was one is kept with the tenant.
    func dropExport(_ id: TenantExport.ID, of tenant: TenantID, _ act: Act) async throws {
        guard let export = try await store.tenantRead(tenant, { db in try db.row(ExportTable.find, id).map(TenantExport.init) }),
            export.state != .over
        else { return }
        // First: nobody reads or writes any more.
        try await store.tenant(tenant, .flushed) { db in
            guard try db.row(ExportTable.over, id) != nil else { return }
            try db.journal(JournalEntry("export.ended", subject: "export:\(id)"), act)
        }
        try await clearExport(export, of: tenant)
    }

    private func clearExport(_ export: TenantExport, of tenant: TenantID) async throws {
        try await ExportShelf(room: self, export: export, tenant: tenant, turn: 0, shelves: work().export.shelves).forget(from: 0)
        while try await store.tenant(tenant, { db in try !db.rows(ExportTable.dropEntries, export.id).isEmpty }) {}
        guard !export.shelf.isEmpty else { return }
        try await work().export.shelves.deleteAll(below: ExportShelf.folder(export.id), of: tenant, on: export.shelf)
    }

    /// Before the rows go with the tenant: what lies outside of the database.
    func clearExports(of tenant: TenantID) async throws {
        let exports = try await store.tenantRead(tenant) { db in try db.rows(ExportTable.list, 10_000).map(TenantExport.init) }
        for export in exports {
            try await store.tenant(tenant, .flushed) { db in try db.run(ExportTable.over, export.id) }
            try await clearExport(export, of: tenant)
        }
    }
}

private struct ExportMail { let template: String }

/// Another attempt writes the export now.
struct ExportTaken: Error {}
