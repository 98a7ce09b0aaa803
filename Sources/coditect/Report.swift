import Foundation
import LicenseFormat
import Vocabulary

/// What `license status` tells, for a person and as JSON.
struct Report: Sendable {
    let isValid: Bool
    let code: String
    /// `server` or `file`.
    let source: String
    /// As `validate` answers it, as far as known.
    let license: JSONValue
    /// What to do or to know, if anything.
    let notice: String?

    init(license: JSONValue) {
        self.init(isValid: true, code: "valid", source: "server", license: license, notice: nil)
    }
    private init(isValid: Bool, code: String, source: String, license: JSONValue, notice: String?) {
        self.isValid = isValid
        self.code = code
        self.source = source
        self.license = license
        self.notice = notice
    }

    init(validation: JSONValue, server: String) {
        let code = validation["code"]?.string ?? "unknown"
        let license = validation["license"] ?? .null
        let end = license["expires_at"]?.string.map(Words.moment) ?? ""
        let notice: String? =
            switch code {
            case "expired": "The licence expired on \(end). Renew it or choose a tier: \(server)/plans"
            case "suspended": "A payment is outstanding. Settle it and everything is back at once: \(server)/plans"
            case "in_grace": "A payment is outstanding. Everything works until \(end); please settle it: \(server)/plans"
            case "revoked": "The licence was revoked; ask support."
            case "not_activated": "The licence is good, but not active on this device: run `coditect activate KEY`."
            case "activation_limit_reached": "The licence is active on as many other devices as its tier allows."
            case "unknown_key", "malformed_key": "The server does not know this licence."
            default: nil
            }
        self.init(
            isValid: validation["valid"]?.bool ?? false, code: code, source: "server", license: license, notice: notice)
    }

    init(offline held: HeldLicense, reason: String, now: Timestamp) {
        let away = "The server cannot be reached (\(reason))."
        do throws(LicenseFileFault) {
            let file = try held.check(hardwareID: held.hardwareID, now: now)
            let license: JSONValue = [
                "id": .string(file.license.description), "tier": .string(file.tier), "status": .string(file.status),
                "expires_at": file.expiresAt.map { .string($0.iso8601) } ?? .null, "features": .object(file.features),
                "max_activations": file.maxActivations.map { .int(Int64($0)) } ?? .null,
                "offline_until": .string(file.offlineUntil.iso8601),
            ]
            self.init(
                isValid: true, code: file.status == "grace" ? "in_grace" : "valid", source: "file", license: license,
                notice: "\(away) Judged from the signed file; it holds until \(Words.moment(file.offlineUntil.iso8601)).")
        } catch {
            let code =
                switch error {
                case .expired: "expired"
                case .stale: "offline_grace_over"
                case .otherDevice: "other_device"
                case .clockBehind: "clock_behind"
                case .malformed, .otherKind, .notSigned: "file_not_authentic"
                }
            var notice = "\(away) And \(error.sentence)."
            if case .expired = error { notice += " Renew it or choose a tier: \(held.server)/plans" }
            self.init(isValid: false, code: code, source: "file", license: .null, notice: notice)
        }
    }

    /// `team, active until 2027-01-15 08:06 UTC`.
    var oneLine: String {
        let tier = license["tier"]?.string ?? "unknown"
        let status = license["status"]?.string ?? code
        let end = license["expires_at"]?.string.map { " until \(Words.moment($0))" } ?? ""
        return "\(tier), \(status)\(end)"
    }

    var lines: [String] {
        var lines: [String] = []
        func line(_ name: String, _ value: String) { lines.append(name.padding(toLength: 10, withPad: " ", startingAt: 0) + value) }
        if !license.isNull {
            line("licence", oneLine)
            if let count = license["activations"]?.int {
                line("devices", license["max_activations"]?.int.map { "\(count) of \($0)" } ?? "\(count), without limit")
            }
            let features = Words.list(license["features"]?.object ?? [:])
            if !features.isEmpty { line("features", features) }
            if isValid, let until = license["offline_until"]?.string {
                line("offline", "works without the server until \(Words.moment(until))")
            }
        } else {
            line("licence", code.replacing("_", with: " "))
        }
        if let notice { lines.append(notice) }
        return lines
    }

    var text: String {
        let json: JSONValue = [
            "valid": .bool(isValid), "code": .string(code), "source": .string(source), "license": license,
            "notice": notice.map(JSONValue.string) ?? .null,
        ]
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return (try? encoder.encode(json)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
