import HookEngine
import Signing
import Store
import Vocabulary

/// What a room that asks policies and signs what it did stands on.
package struct RoomFloor: Sendable {
    package let store: any Store
    package let hooks: any Hooks
    package let sealer: any Sealer
    package let signer: any Signer
    package let entropy: any Entropy
    package let settings: Settings
    package let addresses: any AddressBook
    package init(
        store: any Store, hooks: any Hooks, sealer: any Sealer, signer: any Signer, entropy: any Entropy, settings: Settings,
        addresses: any AddressBook
    ) {
        self.store = store
        self.hooks = hooks
        self.sealer = sealer
        self.signer = signer
        self.entropy = entropy
        self.settings = settings
        self.addresses = addresses
    }
}

/// What plans about people and tenants say alike.
package enum PlanWords {
    package static let notice = HookAction(
        "notify_staff", summary: "Tell staff.", fields: [HookField("reason", .string, "What to look at")])
    package static let person: [HookField] = [
        HookField("id", .string, "Handle of the user."), HookField("role", .string, "The role in the tenant."),
        HookField("is_last_owner", .boolean, "Nobody else owns the tenant."),
    ]
    package static func mailing(_ template: String) -> PlannedAction {
        PlannedAction("send_mail", .object([("template", .string(template))]))
    }
    package static func telling(_ reason: String) -> PlannedAction {
        PlannedAction("notify_staff", .object([("reason", .string(reason))]))
    }
}
