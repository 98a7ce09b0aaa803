import Vocabulary

package enum IdentityProblems {
    package static let credentialsInvalid = Problem(
        "invalid_credentials", status: 401, title: "Email address and password do not match.",
        hint: "Check both, or ask for a new password.")
    package static let emailUnverified = Problem(
        "email_unverified", status: 403, title: "The email address is not proved yet.",
        hint: "Open the link in the mail, or ask for it again.")
    package static let accountDeactivated = Problem(
        "account_deactivated", status: 403, title: "This account was deactivated.", hint: "Ask support to reactivate it.")
    package static let processingRestricted = Problem(
        "processing_restricted", status: 403,
        title: "Your data is kept and used for nothing, because you asked for it or an authority did.",
        hint: "POST /api/v1/auth/reactivate lifts what you asked for yourself; else ask support.")
    package static let accountLocked = Problem(
        "account_locked", status: 429, title: "Too many failed attempts from your network.",
        hint: "Wait for retry_after seconds, or set a new password by mail.")
    package static let signInSlowed = Problem(
        "sign_in_slowed", status: 429, title: "This account is under attack; sign-ins from unknown networks are slowed down.",
        hint: "Try again after retry_after seconds, use a network you signed in from before, or set a new password by mail.")
    package static let refreshInvalid = Problem(
        "refresh_token_invalid", status: 401, title: "The refresh token is not valid.", hint: "Sign in again.")
    package static let linkInvalid = Problem(
        "link_invalid", status: 400, title: "The link is unknown, used or too old.", hint: "Ask for a new one.")
    package static let passwordWeak = Problem(
        "password_weak", status: 422, title: "The password is too easy to guess.", hint: "See fields for the rule.")
    package static let passwordChanged = Problem(
        "password_changed_meanwhile", status: 409, title: "The password was changed at the same time.", hint: "Sign in with the new one.")
    package static let noMembership = Problem(
        "no_active_membership", status: 403, title: "You are not an active member of any tenant.", hint: "Ask an owner for an invitation.")
    package static let addressTaken = Problem(
        "address_taken", status: 409, title: "This address belongs to another account.",
        hint: "Use another address for the administrator.")
    package static let all = [
        credentialsInvalid, emailUnverified, accountDeactivated, processingRestricted, accountLocked, signInSlowed,
        refreshInvalid, linkInvalid, passwordWeak,
        passwordChanged, noMembership, addressTaken,
    ]
}
