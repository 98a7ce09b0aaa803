import Vocabulary

package enum BillingPermissions {
    package static let read = Permission("billing:read", "See the subscription, its standing and its invoices.")
    package static let write = Permission("billing:write", "Buy, change and cancel: open a checkout or the provider's portal.")
    package static let all = [read, write]
}
