import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Looking at exports, and fetching one by its link.
extension Offboarding {
    /// The newest first, at most 100.
    package func exports(of tenant: TenantID) async throws -> [TenantExport] {
        try await store.tenantRead(tenant) { db in try db.rows(ExportTable.list, 100).map(TenantExport.init) }
    }
    package func export(_ id: TenantExport.ID, of tenant: TenantID) async throws -> TenantExport {
        let found = try await store.tenantRead(tenant) { db in try db.row(ExportTable.find, id).map(TenantExport.init) }
        guard let found else { throw CommonProblems.notFound }
        return found
    }

    // MARK: - The link

    private static let linkUse = "offboarding.export_link"

    /// Gives the archive to whoever has it, until it is over. Nothing is kept of it: what it says is what was signed.
    func exportLink(_ id: TenantExport.ID, of tenant: TenantID, until: Timestamp) -> String {
        let seconds = UInt64(bitPattern: until.seconds)
        let said = tenant.uuid.bytes + id.uuid.bytes + (0..<8).map { UInt8(truncatingIfNeeded: seconds >> (56 - 8 * UInt64($0))) }
        return Base64URL.encode(said + floor.sealer.digest(said, purpose: Self.linkUse))
    }
    /// The address of what is ready; nil for anything else.
    package func address(of export: TenantExport, tenant: TenantID, now: Timestamp) -> String? {
        guard export.isReady(at: now), let until = export.expiresAt else { return nil }
        return "\(Self.archivePath)?token=\(exportLink(export.id, of: tenant, until: until))"
    }
    static let archivePath = "/api/v1/exports/archive"

    private func read(link: String, now: Timestamp) -> (tenant: TenantID, export: TenantExport.ID)? {
        guard link.utf8.count <= 100, let bytes = Base64URL.decode(link), bytes.count == 72 else { return nil }
        let said = Array(bytes.prefix(40))
        guard ConstantTime.equal(Array(bytes.dropFirst(40)), floor.sealer.digest(said, purpose: Self.linkUse)) else { return nil }
        let seconds = said.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard now < Timestamp(seconds: Int64(bitPattern: seconds)) else { return nil }
        return (TenantID(UUID(bytes: Array(said.prefix(16)))), TenantExport.ID(UUID(bytes: Array(said[16..<32]))))
    }

    /// What somebody fetches.
    package struct Fetched: Sendable {
        package let export: TenantExport
        package let range: Range<Int64>
        package let isWhole: Bool
        package let read: @Sendable (_ offset: Int64) async throws -> Data
    }

    /// Each time it is fetched stands in the tenant's audit log.
    package func fetch(link: String, range header: String?, _ act: Act) async throws -> Fetched {
        guard let (tenant, id) = read(link: link, now: act.now),
            let export = try await store.tenantRead(tenant, { db in try db.row(ExportTable.find, id).map(TenantExport.init) }),
            export.isReady(at: act.now)
        else { throw OffboardingProblems.noExport }
        let wanted = try Self.range(header, of: export.bytes)
        let range = wanted ?? 0..<export.bytes
        try await store.tenant(tenant, .flushed) { db in
            try db.journal(
                JournalEntry(
                    "export.fetched", subject: "export:\(id)",
                    details: ["from": .int(range.lowerBound), "to": .int(range.upperBound - 1)]), act)
        }
        let shelf = ExportShelf(room: self, export: export, tenant: tenant, turn: export.turn, shelves: work().export.shelves)
        return Fetched(export: export, range: range, isWhole: wanted == nil) { offset in
            let bytes = try await shelf.read(at: offset)
            return Data(bytes.prefix(Int(min(Int64(bytes.count), range.upperBound - offset))))
        }
    }

    /// `bytes=FIRST-` and `bytes=FIRST-LAST` (RFC 9110, 14.2), as who goes on after a break asks; nil: the whole.
    private static func range(_ header: String?, of size: Int64) throws -> Range<Int64>? {
        guard let header, header.utf8.count <= 100, let match = header.wholeMatch(of: #/bytes=([0-9]{1,18})-([0-9]{0,18})/#) else {
            return nil
        }
        guard let first = Int64(match.1) else { return nil }
        let last = Int64(match.2) ?? size - 1
        guard first < size else { throw OffboardingProblems.exportRange.with(["size_bytes": .int(size)]) }
        guard first <= last else { return nil }
        return first..<min(last, size - 1) + 1
    }
}
