import Vocabulary

/// What mails say. A template is a subject, paragraphs and at most one link; text and HTML are made from the same words.
struct MailTemplate: Sendable {
    let subject: String
    let paragraphs: [String]
    /// The link's words, and its path with `{token}` where the secret goes.
    var link: (words: String, path: String)?

    /// `{name}` stands for a value of the request; a value that is missing leaves the paragraph out.
    static let all: [String: MailTemplate] = [
        "verify_email": MailTemplate(
            subject: "Confirm your address",
            paragraphs: ["Welcome to {brand}. Please confirm that this is your address; the link works once, for {hours} hours.", "If you did not sign up, do nothing."],
            link: ("Confirm your address", "/verify?token={token}")),
        "already_registered": MailTemplate(
            subject: "You already have an account",
            paragraphs: ["Somebody, perhaps you, signed up with this address. You have an account already: sign in, or set a new password.", "If it was not you, do nothing."],
            link: ("Sign in", "/sign-in")),
        "reset_password": MailTemplate(
            subject: "Set a new password",
            paragraphs: ["You asked to set a new password. The link works once, for one hour.", "If you did not ask, do nothing: your password stays."],
            link: ("Set a new password", "/reset?token={token}")),
        "password_changed": MailTemplate(
            subject: "Your password was changed",
            paragraphs: ["Your password was changed and every other session was signed out.", "If it was not you, set a new password at once."],
            link: ("Set a new password", "/forgot")),
        "account_locked": MailTemplate(
            subject: "Sign-in was paused for one network",
            paragraphs: ["There were too many failed sign-ins to your account from one network. It is paused there for {minutes} minutes.", "You can still sign in from elsewhere, or set a new password."],
            link: ("Set a new password", "/forgot")),
        "welcome_admin": MailTemplate(
            subject: "You administer this platform",
            paragraphs: ["You are the first administrator of {brand}. Everything that you do as such is in the audit log."], link: ("Sign in", "/sign-in")),
        "license_issued": MailTemplate(
            subject: "Your licence is ready",
            paragraphs: ["Your {tier_name} licence is ready. The key is on your licence page."], link: ("See your licence", "/licence")),
        "purchase_receipt": MailTemplate(
            subject: "Thank you for your purchase",
            paragraphs: ["Thank you. Your purchase of {tier} is confirmed.", "Amount: {amount}"], link: ("See your licence", "/licence")),
        "payment_failed": MailTemplate(
            subject: "Your payment did not go through",
            paragraphs: ["Your last payment did not go through. Everything goes on working until {grace_until}; please renew your means of payment by then."],
            link: ("Go to billing", "/plans")),
        "payment_recovered": MailTemplate(
            subject: "Your payment went through",
            paragraphs: ["Your payment went through. Everything works as before."], link: ("See your licence", "/licence")),
        "access_suspended": MailTemplate(
            subject: "Your access is suspended",
            paragraphs: ["The time for a missing payment is over, so your licence and seats are suspended. Your data is kept.", "Pay, and everything comes back at once."],
            link: ("Go to billing", "/plans")),
        "trial_ending": MailTemplate(
            subject: "Your trial ends soon", paragraphs: ["Your trial of {tier} ends on {trial_ends_at}."], link: ("Choose a plan", "/plans")),
        "subscription_cancelled": MailTemplate(
            subject: "Your subscription is cancelled", paragraphs: ["Your subscription is cancelled. It works until {period_end}."],
            link: ("Choose a plan", "/plans")),
        "seats_nearly_full": MailTemplate(
            subject: "Your seats are nearly all in use",
            paragraphs: ["{seats_used} of {seats_total} seats of your licence are in use."], link: ("Choose more seats", "/plans")),
        "staff_notice": MailTemplate(subject: "Staff notice: {reason}", paragraphs: ["{reason}"]),
    ]

    /// The template of that name; one that only a policy knows says its name and values plainly.
    static func named(_ name: String) -> MailTemplate {
        if let known = all[name] { return known }
        let words = name.split(separator: "_").joined(separator: " ")
        return MailTemplate(subject: words.prefix(1).uppercased() + words.dropFirst(), paragraphs: ["This is a notice about your account: \(words)."])
    }
}

/// Fills templates.
struct MailWriter: Sendable {
    let brand: String
    /// Scheme and authority for people's browsers.
    let origin: String

    /// Subject, text and HTML. `isForStaff`: every value is listed.
    func write(_ name: String, values given: [String: String], recipient: String, isForStaff: Bool) -> (subject: String, text: String, html: String) {
        let template = MailTemplate.named(name)
        var values = given
        values["brand"] = brand
        var paragraphs = template.paragraphs.compactMap { fill($0, values) }
        if isForStaff { paragraphs += given.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" } }
        let subject = fill(template.subject, values) ?? "Notice"
        let link = template.link.flatMap { link in fill(link.path, values.mapValues(Self.percent)).map { (link.words, origin + $0) } }
        let greeting = recipient.isEmpty ? "Hello," : "Hello \(recipient),"

        var text = "\(greeting)\n\n" + paragraphs.joined(separator: "\n\n")
        if let link { text += "\n\n\(link.0):\n\(link.1)" }
        text += "\n\n\(brand)\n"

        var html = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">"
        html += "<title>\(Self.escape(subject))</title></head><body style=\"font: 16px/1.6 system-ui, sans-serif; max-width: 34em; margin: 2em auto; padding: 0 1em\">"
        html += "<p>\(Self.escape(greeting))</p>" + paragraphs.map { "<p>\(Self.escape($0))</p>" }.joined()
        if let link {
            let target = Self.escape(link.1)
            html += "<p><a href=\"\(target)\" style=\"display: inline-block; padding: .6em 1.2em; border-radius: .5em; background: #0b57d0; color: #fff; text-decoration: none; font-weight: 600\">\(Self.escape(link.0))</a></p>"
            html += "<p style=\"font-size: 13px\">Or copy this address: <br><span style=\"word-break: break-all\">\(target)</span></p>"
        }
        html += "<p>\(Self.escape(brand))</p></body></html>"
        return (subject, text, html)
    }

    /// The text with its values; nil if one is missing.
    private func fill(_ text: String, _ values: [String: String]) -> String? {
        var out = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            guard let value = values[String(rest[rest.index(after: open)..<close])] else { return nil }
            out += rest[..<open] + value
            rest = rest[rest.index(after: close)...]
        }
        return out + rest
    }
    private static func percent(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95, 126].contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
    static func escape(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
