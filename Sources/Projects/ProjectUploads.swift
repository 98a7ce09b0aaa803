import Foundation
import Store
import Tenancy
import Vocabulary

/// Uploads: declared first, so that no byte is anywhere without a row that says why.
extension Projects {
    static let mostUploads = 500
    /// A writing that began before the end may take so long still.
    static let lateness = Duration.minutes(15)

    package func declare(_ new: NewUpload, in id: Project.ID, _ principal: Principal, _ act: Act) async throws -> UploadSeen {
        let path = try FilePath(new.path)
        let hash = try Self.check(new)
        guard let (name, shelf) = shelves.current else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        let limit = try await allowed(principal.tenant, act.now).bytes ?? Int64.max
        let expires = act.now + .hours(Int64(settings[ProjectSettings.uploadHours]))
        let made = try await counted(principal.tenant) { db in
            let seen = try Self.seen(id, principal, .write, db, act.now)
            guard seen.project.state.takesFiles else { throw ProjectProblems.notActive }
            return try db.once(act) {
                guard try db.row(ProjectFileTable.countDeclared)?.int(0) ?? 0 < Self.mostUploads else {
                    throw ProjectProblems.tooManyUploads
                }
                guard try db.row(ProjectTable.reserve, new.bytes, limit) != nil else { throw try Self.bytesFull(limit, db) }
                let object: FileObject.ID = entropy.id(act.now)
                try db.run(
                    ProjectFileTable.declare, db.tenant, object, id, path.text, path.key, new.contentType, new.bytes, hash.description,
                    name,
                    principal.user, act.now, expires)
                try db.journal(
                    JournalEntry(
                        "upload.declared", subject: "project:\(id)", details: ["upload": .string("\(object)"), "bytes": .int(new.bytes)]),
                    act)
                try db.enqueue(try Self.sweepJob(db.tenant, cause: "\(object)", at: expires + Self.lateness), act)
                return object
            }
        }
        return try await upload(made, shelf, principal, isDirect: new.isDirect, act)
    }

    /// What holds for every upload into a project, told to whoever may make one.
    package func terms(in id: Project.ID, _ principal: Principal, _ act: Act) async throws -> UploadTerms {
        guard let (_, shelf) = shelves.current else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        let limit = try await allowed(principal.tenant, act.now).bytes
        let used = try await store.tenantRead(principal.tenant) { db in
            _ = try Self.seen(id, principal, .write, db, act.now)
            return try db.row(ProjectTable.usage).map(Self.usage).map { $0.storedBytes + $0.reservedBytes } ?? 0
        }
        return UploadTerms(freeBytes: limit.map { max(0, $0 - used) }, origin: try await origin(of: shelf, principal.tenant, id))
    }

    /// Where the store's own addresses lead; nil where it makes none. Nothing lies under the key that is asked for, and nobody gets the address.
    private func origin(of shelf: any FileStore, _ tenant: TenantID, _ project: Project.ID) async throws -> String? {
        guard shelf.presigns else { return nil }
        let key = FileKey(tenant: tenant.description, path: "p/\(project)/origin")
        let made = try await Self.answered {
            try await shelf.presign(PresignRequest(key: key, purpose: .read(downloadName: "origin"), lifetime: .seconds(60)))
        }
        return WebOrigin(made.url, allowingQuery: true)?.description
    }

    /// An upload under way with a fresh address, or what became of it. Seen by whoever may write in its project.
    package func upload(_ id: FileObject.ID, _ principal: Principal, _ act: Act) async throws -> UploadSeen {
        try await upload(id, nil, principal, act)
    }
    private func upload(
        _ id: FileObject.ID, _ shelf: (any FileStore)?, _ principal: Principal, isDirect: Bool = true, _ act: Act
    ) async throws -> UploadSeen {
        let (object, came, file) = try await store.tenantRead(principal.tenant) { db in
            let object = try Self.object(id, principal, db, act.now)
            let came = try db.rows(ProjectFileTable.pieces, id).map { try $0.int(0) }
            return (object, came, try object.file.flatMap { try db.row(ProjectFileTable.get, $0) }.map(ProjectFile.init))
        }
        guard object.state == .declared, let ends = object.dueAt, act.now < ends else {
            guard object.state == .stored else { throw CommonProblems.notFound }
            return UploadSeen(object: object, came: came, way: nil, file: file)
        }
        let lifetime = min(Duration.seconds(settings[ProjectSettings.addressSeconds]), ends - act.now)
        guard let keeper = shelf ?? shelves.shelf(object.store) else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        let way =
            isDirect
            ? try await way(.write, object, keeper, principal, lifetime: max(.seconds(1), lifetime), act)
            : ownWay(.write, object, principal, lifetime: max(.seconds(1), lifetime), act)
        return UploadSeen(object: object, came: came, way: way, file: nil)
    }

    /// The store's own address where it makes some, else one of this server's.
    func way(
        _ purpose: FileAddress.Purpose, _ object: FileObject, _ shelf: any FileStore, _ principal: Principal, lifetime: Duration, _ act: Act
    ) async throws -> FileWay {
        let key = object.key(principal.tenant)
        if shelf.presigns, purpose == .read || object.pieces == 1 {
            let wanted: PresignRequest.Purpose =
                purpose == .read ? .read(downloadName: object.name) : .write(object.declaration(principal.tenant))
            let made = try await Self.answered { try await shelf.presign(PresignRequest(key: key, purpose: wanted, lifetime: lifetime)) }
            return FileWay(method: made.method, url: made.url, headers: made.headers, expiresAt: made.expiresAt)
        }
        return ownWay(purpose, object, principal, lifetime: lifetime, act)
    }
    private func ownWay(
        _ purpose: FileAddress.Purpose, _ object: FileObject, _ principal: Principal, lifetime: Duration, _ act: Act
    ) -> FileWay {
        let address = FileAddress(
            purpose: purpose, tenant: principal.tenant, object: object.id, user: principal.user, bytes: object.bytes,
            expiresAt: Timestamp(seconds: (act.now + lifetime).seconds))
        return FileWay(
            method: purpose.method, url: "\(FileAddress.path)/\(object.id)?\(address.query(sealer))", headers: [:],
            expiresAt: address.expiresAt)
    }

    /// Bytes that came under an address of this server's: the whole of a small file, which completes it, or one piece of a large one.
    package func take(_ content: Data, piece number: Int, under address: FileAddress, _ act: Act) async throws -> UploadSeen {
        guard FileAddress.pieceBytes(number, of: address.bytes) == Int64(content.count) else { throw ProjectProblems.mismatch }
        let principal = try await holder(of: address, act)
        let object = try await store.tenantRead(address.tenant) { db in
            guard try db.row(ProjectTable.usage).map(Self.usage)?.isClosed == false else { throw ProjectProblems.address }
            return try Self.object(address.object, principal, db, act.now)
        }
        if object.state == .stored { return try await upload(object.id, principal, act) }
        guard object.state == .declared, let ends = object.dueAt, act.now < ends else { throw CommonProblems.notFound }
        guard let shelf = shelves.shelf(object.store) else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        if object.pieces == 1 {
            guard ContentHash(of: content) == object.hash else { throw ProjectProblems.mismatch }
            try await judge(object, head: content, tail: content, address.tenant, act)
            let file = FileContent(file: object.declaration(address.tenant), content: content)
            _ = try await Self.answered { try await shelf.put(file) }
            return try await keep(object, principal, act)
        }
        let digest = Data(PluginDigest.sha256(content))
        let upload = FileUpload(file: object.declaration(address.tenant), id: try await begun(object, shelf, address.tenant))
        let receipt = try await Self.answered {
            try await shelf.putPart(FilePiece(upload: upload, number: number, content: content, digest: digest))
        }
        try await counted(address.tenant) { db in
            guard try Self.object(object.id, principal, db, act.now).state == .declared else { throw CommonProblems.notFound }
            if try db.row(ProjectFileTable.replacePiece, object.id, number, digest, receipt.token) == nil {
                try db.run(ProjectFileTable.keepPiece, db.tenant, object.id, number, digest, receipt.token)
            }
        }
        return try await self.upload(object.id, principal, act)
    }

    /// The store's upload of this object; of two that begin one at once one is let go.
    private func begun(_ object: FileObject, _ shelf: any FileStore, _ tenant: TenantID) async throws -> String {
        if let known = object.storeUpload { return known }
        let file = object.declaration(tenant)
        let fresh = try await Self.answered { try await shelf.beginUpload(file) }
        let kept = try await store.tenant(tenant) { db -> String? in
            if try db.row(ProjectFileTable.begun, object.id, fresh) != nil { return fresh }
            return try db.row(ProjectFileTable.one, object.id).map(FileObject.init)?.storeUpload
        }
        if kept != fresh { try? await shelf.abandonUpload(FileUpload(file: file, id: fresh)) }
        guard let kept else { throw CommonProblems.notFound }
        return kept
    }

    /// Proves what the store has against what was declared, looks at the content, and makes it the file's newest version.
    package func complete(_ id: FileObject.ID, _ principal: Principal, _ act: Act) async throws -> UploadSeen {
        let (object, receipts) = try await store.tenantRead(principal.tenant) { db in
            let receipts = try db.rows(ProjectFileTable.pieces, id).map {
                PieceReceipt(number: try $0.int(0), digest: Data(try $0.blob(1)), token: try $0.text(2))
            }
            return (try Self.object(id, principal, db, act.now), receipts)
        }
        if object.state == .stored { return try await upload(id, principal, act) }
        guard object.state == .declared, let ends = object.dueAt, act.now < ends else { throw CommonProblems.notFound }
        guard let shelf = shelves.shelf(object.store) else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        // Whoever asked may go away meanwhile; what was begun is brought to its end.
        return try await Task {
            try await prove(object, receipts, shelf, principal.tenant)
            let tail = max(0, object.bytes - Int64(ContentRule.tailBytes))
            let key = object.key(principal.tenant)
            let (head, end) = try await Self.answered {
                (
                    try await shelf.read(FileReading(key: key, offset: 0, length: ContentRule.headBytes)).content,
                    try await shelf.read(FileReading(key: key, offset: tail, length: ContentRule.tailBytes)).content
                )
            }
            try await judge(object, head: head, tail: end, principal.tenant, act)
            return try await keep(object, principal, act)
        }.value
    }

    private func prove(_ object: FileObject, _ receipts: [PieceReceipt], _ shelf: any FileStore, _ tenant: TenantID) async throws {
        let declared = object.declaration(tenant)
        if object.pieces == 1 {
            do {
                let found = try await shelf.head(declared.key)
                guard found.file == declared else { throw ProjectProblems.mismatch }
            } catch FileStoreError.unknownFile {
                throw ProjectProblems.incomplete.with(["missing": [1]])
            } catch let error as FileStoreError { throw Self.problem(error) }
            return
        }
        let came = Set(receipts.map(\.number))
        let missing = (1...object.pieces).filter { !came.contains($0) }
        guard missing.isEmpty, let upload = object.storeUpload else {
            throw ProjectProblems.incomplete.with(["missing": .array(missing.prefix(100).map { .int(Int64($0)) })])
        }
        guard ContentHash(ofPieces: receipts.map(\.digest)) == object.hash else { throw ProjectProblems.mismatch }
        _ = try await Self.answered {
            try await shelf.finishUpload(UploadEnd(upload: FileUpload(file: declared, id: upload), receipts: receipts))
        }
    }

    /// A content that is not what it says leaves at once, with its upload.
    private func judge(_ object: FileObject, head: Data, tail: Data, _ tenant: TenantID, _ act: Act) async throws {
        guard let fault = ContentRule.fault(type: object.contentType, bytes: object.bytes, head: head, tail: tail) else { return }
        try await store.tenant(tenant) { db in
            try Self.abandon(object, db, act)
            try db.journal(
                JournalEntry(
                    "upload.refused", subject: "project:\(object.project)", outcome: .denied,
                    details: ["upload": .string("\(object.id)"), "reason": .string(fault)]), act)
        }
        throw ProjectProblems.content.with(["reason": .string(fault)])
    }

    private func keep(_ object: FileObject, _ principal: Principal, _ act: Act) async throws -> UploadSeen {
        let versions = settings[ProjectSettings.versions]
        try await counted(principal.tenant) { db in
            guard let project = try Self.find(object.project, db), project.state.takesFiles else { throw ProjectProblems.notActive }
            guard let now = try db.row(ProjectFileTable.one, object.id).map(FileObject.init), now.state == .declared else { return }
            var file: ProjectFile.ID = entropy.id(act.now)
            var version = 1
            if let known = try db.row(ProjectFileTable.at, object.project, object.pathKey) {
                file = try known.id(0)
                guard let row = try db.row(ProjectFileTable.replace, file, object.path, object.id, act.now) else {
                    throw CommonProblems.notFound
                }
                version = try row.int(0)
            } else {
                try db.run(ProjectFileTable.insert, db.tenant, file, object.project, object.path, object.pathKey, object.id, act.now)
            }
            try db.run(ProjectFileTable.complete, object.id, file, version)
            try db.run(ProjectTable.keep, object.bytes)
            for old in try db.rows(ProjectFileTable.old, file, version - versions, 100).map(FileObject.init) { try Self.drop(old, db, act) }
            try db.journal(
                JournalEntry(
                    "file.stored", subject: "file:\(file)",
                    details: [
                        "project": .string("\(object.project)"), "version": .int(Int64(version)), "bytes": .int(object.bytes),
                        "hash": .string(object.hash.description),
                    ]), act)
            try db.emit(
                ProjectFileChanged(
                    tenant: db.tenant, project: object.project, file: file, step: .stored, version: version, bytes: object.bytes,
                    hash: object.hash.description), act)
        }
        return try await upload(object.id, principal, act)
    }

    /// Its maker gives an upload up; what came of it is removed.
    package func abandon(_ id: FileObject.ID, _ principal: Principal, _ act: Act) async throws {
        try await store.tenant(principal.tenant) { db in
            let object = try Self.object(id, principal, db, act.now)
            guard object.state == .declared else { throw CommonProblems.notFound }
            try Self.abandon(object, db, act)
            try db.journal(
                JournalEntry("upload.abandoned", subject: "project:\(object.project)", details: ["upload": .string("\(id)")]), act)
        }
    }

    // MARK: What all use

    private static func check(_ new: NewUpload) throws(Problem) -> ContentHash {
        func refuse(_ reason: String) -> Problem { ProjectProblems.declaration.with(["reason": .string(reason)]) }
        guard FileDeclaration.isType(new.contentType), (3...100).contains(new.contentType.utf8.count) else {
            throw refuse("content_type is two lower-case words with a slash between them, without parameters")
        }
        guard (0...FileStoreLimits.maxFileBytes).contains(new.bytes) else {
            throw refuse("a file has 0 to \(FileStoreLimits.maxFileBytes) bytes")
        }
        let pieces = max(1, Int((new.bytes + Int64(FileStoreLimits.partBytes) - 1) / Int64(FileStoreLimits.partBytes)))
        guard let hash = ContentHash(new.hash), hash.pieces == pieces else {
            throw refuse(
                "hash is the SHA-256 in lower-case hexadecimal; above \(FileStoreLimits.partBytes) bytes that of its pieces' SHA-256, then - and their number"
            )
        }
        return hash
    }
    private static func bytesFull(_ limit: Int64, _ db: any TenantScope) throws -> Problem {
        let usage = try db.row(ProjectTable.usage).map(usage) ?? ProjectUsage()
        if usage.isClosed { return ProjectProblems.closed }
        return ProjectProblems.bytesFull.with([
            "limit_bytes": .int(limit), "used_bytes": .int(usage.storedBytes + usage.reservedBytes),
        ])
    }

    /// An object of a project in which the caller may write; anything else is not there.
    static func object(_ id: FileObject.ID, _ principal: Principal, _ db: any TenantScope, _ now: Timestamp) throws -> FileObject {
        guard let object = try db.row(ProjectFileTable.one, id).map(FileObject.init) else { throw CommonProblems.notFound }
        _ = try seen(object.project, principal, .write, db, now)
        return object
    }

    /// Who got the address, as that person is now, and from where the tenant lets its people in.
    func holder(of address: FileAddress, _ act: Act) async throws -> Principal {
        guard let place = try await tenancy.standing(of: address.user, in: address.tenant), place.isActive(at: act.now),
            place.admits(act.address, at: act.now)
        else {
            throw ProjectProblems.address
        }
        let member = place.membership
        return Principal(
            user: member.user, tenant: member.tenant, membership: member.id, session: AuthSessionID(member.id.uuid),
            role: member.role.rawValue,
            bounds: Principal.Bounds(scope: member.scope, endsAt: member.endsAt))
    }

    /// A store's failures in the words of the API; what an operator must mend stays a fault.
    static func answered<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as FileStoreError { throw problem(error) }
    }
    static func problem(_ error: FileStoreError) -> any Error {
        switch error {
        case .unavailable, .unknown, .full: ProjectProblems.store.retry(afterSeconds: 5)
        case .mismatch, .tooLarge: ProjectProblems.mismatch
        case .unknownFile: CommonProblems.notFound
        default: error
        }
    }
}
