import CPostgres
import Store

/// How values cross: integers, text and bytes in the binary form, so that nothing is escaped and nothing is parsed.
enum PostgresValue {
    /// Object ids of the catalogue that never change.
    enum TypeID {
        static let bool: Oid = 16
        static let bytea: Oid = 17
        static let name: Oid = 19
        static let int8: Oid = 20
        static let int2: Oid = 21
        static let int4: Oid = 23
        static let text: Oid = 25
        static let oid: Oid = 26
        static let unknown: Oid = 705
        static let bpchar: Oid = 1042
        static let varchar: Oid = 1043
        static let numeric: Oid = 1700
        static let void: Oid = 2278
        static let uuid: Oid = 2950
    }

    /// The type that is declared; 0 where the server finds out.
    static func type(_ value: SQLValue) -> Oid {
        switch value {
        case .null: 0
        case .integer: TypeID.int8
        case .text: TypeID.text
        case .blob: TypeID.bytea
        }
    }
    static func bytes(_ value: SQLValue) -> [UInt8]? {
        switch value {
        case .null: nil
        case .integer(let number): withUnsafeBytes(of: number.bigEndian) { Array($0) }
        case .text(let text): Array(text.utf8)
        case .blob(let bytes): bytes
        }
    }

    /// Nil for a type that no statement of the house answers.
    static func read(_ bytes: UnsafeBufferPointer<UInt8>, _ type: Oid) -> SQLValue? {
        switch type {
        case TypeID.bool: .integer(bytes.first == 1 ? 1 : 0)
        case TypeID.int2: .integer(Int64(Int16(truncatingIfNeeded: unsigned(bytes))))
        case TypeID.int4: .integer(Int64(Int32(truncatingIfNeeded: unsigned(bytes))))
        case TypeID.int8: .integer(Int64(bitPattern: unsigned(bytes)))
        case TypeID.oid: .integer(Int64(unsigned(bytes)))
        case TypeID.text, TypeID.varchar, TypeID.bpchar, TypeID.name, TypeID.unknown: .text(String(decoding: bytes, as: UTF8.self))
        case TypeID.bytea, TypeID.uuid: .blob(Array(bytes))
        case TypeID.numeric: integer(numeric: bytes).map { .integer($0) }
        case TypeID.void: .null
        default: nil
        }
    }

    private static func unsigned(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    /// What sum() over integers answers: digits to the base 10,000, most significant first. Nil for a fraction or one past 64 bits.
    private static func integer(numeric bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard bytes.count >= 8 else { return nil }
        func short(_ place: Int) -> Int { Int(Int16(truncatingIfNeeded: unsigned(bytes[(place * 2)..<(place * 2 + 2)]))) }
        let (count, weight, sign) = (short(0), short(1), UInt16(truncatingIfNeeded: short(2)))
        guard count >= 0, bytes.count >= 8 + count * 2, sign == 0 || sign == 0x4000 else { return nil }
        if count == 0 { return 0 }
        guard weight >= 0, weight < 5, count <= weight + 1 else { return nil }
        var value: Int64 = 0
        for place in 0...weight {
            let digit = Int64(place < count ? short(4 + place) : 0)
            let (shifted, tooFar) = value.multipliedReportingOverflow(by: 10_000)
            // Below zero all the way, so that the smallest number fits.
            let (next, tooLow) = shifted.subtractingReportingOverflow(digit)
            if tooFar || tooLow { return nil }
            value = next
        }
        if sign == 0x4000 { return value }
        return value == .min ? nil : -value
    }
}
