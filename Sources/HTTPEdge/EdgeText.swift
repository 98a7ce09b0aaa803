import Foundation
import Synchronization
import Vocabulary

/// Texts made so often that the general way would show.
package enum EdgeText {
    /// Whether there is nothing but ASCII from `lowest` (a space, or the first sign that is none) to the tilde.
    package static func isPrintable(_ bytes: UnsafeBufferPointer<UInt8>, from lowest: UInt8) -> Bool {
        var outside: UInt8 = 0
        // Without a way out of the loop it is done many bytes at a time.
        for byte in bytes { outside |= byte &- lowest > 0x7E - lowest ? 1 : 0 }
        return outside == 0
    }

    private static let digits = Array("0123456789abcdef".utf8)

    /// A UUID in lower case.
    static func uuid(_ uuid: UUID) -> String { withUnsafeBytes(of: uuid.uuid) { text($0) } }

    static func text(_ raw: UnsafeRawBufferPointer) -> String {
        String(unsafeUninitializedCapacity: 36) { out in
            var at = 0
            for (index, byte) in raw.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    out[at] = UInt8(ascii: "-")
                    at += 1
                }
                out[at] = digits[Int(byte >> 4)]
                out[at + 1] = digits[Int(byte & 15)]
                at += 2
            }
            return at
        }
    }
}

/// Ids of requests: UUIDs of version 7, unique within the process by a counter and between processes by 62 random bits taken
/// once. They name, they do not authorise: nothing is granted for knowing one.
final class RequestIDs: Sendable {
    private let seed: UInt64
    private let counter = Atomic<UInt64>(0)

    init(_ entropy: any Entropy) { seed = entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }

    func next(_ now: Timestamp) -> String {
        let count = counter.wrappingAdd(1, ordering: .relaxed).newValue
        // One step of SplitMix64 (Steele, Lea, Flood 2014): a bijection of the count, so two never meet.
        var mixed = seed &+ count &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        let time = UInt64(max(0, now.microseconds / 1_000)) << 16
        var words = ((time | 0x7000 | count & 0x0FFF).bigEndian, (mixed & ~(0b11 << 62) | 0b10 << 62).bigEndian)
        return withUnsafeBytes(of: &words) { EdgeText.text(UnsafeRawBufferPointer($0)) }
    }

    /// An id of somebody else's that may stand in our logs.
    static func isSane(_ text: String) -> Bool {
        (8...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0 | 0x20) || [0x2D, 0x2E, 0x5F].contains($0) }
    }
}
