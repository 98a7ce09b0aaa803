import Foundation
import Vocabulary

/// Fills templates: the same words as text and as HTML.
struct MailWriter: Sendable {
    struct Written: Sendable, Hashable {
        let subject: String
        let text: String
        let html: String
    }

    let brand: MailBrand
    var templates = MailTemplateFolder(nil)
    /// Scheme and authority for people's browsers.
    let origin: String

    /// `isForStaff`: every value is listed too.
    func write(
        _ name: String, values given: [String: String], recipient: String, isForStaff: Bool = false, unsubscribe: String? = nil
    ) -> Written {
        let template = templates.template(name)
        var values = given.mapValues(Self.readable)
        values["reason"] = given["reason"]?.replacing("_", with: " ")
        // Where people have their account, whoever's name the mail bears.
        values["brand"] = brand.platform ?? brand.name
        var paragraphs = template.paragraphs.compactMap { Self.fill($0, values) }
        if isForStaff {
            let listed = given.filter { $0.key != "reason" }.sorted { $0.key < $1.key }
            paragraphs += listed.map { "\($0.key.replacing("_", with: " ")): \(Self.readable($0.value))" }
        }
        let subject = Self.fill(template.subject, values) ?? "Notice"
        var links = template.links.compactMap { link in
            Self.fill(link.path, given.mapValues(Self.percent)).map { (words: link.words, target: origin + $0) }
        }
        // The first link is the one to press: where there is none, the header alone says it.
        if let unsubscribe, !links.isEmpty { links.append((words: "Stop mails of this kind", target: unsubscribe)) }
        let greeting = Self.isName(recipient) ? "Hello \(recipient)," : "Hello,"
        return Written(
            subject: subject, text: text(greeting, paragraphs, links),
            html: MailPage(brand: brand, subject: subject, greeting: greeting, paragraphs: paragraphs, links: links).html)
    }

    private func text(_ greeting: String, _ paragraphs: [String], _ links: [(words: String, target: String)]) -> String {
        let blocks =
            [greeting] + paragraphs + links.map { "\($0.words):\n\($0.target)" }
            + [brand.footer, brand.platform.map { "\(brand.name) uses \($0), which sent this mail." } ?? brand.name].filter { !$0.isEmpty }
        return blocks.joined(separator: "\n\n") + "\n"
    }

    // MARK: - Values

    /// The text with its values; nil if one is missing. A value is never looked into again.
    static func fill(_ text: String, _ values: [String: String]) -> String? {
        var out = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            guard let value = values[String(rest[rest.index(after: open)..<close])] else { return nil }
            out += rest[..<open] + value
            rest = rest[rest.index(after: close)...]
        }
        return out + rest
    }

    /// A moment as a person writes it, anything else on one line.
    static func readable(_ value: String) -> String {
        guard let moment = Timestamp(iso8601: value) else {
            return String(String.UnicodeScalarView(value.unicodeScalars.map { MailText.isVisible($0) ? $0 : " " }))
        }
        let months = [
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
        ]
        let text = moment.iso8601
        let month = Int(text.dropFirst(5).prefix(2)).map { months[$0 - 1] } ?? ""
        return "\(Int(text.dropFirst(8).prefix(2)) ?? 0) \(month) \(text.prefix(4)), \(text.dropFirst(11).prefix(5)) UTC"
    }

    /// Whether it may stand in a greeting. People choose their names at sign-up, for an address that they have not proved: what
    /// could pass for a message or a link to a stranger is left out.
    static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.count <= 60
            && !text.unicodeScalars.contains { !MailText.isVisible($0) || "./:@\\<>{}[]=?&%#$!".unicodeScalars.contains($0) }
    }

    private static func percent(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95, 126].contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    static func escape(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
            .replacing("'", with: "&#39;")
    }
}
