import COpenSSL
import Foundation

/// Private key material: held once, never printed, overwritten when the last holder lets go.
package final class SecretBytes: @unchecked Sendable {  // written only in init and deinit, read by anyone in between
    private let memory: UnsafeMutableRawBufferPointer

    package init(_ bytes: some Collection<UInt8>) {
        memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        memory.copyBytes(from: bytes)
    }
    deinit {
        OPENSSL_cleanse(memory.baseAddress, memory.count)
        memory.deallocate()
    }
    package var count: Int { memory.count }
    package func withBytes<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(memory)) }
    }
}

extension [UInt8] {
    /// Overwrites the elements in place.
    mutating func cleanse() { withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
}

package enum ConstantTime {
    /// Takes the same time for all inputs of one length.
    package static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        if left.isEmpty { return true }
        return CRYPTO_memcmp(left, right, left.count) == 0
    }
}
