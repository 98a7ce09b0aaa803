import Vocabulary

/// What the edge itself refuses, before any room is asked.
package enum HTTPProblems {
    package static let malformedTarget = Problem(
        "malformed_target", status: 400, title: "The path or query is not a valid request target.",
        hint: "Percent-encode reserved characters as UTF-8; no NUL.")
    package static let malformedHost = Problem(
        "malformed_host", status: 400, title: "The Host header is missing, repeated or not a host.",
        hint: "Send one Host header: name or address, with a port if any.")
    package static let malformedHeader = Problem(
        "malformed_header", status: 400, title: "A header that may stand once stands twice, or is not of its form.", hint: "See reason.")
    package static let malformedForm = Problem(
        "malformed_form", status: 400, title: "The form is not valid.",
        hint: "Send application/x-www-form-urlencoded in UTF-8, each field once.")
    package static let malformedIdempotencyKey = Problem(
        "malformed_idempotency_key", status: 400, title: "The Idempotency-Key is not acceptable.",
        hint: "Send 1 to 255 visible ASCII characters, best a random UUID.")
    package static let malformedMessage = Problem(
        "malformed_message", status: 400, title: "This is not a valid HTTP/1.1 message.",
        hint: "Frame the body by one Content-Length or by chunked encoding, never both.")
    package static let csrfFailed = Problem(
        "csrf_failed", status: 403, title: "This form is no longer valid.", hint: "Load the page again and repeat what you did.")
    package static let methodNotAllowed = Problem(
        "method_not_allowed", status: 405, title: "This path does not have that method.", hint: "The Allow header names those that it has.")
    package static let requestTimeout = Problem(
        "request_timeout", status: 408, title: "The request did not arrive in time.", hint: "Send it again over a better connection.")
    package static let bodyTooLarge = Problem(
        "body_too_large", status: 413, title: "The body is larger than this path accepts.", hint: "See limit_bytes.")
    package static let targetTooLong = Problem(
        "target_too_long", status: 414, title: "The path and query are too long.", hint: "Keep them under 8,192 bytes together.")
    package static let unsupportedMediaType = Problem(
        "unsupported_media_type", status: 415, title: "The body's type is not accepted here.", hint: "See accepted; JSON must be UTF-8.")
    package static let headersTooLarge = Problem(
        "headers_too_large", status: 431, title: "The headers are too large.", hint: "Send fewer or smaller headers; clear cookies.")
    package static let timedOut = Problem(
        "timed_out", status: 503, title: "This took too long and was given up.",
        hint: "Whether it was done is not known: ask for its state, or repeat it with the same Idempotency-Key.")
    package static let all = [
        malformedTarget, malformedHost, malformedHeader, malformedForm, malformedIdempotencyKey, malformedMessage, csrfFailed,
        methodNotAllowed,
        requestTimeout, bodyTooLarge, targetTooLong, unsupportedMediaType, headersTooLarge, timedOut,
    ]
}
