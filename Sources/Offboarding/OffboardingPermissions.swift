import Vocabulary

package enum OffboardingPermissions {
    package static let read = Permission(
        "offboarding:read", "See how the organisation leaves; take its certificate of deletion.", delegates: .none)
    package static let request = Permission(
        "offboarding:request", "Let the whole organisation leave, answer an offer to stay, withdraw, and come back.", delegates: .none,
        isSensitive: true)
    package static let export = Permission(
        "tenant:export", "Take a copy of everything that is known of the organisation.", delegates: .none, isSensitive: true)
    package static let staff = Permission(
        "staff:offboarding", "See who leaves; place and lift legal holds, with a reason.", delegates: .none, isSensitive: true)
    package static let all = [read, request, export, staff]
}
