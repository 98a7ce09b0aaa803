import Store
import Vocabulary

/// What a room knows of a person: given to the person who asks for access, and named when the person is erased. Rooms to the right
/// implement it, Composition hands the list over.
package protocol PersonRecords: Sendable {
    /// `seats`: the part of the document.
    var name: String { get }
    var tables: [PersonTable] { get }
    /// The rows of the person, in these of its tenants: table → rows. At most `PersonTable.most` of a table and tenant.
    func give(_ person: UserID, in tenants: [TenantID]) async throws -> [String: [JSONValue]]
}

/// One table that tells of people.
package struct PersonTable: Sendable {
    package enum Place: Sendable { case kernel, tenant }
    /// What an erasure leaves of it.
    package enum Fate: Sendable, Hashable {
        /// The rows go, or are overwritten.
        case erased
        /// The rows stay under a bare id, which leads to nobody any more, and why. What was personal in them was sealed under the person's key.
        case bare(String)
    }
    package let name: String
    /// The column that names the person.
    package let key: String
    package let place: Place
    /// What the person is shown. Secrets and digests of secrets are not among them.
    package let shows: [String]
    package let fate: Fate
    package static let most = 10_000

    package init(_ name: String, by key: String = "user_id", _ place: Place, shows: [String], _ fate: Fate) {
        self.name = name
        self.key = key
        self.place = place
        self.shows = shows
        self.fate = fate
    }

    var give: SQL {
        SQL(
            "person.give.\(name).\(key)",
            """
            SELECT \(shows.joined(separator: ", ")) FROM \(name) WHERE \(place == .tenant ? "tenant_id = $2 AND " : "")\(key) = $1
            LIMIT \(Self.most)
            """)
    }
}

/// The usual records of a room: its tables as they stand.
package struct RoomRecords: PersonRecords {
    /// Opens a sealed field: whose, the column, the row as far as it is shown, the box.
    package typealias Open = @Sendable (UserID, String, [String: JSONValue], [UInt8]) throws -> String
    private static let reading = KernelReason("person.give_records")

    package let name: String
    package let tables: [PersonTable]
    private let store: any Store
    private let open: Open

    package init(_ name: String, store: any Store, _ tables: [PersonTable], open: @escaping Open = { _, _, _, _ in "" }) {
        self.name = name
        self.store = store
        self.tables = tables
        self.open = open
    }

    package func give(_ person: UserID, in tenants: [TenantID]) async throws -> [String: [JSONValue]] {
        var given: [String: [JSONValue]] = [:]
        for table in tables {
            var rows: [JSONValue] = []
            switch table.place {
            case .kernel: rows = try await store.kernelRead(Self.reading) { db in try read(db.rows(table.give, person), table, person) }
            case .tenant:
                for tenant in tenants {
                    rows += try await store.kernelRead(Self.reading) { db in
                        try read(db.rows(table.give, person, tenant), table, person)
                    }
                }
            }
            if !rows.isEmpty { given[table.name.hasSuffix("_all") ? String(table.name.dropLast(4)) : table.name, default: []] += rows }
        }
        return given
    }

    private func read(_ rows: [Row], _ table: PersonTable, _ person: UserID) -> [JSONValue] {
        rows.map { row in
            var members: [String: JSONValue] = [:]
            for (place, column) in table.shows.enumerated() {
                let value = row.values[place]
                if column.hasSuffix("_box"), case .blob(let box) = value {
                    // What an erased person's key sealed opens no more.
                    members[String(column.dropLast(4))] = (try? open(person, column, members, box)).map { .string($0) } ?? .null
                } else {
                    members[column] = Self.json(value, column)
                }
            }
            return .object(members)
        }
    }

    private static func json(_ value: SQLValue, _ column: String) -> JSONValue {
        switch value {
        case .null: return .null
        case .text(let text): return .string(text)
        case .integer(let number):
            let isTime = column.hasSuffix("_at") || column.hasSuffix("_until") || column == "since"
            return isTime ? .string(Timestamp(microseconds: number).iso8601) : .int(number)
        case .blob(let bytes):
            let id = bytes.count == 16 ? try? Row([value]).uuid(0).uuidString.lowercased() : nil
            return id.map { .string($0) } ?? .null
        }
    }
}
