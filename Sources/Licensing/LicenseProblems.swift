import Vocabulary

/// Every error that the room can raise.
package enum LicenseProblems {
    package static let keyMalformed = Problem(
        "license_key_malformed", status: 422, title: "This is not a licence key: a sign is wrong, missing or swapped.",
        hint: "Compare it with the key on the licence page; case, spaces, and 0 for O do not matter.")
    package static let keyUnknown = Problem(
        "license_key_unknown", status: 404, title: "No licence has this key.", hint: "Check that the key belongs to this server.")
    package static let suspended = Problem(
        "license_suspended", status: 403, title: "The licence is suspended.",
        hint:
            "A payment is outstanding, which an owner can settle under billing, or staff has suspended it: the mail to the owners says why."
    )
    package static let expired = Problem(
        "license_expired", status: 403, title: "The licence has expired.", hint: "Renew the subscription or choose a tier.")
    package static let revoked = Problem(
        "license_revoked", status: 403, title: "The licence was revoked.", hint: "Ask support; a revoked licence does not come back.")
    package static let activationLimit = Problem(
        "activation_limit_reached", status: 409, title: "The licence is active on as many devices as its tier allows.",
        hint: "Deactivate a device that is no longer used, or raise the tier.")
    package static let notActivated = Problem(
        "not_activated", status: 404, title: "The licence is not active on this device.", hint: "Activate it first.")
    package static let all = [keyMalformed, keyUnknown, suspended, expired, revoked, activationLimit, notActivated]

    /// Why a licence with this status refuses; nil while it may be used.
    package static func refusal(_ status: LicenseStatus) -> Problem? {
        switch status {
        case .active, .grace: nil
        case .suspended: suspended
        case .expired: expired
        case .revoked: revoked
        }
    }
}
