import Vocabulary

package enum TenantPolicySettings {
    package static let isOn = Setting(
        "policies.tenants", default: true, range: "true or false",
        reason: "Whether tenants may narrow what holds for them by policies of their own. Off: none is taken, none is asked.")
    package static let threads = Setting(
        "policies.tenant_threads", default: 2, range: "1 to 64", accepts: { (1...64).contains($0) },
        reason: "Threads on which tenants' policies run, apart from everything else. A tenant's questions always go to the same one.")
    package static let all: [AnySetting] = [isOn.erased, threads.erased]
}
