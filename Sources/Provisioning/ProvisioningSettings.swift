import Vocabulary

package enum ProvisioningSettings {
    package static let provisioner = Setting(
        "provisioning.provisioner", default: "local-workstation", range: "the id of a plugin, or empty",
        accepts: { $0.utf8.count <= 64 },
        reason: "Which plugin makes workstations. Empty, or the default where that plugin is not at work: they are asked for and wait; "
            + "everything else is set up all the same.")
    package static let attempts = Setting<Int>(
        "provisioning.attempts", default: 8, in: 1...100,
        reason: "Failures in a row after which a workstation in the making is taken back and shown as failed. With the waits between them "
            + "about four minutes.")
    package static let all: [AnySetting] = [provisioner.erased, attempts.erased]
}
