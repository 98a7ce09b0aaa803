import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// A copy of everything that is known of a tenant, for its owners.
package struct TenantExport: Sendable, Hashable {
    package typealias ID = Identifier<TenantExport>
    package enum Cause: String, Sendable, CaseIterable { case leaving, asked }
    package enum State: String, LifecycleState { case making, ready, over }

    package let id: ID
    package let cause: Cause
    package let askedBy: UserID?
    package let state: State
    /// The file store that holds it; empty: the database does.
    let shelf: String
    let turn: Int
    let progress: ArchiveProgress
    package let askedAt: Timestamp
    package let madeAt: Timestamp?
    package let expiresAt: Timestamp?
    package var bytes: Int64 { progress.bytes }
    package var files: Int { progress.entries }

    init(_ row: Row) throws {
        id = try row.id(0)
        guard let cause = Cause(rawValue: try row.text(1)), let state = State(rawValue: try row.text(3)) else {
            throw StoreFault.corrupt("tenant_export: a word that this program does not know")
        }
        self.cause = cause
        askedBy = try row.optional(2, row.id)
        self.state = state
        shelf = try row.text(4)
        turn = try row.int(5)
        progress = ArchiveProgress(rooms: try row.int(6), pieces: try row.int(7), bytes: try row.integer(8), entries: try row.int(9))
        askedAt = try row.time(10)
        madeAt = try row.optional(11, row.time)
        expiresAt = try row.optional(12, row.time)
    }

    package func isReady(at now: Timestamp) -> Bool { state == .ready && expiresAt.map { now < $0 } == true }
}

/// Where the pieces of exports lie outside of the database; Composition hands over the file store that is at work.
package protocol ExportShelves: Sendable {
    /// Nil: exports lie in the database.
    var current: String? { get }
    func put(_ bytes: [UInt8], _ path: String, of tenant: TenantID, on shelf: String) async throws
    func read(_ path: String, bytes: Int, of tenant: TenantID, on shelf: String) async throws -> [UInt8]
    /// No error where nothing was.
    func delete(_ path: String, of tenant: TenantID, on shelf: String) async throws
    /// Everything below `prefix`, as far as the store can say.
    func deleteAll(below prefix: String, of tenant: TenantID, on shelf: String) async throws
}

/// What an export is made of, handed over by Composition.
package struct ExportWork: Sendable {
    /// From left to right; an export that is under way expects the same ones when it goes on.
    package let sources: [any ExportSource]
    package let shelves: any ExportShelves
    /// What one attempt writes before it lets the next go on.
    var share = ArchiveSink.Share()
    package init(sources: [any ExportSource], shelves: any ExportShelves) {
        self.sources = sources
        self.shelves = shelves
    }
}

/// The declared life of an export.
package let exportLifecycle = Lifecycle<TenantExport.State>(
    "Tenant export", "A copy of everything that is known of a tenant.", initial: [.making],
    [
        Transition(
            "finish", "finished", from: [.making], to: .ready, by: [.kernel], why: "every room gave what it has; the manifest is signed"),
        Transition(
            "end", "ended", from: [.making, .ready], to: .over, by: [.time, .kernel], why: "its time is over, or the tenant is deleted"),
    ])
