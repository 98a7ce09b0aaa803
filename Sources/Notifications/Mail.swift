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
}

/// Takes mails to where they are read.
package protocol MailTransport: Sendable {
    /// Returns when the mail is safely taken. Throws to be asked again later.
    func send(_ mail: Mail) async throws
}

/// RFC 5322 and its companions, as far as our own mails need them.
enum MailText {
    /// One plain address: a local part and a domain, no header syntax, at most 254 bytes.
    static func isAddress(_ text: String) -> Bool {
        guard text.utf8.count <= 254, let at = text.lastIndex(of: "@"), at != text.startIndex, text.index(after: at) != text.endIndex else { return false }
        return text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value != 127 && !"<>()[]\\,;:\"".unicodeScalars.contains($0) }
    }

    /// The whole message with CRLF line ends. Nothing from outside reaches a header but through `word` or `isAddress`.
    static func message(_ mail: Mail) -> String {
        let boundary = "=_\(mail.messageID.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(40))_="
        let name = mail.to.name.isEmpty ? "" : "\(word(mail.to.name)) "
        return [
            "From: \(word(mail.sender)) <\(mail.from)>", "To: \(name)<\(mail.to.email)>", "Subject: \(word(mail.subject))",
            "Date: \(date(mail.at))", "Message-ID: <\(mail.messageID)>", "MIME-Version: 1.0", "Auto-Submitted: auto-generated",
            "Content-Type: multipart/alternative; boundary=\"\(boundary)\"", "", "--\(boundary)", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64", "", base64(mail.text), "--\(boundary)", "Content-Type: text/html; charset=utf-8",
            "Content-Transfer-Encoding: base64", "", base64(mail.html), "--\(boundary)--", "",
        ].joined(separator: "\r\n")
    }

    /// A header's text: plain where it is short printable ASCII, else encoded words (RFC 2047) of at most 75 bytes. Line ends cannot pass.
    static func word(_ text: String) -> String {
        let specials = "\"\\(),:;<>@[]=?_"
        let isPlain = text.utf8.count <= 70 && text.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value < 127 && !specials.unicodeScalars.contains($0) }
        if isPlain { return text }
        var words: [String] = []
        var chunk: [UInt8] = []
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if chunk.count + bytes.count > 42 {
                words.append("=?utf-8?B?\(Data(chunk).base64EncodedString())?=")
                chunk = []
            }
            chunk += bytes
        }
        words.append("=?utf-8?B?\(Data(chunk).base64EncodedString())?=")
        return words.joined(separator: "\r\n ")
    }

    private static func base64(_ text: String) -> String {
        Data(text.utf8).base64EncodedString(options: [.lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
    }

    /// `Sat, 21 Nov 2026 09:30:00 +0000`
    static func date(_ moment: Timestamp) -> String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let text = Array(moment.iso8601.utf8)
        let part = { (from: Int, count: Int) in String(decoding: text[from..<(from + count)], as: UTF8.self) }
        let day = Int((moment.seconds / 86_400) % 7 + 7) % 7
        let month = months[max(0, min(11, (Int(part(5, 2)) ?? 1) - 1))]
        return "\(days[day]), \(part(8, 2)) \(month) \(part(0, 4)) \(part(11, 8)) +0000"
    }
}
