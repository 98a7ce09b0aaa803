import COpenSSL
import Vocabulary

/// SHA-256 (FIPS 180-4), by the system's library.
package enum StoreDigest {
    // immutable once fetched, counted atomically
    nonisolated(unsafe) private static let algorithm = OpenSSLProcess.staysToTheEnd ? EVP_MD_fetch(nil, "SHA256", nil) : nil

    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { out, count in
            bytes.withUnsafeBytes { input in _ = EVP_Digest(input.baseAddress, input.count, out.baseAddress, nil, algorithm, nil) }
            count = 32
        }
    }
}
