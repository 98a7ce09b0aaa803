import Foundation
import Store
import Vocabulary

/// What a room gives to an export where rows say all of it: each kind is a table, read in pages in the order of its key.
package struct RowExport: ExportSource {
    package enum Value: Sendable {
        case id, text, time, integer, boolean
        /// Bytes that order the rows and are told to nobody: a digest.
        case hidden
        /// Bytes in hexadecimal: a hash that is public.
        case hex
        /// JSON kept as text; what is none is given as the text that it is.
        case json
        /// Opened for its owner; nil where it opens no more. Reads what it needs from the row.
        case sealed(@Sendable (_ box: [UInt8], _ row: Row) -> String?)
    }

    /// One table's rows, as one file.
    package struct Kind: Sendable {
        let name: String
        let table: String
        let columns: [(name: String, value: Value)]
        let keys: Int
        let isKernel: Bool
        let statement: SQL

        /// - Parameters:
        ///   - table: As the kernel calls it: `license_all` is read in the tenant's scope, a name without the suffix in the kernel's.
        ///   - keys: So many columns at the front tell the tenant's rows apart and order them.
        package init(_ name: String, _ table: String, keys: Int = 1, _ columns: [(String, Value)]) {
            self.name = name
            self.table = table
            self.columns = columns.map { (name: $0.0, value: $0.1) }
            self.keys = keys
            isKernel = !table.hasSuffix("_all")
            let view = isKernel ? table : String(table.dropLast(4))
            let names = self.columns.map(\.name)
            let key = names.prefix(keys).joined(separator: ", ")
            let first = isKernel ? 2 : 1
            let marks = (first..<first + keys).map { "$\($0)" }.joined(separator: ", ")
            statement = SQL(
                "tenancy.export.\(table)",
                """
                SELECT \(names.joined(separator: ", ")) FROM \(view) WHERE \(isKernel ? "tenant_id = $1 AND " : "")(\(key)) > (\(marks))
                ORDER BY \(key) LIMIT \(RowExport.page)
                """)
        }

        /// Before every row.
        var start: [SQLValue] {
            columns.prefix(keys).map { column in
                switch column.value {
                case .text, .json: .text("")
                case .time, .integer, .boolean: .integer(Int64.min)
                case .id, .hex, .hidden, .sealed: .blob([])
                }
            }
        }
    }
    package typealias More = @Sendable (TenantID, any ExportSink, Act) async throws -> Void
    static let page = 200
    private static let reading = KernelReason("tenancy.export_rows")

    package let name: String
    package let given: [String]
    private let store: any Store
    private let kinds: [Kind]
    private let more: More

    /// - Parameter more: What no table says by itself; it names the tables that it reads in `others`.
    package init(
        _ name: String, store: any Store, _ kinds: [Kind], others: [String] = [], more: @escaping More = { _, _, _ in }
    ) {
        self.name = name
        self.store = store
        self.kinds = kinds
        self.more = more
        given = kinds.map(\.table) + others
    }

    package func export(_ tenant: TenantID, to sink: any ExportSink, _ act: Act) async throws {
        for kind in kinds {
            var after = kind.start
            while true {
                let from = after
                let rows =
                    kind.isKernel
                    ? try await store.kernelRead(Self.reading) { db in try db.rows(kind.statement, [tenant] + from) }
                    : try await store.tenantRead(tenant) { db in try db.rows(kind.statement, from) }
                for row in rows { try await sink.record(kind.name, try Self.object(row, kind)) }
                guard rows.count == Self.page, let last = rows.last else { break }
                after = Array(last.values.prefix(kind.keys))
            }
        }
        try await more(tenant, sink, act)
    }

    private static func object(_ row: Row, _ kind: Kind) throws -> JSONValue {
        var members: [String: JSONValue] = [:]
        for (index, column) in kind.columns.enumerated() {
            if case .hidden = column.value { continue }
            let name = column.name.hasSuffix("_box") ? String(column.name.dropLast(4)) : column.name
            members[name] = row.isNull(index) ? .null : try value(row, index, column.value)
        }
        return .object(members)
    }

    private static func value(_ row: Row, _ index: Int, _ value: Value) throws -> JSONValue {
        switch value {
        case .id: .string(try row.uuid(index).uuidString.lowercased())
        case .text: .string(try row.text(index))
        case .time: .string(try row.time(index).iso8601)
        case .integer: .int(try row.integer(index))
        case .boolean: .bool(try row.bool(index))
        case .hex: .string(try row.blob(index).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined())
        case .json: json(try row.text(index))
        case .hidden: .null
        case .sealed(let open): open(try row.blob(index), row).map(JSONValue.string) ?? .null
        }
    }

    private static func json(_ text: String) -> JSONValue { (try? JSONCoding.decode(JSONValue.self, Data(text.utf8))) ?? .string(text) }
}
