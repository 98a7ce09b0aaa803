import Vocabulary

/// The same bytes for the same seed, in order of the asking (SplitMix64).
package final class SeededEntropy: Entropy {
    private let state: Guarded<UInt64>
    package init(_ seed: UInt64 = 1) { state = Guarded(seed) }

    package func bytes(_ count: Int) -> [UInt8] {
        state.with { seed in
            var out: [UInt8] = []
            while out.count < count {
                seed &+= 0x9e37_79b9_7f4a_7c15
                var word = seed
                word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
                word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
                word ^= word >> 31
                withUnsafeBytes(of: word.littleEndian) { out.append(contentsOf: $0) }
            }
            return Array(out.prefix(count))
        }
    }
}
