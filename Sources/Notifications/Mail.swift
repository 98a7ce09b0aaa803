import Foundation
import Vocabulary

/// One mail to one person, ready to be written down.
package struct Mail: Sendable, Hashable {
    package var from: String
    /// How the sender is called.
    package var sender: String
    package var to: MailAddress
    package var subject: String
    package var text: String
    package var html: String
    /// Stable for an occasion and person, so that a repeated delivery is known as the same mail.
    package var messageID: String
    package var at: Timestamp
    /// The occasion: `verify_email`.
    package var template: String
    /// Where mails of this kind are stopped (RFC 8058); nil for what safety or the contract asks for.
    package var unsubscribe: String?
}

/// What became of a mail.
package enum MailReceipt: Sendable, Hashable {
    case taken
    /// It never will be: no such mailbox. `code` is an enhanced status code such as 5.1.1, or a short word.
    case refused(code: String)
}

/// Takes mails to where they are read.
package protocol MailTransport: Sendable {
    /// Returns when the mail is safely taken, or will never be. Throws to be asked again later.
    /// Throws `MailUnknown` where it may have been taken.
    func send(_ mail: Mail) async throws -> MailReceipt
    /// What a channel tells later of mails that it took. Throws `MailReportRefusal`, or a problem where no such channel is at work.
    func reports(_ delivery: WebhookDelivery, channel: String) async throws -> [MailReport]
}

extension MailTransport {
    package func reports(_ delivery: WebhookDelivery, channel: String) async throws -> [MailReport] {
        throw NotificationProblems.channelUnknown
    }
}

/// RFC 5322 and its companions, as far as our own mails need them.
package enum MailText {
    /// One plain address: a local part and a domain, no header syntax, no signs that cannot be seen, at most 254 bytes.
    static func isAddress(_ text: String) -> Bool {
        guard text.utf8.count <= 254, let at = text.lastIndex(of: "@"), at != text.startIndex, text.index(after: at) != text.endIndex,
            text.firstIndex(of: "@") == at
        else { return false }
        return text.unicodeScalars.allSatisfy { isVisible($0) && $0 != " " && !"<>()[]\\,;:\"".unicodeScalars.contains($0) }
    }

    /// The whole message with CRLF line ends. Nothing from outside reaches a header but through `phrase`, `unstructured` or `isAddress`.
    /// `isASCII`: for the road, where not every server takes 8 bits; bodies only, since an address is what it is.
    package static func message(_ mail: Mail, isASCII: Bool = false) -> String {
        var boundary = "=_\(mail.messageID.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(40))_="
        while mail.text.contains(boundary) || mail.html.contains(boundary) { boundary = "=_\(boundary.dropFirst(2).prefix(50))x_=" }
        var headers = [
            "From: \(address(mail.sender, mail.from))", "To: \(address(mail.to.name, mail.to.email))",
            "Subject: \(unstructured(mail.subject))",
            "Date: \(date(mail.at))", "Message-ID: <\(mail.messageID)>", "MIME-Version: 1.0", "Auto-Submitted: auto-generated",
        ]
        if let target = mail.unsubscribe, isTarget(target) {
            headers += ["List-Unsubscribe:\r\n <\(target)>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
        }
        headers += ["Content-Type: multipart/alternative; boundary=\"\(boundary)\"", ""]
        let lines =
            headers + ["--\(boundary)"] + part("text/plain", mail.text, isASCII) + ["--\(boundary)"] + part("text/html", mail.html, isASCII)
            + ["--\(boundary)--", ""]
        return lines.joined(separator: "\r\n")
    }

    /// An address of ours, as it may stand between angle brackets in a header.
    private static func isTarget(_ text: String) -> Bool {
        text.hasPrefix("http") && text.utf8.count <= 900 && text.utf8.allSatisfy { (33..<127).contains($0) && $0 != 60 && $0 != 62 }
    }

    // MARK: - Headers

    private static func address(_ name: String, _ email: String) -> String {
        name.isEmpty ? "<\(email)>" : "\(phrase(name))\r\n <\(email)>"
    }

    /// A name before an address: words of letters and digits stand as they are, anything else is encoded.
    static func phrase(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { isLetterOrDigit($0) || $0 == 32 || $0 == 45 }
        return isPlain && text.utf8.count <= 60 && !text.isEmpty ? text : encodedWords(text)
    }

    /// A subject: printable ASCII stands as it is, unless it looks like an encoded word.
    static func unstructured(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { (32..<127).contains($0) } && !text.contains("=?")
        return isPlain && text.utf8.count <= 66 ? text : encodedWords(text)
    }

    /// RFC 2047: words of at most 75 signs, no character cut in two. Line ends and other signs of control cannot pass.
    private static func encodedWords(_ text: String) -> String {
        var words: [String] = []
        var chunk: [UInt8] = []
        for scalar in text.unicodeScalars {
            let bytes = isVisible(scalar) ? Array(String(scalar).utf8) : [32]
            if chunk.count + bytes.count > 42 {
                words.append("=?utf-8?B?\(Data(chunk).base64EncodedString())?=")
                chunk = []
            }
            chunk += bytes
        }
        words.append("=?utf-8?B?\(Data(chunk).base64EncodedString())?=")
        return words.joined(separator: "\r\n ")
    }

    /// `Sat, 21 Nov 2026 09:30:00 +0000`
    static func date(_ moment: Timestamp) -> String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let text = Array(moment.iso8601.utf8)
        let part = { (from: Int, count: Int) in String(decoding: text[from..<(from + count)], as: UTF8.self) }
        let past = moment.microseconds - ((moment.microseconds % 86_400_000_000) + 86_400_000_000) % 86_400_000_000
        let day = ((Int(past / 86_400_000_000) % 7) + 7) % 7
        let month = months[max(0, min(11, (Int(part(5, 2)) ?? 1) - 1))]
        return "\(days[day]), \(part(8, 2)) \(month) \(part(0, 4)) \(part(11, 8)) +0000"
    }

    // MARK: - Bodies

    /// As it is where the lines are short enough, so that a person who opens the file can read it; else base64.
    private static func part(_ type: String, _ text: String, _ isASCII: Bool) -> [String] {
        let lines = text.replacing("\r\n", with: "\n").replacing("\r", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
        let isPlain = text.utf8.allSatisfy { $0 < 128 }
        let isShort = lines.allSatisfy { $0.utf8.count <= 990 } && !text.utf8.contains(0) && (isPlain || !isASCII)
        let encoding = !isShort ? "base64" : isPlain ? "7bit" : "8bit"
        let body =
            isShort
            ? lines.joined(separator: "\r\n")
            : Data(text.utf8).base64EncodedString(options: [.lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
        return ["Content-Type: \(type); charset=utf-8", "Content-Transfer-Encoding: \(encoding)", "", body]
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }

    /// No control sign, no line end of any script, nothing that turns the direction of writing or hides.
    static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
