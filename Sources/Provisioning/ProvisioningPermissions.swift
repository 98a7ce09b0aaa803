import Vocabulary

package enum ProvisioningPermissions {
    package static let use = Permission("workstations:use", "Have a workstation: see, start, stop and enter the own one.", delegates: .keys)
    package static let manage = Permission(
        "workstations:manage", "See every member's workstation and what is being set up, stop them, and have tried again what failed.",
        delegates: .keys)
    package static let staff = Permission(
        "staff:workstations", "See any tenant's workstations, have tried again what failed, and look at a tenant now.")
    package static let all = [use, manage, staff]
}
