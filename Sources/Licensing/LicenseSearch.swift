import Catalog
import Foundation
import LicenseFormat
import Store
import Vocabulary

/// What the list across tenants is narrowed to; nil: to nothing.
package struct LicenseFilter: Sendable, Hashable {
    package var status: LicenseStatus?
    package var tier: String?
    package var tenant: TenantID?
    /// The last four signs of the key, as somebody reads them out.
    package var keyEnd: String?
    package init(status: LicenseStatus? = nil, tier: String? = nil, tenant: TenantID? = nil, keyEnd: String? = nil) {
        self.status = status
        self.tier = tier
        self.tenant = tenant
        self.keyEnd = keyEnd
    }
}

/// A licence in the list across tenants: nothing that says whose it is, and of its key the end alone.
package struct LicenseLine: Sendable, Hashable {
    package let id: License.ID
    package let tenant: TenantID
    package let tier: String
    package let quantity: Int
    package let terms: LicenseTerms
    package let issuedAt: Timestamp
    package let keyEnd: String
}

/// Licences of every tenant, as staff looks for them.
extension Licenses {
    private static let searching = KernelReason("licensing.search")
    private static let comparing = KernelReason("licensing.compare")
    private static let filling = KernelReason("licensing.fill_key_ends")
    static let keyEndKind = "licensing.key_ends"
    static let keyEndPurpose = "licensing.key_end"
    static let keyEndSigns = 4
    /// Licences that one request for a page looks at.
    static let mostLooked = 1_000
    private static let chunk = 200
    /// After every identifier.
    private static let beyond = [UInt8](repeating: 0xFF, count: 16)

    /// The one form of a key's end as somebody types it; nil for what ends no key.
    package static func keyEnd(_ text: String) -> String? {
        guard let signs = try? LicenseKey.signs(text), signs.count == keyEndSigns else { return nil }
        return signs
    }
    static func keyEnd(ofKey key: String) throws -> String { String(try LicenseKey.canonical(key).suffix(keyEndSigns)) }
    func keyEndDigest(_ end: String) -> [UInt8] { sealer.digest(Array(end.utf8), purpose: Self.keyEndPurpose) }

    /// A page, the newest first. It may hold fewer than asked for although more follow, where few fit the filter. Who is looked for by a key's
    /// end stands in the platform's journal; that one tenant's were looked at stands in that tenant's.
    package func search(
        _ filter: LicenseFilter, after: License.ID?, limit: Int, _ act: Act
    ) async throws -> (lines: [LicenseLine], next: License.ID?) {
        let digest = try filter.keyEnd.map { text in
            guard let end = Self.keyEnd(text) else {
                throw CommonProblems.invalid("key_end", "must be the last \(Self.keyEndSigns) signs of a key")
            }
            return keyEndDigest(end)
        }
        var lines: [LicenseLine] = []
        var position = after
        var (looked, isOver) = (0, false)
        while looked < Self.mostLooked, !isOver, lines.count < limit {
            let from = position?.uuid.bytes ?? Self.beyond
            let rows = try await store.kernelRead(Self.searching) { db in try Self.chunk(filter, digest, from, db).map(Self.line) }
            for row in rows {
                (position, looked) = (row.id, looked + 1)
                guard filter.status.map({ $0 == row.terms.status(at: act.now) }) ?? true else { continue }
                lines.append(try shown(row))
                if lines.count == limit { break }
            }
            isOver = lines.count < limit && rows.count < Self.chunk
        }
        if after == nil { try await note(filter, digest, lines, act) }
        return (lines, isOver ? nil : position)
    }

    private static func chunk(
        _ filter: LicenseFilter, _ digest: [UInt8]?, _ from: [UInt8], _ db: any KernelScope
    ) throws -> [Row] {
        let tier = filter.tier ?? ""
        if let digest {
            let tenant = filter.tenant?.uuid.bytes ?? []
            return try db.rows(LicenseTable.everyByKeyEnd, digest, from, tier, tenant, chunk)
        }
        if let tenant = filter.tenant { return try db.rows(LicenseTable.everyOfTenant, tenant, from, tier, chunk) }
        return try db.rows(LicenseTable.every, from, tier, chunk)
    }

    private struct Found: Sendable {
        let id: License.ID
        let tenant: TenantID
        let tier: String
        let quantity: Int
        let terms: LicenseTerms
        let issuedAt: Timestamp
        let keyBox: [UInt8]
    }
    private static func line(_ row: Row) throws -> Found {
        guard let standing = StandingChanged.Standing(rawValue: try row.text(4)) else {
            throw StoreFault.corrupt("a licence of unknown standing")
        }
        return Found(
            id: try row.id(0), tenant: try row.id(1), tier: try row.text(2), quantity: try row.int(3),
            terms: LicenseTerms(
                standing: standing, periodEnd: try row.optional(5, row.time), graceUntil: try row.optional(6, row.time),
                cancelsAt: try row.optional(7, row.time), revokedAt: try row.optional(8, row.time), heldAt: try row.optional(9, row.time)),
            issuedAt: try row.time(10), keyBox: try row.blob(11))
    }
    private func shown(_ row: Found) throws -> LicenseLine {
        LicenseLine(
            id: row.id, tenant: row.tenant, tier: row.tier, quantity: row.quantity, terms: row.terms, issuedAt: row.issuedAt,
            keyEnd: try keyEnd(of: row.id, row.keyBox))
    }
    private func keyEnd(of id: License.ID, _ box: [UInt8]) throws -> String {
        try Self.keyEnd(ofKey: String(decoding: try sealer.open(box, context: Self.keyContext(id)), as: UTF8.self))
    }

    private func note(_ filter: LicenseFilter, _ digest: [UInt8]?, _ lines: [LicenseLine], _ act: Act) async throws {
        if digest != nil {
            try await store.kernel(Self.searching) { db in
                try db.journal(
                    JournalEntry(
                        "license.sought_by_key_end", subject: lines.first.map { "license:\($0.id)" } ?? "license:unknown",
                        details: ["found": .int(Int64(lines.count))]), act)
            }
        }
        // A tenant that is none has nothing to see, and no journal.
        if let tenant = filter.tenant, !lines.isEmpty { try await noteSeen(tenant, act) }
    }

    // MARK: - Keys from before

    /// Also at every start, since it leaves alone what is scheduled already.
    package func start(_ act: Act) async throws {
        try await store.kernel(Self.filling) { db in try Self.nextRound(at: act.now, db, act) }
    }
    private static func nextRound(at moment: Timestamp, _ db: any KernelScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob(keyEndKind, key: "\(moment.seconds / 86_400)", tenant: nil, payload: [String: String](), runAt: moment), act)
    }

    /// Once a day: a server of before, which writes none, may have issued licences meanwhile.
    func fillKeyEnds(_ delivery: Delivery, _ act: Act) async throws {
        var last: [UInt8] = []
        while true {
            let from = last
            let done = try await store.kernel(Self.filling) { db -> [UInt8]? in
                let rows = try db.rows(LicenseTable.withoutKeyEnd, from, Self.chunk)
                for row in rows {
                    let id: License.ID = try row.id(0)
                    let end = try keyEnd(of: id, try row.blob(1))
                    try db.run(LicenseTable.fillKeyEnd, id, keyEndDigest(end))
                }
                return rows.count < Self.chunk ? nil : try rows.last.map { try $0.blob(0) }
            }
            guard let done else { break }
            last = done
        }
        try await store.kernel(Self.filling) { db in
            try db.settle(delivery)
            try Self.nextRound(at: act.now + .days(1), db, act)
        }
    }
}

extension Licenses {
    /// The licences of subscriptions that let somebody in, in the order of tenants and licences; without those of tenants that have left.
    package func paid(
        after place: (tenant: TenantID, license: License.ID)?, limit: Int
    ) async throws -> [(tenant: TenantID, license: License.ID, subscription: SubscriptionID)] {
        let nowhere = [UInt8](repeating: 0, count: 16)
        let (tenant, license) = (place?.tenant.uuid.bytes ?? nowhere, place?.license.uuid.bytes ?? nowhere)
        return try await store.kernelRead(Self.comparing) { db in
            try db.rows(LicenseTable.paid, tenant, license, limit).map { row in
                guard case .subscription(let id)? = License.Origin(text: try row.text(2)) else {
                    throw StoreFault.corrupt("a licence of unknown origin")
                }
                return (try row.id(0), try row.id(1), id)
            }
        }
    }
}
