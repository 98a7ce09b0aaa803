import Foundation
import HookEngine
import Vocabulary

extension DecisionArchive {
    /// Which versions of which tenants' own policies the files name; found by their bytes, without reading each line.
    package static func tenantSets(_ files: [URL]) throws -> Set<TenantSetName> {
        var found: Set<TenantSetName> = []
        for file in files {
            let data = try Data(contentsOf: file, options: .mappedIfSafe)
            data.withUnsafeBytes { collect($0, &found) }
        }
        return found
    }

    private static let hashKey = ByteSearch(",\"tenant_policy_hash\":\"")
    private static let tenantKey = Array(",\"tenant\":\"".utf8)

    /// A line names its tenant, then the hash, then what was asked: an input that holds the same words comes later and is not looked at.
    private static func collect(_ bytes: UnsafeRawBufferPointer, _ found: inout Set<TenantSetName>) {
        var start = 0
        while let at = hashKey.first(in: bytes, from: start) {
            var end = at
            while end < bytes.count, bytes[end] != 10 { end += 1 }
            start = end
            let from = at + hashKey.pattern.count
            guard let tenant = tenant(before: at, in: bytes), from + 64 <= end else { continue }
            found.insert(TenantSetName(tenant: tenant, hash: String(decoding: bytes[from..<(from + 64)], as: UTF8.self)))
        }
    }

    private static func tenant(before at: Int, in bytes: UnsafeRawBufferPointer) -> TenantID? {
        var index = at - tenantKey.count
        while index >= 0, bytes[index] != 10 {
            if bytes[index] == tenantKey[0], bytes[index..<(index + tenantKey.count)].elementsEqual(tenantKey) {
                let from = index + tenantKey.count
                guard from + 36 <= at else { return nil }
                return TenantID(String(decoding: bytes[from..<(from + 36)], as: UTF8.self))
            }
            index -= 1
        }
        return nil
    }
}

/// Looks for one text in many bytes by skipping (Horspool, 1980).
struct ByteSearch: Sendable {
    let pattern: [UInt8]
    private let skips: [Int]

    init(_ text: String) {
        pattern = Array(text.utf8)
        var skips = Array(repeating: pattern.count, count: 256)
        for (index, byte) in pattern.dropLast().enumerated() { skips[Int(byte)] = pattern.count - 1 - index }
        self.skips = skips
    }

    func first(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let length = pattern.count
        return pattern.withUnsafeBytes { pattern in
            skips.withUnsafeBufferPointer { skips in
                var at = start
                while at + length <= bytes.count {
                    let last = bytes[at + length - 1]
                    if last == pattern[length - 1], memcmp(bytes.baseAddress! + at, pattern.baseAddress!, length) == 0 { return at }
                    at += skips[Int(last)]
                }
                return nil
            }
        }
    }
}
