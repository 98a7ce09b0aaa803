import Console
import Foundation
import HTTPEdge
import Notifications
import Vocabulary

/// Mails as an operator looks at them before anybody gets one.
package struct MailDesk: Sendable {
    package let folder: URL
    private let voice: MailVoice
    private let origin: String

    package init(_ options: PlatformOptions) {
        folder = Self.folder(options)
        voice = Self.voice(options) { _, _ in }
        let given = options.settings[HTTPEdgeSettings.publicURL]
        origin = given.isEmpty ? "http://127.0.0.1:8080" : given
    }

    /// Beside the policies, as tiers and roles are: `mail/NAME.txt`.
    static func folder(_ options: PlatformOptions) -> URL { options.policies.appendingPathComponent("mail") }
    static func voice(_ options: PlatformOptions, note: @escaping @Sendable (String, [String: String]) -> Void) -> MailVoice {
        let accent = MailColour(options.settings[ConsoleSettings.accent]) ?? .standard
        let brand = MailBrand(options.settings[PlatformSettings.brand], accent: accent)
        return MailVoice(brand, templates: MailTemplateFolder(folder(options), note: note))
    }

    package var names: [String] { MailTemplateFolder.names }
    package func faults() -> [String] { MailTemplateFolder(folder).faults() }

    /// One mail; `name` and `accent` as a tenant would choose them. Nil for a name that is none, a colour that is none.
    package func sample(_ template: String, name: String?, accent: String?, footer: String) -> MailSample? {
        guard names.contains(template) else { return nil }
        guard name != nil || accent != nil || !footer.isEmpty else { return voice.preview(template, origin: origin) }
        guard let brand = MailBrand.tenant(name ?? "Analytical Engines", accent: accent, footer: footer, of: voice) else { return nil }
        return voice.preview(template, brand, origin: origin)
    }
}
