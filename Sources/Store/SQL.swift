import Foundation
import Vocabulary

/// One named statement. Every statement of a room stands in its `…Table.swift`; parameters are `$1`, `$2`, … in both engines.
package struct SQL: Sendable, Hashable {
    /// `seats.insert_lease`: how it is called in metrics, plans and tests.
    package let name: String
    package let text: String
    /// The text for PostgreSQL, where the engines need two: this one says the same in its dialect.
    package let postgres: String
    /// Over PostgreSQL the statement before did it already: there it is not sent, and answers no rows.
    package let isForSQLite: Bool
    package init(_ name: String, _ text: String, postgres: String? = nil, isForSQLite: Bool = false) {
        self.name = name
        self.text = text
        self.postgres = postgres ?? text
        self.isForSQLite = isForSQLite
    }
    /// By the name alone: statements are looked up at each use, and texts are long.
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// What crosses to the database.
package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])
}

package protocol SQLBindable: Sendable { var sqlValue: SQLValue { get } }
extension SQLValue: SQLBindable { package var sqlValue: SQLValue { self } }
extension Int: SQLBindable { package var sqlValue: SQLValue { .integer(Int64(self)) } }
extension Int64: SQLBindable { package var sqlValue: SQLValue { .integer(self) } }
extension Bool: SQLBindable { package var sqlValue: SQLValue { .integer(self ? 1 : 0) } }
extension String: SQLBindable { package var sqlValue: SQLValue { .text(self) } }
extension [UInt8]: SQLBindable { package var sqlValue: SQLValue { .blob(self) } }
extension Data: SQLBindable { package var sqlValue: SQLValue { .blob([UInt8](self)) } }
/// Microseconds UTC.
extension Timestamp: SQLBindable { package var sqlValue: SQLValue { .integer(microseconds) } }
/// 16 bytes.
extension UUID: SQLBindable { package var sqlValue: SQLValue { .blob(bytes) } }
extension Identifier: SQLBindable { package var sqlValue: SQLValue { .blob(uuid.bytes) } }
extension Optional: SQLBindable where Wrapped: SQLBindable { package var sqlValue: SQLValue { self?.sqlValue ?? .null } }

/// One row of an answer; columns by position.
package struct Row: Sendable {
    package let values: [SQLValue]
    package init(_ values: [SQLValue]) { self.values = values }

    /// A column that the statement does not have is a fault of the room's, not a reason to end the process.
    private func value(_ column: Int, _ type: String) throws -> SQLValue {
        guard values.indices.contains(column) else { throw StoreFault.column(column, "\(type), of \(values.count) columns", .null) }
        return values[column]
    }
    package func integer(_ column: Int) throws -> Int64 {
        let value = try value(column, "integer")
        guard case .integer(let number) = value else { throw StoreFault.column(column, "integer", value) }
        return number
    }
    package func int(_ column: Int) throws -> Int { Int(try integer(column)) }
    package func bool(_ column: Int) throws -> Bool { try integer(column) != 0 }
    package func text(_ column: Int) throws -> String {
        let value = try value(column, "text")
        guard case .text(let text) = value else { throw StoreFault.column(column, "text", value) }
        return text
    }
    package func blob(_ column: Int) throws -> [UInt8] {
        let value = try value(column, "blob")
        guard case .blob(let bytes) = value else { throw StoreFault.column(column, "blob", value) }
        return bytes
    }
    package func time(_ column: Int) throws -> Timestamp { Timestamp(microseconds: try integer(column)) }
    /// 16 bytes.
    package func uuid(_ column: Int) throws -> UUID {
        let raw = try blob(column)
        guard raw.count == 16 else { throw StoreFault.column(column, "uuid", .blob(raw)) }
        return UUID(bytes: raw)
    }
    package func id<Noun>(_ column: Int) throws -> Identifier<Noun> { Identifier(try uuid(column)) }
    package func isNull(_ column: Int) -> Bool { values.indices.contains(column) && values[column] == .null }
    /// Nil for NULL, else what `read` makes of the column: `try row.optional(3, row.time)`.
    package func optional<Value>(_ column: Int, _ read: (Int) throws -> Value) throws -> Value? {
        isNull(column) ? nil : try read(column)
    }
}

/// A failure of storage that no caller can mend by asking otherwise: a fault, never a `Problem`.
package enum StoreFault: Error, Sendable {
    case column(Int, String, SQLValue)
    case sql(name: String, code: Int, message: String)
    /// A unique or primary key refused the row. `constraint` is what the engine named: `seat_lease_all.tenant_id, …`.
    case conflict(name: String, constraint: String)
    /// A CHECK, NOT NULL, foreign key or guard refused the row.
    case refused(name: String, constraint: String)
    /// Tenant code named something outside its scope.
    case outOfScope(name: String, message: String)
    /// The statement worked longer, or answered more, than one transaction may.
    case budgetExceeded(name: String)
    /// More work waits than the queue takes: try again shortly.
    case overloaded(queue: String)
    /// The lease of this delivery ran out or was taken over: the attempt settles nothing and its transaction is undone.
    case leaseLost(kind: String, key: String)
    /// The schema on disk and the migrations of this program do not agree.
    case migration(String)
    case scopeEnded
    case closed
    case corrupt(String)
    /// The database server does not answer; it is asked again meanwhile.
    case unreachable(String)
    /// The connection ended while the server was committing, or its standby has not confirmed: whether it holds, nobody here knows.
    case outcomeUnknown
}

extension StoreFault: CustomStringConvertible {
    /// For logs: names and rules, never a value of a row.
    package var description: String {
        switch self {
        case .column(let column, let expected, let value): "column \(column) is \(value.typeName), not \(expected)"
        case .sql(let name, let code, let message): "\(name) failed (\(code)): \(message)"
        case .conflict(let name, let constraint): "\(name) conflicts with another row: \(constraint)"
        case .refused(let name, let constraint): "\(name) is refused by the schema: \(constraint)"
        case .outOfScope(let name, let message): "\(name) leaves its scope: \(message)"
        case .budgetExceeded(let name): "\(name) works or answers more than one transaction may"
        case .overloaded(let queue): "too much waits for a \(queue) connection"
        case .leaseLost(let kind, let key): "the lease of \(kind) \(key) is lost"
        case .migration(let message): message
        case .scopeEnded: "a scope was used after its closure"
        case .closed: "the store is closed"
        case .corrupt(let message): message
        case .unreachable(let message): "the database does not answer: \(message)"
        case .outcomeUnknown: "a commit was not confirmed, by the database or by its standby: whether it holds is unknown"
        }
    }
}

extension SQLValue {
    fileprivate var typeName: String {
        switch self {
        case .null: "null"
        case .integer: "integer"
        case .text: "text"
        case .blob: "blob"
        }
    }
}

extension StoreFault: PassingFault {
    package var isPassing: Bool {
        switch self {
        case .overloaded, .unreachable, .outcomeUnknown: true
        default: false
        }
    }
    package var problem: Problem {
        if case .outcomeUnknown = self { CommonProblems.outcomeUnknown } else { CommonProblems.unavailable }
    }
}
