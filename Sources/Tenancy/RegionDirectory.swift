import Foundation
import Store
import Vocabulary

/// The directory that all regions share: tenant → region, keyed digest of a mail address → region and account. Small, and nothing in it
/// says who somebody is.
package struct RegionDirectory: Sendable {
    package struct Holder: Sendable, Hashable {
        package let region: Region
        package let user: UserID
    }
    private let store: any Store
    /// Throws what keeps its database closed; asked before each use.
    private let open: @Sendable () async throws -> Void
    private let failed: @Sendable (any Error) -> Void
    /// Of a canonical mail address, under the directory's key.
    let digestOf: @Sendable (String) -> [UInt8]

    private static let reading = KernelReason("directory.read")
    private static let writing = KernelReason("directory.write")

    package init(
        store: any Store, open: @escaping @Sendable () async throws -> Void, failed: @escaping @Sendable (any Error) -> Void = { _ in },
        digest: @escaping @Sendable (String) -> [UInt8]
    ) {
        self.failed = failed
        self.store = store
        self.open = open
        digestOf = digest
    }
    private func read<Value: Sendable>(_ body: @escaping @Sendable (any KernelScope) throws -> Value) async throws -> Value {
        do {
            try await open()
            return try await store.kernelRead(Self.reading, body)
        } catch {
            failed(error)
            throw error
        }
    }
    private func write<Value: Sendable>(_ body: @escaping @Sendable (any KernelScope) throws -> Value) async throws -> Value {
        do {
            try await open()
            return try await store.kernel(Self.writing, .flushed, body)
        } catch {
            failed(error)
            throw error
        }
    }

    package static func migrations() throws -> [Migration] {
        try Migration.all(room: "directory", bundle: .module, folder: "DirectoryMigrations")
    }

    package func holder(of mail: String) async throws -> Holder? {
        let digest = digestOf(mail)
        return try await read { db in try Self.holder(digest, in: db) }
    }
    package func region(of tenant: TenantID) async throws -> Region? {
        try await read { db in
            try db.row(DirectoryTable.tenant, tenant).flatMap { Region(rawValue: try $0.text(0)) }
        }
    }
    /// How many tenants and accounts it leads to a region.
    package func counts(_ region: Region) async throws -> (tenants: Int, accounts: Int) {
        try await read { db in
            guard let row = try db.row(DirectoryTable.counts, region.rawValue) else { return (0, 0) }
            return (try row.int(0), try row.int(1))
        }
    }

    /// Who holds the digest now: whoever came first. Repeating it changes nothing.
    func claim(_ digest: [UInt8], region: Region, user: UserID, _ now: Timestamp) async throws -> Holder {
        try await write { db in
            try db.run(DirectoryTable.claimMail, digest, region.rawValue, user, now)
            guard let holder = try Self.holder(digest, in: db) else { throw StoreFault.corrupt("mail_region_directory") }
            return holder
        }
    }
    func release(_ digest: [UInt8], region: Region, user: UserID) async throws {
        try await write { db in try db.run(DirectoryTable.releaseMail, digest, region.rawValue, user) }
    }
    package func route(_ tenant: TenantID, to region: Region) async throws {
        try await write { db in try db.run(DirectoryTable.routeTenant, tenant, region.rawValue) }
    }

    /// What leads to a region since before `before`, in the order of the digests.
    func mails(of region: Region, after digest: [UInt8], before: Timestamp, limit: Int) async throws -> [(digest: [UInt8], user: UserID)] {
        try await read { db in
            try db.rows(DirectoryTable.mailsOf, region.rawValue, digest, before, limit).map { (try $0.blob(0), try $0.id(1)) }
        }
    }

    private static func holder(_ digest: [UInt8], in db: any KernelScope) throws -> Holder? {
        guard let row = try db.row(DirectoryTable.mail, digest) else { return nil }
        guard let region = Region(rawValue: try row.text(0)) else { throw StoreFault.corrupt("mail_region_directory.region") }
        return Holder(region: region, user: try row.id(1))
    }
}
