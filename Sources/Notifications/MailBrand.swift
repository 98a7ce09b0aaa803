import Foundation
import Vocabulary

/// How mails look and who they say that they come from.
package struct MailBrand: Sendable, Hashable {
    /// The platform's name, or the tenant's.
    package let name: String
    package let accent: MailColour
    /// Stands below; may be empty.
    package let footer: String
    /// Whose platform a tenant's mails come from: it always stands below, so that no brand can hide it. Nil: the platform's own.
    package let platform: String?

    package init(_ name: String, accent: MailColour = .standard, footer: String = "", platform: String? = nil) {
        self.name = name
        self.accent = accent
        self.footer = footer
        self.platform = platform
    }

    /// What stands before the sender's address.
    var sender: String { platform.map { "\(name) (\($0))" } ?? name }

    /// Nil where no tenant may look so.
    package static func tenant(_ name: String, accent: String?, footer: String, of voice: MailVoice) -> MailBrand? {
        guard isName(name), isFooter(footer), let colour = accent.map({ MailColour($0.lowercased()) }) ?? voice.brand.accent else {
            return nil
        }
        return MailBrand(name, accent: colour, footer: footer, platform: voice.brand.name)
    }

    /// Whether a tenant may be called so in strangers' mails: one line, no link, no address, no markup, nothing that cannot be seen.
    static func isName(_ text: String) -> Bool {
        (1...60).contains(text.count) && text.utf8.count <= 240 && !text.hasPrefix(" ") && !text.hasSuffix(" ")
            && text.unicodeScalars.allSatisfy { MailText.isVisible($0) && !"/:@\\<>{}[]()=?%#\"".unicodeScalars.contains($0) }
            && !text.contains(".") && text.contains { $0.isLetter }
    }
    /// One line of words. What mail programs would make a link of is none: it goes to strangers who are invited.
    static func isFooter(_ text: String) -> Bool {
        guard text.count <= 300, text.utf8.count <= 1_200, !text.contains("//"), !text.contains("@") else { return false }
        guard text.unicodeScalars.allSatisfy({ MailText.isVisible($0) && !"<>{}[]\\".unicodeScalars.contains($0) }) else { return false }
        return !zip(text, text.dropFirst()).contains { $0 == "." && $1.isLetter }
    }
}

/// A colour that somebody chose, and what reads on it.
package struct MailColour: Sendable, Hashable {
    let red: Int
    let green: Int
    let blue: Int
    package static let standard = MailColour(red: 0x0b, green: 0x57, blue: 0xd0)

    private init(red: Int, green: Int, blue: Int) {
        self.red = red
        self.green = green
        self.blue = blue
    }
    /// `#rrggbb`
    package init?(_ text: String) {
        guard text.utf8.count == 7, text.hasPrefix("#"), let value = Int(text.dropFirst(), radix: 16), !text.dropFirst().hasPrefix("+"),
            !text.dropFirst().hasPrefix("-")
        else { return nil }
        self.init(red: value >> 16, green: value >> 8 & 255, blue: value & 255)
    }
    package var hex: String { "#" + [red, green, blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    /// Black or white, whichever reads better on it: 4.5 or more on every colour (WCAG 2.2, 1.4.3).
    var ink: MailColour {
        let (white, black) = (MailColour(red: 255, green: 255, blue: 255), MailColour(red: 0, green: 0, blue: 0))
        return contrast(to: white) >= contrast(to: black) ? white : black
    }
    func contrast(to other: MailColour) -> Double {
        let (high, low) = (max(luminance, other.luminance), min(luminance, other.luminance))
        return (high + 0.05) / (low + 0.05)
    }
    private var luminance: Double {
        func linear(_ channel: Int) -> Double {
            let value = Double(channel) / 255
            return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }
}

/// What mails are written with.
package struct MailVoice: Sendable {
    let brand: MailBrand
    let templates: MailTemplateFolder
    package init(_ brand: MailBrand, templates: MailTemplateFolder = MailTemplateFolder(nil)) {
        self.brand = brand
        self.templates = templates
    }
}
