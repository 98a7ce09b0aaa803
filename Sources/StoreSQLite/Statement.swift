import CSQLite
import Store
import Vocabulary

/// A prepared statement of one connection and one mode.
final class Statement {
    let handle: OpaquePointer
    /// For each parameter of the engine, in its order, the index of the argument: `$2` is argument 1 wherever it stands.
    private let slots: [Int]
    private let argumentCount: Int

    init(_ handle: OpaquePointer, name: String) throws {
        self.handle = handle
        var slots: [Int] = []
        for index in 0..<sqlite3_bind_parameter_count(handle) {
            guard let raw = sqlite3_bind_parameter_name(handle, index + 1), raw[0] == 36,
                let number = Int(String(cString: raw).dropFirst()),
                number > 0
            else {
                sqlite3_finalize(handle)
                throw StoreFault.sql(name: name, code: Int(SQLITE_MISUSE), message: "parameters are $1, $2, …")
            }
            slots.append(number - 1)
        }
        self.slots = slots
        argumentCount = (slots.max() ?? -1) + 1
    }
    deinit { sqlite3_finalize(handle) }

    func bind(_ arguments: [any SQLBindable], name: String) throws {
        guard arguments.count == argumentCount else {
            throw StoreFault.sql(name: name, code: Int(SQLITE_MISUSE), message: "takes \(argumentCount) arguments, got \(arguments.count)")
        }
        for (position, slot) in slots.enumerated() {
            let index = Int32(position + 1)
            let code: Int32
            switch arguments[slot].sqlValue {
            case .null: code = sqlite3_bind_null(handle, index)
            case .integer(let value): code = sqlite3_bind_int64(handle, index, value)
            case .text(var value):
                code = value.withUTF8 { bytes in
                    bytes.withMemoryRebound(to: CChar.self) { coditect_sqlite_bind_text(handle, index, $0.baseAddress, UInt64($0.count)) }
                }
            case .blob(let value):
                code = value.withUnsafeBytes { coditect_sqlite_bind_blob(handle, index, $0.baseAddress, UInt64($0.count)) }
            }
            guard code == SQLITE_OK else {
                throw StoreFault.sql(
                    name: name, code: Int(code), message: "argument $\(slot + 1): \(String(cString: sqlite3_errstr(code)))")
            }
        }
    }

    func row(name: String) throws -> Row {
        // Asked of each answer: a schema that changed meanwhile may have given the statement more columns.
        let columns = sqlite3_data_count(handle)
        var values: [SQLValue] = []
        values.reserveCapacity(Int(columns))
        for column in 0..<columns {
            switch sqlite3_column_type(handle, column) {
            case SQLITE_NULL: values.append(.null)
            case SQLITE_INTEGER: values.append(.integer(sqlite3_column_int64(handle, column)))
            case SQLITE_TEXT:
                let bytes = UnsafeBufferPointer(
                    start: sqlite3_column_text(handle, column), count: Int(sqlite3_column_bytes(handle, column)))
                values.append(.text(String(decoding: bytes, as: UTF8.self)))
            case SQLITE_BLOB:
                let start = sqlite3_column_blob(handle, column)
                values.append(.blob([UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))))
            default: throw StoreFault.sql(name: name, code: Int(SQLITE_MISMATCH), message: "column \(column) is a floating-point number")
            }
        }
        return Row(values)
    }
}

extension Row {
    /// What the answer takes in memory, roughly.
    var byteCount: Int {
        values.reduce(16) { sum, value in
            switch value {
            case .text(let text): sum + 16 + text.utf8.count
            case .blob(let bytes): sum + 32 + bytes.count
            case .null, .integer: sum + 16
            }
        }
    }
}
