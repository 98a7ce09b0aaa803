import Vocabulary

/// The life of a workstation. The README and the explanation show it as it is declared here, and `WorkstationMachine` asks it before it
/// moves one.
package let workstationLifecycle = Lifecycle<Workstation.State>(
    "Workstation", "From a member's first day to the last: made, used, put to sleep and taken away.", initial: [.requested],
    [
        Transition(
            "provision", "provisioning", from: [.requested], to: .provisioning, by: [.kernel], why: "its turn has come; step by step"),
        Transition("finish", "created", from: [.provisioning], to: .running, by: [.provider], why: "the last step is done"),
        Transition(
            "give back", "given_back", from: [.provisioning], to: .requested, by: [.kernel],
            why: "access was suspended half way; what was made is taken back"),
        Transition(
            "find", "found", from: [.provisioning], to: .stopped, by: [.provider], why: "it is there already, and does not run"),
        Transition("start", "started", from: [.stopped], to: .running, by: [.customer, .kernel, .provider], why: "its owner starts it"),
        Transition(
            "stop", "stopped", from: [.running], to: .stopped, by: [.customer, .time, .kernel, .provider],
            why: "its owner stops it, nobody used it for so long, or it is to be resized"),
        Transition("resize", "resizing", from: [.stopped], to: .resizing, by: [.kernel], why: "the tier's machine or disk is another"),
        Transition("end resizing", "resized", from: [.resizing], to: .stopped, by: [.provider], why: "it has the new size"),
        Transition(
            "suspend", "suspended", from: [.provisioning, .running, .stopped, .resizing, .failed], to: .suspended, by: [.kernel],
            why: "no licence gives access, or the tenant leaves; what is on the disk stays"),
        Transition("restore", "restored", from: [.suspended], to: .stopped, by: [.kernel], why: "access came back"),
        Transition(
            "fail", "failed", from: [.requested, .provisioning, .running, .stopped, .resizing, .suspended], to: .failed,
            by: [.provider, .kernel],
            why: "it cannot be made and all of it was taken back, the provisioner refuses it as it is, or the quota is used up"),
        Transition(
            "retry", "requested", from: [.failed], to: .requested, by: [.customer, .staff], why: "somebody has it tried once more"),
        Transition(
            "delete", "deleting", from: [.requested, .provisioning, .running, .stopped, .resizing, .suspended, .failed], to: .deleting,
            by: [.kernel], why: "the member left, lost the role, or the tenant is purged"),
        Transition("end deleting", "deleted", from: [.deleting], to: .deleted, by: [.provider], why: "nothing of it is left"),
        Transition(
            "request again", "requested", from: [.deleted], to: .requested, by: [.kernel], why: "the member came back: a new, empty one"),
    ])
