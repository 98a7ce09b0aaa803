import Foundation

/// UUIDs in their usual 36 characters, read and written byte by byte: both stand on the path of every request.
extension UUID {
    /// Nil unless `text` is a UUID in the usual 36 characters, in either case.
    package init?(canonical text: some StringProtocol) {
        var found: UUID?
        if text.utf8.withContiguousStorageIfAvailable({ found = UUID(canonical: $0) }) == nil {
            var text = String(text)
            text.withUTF8 { found = UUID(canonical: $0) }
        }
        guard let found else { return nil }
        self = found
    }

    private init?(canonical text: UnsafeBufferPointer<UInt8>) {
        guard text.count == 36 else { return nil }
        var bytes: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for position in 0..<36 {
            let unit = text[position]
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard unit == UInt8(ascii: "-") else { return nil }
                continue
            }
            let value: UInt8
            switch unit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = unit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = unit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = unit - UInt8(ascii: "A") + 10
            default: return nil
            }
            if digits < 16 { bytes.0 = bytes.0 << 4 | UInt64(value) } else { bytes.1 = bytes.1 << 4 | UInt64(value) }
            digits += 1
        }
        let big = (bytes.0.bigEndian, bytes.1.bigEndian)
        self = withUnsafeBytes(of: big) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }

    /// 36 characters, in lower case.
    package var canonical: String {
        withUnsafeBytes(of: uuid) { bytes in
            String(unsafeUninitializedCapacity: 36) { out in
                var place = 0
                for (index, byte) in bytes.enumerated() {
                    if index == 4 || index == 6 || index == 8 || index == 10 {
                        out[place] = UInt8(ascii: "-")
                        place += 1
                    }
                    out[place] = Self.digit(byte >> 4)
                    out[place + 1] = Self.digit(byte & 15)
                    place += 2
                }
                return place
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

    /// By their bytes: UUIDv7 in the order of their making.
    package static func precedes(_ left: UUID, _ right: UUID) -> Bool {
        withUnsafeBytes(of: left.uuid) { left in
            withUnsafeBytes(of: right.uuid) { right in
                left.lexicographicallyPrecedes(right)
            }
        }
    }
}
