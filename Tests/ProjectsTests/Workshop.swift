import Foundation
import RoomTesting
import Store
import Tenancy
import Vocabulary

@testable import Projects

/// A file store in memory, which fails where a test says: before it did what was asked, or after.
final class PaperShelf: FileStore, @unchecked Sendable {  // every access goes through Guarded
    struct Died: Error {}
    struct State {
        var files: [String: (file: StoredFile, content: Data)] = [:]
        var uploads: [String: (file: FileDeclaration, pieces: [Int: Data])] = [:]
        var calls = 0
        /// The process ends at this call: before its effect, or after it.
        var diesAt: Int?
        var diesAfter = false
        var isDown = false
    }
    let state = Guarded(State())
    let presigns: Bool
    init(presigns: Bool = false) { self.presigns = presigns }

    private func work<Value>(_ effect: (inout State) throws -> Value) throws -> Value {
        try state.with { state in
            state.calls += 1
            if state.isDown { throw FileStoreError.unavailable("down") }
            guard state.diesAt == state.calls else { return try effect(&state) }
            if state.diesAfter { _ = try effect(&state) }
            throw Died()
        }
    }
    private static func name(_ key: FileKey) -> String { "\(key)" }

    func put(_ file: FileContent) async throws -> StoredFile {
        try file.check()
        return try work { state in
            let stored = StoredFile(file: file.file, storedAt: Timestamp(seconds: 1))
            state.files[Self.name(file.file.key)] = (stored, file.content)
            return stored
        }
    }
    func head(_ key: FileKey) async throws -> StoredFile {
        try work { state in
            guard let found = state.files[Self.name(key)] else { throw FileStoreError.unknownFile("\(key)") }
            return found.file
        }
    }
    func read(_ request: FileReading) async throws -> FilePart {
        try work { state in
            guard let found = state.files[Self.name(request.key)] else { throw FileStoreError.unknownFile("\(request.key)") }
            return FilePart(file: found.file, content: Data(found.content.dropFirst(Int(request.offset)).prefix(request.length)))
        }
    }
    func delete(_ key: FileKey) async throws { try work { state in state.files[Self.name(key)] = nil } }
    func list(_ request: FileListing) async throws -> FilePage {
        try work { state in
            let home = request.tenant + "/"
            let paths = state.files.keys.filter { $0.hasPrefix(home + request.prefix) }.map { String($0.dropFirst(home.count)) }.sorted()
            let left = paths.filter { path in request.after.map { $0 < path } ?? true }
            return FilePage(files: left.prefix(request.limit).map { ListedFile(path: $0, bytes: 1) }, hasMore: left.count > request.limit)
        }
    }
    func beginUpload(_ file: FileDeclaration) async throws -> String {
        try work { state in
            let id = "upload-\(state.calls)"
            state.uploads[id] = (file, [:])
            return id
        }
    }
    func putPart(_ part: FilePiece) async throws -> PieceReceipt {
        try part.check()
        return try work { state in
            guard state.uploads[part.upload.id]?.file == part.upload.file else { throw FileStoreError.unknownFile("upload") }
            state.uploads[part.upload.id]?.pieces[part.number] = part.content
            return PieceReceipt(number: part.number, digest: part.digest, token: "t\(part.number)")
        }
    }
    func finishUpload(_ end: UploadEnd) async throws -> StoredFile {
        try end.check()
        return try work { state in
            if let found = state.files[Self.name(end.upload.file.key)], found.file.file == end.upload.file { return found.file }
            guard let upload = state.uploads.removeValue(forKey: end.upload.id) else { throw FileStoreError.unknownFile("upload") }
            let content = upload.pieces.sorted { $0.key < $1.key }.reduce(Data()) { $0 + $1.value }
            let stored = StoredFile(file: upload.file, storedAt: Timestamp(seconds: 1))
            state.files[Self.name(upload.file.key)] = (stored, content)
            return stored
        }
    }
    func abandonUpload(_ upload: FileUpload) async throws { try work { state in state.uploads[upload.id] = nil } }
    func presign(_ request: PresignRequest) async throws -> PresignedAddress {
        try work { _ in
            PresignedAddress(
                url: "https://store.test/\(request.key)", method: "PUT", headers: ["x-a": "b"], expiresAt: Timestamp(seconds: 1_800_000_900)
            )
        }
    }
    var names: [String] { state.with { $0.files.keys.sorted() } }
}

struct PaperShelves: FileShelves {
    let paper: PaperShelf
    var current: (name: String, store: any FileStore)? { ("paper", paper) }
    func shelf(_ name: String) -> (any FileStore)? { name == "paper" ? paper : nil }
}

/// One tenant with an owner and whoever joins it, over a real store.
struct Workshop {
    let test: TestStore
    let paper: PaperShelf
    let tenancy: Tenancy
    let teams: Teams
    let room: Projects
    let tenant: TenantID
    let owner: Principal
    let allowed: Guarded<ProjectAllowance>

    init(_ settings: Settings = Settings(), presigns: Bool = false, projects: Int64? = nil, bytes: Int64? = nil, seed: UInt64 = 1)
        async throws
    {
        let test = try await TestStore.make(
            migrations: try TenancyRoom.migrations() + ProjectsRoom.migrations(),
            topics: [ProjectChanged.topic: ["paper"], ProjectFileChanged.topic: ["paper"]], seed: seed)
        let tenancy = Tenancy(store: test.store, sealer: test.sealer, entropy: test.entropy, settings: Settings())
        let paper = PaperShelf(presigns: presigns)
        let allowed = Guarded(ProjectAllowance(projects: projects, bytes: bytes))
        (self.test, self.tenancy, self.paper, self.allowed) = (test, tenancy, paper, allowed)
        teams = Teams(store: test.store, tenancy: tenancy, entropy: test.entropy)
        room = Projects(
            store: test.store, tenancy: tenancy, shelves: PaperShelves(paper: paper), sealer: test.sealer, entropy: test.entropy,
            settings: settings, allowance: { _, _ in allowed.with { $0 } })
        let act = test.act()
        let user = UserID(UUID())
        let founded = try await test.store.kernel(KernelReason("test.found")) { db in
            let made = try tenancy.found(
                Tenancy.Founding(kind: .organization, name: "Works", owner: user, origin: "sign_up"), in: db, act)
            return [made.tenant.uuid, made.membership.uuid]
        }
        tenant = TenantID(founded[0])
        owner = Workshop.principal(user, tenant, MembershipID(founded[1]), .owner)
    }

    private static func principal(
        _ user: UserID, _ tenant: TenantID, _ membership: MembershipID, _ role: Role, scope: [String]? = nil, endsAt: Timestamp? = nil
    ) -> Principal {
        Principal(
            user: user, tenant: tenant, membership: membership, session: AuthSessionID(UUID()), role: role.rawValue,
            bounds: Principal.Bounds(scope: scope, endsAt: endsAt))
    }
    func join(_ role: Role, scope: [String]? = nil, endsAt: Timestamp? = nil) async throws -> Principal {
        let (act, user, tenancy, tenant) = (test.act(), UserID(UUID()), tenancy, tenant)
        let membership = try await test.store.kernel(KernelReason("test.join")) { db in
            try tenancy.admit(
                Admission(user: user, role: role, scope: scope, endsAt: endsAt, origin: "invitation"), to: tenant, in: db, act)?.id
        }
        guard let membership else { throw CommonProblems.notFound }
        return Workshop.principal(user, tenant, membership, role, scope: scope, endsAt: endsAt)
    }

    func project(_ name: String = "Engine") async throws -> Project.ID {
        // Ids are in the order of their moments.
        test.clock.advance(by: .milliseconds(1))
        return try await room.create(name: name, summary: "", owner, test.act()).project.id
    }
    func declared(
        _ path: String, _ content: Data, type: String = "application/octet-stream", in project: Project.ID, by principal: Principal? = nil
    ) async throws -> UploadSeen {
        let pieces = stride(from: 0, to: max(1, content.count), by: FileStoreLimits.partBytes).map {
            Data(PluginDigest.sha256(Data(content.dropFirst($0).prefix(FileStoreLimits.partBytes))))
        }
        let hash = content.isEmpty ? ContentHash(of: content) : ContentHash(ofPieces: pieces)
        return try await room.declare(
            NewUpload(path: path, contentType: type, bytes: Int64(content.count), hash: hash.description), in: project, principal ?? owner,
            test.act())
    }
    /// The signed address of an upload, as a client sends it back.
    func address(_ seen: UploadSeen, _ purpose: FileAddress.Purpose = .write) throws -> FileAddress {
        guard let url = seen.way?.url, let address = Self.read(url, purpose, test) else { throw CommonProblems.notFound }
        return address
    }
    static func read(_ url: String, _ purpose: FileAddress.Purpose, _ test: TestStore) -> FileAddress? {
        guard let parts = URLComponents(string: url) else { return nil }
        let query = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { first, _ in first }
        return FileAddress(
            purpose, object: parts.path.split(separator: "/").last.map(String.init) ?? "", query: query, sealer: test.sealer,
            now: test.clock.now())
    }
    @discardableResult
    func store(
        _ path: String, _ content: Data, type: String = "application/octet-stream", in project: Project.ID, by principal: Principal? = nil
    )
        async throws -> UploadSeen
    {
        let seen = try await declared(path, content, type: type, in: project, by: principal)
        return try await room.take(content, piece: 1, under: try address(seen), test.act())
    }
    func read(_ file: ProjectFile.ID, version: Int? = nil, range: String? = nil, by principal: Principal? = nil) async throws -> Data {
        let found = try await room.download(file, version: version, range: range, principal ?? owner, test.act())
        var content = Data()
        while Int64(content.count) < found.range.count { content += try await found.read(found.range.offset + Int64(content.count)) }
        return content
    }
    func usage() async throws -> ProjectUsage { try await room.usage(owner, test.act()).usage }
    func refusal(_ body: () async throws -> Void) async -> String? {
        do { try await body() } catch { return (error as? Problem)?.code ?? "\(error)" }
        return nil
    }
    /// Everything that is due until nothing is, day after day.
    func pass(days: Int) async throws {
        for _ in 0..<days {
            test.clock.advance(by: .days(1))
            try await test.runDue(handlers: room.jobs(), subscribers: Self.deaf)
        }
    }
    static let deaf = [
        EventSubscriber(ProjectChanged.self, subscriber: "paper") { _, _, _ in },
        EventSubscriber(ProjectFileChanged.self, subscriber: "paper") { _, _, _ in },
    ]
    func rows() async throws -> [FileObject] {
        try await test.store.tenantRead(tenant) { db in
            try ["declared", "stored", "dropped"].flatMap { state in
                try db.rows(SQL("test.objects", "SELECT object_id FROM project_object WHERE state = $1"), state).map {
                    try $0.id(0) as FileObject.ID
                }
            }.compactMap { try db.row(ProjectFileTable.one, $0).map(FileObject.init) }
        }
    }
    func journal() async throws -> [String] {
        try await test.store.kernelRead(KernelReason("test.journal")) { db in
            try db.rows(SQL("test.journal", "SELECT action FROM journal_entry_all ORDER BY 1")).map { try $0.text(0) }
        }
    }
}
