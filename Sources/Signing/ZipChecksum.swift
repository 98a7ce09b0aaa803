/// CRC-32 as ZIP has it (ISO 3309, reflected).
package struct ZipChecksum: Sendable {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xedb8_8320 ^ (value >> 1) : value >> 1 }
    }
    private var state = UInt32.max
    package init() {}
    package mutating func take(_ bytes: [UInt8]) {
        var state = state
        Self.table.withUnsafeBufferPointer { table in
            bytes.withUnsafeBufferPointer { bytes in
                for byte in bytes { state = table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] ^ (state >> 8) }
            }
        }
        self.state = state
    }
    package var value: UInt32 { ~state }
}
