import Foundation
import HTTPEdge
import Mustache
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
        /// The page loads itself again after this many seconds.
        var refreshSeconds: Int?
    }

    private let library: MustacheLibrary
    private let brand: String
    let stylesheet: Data
    /// Changes with the bytes, so that a browser may keep it for good.
    let stylesheetPath: String

    init(brand: String) throws {
        guard let folder = Bundle.module.resourceURL?.appendingPathComponent("Templates") else { throw Missing(template: "Templates") }
        var library = MustacheLibrary()
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) where file.pathExtension == "mustache" {
            try library.register(try String(contentsOf: file, encoding: .utf8), named: file.deletingPathExtension().lastPathComponent)
        }
        self.library = library
        self.brand = brand
        stylesheet = try Data(contentsOf: folder.appendingPathComponent("style.css"))
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in stylesheet { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        stylesheetPath = "/assets/style-\(String(hash, radix: 16)).css"
    }

    func page(_ template: String, _ frame: Frame, _ values: [String: Any] = [:], status: Int = 200) throws -> Reply {
        var all = values
        all["title"] = frame.title
        all["brand"] = brand
        all["stylesheet"] = stylesheetPath
        all["signedIn"] = frame.isSignedIn
        all["csrf"] = frame.csrf
        if let seconds = frame.refreshSeconds { all["refreshSeconds"] = seconds }
        if let problem = frame.problem { all["problem"] = Self.shown(problem) }
        guard let text = library.render(all, withTemplate: template) else { throw Missing(template: template) }
        return Reply.html(text, status: status)
    }

    /// A problem as a person reads it: what happened, what to do, and each field that was wrong.
    static func shown(_ problem: Problem) -> [String: Any] {
        var details: [String] = []
        for finding in problem.fields["fields"]?.array ?? [] {
            guard let field = finding["field"]?.string, let rule = finding["rule"]?.string else { continue }
            details.append("\(field.replacingOccurrences(of: "_", with: " ")): \(rule)")
        }
        if let reason = problem.fields["reason"]?.string { details.append("Reason: \(reason.replacingOccurrences(of: "_", with: " "))") }
        if let seconds = problem.fields["retry_after"]?.int { details.append("Try again in \(Spans.words(seconds)).") }
        return ["title": problem.title, "hint": problem.hint, "details": details, "hasDetails": !details.isEmpty]
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
    /// `2026-11-21`
    static func day(_ moment: Timestamp) -> String { String(moment.iso8601.prefix(10)) }
}
