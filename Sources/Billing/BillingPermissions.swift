import Vocabulary

package enum BillingPermissions {
    package static let read = Permission("billing:read", "See the subscription, its standing and its invoices.")
    package static let write = Permission(
        "billing:write", "Buy, change and cancel: open a checkout or the provider's portal.", delegates: .keys, isSensitive: true)
    package static let staff = Permission(
        "staff:billing",
        "See any tenant's payments, agree contracts, give money back with a reason, replay events and compare with providers.")
    package static let all = [read, write, staff]
}
