import Foundation

/// Why there is no seat, no file or no answer: a stable code, a sentence for a person, and what to do next.
public struct LicenseClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Never renamed and never reused for another meaning.
    public enum Code: String, Sendable, CaseIterable {
        // The server
        case unreachable, serverError = "server_error", rateLimited = "rate_limited", badAddress = "bad_address"
        case badAnswer = "bad_answer"
        // The caller
        case notSignedIn = "not_signed_in", notActivated = "not_activated", refused
        // Seats
        case noSeat = "no_seats_available", policyDenied = "policy_denied", noLicense = "no_license", forced = "lease_ended_by_operator"
        case superseded, notHolder = "not_lease_holder", leaseEnded = "lease_ended", deviceBusy = "device_busy", interrupted
        // Borrowed seats
        case notBorrowed = "not_borrowed", borrowEnded = "borrow_ended", borrowLimit = "borrow_limit_reached"
        case borrowTooLong = "borrow_too_long", returnedBefore = "borrow_returned_before"
        // Licences
        case suspended = "license_suspended", expired = "license_expired", revoked = "license_revoked"
        case keyMalformed = "license_key_malformed", keyUnknown = "license_key_unknown", activationLimit = "activation_limit_reached"
        // Files for offline use
        case fileDamaged = "file_damaged", notAuthentic = "file_not_authentic", otherDevice = "other_device"
        case clockBehind = "clock_behind", clockSetBack = "clock_set_back", offlineGraceOver = "offline_grace_over"
        // This machine
        case storage
    }
    public let code: Code
    /// What happened: no capital, no full stop.
    public let message: String
    /// What to do next: in the imperative, no capital, no full stop.
    public let next: String
    public let retryAfter: Duration?

    public init(_ code: Code, _ message: String, next: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.next = next
        self.retryAfter = retryAfter
    }

    public var description: String { "\(message); \(next)" }
    /// The refusal may pass by itself.
    public var isPassing: Bool {
        switch code {
        case .unreachable, .serverError, .rateLimited, .noSeat, .deviceBusy: true
        case .policyDenied: retryAfter != nil
        default: false
        }
    }
}

/// One line of what the client does.
public struct LicenseLogLine: Sendable, Hashable {
    public enum Level: Int, Sendable, Comparable {
        case debug, info, warning
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }
    public let level: Level
    /// Stable: `held`, `unsure`, `offline`, …
    public let event: String
    public let message: String

    public init(_ level: Level, _ event: String, _ message: String) {
        self.level = level
        self.event = event
        self.message = message
    }

    /// Writes warnings to standard error, one a line.
    public static let standardError: @Sendable (LicenseLogLine) -> Void = { line in
        guard line.level >= .warning else { return }
        FileHandle.standardError.write(Data("licence: \(line.message)\n".utf8))
    }
}
