import Vocabulary

/// Every setting of the room.
package enum LicenseSettings {
    package static let offlineGraceSeconds = Setting<Int>(
        "licensing.offline_grace_seconds", default: 259_200, in: 3_600...7_776_000,
        reason: "How long a licence file holds on a device that does not reach the platform: 72 hours cover a long weekend.")
    package static let fileSignatures = Setting<[String]>(
        "licensing.file_signatures", default: ["ed25519"], range: "ed25519, rsa, or both",
        accepts: { !$0.isEmpty && Set($0).isSubset(of: ["ed25519", "rsa"]) },
        reason: "How licence files are signed. Ed25519 costs a hundredth of RSA-4096; take rsa for clients that know nothing else.")
    package static let freeTier = Setting<String>(
        "licensing.free_tier", default: "free", range: "a tier's name, or empty for none",
        reason: "The tier that a tenant is given once, when its first user has proved the mail address.")
    package static let all: [AnySetting] = [offlineGraceSeconds.erased, fileSignatures.erased, freeTier.erased]
}
