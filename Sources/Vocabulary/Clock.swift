import Foundation

/// Where time comes from. One reading per request; a test moves it by hand.
package protocol Clock: Sendable {
    /// Wall time, UTC.
    func now() -> Timestamp
    /// A reading that never goes back and knows no wall clock; comparable within one process only.
    func monotonic() -> Duration
}

package struct SystemClock: Clock {
    package init() {}
    package func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
    package func monotonic() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}

/// Where secrets and ids come from.
package protocol Entropy: Sendable {
    func bytes(_ count: Int) -> [UInt8]
}

package struct SystemEntropy: Entropy {
    package init() {}
    /// One call of the kernel for up to 256 bytes.
    package func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let base = buffer.baseAddress {
                let part = min(256, count - filled)
                precondition(getentropy(base + filled, part) == 0, "the kernel has no entropy")  // never on a booted machine
                filled += part
            }
        }
    }
}

extension Entropy {
    /// A UUIDv7 (RFC 9562): ordered by `now` to the millisecond, 74 random bits.
    package func id<Noun>(_ now: Timestamp) -> Identifier<Noun> {
        let milliseconds = UInt64(max(0, now.microseconds / 1_000))
        var raw = bytes(16)
        for index in 0..<6 { raw[index] = UInt8(truncatingIfNeeded: milliseconds >> UInt64(8 * (5 - index))) }
        raw[6] = 0x70 | (raw[6] & 0x0f)
        raw[8] = 0x80 | (raw[8] & 0x3f)
        return Identifier(UUID(bytes: raw))
    }
}

extension UUID {
    /// From exactly 16 bytes.
    package init(bytes raw: [UInt8]) {
        precondition(raw.count == 16, "a UUID has 16 bytes")  // a caller's mistake, never input
        self.init(
            uuid: (
                raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7], raw[8], raw[9], raw[10], raw[11], raw[12], raw[13], raw[14],
                raw[15]
            ))
    }
    package var bytes: [UInt8] { withUnsafeBytes(of: uuid) { Array($0) } }
}
