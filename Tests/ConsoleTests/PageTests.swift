import Foundation
import HTTPEdge
import Testing
import Vocabulary

@testable import Console

private let hostile = "\"><script>alert('1')</script>{{csrf}}&"
private let token = "<input type=\"hidden\" name=\"csrf_token\" value=\"abc\">"

@Suite("Pages")
struct PageTests {
    private let renderer: PageRenderer
    init() throws { renderer = try PageRenderer(brand: "Acme & Sons", settings: Settings()) }

    private func text(_ template: String, _ frame: PageRenderer.Frame, _ values: [String: Any] = [:]) throws -> String {
        String(decoding: try renderer.page(template, frame, values).body, as: UTF8.self)
    }
    private func frame(isSignedIn: Bool = false, problem: Problem? = nil, fields: [FormField] = []) -> PageRenderer.Frame {
        PageRenderer.Frame(title: "Title", isSignedIn: isSignedIn, csrf: token, problem: problem, fields: fields)
    }

    static var holder: [String: Any] { ["device": hostile, "since": "2026-11-21 09:30 UTC", "until": "2026-11-21 09:36 UTC"] }
    static func licence(_ id: String, status: String = "active") -> [String: Any] {
        [
            "id": id, "tier": "Team", "status": status, "statusWords": status, "key": ["text": "CODITECT-1"], "seatsUsed": 1,
            "seatsTotal": 3,
            "activations": 1, "maxActivations": "2", "expires": "2026-12-21 09:30 UTC", "hasHolders": true, "holders": [holder],
            "givesFiles": true,
        ]
    }
    static let forms = [
        Console.signUpPage, Console.verifyPage, Console.signInPage, Console.forgotPage, Console.resetPage, Console.administratorPage,
    ]

    /// Every template with everything that it can show, and with as little as it can.
    private func everyPage() throws -> [(String, String)] {
        var pages: [(String, String)] = []
        for form in Self.forms {
            let broken = CommonProblems.invalid.with([
                "fields": .array(
                    (form.fields + [FormField(name: "other", label: "")]).map {
                        ["field": .string($0.name), "rule": .string("is \(hostile)")]
                    }),
                "reason": "too_few", "retry_after": 61,
            ])
            for problem in [nil, broken] {
                let values: [String: Any] = [
                    "heading": form.heading, "intro": form.intro, "action": form.action, "button": form.button,
                    "hidden": [["name": "token", "value": hostile]], "fields": form.fields.map { $0.shown(nil, problem) },
                    "after": form.after.map { ["before": $0.before, "words": $0.words, "target": $0.target] },
                ]
                pages.append((form.action, try text("form", frame(problem: problem, fields: form.fields), values)))
            }
        }
        let plan: [String: Any] = [
            "id": "team", "name": hostile, "price": "29.00 USD", "yearly": "or 290.00 USD a year", "points": [hostile],
            "link": "/sign-up?tier=team",
            "action": "Choose", "summary": hostile, "isChosen": true,
        ]
        pages.append(("home", try text("home", frame(), ["claim": hostile, "plans": [plan]])))
        pages.append(("home", try text("home", frame(isSignedIn: true), ["claim": "x", "plans": [[String: Any]]()])))
        let quantity = FormField(name: "quantity", label: "Quantity", type: "number", hint: "How many")
        for problem in [nil, CommonProblems.invalid("quantity", "is a whole number")] {
            pages.append(
                (
                    "plans",
                    try text(
                        "plans", frame(isSignedIn: true, problem: problem, fields: [quantity]),
                        [
                            "plans": [plan], "intervals": [["id": "month", "words": "Every month", "isChosen": true]],
                            "quantity": [quantity.shown(nil, problem)], "request": hostile, "current": hostile,
                        ])
                ))
        }
        pages.append(
            (
                "licence",
                try text(
                    "licence", frame(isSignedIn: true),
                    [
                        "hasLicenses": true, "several": true, "licenses": [Self.licence("a"), Self.licence("b", status: "suspended")],
                        "firstKey": hostile, "managesBilling": true,
                    ])
            ))
        pages.append(
            (
                "licence",
                try text(
                    "licence", frame(isSignedIn: true),
                    ["isEmpty": true, "hasEnded": true, "ended": [["tier": hostile, "expired": "then"]]])
            ))
        pages.append(("waiting", try text("waiting", frame(isSignedIn: true), ["looksAgain": true])))
        pages.append(("waiting", try text("waiting", frame(isSignedIn: true), ["looksAgain": false])))
        pages.append(
            (
                "message",
                try text(
                    "message", frame(problem: CommonProblems.rateLimited.retry(afterSeconds: 5)),
                    ["heading": "That did not work", "reference": hostile])
            ))
        pages.append(
            (
                "message",
                try text("message", frame(), ["heading": hostile, "paragraphs": [hostile], "links": [["words": "On", "target": "/x"]]])
            ))
        pages.append(
            (
                "mailbox",
                try text(
                    "mailbox", frame(), ["hasMails": true, "mails": [["id": "1-a", "when": "now", "to": hostile, "subject": hostile]]])
            ))
        pages.append(("mailbox", try text("mailbox", frame(), [:])))
        let lines = ["Hello", "https://x.example/?a=1&b=\"2", "javascript:alert(1)", hostile].map { ["parts": MailWords.parts($0)] }
        pages.append(
            ("mail", try text("mail", frame(), ["subject": hostile, "from": hostile, "to": hostile, "when": "now", "lines": lines])))
        return pages
    }

    @Test("every page is well formed and accessible as far as markup shows it")
    func accessible() throws {
        for (name, page) in try everyPage() {
            let faults = try Markup(page).faults
            #expect(faults.isEmpty, "\(name): \(faults)\n\(page)")
        }
    }

    @Test("nothing that came from outside becomes markup")
    func escaped() throws {
        for (name, page) in try everyPage() {
            #expect(!page.contains("<script"), "\(name)")
            #expect(!page.contains("javascript:alert(1)\""), "\(name)")
            // The form's token stands where a form is, never where a value said so.
            #expect(page.components(separatedBy: token).count - 1 == page.components(separatedBy: "<form").count - 1, "\(name)")
            #expect(page.contains("Acme &amp; Sons"))
        }
    }

    @Test("no template is left that no page uses, and each is used by a test here")
    func allTemplates() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appendingPathComponent("Sources/Console")
        let templates = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("Templates").path)
            .filter { $0.hasSuffix(".mustache") }.map { String($0.dropLast(9)) }
        #expect(Set(templates) == ["head", "foot", "field", "form", "home", "plans", "licence", "waiting", "message", "mailbox", "mail"])
    }

    @Test("a field that was wrong says so where it stands, and the summary leads to it")
    func errors() throws {
        let problem = CommonProblems.invalid.with([
            "fields": [["field": "email", "rule": "is not a mail address"], ["field": "tier", "rule": "is unknown"]]
        ])
        let page = try text(
            "form", frame(problem: problem, fields: Console.signInPage.fields),
            [
                "heading": "Sign in", "action": "/sign-in", "button": "Sign in",
                "fields": Console.signInPage.fields.map { $0.shown(nil, problem) },
            ])
        let markup = try Markup(page)
        #expect(page.contains("<title>Error: Title"))
        #expect(page.contains("<a href=\"#email\">Email is not a mail address</a>"))
        #expect(page.contains("<li>tier: is unknown</li>"))
        let email = try #require(markup["input"].first { $0.attributes["name"] == "email" })
        #expect(email.attributes["aria-invalid"] == "true")
        #expect(email.attributes["aria-describedby"] == "email-wrong")
        let password = try #require(markup["input"].first { $0.attributes["name"] == "password" })
        #expect(password.attributes["aria-invalid"] == nil)
    }

    @Test("a password is never sent back, other fields are")
    func kept() throws {
        let call = Call(
            act: Act(actor: .anonymous, requestID: "r", now: Timestamp(seconds: 0)), method: .post, path: "/", parameters: [:], query: [:],
            headers: [:],
            body: Data("email=a%40b.example&password=secret-secret".utf8), principal: nil, tokenID: nil, origin: "http://127.0.0.1",
            isLoopback: true)
        let sent = try SentForm(call)
        #expect(FormField.email.shown(sent, nil)["value"] as? String == "a@b.example")
        #expect(FormField.password.shown(sent, nil)["value"] as? String == "")
        #expect(sent["nothing"] == "")
        #expect(sent.optional("nothing") == nil)
    }

    @Test(
        "after signing in one goes on within this site only",
        arguments: [
            ("/licence", "/licence"), ("/plans?tier=team", "/plans?tier=team"), ("//evil.example", "/start"),
            ("https://evil.example", "/start"),
            ("/\\evil.example", "/start"), ("", "/start"), ("evil", "/start"), ("/a\r\nset-cookie: x", "/start"), ("/ä", "/start"),
            ("javascript:alert(1)", "/start"), ("/" + String(repeating: "a", count: 500), "/start"),
        ])
    func inside(next: String, target: String) {
        #expect(Console.inside(next) == target)
        #expect(Console.inside(nil) == "/start")
    }

    @Test("spans are said in the largest units that matter")
    func spans() {
        #expect([5, 60, 61, 3_600, 3_661, 90_000].map { Spans.words($0) } == ["5 s", "1 min", "1 min 1 s", "1 h", "1 h 1 min", "1 days"])
        #expect(Spans.minute(Timestamp(seconds: 1_795_253_400)) == "2026-11-21 09:30 UTC")
    }
}

@Suite("The style sheet")
struct StyleTests {
    private func sheet(_ settings: Settings = Settings()) throws -> String {
        String(decoding: try PageRenderer(brand: "x", settings: settings).stylesheet, as: UTF8.self)
    }
    /// The colours of one scheme by name: those of the brand stand last, so they win.
    private func colours(_ css: String, dark: Bool) -> [String: Colour] {
        var found: [String: Colour] = [:]
        let blocks = css.components(separatedBy: "@media (prefers-color-scheme: dark)")
        let halves = blocks.dropFirst().map { $0.components(separatedBy: "}\n") }
        var text = blocks[0] + halves.map { $0.dropFirst(1).joined(separator: "}\n") }.joined()
        if dark { text += halves.map { $0[0] + "}" }.joined() }
        for match in text.matches(of: #/--([a-z-]+): (#[0-9a-f]{6})/#) { found[String(match.1)] = Colour(String(match.2)) }
        return found
    }

    @Test("text, links, buttons and borders of fields can be read, by day and by night", arguments: [false, true])
    func contrast(dark: Bool) throws {
        let colours = colours(try sheet(), dark: dark)
        func colour(_ name: String) throws -> Colour { try #require(colours[name], "\(name)") }
        #expect(try colour("ground") == (dark ? .darkGround : .lightGround))
        #expect(try colour("raised") == (dark ? .darkRaised : .lightRaised))
        for ground in ["ground", "raised"] {
            for text in ["text", "soft", "accent", "good", "bad"] {
                let ratio = try colour(text).contrast(to: try colour(ground))
                #expect(ratio >= 4.5, "\(text) on \(ground): \(ratio)")
            }
        }
        for (text, ground) in [("bad", "bad-ground"), ("text", "bad-ground"), ("on-accent", "accent")] {
            #expect(try colour(text).contrast(to: try colour(ground)) >= 4.5, "\(text) on \(ground)")
        }
    }

    @Test("contrast is that of WCAG 2.2")
    func ratios() throws {
        let white = try #require(Colour("#ffffff"))
        #expect(white.contrast(to: try #require(Colour("#000000"))) == 21)
        #expect(abs(white.contrast(to: try #require(Colour("#767676"))) - 4.54) < 0.01)
        #expect(white.contrast(to: white) == 1)
        #expect(try #require(Colour("#ffee00")).ink != white)
        #expect(try #require(Colour("#003366")).ink == white)
    }

    @Test("a brand's colours are taken; one that cannot be read, or is no colour, is refused")
    func brand() throws {
        let settings = Settings().setting(ConsoleSettings.accent, to: "#8a1c7c").setting(ConsoleSettings.darkAccent, to: "#ff9ee8")
        let css = try sheet(settings)
        #expect(colours(css, dark: false)["accent"]?.hex == "#8a1c7c")
        #expect(colours(css, dark: true)["accent"]?.hex == "#ff9ee8")
        #expect(
            try PageRenderer(brand: "x", settings: settings).stylesheetPath != PageRenderer(brand: "x", settings: Settings()).stylesheetPath
        )
        for bad in ["#ffee00", "red", "#12345", "#1234567", "#0b57d0; } body { display: none", "", "#-12345", "#+12345"] {
            #expect(!ConsoleSettings.accent.accepts(bad), "\(bad)")
            #expect(!ConsoleSettings.darkAccent.accepts(bad) || bad == "#ffee00", "\(bad)")
        }
        for setting in ConsoleSettings.all { #expect(setting.check(setting.default) == nil) }
    }

    @Test("movement waits for those who want it, and keyboard focus shows")
    func manners() throws {
        let css = try sheet()
        #expect(css.contains(":focus-visible { outline: 3px"))
        let motion = css.components(separatedBy: "\n").filter { $0.contains("transition") || $0.contains("animation") }
        #expect(motion.allSatisfy { $0.contains("prefers-reduced-motion: no-preference") })
        #expect(!css.contains("url(") && !css.contains("@import"))
    }
}
