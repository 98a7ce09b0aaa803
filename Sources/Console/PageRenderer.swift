import Foundation
import HTTPEdge
import Mustache
import Signing
import Vocabulary

/// Turns a template and its values into a page. Values are escaped by the templates; only `csrf` is markup, and it is ours.
struct PageRenderer: Sendable {
    struct Missing: Error {
        let template: String
    }

    /// What surrounds a page's own content.
    struct Frame {
        var title: String
        var isSignedIn = false
        /// The hidden field that every form of the page carries.
        var csrf = ""
        var problem: Problem?
        /// The fields of the page's form, which the problem's summary points to.
        var fields: [FormField] = []
        /// Of the platform's own people, as themselves.
        var isStaff = false
        /// Staff in a member's place; until when, as far as this browser knows.
        var place: Place?
        struct Place {
            let until: Timestamp?
        }
        /// When the page loads itself again, and where: `3; url=/licence`.
        var refresh: String?
    }

    private let library: MustacheLibrary
    private let brand: String
    let stylesheet: Data
    /// Changes with the bytes, so that a browser may keep it for good.
    let stylesheetPath: String
    /// What a browser must do for passkeys.
    let script: Data
    let scriptPath: String
    /// Large files.
    let uploadScript: Data
    let uploadScriptPath: String

    init(brand: String, settings: Settings) throws {
        guard let folder = Bundle.module.resourceURL?.appendingPathComponent("Templates") else { throw Missing(template: "Templates") }
        var library = MustacheLibrary()
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        where file.pathExtension == "mustache" {
            try library.register(try String(contentsOf: file, encoding: .utf8), named: file.deletingPathExtension().lastPathComponent)
        }
        self.library = library
        self.brand = brand
        stylesheet = try Data(contentsOf: folder.appendingPathComponent("style.css")) + Data(Self.accents(settings).utf8)
        stylesheetPath = "/assets/style-\(Hex.encode(Digest.sha256(stylesheet).prefix(8))).css"
        (script, scriptPath) = try Self.script("passkey", folder)
        (uploadScript, uploadScriptPath) = try Self.script("upload", folder)
    }
    private static func script(_ name: String, _ folder: URL) throws -> (Data, String) {
        let text = try Data(contentsOf: folder.appendingPathComponent("\(name).js"))
        return (text, "/assets/\(name)-\(Hex.encode(Digest.sha256(text).prefix(8))).js")
    }

    /// The brand's colours, laid over those of the style sheet.
    private static func accents(_ settings: Settings) -> String {
        func rule(_ setting: Setting<String>) -> String {
            guard let colour = Colour(settings[setting]) else { return "" }
            return ":root { --accent: \(colour.hex); --on-accent: \(colour.ink.hex); }"
        }
        return "\n\(rule(ConsoleSettings.accent))\n@media (prefers-color-scheme: dark) { \(rule(ConsoleSettings.darkAccent)) }\n"
    }

    func page(_ template: String, _ frame: Frame, _ values: [String: Any] = [:], status: Int = 200) throws -> Reply {
        var all = values
        all["title"] = frame.problem == nil ? frame.title : "Error: \(frame.title)"
        all["brand"] = brand
        all["stylesheet"] = stylesheetPath
        all["signedIn"] = frame.isSignedIn
        all["csrf"] = frame.csrf
        if frame.isStaff { all["staff"] = true }
        if let place = frame.place { all["place"] = ["until": place.until.map(Spans.minute) ?? "its time is over"] }
        if let refresh = frame.refresh { all["refresh"] = refresh }
        if let problem = frame.problem { all["problem"] = Self.shown(problem, frame.fields) }
        guard let text = library.render(all, withTemplate: template) else { throw Missing(template: template) }
        return Reply.html(text, status: status)
    }

    /// A problem as a person reads it: what happened, what to do, and each field that was wrong, with a way to it.
    static func shown(_ problem: Problem, _ fields: [FormField]) -> [String: Any] {
        let rules = FormField.rules(problem)
        let known = fields.filter { rules[$0.name] != nil }.map { ["id": $0.name, "label": $0.label, "rule": rules[$0.name] ?? ""] }
        let unknown = rules.filter { rule in !fields.contains { $0.name == rule.key } }.sorted { $0.key < $1.key }
        var details = unknown.map { "\($0.key.replacing("_", with: " ")): \($0.value)" }
        if let reason = problem.fields["reason"]?.string { details.append("Reason: \(reason.replacing("_", with: " "))") }
        if let seconds = problem.fields["retry_after"]?.int { details.append("Try again in \(Spans.words(seconds)).") }
        return [
            "heading": known.isEmpty ? problem.title : "Please check what you entered", "hint": known.isEmpty ? problem.hint : "",
            "wrongFields": known, "details": details,
            "hasDetails": !known.isEmpty || !details.isEmpty,
        ]
    }
}

/// Spans and moments as a person reads them.
enum Spans {
    static func words(_ seconds: Int64) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3_600: "\(seconds / 60) min" + (seconds % 60 == 0 ? "" : " \(seconds % 60) s")
        case ..<86_400: "\(seconds / 3_600) h" + (seconds / 60 % 60 == 0 ? "" : " \(seconds / 60 % 60) min")
        default: "\(seconds / 86_400) days"
        }
    }
    /// `2026-11-21 09:30 UTC`
    static func minute(_ moment: Timestamp) -> String {
        let text = moment.iso8601
        return text.prefix(10) + " " + text.dropFirst(11).prefix(5) + " UTC"
    }
}
