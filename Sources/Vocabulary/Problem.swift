/// A failure that a caller may know about: one literal, from which answer, OpenAPI and the reference are made.
package struct Problem: Error, Sendable, Hashable {
    /// Stable machine code, never reused for another meaning.
    package let code: String
    package let status: Int
    /// What happened, for a person.
    package let title: String
    /// What to do next, for a person.
    package let hint: String
    /// Extra fields of the answer: `seats_used`, `retry_after`, `fields`, …
    package var fields: [String: JSONValue]

    package init(_ code: String, status: Int, title: String, hint: String, fields: [String: JSONValue] = [:]) {
        self.code = code
        self.status = status
        self.title = title
        self.hint = hint
        self.fields = fields
    }

    /// The same problem with more fields in its answer.
    package func with(_ extra: [String: JSONValue]) -> Problem {
        var copy = self
        copy.fields.merge(extra) { _, new in new }
        return copy
    }
    /// The same problem, to be tried again after `seconds`; also sent as `Retry-After`.
    package func retry(afterSeconds seconds: Int64) -> Problem { with(["retry_after": .int(max(1, seconds))]) }
    /// The same kind of problem, whatever its fields.
    package static func ~= (pattern: Problem, error: any Error) -> Bool { (error as? Problem)?.code == pattern.code }
}

/// Problems that no single room owns.
package enum CommonProblems {
    package static let notFound = Problem(
        "not_found", status: 404, title: "There is no such object.", hint: "Check the id; another tenant's objects are not visible.")
    package static let unauthenticated = Problem(
        "unauthenticated", status: 401, title: "This needs a signed-in caller.", hint: "Sign in and send the access token as Bearer.")
    package static let forbidden = Problem(
        "forbidden", status: 403, title: "Your role does not allow this.", hint: "Ask an owner or admin of the tenant for the permission.")
    package static let policyDenied = Problem(
        "policy_denied", status: 403, title: "A policy refused this.", hint: "The reason names the rule; ask whoever runs the platform.")
    package static let invalid = Problem(
        "validation_failed", status: 422, title: "The request has invalid fields.", hint: "See fields: each names its place and the rule.")
    package static let malformed = Problem(
        "malformed_request", status: 400, title: "The body is not valid JSON.", hint: "Send one JSON object in UTF-8.")
    package static let rateLimited = Problem(
        "rate_limited", status: 429, title: "Too many requests.", hint: "Wait for retry_after seconds.")
    package static let idempotencyKeyReused = Problem(
        "idempotency_key_reused", status: 422, title: "This Idempotency-Key was used with another request.",
        hint: "Use a new key for a new request.")
    package static let unavailable = Problem(
        "temporarily_unavailable", status: 503, title: "The server cannot do this right now.", hint: "Try again shortly.")
    package static let outcomeUnknown = Problem(
        "outcome_unknown", status: 503, title: "Whether this was done is not known: the database has not confirmed it.",
        hint: "Ask again with the same Idempotency-Key: it is done once. Without one, look before you repeat it.")
    package static let signingUnavailable = Problem(
        "signing_unavailable", status: 503, title: "The key that signs this cannot be used right now.",
        hint: "Nothing is lost: ask again after retry_after seconds with the same Idempotency-Key.")
    package static let `internal` = Problem(
        "internal_error", status: 500, title: "Something went wrong on our side.", hint: "Report the request_id.")
    package static let keyOutOfScope = Problem(
        "key_out_of_scope", status: 403, title: "This API key may not do that.",
        hint: "Use a key whose permissions name it, or sign in: what is a person's own takes no key.")
    package static let impersonationLimited = Problem(
        "impersonation_limited", status: 403, title: "Nobody does this in another person's place.",
        hint: "Credentials, memberships and keys are their holder's to change.")
    package static let stepUpRequired = Problem(
        "step_up_required", status: 403, title: "This needs your second factor again.",
        hint: "Prove it with POST /api/v1/auth/mfa/step-up, then repeat the request; in a browser: /account/confirm.")
    package static let enrolmentRequired = Problem(
        "second_factor_required", status: 403, title: "Two factors are required here, and you have one.",
        hint:
            "Set up a second factor with POST /api/v1/auth/mfa/totp or a passkey, then repeat the request; in a browser: /account/security."
    )
    package static let addressNotAllowed = Problem(
        "address_not_allowed", status: 403, title: "Your organization lets nobody in from this network.",
        hint: "Come from one of its networks, or ask an owner to allow this one.")
    package static let tenantLeaving = Problem(
        "tenant_leaving", status: 403, title: "This organisation is leaving.",
        hint: "Nothing but /api/v1/offboarding is open to its owners; POST /api/v1/offboarding/reactivate brings everything back.")
    package static let all = [
        tenantLeaving, addressNotAllowed, stepUpRequired, enrolmentRequired, keyOutOfScope, impersonationLimited, notFound, unauthenticated,
        forbidden,
        policyDenied, invalid,
        malformed, rateLimited,
        idempotencyKeyReused, unavailable, outcomeUnknown, signingUnavailable, `internal`,
    ]

    /// `validation_failed` for one field.
    package static func invalid(_ field: String, _ rule: String) -> Problem {
        invalid.with(["fields": [["field": .string(field), "rule": .string(rule)]]])
    }
    /// `policy_denied` with the policy's reason.
    package static func denied(_ reason: String, retryAfterSeconds: Int64? = nil) -> Problem {
        let problem = policyDenied.with(["reason": .string(reason)])
        return retryAfterSeconds.map { problem.retry(afterSeconds: $0) } ?? problem
    }
}

/// An error that may pass by itself: the caller is told to come back, not that something broke.
package protocol PassingFault: Error {
    var isPassing: Bool { get }
    /// What a caller hears while it lasts.
    var problem: Problem { get }
}

extension PassingFault {
    package var problem: Problem { CommonProblems.unavailable }
}
