import Foundation
import LicenseClient
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
    var account: (email: String, server: String)?
    /// Processes of this device that hold a seat.
    var holders = 0
    var borrowed = BorrowedSeats()
    /// Nil while the licence may be used.
    private(set) var exitCode: Failure.Code?

    init(license: JSONValue) {
        self.init(isValid: true, code: "valid", source: "server", license: license, notice: nil)
    }
    /// Without an activation: a borrowed seat alone lets this device work.
    init(notice: String) {
        self.init(isValid: true, code: "borrowed", source: "file", license: .null, notice: notice)
    }
    private init(isValid: Bool, code: String, source: String, license: JSONValue, notice: String?) {
        self.isValid = isValid
        self.code = code
        self.source = source
        self.license = license
        self.notice = notice
        exitCode = isValid ? nil : .refused
    }

    /// - Parameter isCopied: the folder was activated on another device.
    init(validation: JSONValue, server: String, isCopied: Bool = false) {
        let code = validation["code"]?.string ?? "unknown"
        let license = validation["license"] ?? .null
        let end = license["expires_at"]?.string.map(Words.moment) ?? ""
        let notice: String? =
            switch code {
            case "expired": "The licence expired on \(end). Renew it or choose a tier: \(server)/plans"
            case "suspended": "A payment is outstanding. Settle it and everything is back at once: \(server)/plans"
            case "in_grace": "A payment is outstanding. Everything works until \(end); please settle it: \(server)/plans"
            case "revoked": "The licence was revoked; ask support."
            case "not_activated" where isCopied:
                "The licence was activated on another device, from which these files are a copy. To use it here too: run `coditect activate KEY`."
            case "not_activated": "The licence is good, but not active on this device: run `coditect activate KEY`."
            case "activation_limit_reached":
                "The licence is active on as many other devices as its tier allows. Deactivate one, or choose a larger tier: \(server)/plans"
            case "address_not_allowed": "Your organization lets nobody use this licence from this network."
            case "unknown_key", "malformed_key": "The server does not know this licence."
            default: nil
            }
        // The server means that it may be activated here; until it is, it may not be used.
        self.init(
            isValid: validation["valid"]?.bool ?? false && code != "not_activated", code: code, source: "server", license: license,
            notice: notice)
        if code == "not_activated" { exitCode = .notSetUp }
    }

    /// - Parameter judge: the signed file, if it holds.
    init(offline held: HeldLicense, reason: LicenseClientError, judge: () throws -> LicenseFile) {
        do {
            let file = try judge()
            let license: JSONValue = [
                "id": .string(file.license.description), "tier": .string(file.tier), "status": .string(file.status),
                "expires_at": file.expiresAt.map { .string($0.iso8601) } ?? .null, "features": .object(file.features),
                "max_activations": file.maxActivations.map { .int(Int64($0)) } ?? .null,
                "offline_until": .string(file.offlineUntil.iso8601),
            ]
            let until = Moments.text(file.offlineUntil)
            self.init(
                isValid: true, code: file.status == "grace" ? "in_grace" : "valid", source: "file", license: license,
                notice: "The server cannot be asked: \(reason.message). Judged from the signed file, which holds until \(until).")
        } catch {
            let fault = error as? LicenseClientError ?? LicenseClientError(.storage, "\(error)", next: "ask support")
            let code = fault.code == .expired ? "expired" : fault.code.rawValue
            let next = " \(fault.next.prefix(1).uppercased())\(fault.next.dropFirst())."
            self.init(
                isValid: false, code: code, source: "file", license: .null,
                notice: "The server cannot be asked: \(reason.message). And \(fault.message).\(next)")
            exitCode = Failure.code(fault)
        }
    }

    /// `team, active until 2027-01-15 08:06 UTC`.
    var oneLine: String {
        let end = license["expires_at"]?.string.map { " until \(Words.moment($0))" } ?? ""
        return "\(standing)\(end)"
    }
    private var standing: String { "\(license["tier"]?.string ?? "unknown"), \(license["status"]?.string ?? code)" }

    func lines(_ look: Look, now: Timestamp) -> [String] {
        var lines: [String] = []
        let column = 10
        func line(_ name: String, _ value: String) {
            lines.append(look.paint(name.padding(toLength: column, withPad: " ", startingAt: 0), .dim) + look.wrap(value, indent: column))
        }
        func distance(_ moment: String?) -> String {
            guard look.isTerminal, let words = moment.flatMap({ Words.distance($0, from: now) }) else { return "" }
            return " " + look.paint("(\(words))", .dim)
        }
        let colour: Look.Colour = !isValid ? .red : code == "in_grace" || source == "file" ? .yellow : .green
        let dot = look.isTerminal ? look.paint("●", colour) + " " : ""
        if license.isNull, code == "borrowed" {
            line("licence", dot + look.paint("none activated", colour))
        } else if license.isNull {
            line("licence", dot + look.paint(code.replacing("_", with: " "), colour))
        } else {
            let end = license["expires_at"]?.string
            line("licence", dot + look.paint(standing, colour) + (end.map { " until \(Words.moment($0))" } ?? "") + distance(end))
            if let count = license["activations"]?.int {
                let most = license["max_activations"]?.int
                line("devices", Self.bar(count, of: most, look) + (most.map { "\(count) of \($0)" } ?? "\(count), without limit"))
            }
            let features = Words.list(license["features"]?.object ?? [:])
            if !features.isEmpty { line("features", features) }
            if isValid, let until = license["offline_until"]?.string {
                line("offline", "works without the server until \(Words.moment(until))" + distance(until))
            }
        }
        if let account { line("account", "\(account.email) at \(account.server)") }
        for seat in borrowed.holding {
            let device = seat.device.map { " as \($0)" } ?? ""
            line("borrowed", "a seat\(device) until \(Words.moment(seat.until.iso8601))" + distance(seat.until.iso8601))
        }
        for fault in borrowed.faults { line("borrowed", "\(fault)") }
        if holders > 0 { line("seat", "held by \(holders) \(holders == 1 ? "process" : "processes") of this device") }
        if let notice {
            if look.isTerminal { lines.append("") }
            lines.append(look.paint(look.wrap(notice, indent: 0), isValid ? .yellow : .red))
        }
        return lines
    }

    /// `▰▰▱▱ `, on a terminal and for few enough to see.
    private static func bar(_ count: Int64, of most: Int64?, _ look: Look) -> String {
        guard look.isTerminal, let most, (1...10).contains(most) else { return "" }
        let used = Int(min(count, most))
        return String(repeating: "▰", count: used) + String(repeating: "▱", count: Int(most) - used) + " "
    }

    var json: JSONValue {
        [
            "valid": .bool(isValid), "code": .string(code), "source": .string(source), "license": license,
            "notice": notice.map(JSONValue.string) ?? .null, "seat_holders": .int(Int64(holders)),
            "borrowed": .array(
                borrowed.holding.map {
                    [
                        "license_id": .string($0.license), "until": .string($0.until.iso8601),
                        "device": $0.device.map(JSONValue.string) ?? .null,
                    ]
                }),
            "account": account.map { ["email": .string($0.email), "server": .string($0.server)] } ?? .null,
        ]
    }
}
