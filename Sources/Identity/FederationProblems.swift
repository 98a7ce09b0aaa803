import Vocabulary

/// What a sign-in through a provider can end with. None says more than the person may know; the reason stands in the log under the request's id.
package enum FederationProblems {
    package static let refused = Problem(
        "sign_in_refused", status: 403, title: "This sign-in could not be completed.", hint: "Start over from the sign-in page.")
    package static let declined = Problem(
        "sign_in_declined", status: 403, title: "The provider did not let you in, or you stopped there.",
        hint: "Start over, or sign in another way.")
    package static let unavailable = Problem(
        "identity_provider_unavailable", status: 503, title: "The provider cannot be asked right now.",
        hint: "Try again soon, or sign in another way.")
    package static let addressUnverified = Problem(
        "provider_address_unverified", status: 403, title: "The provider does not vouch for your mail address.",
        hint: "Confirm the address there, or sign up with address and password.")
    package static let notAdmitted = Problem(
        "not_admitted", status: 403, title: "You are not a member of this organization.", hint: "Ask one of its administrators.")
    package static let ssoRequired = Problem(
        "sso_required", status: 403, title: "Your organization signs in through its own provider.", hint: "Use its single sign-on.")
    package static let sessionBound = Problem(
        "session_bound_to_tenant", status: 403, title: "This session was opened by one organization's provider and holds there only.",
        hint: "Sign in another way to work elsewhere.")
    package static let connectionFaulty = Problem(
        "connection_faulty", status: 422, title: "The connection does not work.", hint: "See reason.")
    package static let untested = Problem(
        "connection_untested", status: 409, title: "The connection was not tested since it was changed.",
        hint: "Sign in through it once with the test.")
    package static let domainUnverified = Problem(
        "domain_unverified", status: 409, title: "No domain of your organization is verified.",
        hint: "Add a domain and its TXT record first.")
    package static let domainTaken = Problem(
        "domain_taken", status: 409, title: "Another organization has verified this domain.", hint: "Ask support if it is yours.")
    package static let recordMissing = Problem(
        "domain_record_missing", status: 409, title: "The TXT record was not found.", hint: "DNS may need a while; then try again.")
    package static let inUse = Problem(
        "connection_in_use", status: 409, title: "Members are required to sign in through this connection.",
        hint: "Lift the requirement first.")
    package static let tooMany = Problem(
        "too_many_connections", status: 409, title: "There are as many connections or domains as there may be.", hint: "Remove one first.")
    package static let linkTaken = Problem(
        "identity_taken", status: 409, title: "This identity belongs to another account.", hint: "Remove it there first.")
    package static let lastWayIn = Problem(
        "last_way_in", status: 409, title: "It is your only way to sign in.", hint: "Set a password first.")
    package static let directoryRefused = Problem(
        "directory_credentials_invalid", status: 401, title: "Name and password do not match.",
        hint: "Use the name and password of your organization's directory; who runs it can reset both.")
    package static let directoryAccount = Problem(
        "directory_account_barred", status: 403, title: "Your organization's directory does not let this account in.",
        hint: "See state, and ask who runs the directory.")
    package static let directoryTestFailed = Problem(
        "directory_test_failed", status: 422, title: "The directory did not let this person in.", hint: "See state and reason.")

    // RFC 8628, 3.5 and RFC 6749, 5.2: the codes are theirs.
    package static let pending = Problem(
        "authorization_pending", status: 400, title: "Nobody has answered yet.", hint: "Ask again after the interval.")
    package static let slowDown = Problem(
        "slow_down", status: 400, title: "You ask too often.", hint: "Wait five seconds longer between two requests from now on.")
    package static let denied = Problem(
        "access_denied", status: 400, title: "The request was declined.", hint: "Start over if it was a mistake.")
    package static let expired = Problem(
        "expired_token", status: 400, title: "The code is too old, used or unknown.", hint: "Start over.")
    package static let codeUnknown = Problem(
        "device_code_unknown", status: 404, title: "There is no such code, or it is too old.",
        hint: "Compare it with what the device shows.")

    package static let all = [
        refused, declined, unavailable, addressUnverified, notAdmitted, ssoRequired, sessionBound, connectionFaulty, untested,
        domainUnverified, domainTaken, recordMissing, inUse, tooMany, linkTaken, lastWayIn, directoryRefused,
        directoryAccount, directoryTestFailed, pending, slowDown, denied, expired, codeUnknown,
    ]
}

package enum FederationPermissions {
    package static let read = Permission("sso:read", "See identity providers, domains and who must use them.")
    package static let write = Permission(
        "sso:write", "Set up identity providers and domains, test them, and require them.", delegates: .none, isSensitive: true)
    package static let all = [read, write]
}

package enum FederationSettings {
    package static let flowSeconds = Setting<Int>(
        "identity.flow_seconds", default: 600, in: 60...3_600, reason: "How long somebody may stay away at a provider: 10 min.")
    package static let returnAddresses = Setting<String>(
        "identity.return_addresses", default: "", range: "origins, comma-separated",
        reason: "Origins such as https://ide.example.com to which a sign-in may lead on beside the platform's own pages.")
    package static let linkSeconds = Setting<Int>(
        "identity.confirm_link_seconds", default: 3_600, in: 300...86_400,
        reason: "Life of the mail that connects a provider with an account that was there before: 1 h.")
    package static let deviceSeconds = Setting<Int>(
        "identity.device_code_seconds", default: 600, in: 60...1_800, reason: "Life of a code that a command line shows: 10 min.")
    package static let deviceInterval = Setting<Int>(
        "identity.device_interval_seconds", default: 5, in: 1...60,
        reason: "How long a command line waits between two questions (RFC 8628).")
    package static let all: [AnySetting] = [
        flowSeconds.erased, returnAddresses.erased, linkSeconds.erased, deviceSeconds.erased, deviceInterval.erased,
    ]
}
