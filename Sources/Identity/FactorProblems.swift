import Vocabulary

package enum FactorProblems {
    /// One answer for everything that is wrong with a factor, so that it tells a guesser nothing.
    package static let invalid = Problem(
        "second_factor_invalid", status: 401, title: "The second factor was not accepted.",
        hint: "A code is good once, for half a minute; wait for the next one, or use a recovery code.")
    package static let stepInvalid = Problem(
        "mfa_token_invalid", status: 401, title: "This sign-in is unknown, finished or too old.", hint: "Sign in again.")
    package static let notEnrolling = Problem(
        "enrolment_expired", status: 409, title: "No authenticator app is being set up in this session.", hint: "Begin again.")
    package static let codeWrong = Problem(
        "enrolment_code_wrong", status: 422, title: "The code is not the app's.",
        hint: "Check the telephone's clock, and send the newest code.")
    package static let already = Problem(
        "second_factor_exists", status: 409, title: "There is an authenticator app already.", hint: "Remove it first.")
    package static let none = Problem(
        "no_second_factor", status: 409, title: "You have no second factor.", hint: "Set one up first.")
    package static let signInAgain = Problem(
        "recent_sign_in_required", status: 403, title: "This takes a session that has just begun.",
        hint: "Sign in again, or prove a second factor, and repeat the request: so nobody does it with a session that was left open.")
    package static let passkeyInvalid = Problem(
        "passkey_invalid", status: 401, title: "The passkey was not accepted.", hint: "Try again from the beginning.")
    package static let passkeyRefused = Problem(
        "passkey_not_registered", status: 422, title: "The passkey cannot be registered.",
        hint: "Begin again, with an authenticator that knows ES256, EdDSA or RS256.")
    package static let passkeyTaken = Problem(
        "passkey_taken", status: 409, title: "This passkey is registered already.", hint: "Use it, or make another one.")
    package static let tooManyPasskeys = Problem(
        "too_many_passkeys", status: 409, title: "You have as many passkeys as one person may.", hint: "Remove one that is not used.")
    package static let passkeysUnavailable = Problem(
        "passkeys_unavailable", status: 409, title: "Passkeys need a domain name, and this server is reached by an address.",
        hint: "Ask whoever runs the platform for its name.")
    package static let all = [
        invalid, stepInvalid, notEnrolling, codeWrong, already, none, signInAgain, passkeyInvalid, passkeyRefused, passkeyTaken,
        tooManyPasskeys,
        passkeysUnavailable,
    ]
}

package enum FactorPermissions {
    package static let reset = Permission(
        "platform:reset_factors", "Take the second factors of somebody who lost them all.", delegates: .none, isSensitive: true)
    package static let all = [reset]
}

package enum FactorSettings {
    package static let stepUpSeconds = Setting<Int>(
        "identity.step_up_seconds", default: 900, in: 30...43_200,
        reason: "How long a proved second factor counts as recent for changes of money and security: 15 min.")
    package static let stepSeconds = Setting<Int>(
        "identity.second_step_seconds", default: 600, in: 60...3_600,
        reason: "How long a sign-in waits for its second factor, and a passkey's challenge for its answer: 10 min.")
    package static let enrolmentSeconds = Setting<Int>(
        "identity.enrolment_seconds", default: 900, in: 60...86_400, reason: "How long an authenticator app waits for its first code.")
    package static let staffGraceHours = Setting<Int>(
        "identity.staff_factor_grace_hours", default: 168, in: 0...720,
        reason: "Platform roles need a second factor always; an account younger than this may still set it up: a week.")
    package static let mostPasskeys = Setting<Int>(
        "identity.most_passkeys", default: 20, in: 1...100, reason: "Passkeys of one person.")
    package static let all: [AnySetting] = [
        stepUpSeconds.erased, stepSeconds.erased, enrolmentSeconds.erased, staffGraceHours.erased, mostPasskeys.erased,
    ]
}
