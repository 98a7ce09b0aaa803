import Vocabulary

package enum SigningSettings {
    package static let tokenAlgorithm = Setting<String>(
        "signing.token_algorithm", default: "ES256", range: "ES256, HS256", accepts: { ["ES256", "HS256"].contains($0) },
        reason: "How access tokens are signed. ES256 lets everybody verify with the public key; HS256 is for those who share JWT_SECRET.")
    package static let jwtSecret = Setting<String>(
        "signing.jwt_secret", default: "", range: "at least 32 bytes, or empty", accepts: { $0.isEmpty || $0.utf8.count >= 32 },
        reason: "The shared secret of HS256; not used with ES256.", environment: "JWT_SECRET", isSecret: true)
    package static let tokenOverlapSeconds = Setting<Int>(
        "signing.token_overlap_seconds", default: 172_800, in: 0...31_536_000,
        reason: "How long tokens of a retired key are still accepted: at least the life of a token, twice that by default.")
    package static let tokenRotationDays = Setting<Int>(
        "signing.token_rotation_days", default: 90, in: 0...3_650,
        reason: "Age at which the key of access tokens is replaced by the next one, which was published long before; 0 never.")
    package static let rsaThreads = Setting<Int>(
        "signing.rsa_threads", default: 0, in: 0...256,
        reason: "Threads that make RSA signatures; 0 is two for each core, so that beside a busy server they get half of its time.")
    package static let rsaQueue = Setting<Int>(
        "signing.rsa_queue", default: 1_024, in: 1...1_000_000,
        reason: "RSA signatures that may wait; beyond that callers are told to come back, instead of waiting for ever.")
    package static let signatureCache = Setting<Int>(
        "signing.signature_cache", default: 4_096, in: 0...1_000_000,
        reason: "RSA signatures that are kept, so that an equal message is signed once; each takes about 600 bytes.")
    package static let tokenCache = Setting<Int>(
        "signing.token_cache", default: 8_192, in: 0...1_000_000,
        reason: "Access tokens whose signature was found good and is not computed again; revocation is checked elsewhere, each time.")
    package static let masterKeyFile = Setting<String>(
        "signing.master_key_file", default: "", range: "a path, or empty for keys/master.key in the data directory",
        reason: "Where the master key lies when CODITECT_MASTER_KEY is not set; the file must be readable by its owner only.")
    /// `file`: sealed in the ring's own file.
    package static let file = "file"
    private static func home(_ name: String, _ what: String) -> Setting<String> {
        Setting<String>(
            "signing.\(name)_keys", default: file, range: "file, or the id of a key service plugin",
            accepts: { isHome($0) },
            reason:
                "Where new keys for \(what) are made: sealed in keys/ring.json, or in a key service such as pkcs11-keys, which they never leave."
        )
    }
    /// A plugin's id, or `file`.
    package static func isHome(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count) && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    }
    package static let tokenKeys = home("token", "access tokens (ES256)")
    package static let licenseRSAKeys = home("license_rsa", "field signatures of seat answers and licence files (RSA-4096)")
    package static let licenseKeys = home("license", "licence files (Ed25519)")
    package static let journalKeys = home("journal", "checkpoints of the journal (Ed25519)")

    package static let all: [AnySetting] = [
        tokenAlgorithm.erased, jwtSecret.erased, tokenOverlapSeconds.erased, tokenRotationDays.erased, rsaThreads.erased, rsaQueue.erased,
        signatureCache.erased, tokenCache.erased, masterKeyFile.erased,
        tokenKeys.erased, licenseRSAKeys.erased, licenseKeys.erased, journalKeys.erased,
    ]
}
