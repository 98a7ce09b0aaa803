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
                            "quantity": [quantity.shown(nil, problem)],
                            "coupon": [FormField(name: "coupon", label: "Coupon code", isOptional: true).shown(nil, problem)],
                            "request": hostile, "current": hostile,
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
                        "firstKey": hostile, "managesBilling": true, "leaving": ["at": hostile, "until": hostile], "hasCorrections": true,
                        "quantityWish": [
                            "subscription": hostile, "now": 3, "quantity": 5, "when": "then", "who": "another member", "mayWithdraw": true,
                        ],
                        "corrections": [["when": "then", "words": hostile, "provider": hostile]],
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
        pages += try signOnPages() + factorPages() + deskPages()
        let lines = ["Hello", "https://x.example/?a=1&b=\"2", "javascript:alert(1)", hostile].map { ["parts": MailWords.parts($0)] }
        pages.append(
            ("mail", try text("mail", frame(), ["subject": hostile, "from": hostile, "to": hostile, "when": "now", "lines": lines])))
        return pages
    }

    /// Single sign-on as an administrator sees it, and how somebody signs in.
    private func signOnPages() throws -> [(String, String)] {
        let link: [String: Any] = ["id": "1-a", "label": hostile, "since": "then", "used": "now"]
        let domain: [String: Any] = ["domain": hostile, "standing": hostile, "record": hostile, "value": hostile, "isOpen": true]
        let home: [String: Any] = [
            "hasConnections": true, "isRequired": true, "domains": [domain], "kinds": ["oidc"],
            "connections": [["id": "1-a", "label": hostile, "state": "enabled", "required": hostile]],
        ]
        let connection: [String: Any] = [
            "id": "1-a", "label": hostile, "state": "enabled", "redirect": hostile, "wasTested": true, "canEnable": true, "isEnabled": true,
            "settings": [["name": "issuer", "value": hostile]], "secrets": ["client_secret"],
        ]
        let signedIn = frame(isSignedIn: true)
        return [
            ("ways", try text("ways", signedIn, ["hasLinks": true, "links": [link], "offers": [["id": "oidc", "label": hostile]]])),
            ("ways", try text("ways", signedIn, [:])), ("sso", try text("sso", signedIn, home)), ("sso", try text("sso", signedIn, [:])),
            ("sso_connection", try text("sso_connection", signedIn, connection)),
            (
                "sso_connection",
                try text("sso_connection", signedIn, ["id": "1-a", "label": hostile, "state": "draft", "redirect": hostile])
            ),
        ]
    }

    /// Tables with buttons, and forms: what people manage.
    private func deskPages() throws -> [(String, String)] {
        let way = Desk.Way(words: "Change", target: "/people/1-a", whom: hostile)
        let full = Desk(
            heading: hostile, intro: [hostile], shownOnce: (hostile, hostile), facts: [(hostile, hostile)],
            charts: [
                Desk.Chart(
                    anchor: "e", caption: hostile, labels: [hostile, "Value"],
                    bars: [Desk.Bar(label: hostile, words: hostile, thousandths: 4_000), Desk.Bar(label: "x", words: "1", thousandths: -1)]),
                Desk.Chart(anchor: "f", caption: "Nothing", labels: ["Figure", "Value"], bars: []),
            ],
            tables: [
                Desk.Table(
                    anchor: "a", caption: "Members", columns: ["Name", "Role"],
                    rows: [Desk.Row(cells: [hostile, "x"], ways: [way], acts: [way]), Desk.Row(cells: ["y", hostile])]),
                Desk.Table(anchor: "b", caption: "Nobody", columns: ["Name"], rows: [], more: [("More", "/people?cursor=x")]),
            ],
            forms: [
                Desk.Form(
                    anchor: "c", title: hostile, action: "/people/invite",
                    fields: [.email, FormField(name: "networks", label: "Networks", hint: hostile, maxLength: 8_000)],
                    values: ["email": hostile, "networks": hostile], button: hostile),
                Desk.Form(
                    anchor: "g", title: "Choose", action: "/people/choose",
                    fields: [
                        .email,
                        FormField(
                            name: "minutes", label: "How long", hint: hostile,
                            options: [.init(value: hostile, words: hostile), .init(value: "5", words: "five")]),
                    ], values: ["minutes": "5"], button: "Choose"),
                Desk.Form(anchor: "d", title: "End", action: "/people/1-a/remove", fields: [], button: "End it"),
            ], elsewhere: [("Members", "/people")])
        let signedIn = frame(isSignedIn: true)
        let offered: JSONValue = [
            "state": "offered", "offer": ["kind": .string(hostile), "discount_basis_points": 2_500], "is_held": true,
            "steps": [["phase": "leave", "step": .string(hostile), "done_at": nil]],
        ]
        let leaving = Console.leavingDesk(offered, mayAsk: true, elsewhere: [])
        var upload = Desk(heading: "x")
        upload.upload = Desk.Form(
            anchor: "u", title: "Upload", action: "/projects/1-a/upload", fields: [FormField(name: "file", label: "File", type: "file")],
            button: "Upload it")
        var staffs = frame(isSignedIn: true)
        staffs.isStaff = true
        var place = frame(isSignedIn: true)
        place.place = .init(until: Timestamp(seconds: 0))
        return [
            ("desk", try text("desk", staffs, full.values)), ("desk", try text("desk", place, full.values)),
            ("desk", try text("desk", signedIn, leaving.values)), ("desk", try text("desk", signedIn, upload.values)),
            ("desk", try text("desk", place, Console.analyticsDesk(["lost": 1], days: 30).values)),
            ("desk", try text("desk", signedIn, full.values)), ("desk", try text("desk", signedIn, Desk(heading: "x").values)),
        ]
    }

    /// The script of passkeys, as pages name it.
    private var ours: String { "<script src=\"\(renderer.scriptPath)\" defer></script>" }

    /// Second factors: what there is, setting one up, proving one.
    private func factorPages() throws -> [(String, String)] {
        let field = FormField(name: "code", label: "Code", hint: "Six digits")
        let passkey: [String: Any] = [
            "action": "/sign-in/passkey", "options": hostile, "ceremony": "get", "button": "Use a passkey", "next": hostile,
            "fields": [field.shown(nil, nil)], "script": renderer.scriptPath,
        ]
        let held: [String: Any] = ["id": "1-a", "label": hostile, "isSuspect": true, "since": "then", "used": "never"]
        let all: [String: Any] = [
            "demand": hostile, "app": ["since": "then"], "knowsPasskeys": true, "hasPasskeys": true, "passkeys": [held],
            "recovery": ["left": 9], "rule": ["from": "then"],
        ]
        let codes: [String: Any] = [
            "heading": "With a code", "action": "/account/confirm", "next": hostile, "button": "Continue",
            "fields": [FormField(name: "other", label: "Code").shown(nil, CommonProblems.invalid("other", hostile))],
        ]
        let signedIn = frame(isSignedIn: true)
        let drawing: [String: Any] = ["path": try #require(QRCode("otpauth://totp/x")).path, "span": 33]
        return [
            ("security", try text("security", signedIn, all)),
            ("security", try text("security", signedIn, ["rule": [String: Any](), "knowsPasskeys": true])),
            ("security", try text("security", signedIn, [:])),
            ("app", try text("app", signedIn, ["secret": hostile, "drawing": drawing, "fields": [field.shown(nil, nil)]])),
            ("codes", try text("codes", signedIn, ["codes": [hostile, "8H3K-72QX"]])),
            (
                "prove",
                try text("prove", signedIn, ["heading": hostile, "intro": [hostile], "passkey": passkey, "codes": codes])
            ), ("prove", try text("prove", frame(), ["heading": "One more step", "intro": ["x"], "codes": codes])),
            (
                "passkey",
                try text(
                    "passkey", frame(),
                    ["heading": hostile, "intro": [hostile], "passkey": passkey, "back": "/sign-in", "backWords": hostile])
            ),
        ]
    }

    @Test("whoever acts in a member's place reads so on every page, with the way out, and until when")
    func place() throws {
        var frame = frame(isSignedIn: true)
        frame.place = .init(until: Timestamp(seconds: 1_795_253_400))
        for page in [try text("home", frame), try text("desk", frame, Desk(heading: "x").values)] {
            #expect(page.contains("You act in a member's place until 2026-11-21 09:30 UTC."))
            #expect(try Markup(page)["form"].contains { $0.attributes["action"] == "/staff/places/leave" })
            #expect(!page.contains("href=\"/staff\""))
        }
    }

    @Test("figures become bars no longer than the whole, and nothing is divided by nothing")
    func figures() {
        let amounts: JSONValue = [["currency": "USD", "amount_minor": 2900, "twelfths": 0]]
        let found: JSONValue = [
            "lost": 1, "paying_at_start": 4, "trials_converted": 0, "trials_ended": 0, "seats_used": 9, "seats_sold": 3, "tenants": 7,
            "is_complete": true, "monthly_recurring": amounts,
            "monthly_recurring_by_tier": [
                ["tier": "pro", "amounts": [["currency": "USD", "amount_minor": 1450, "twelfths": 0]]],
                ["tier": "team", "amounts": amounts],
            ],
        ]
        let desk = Console.analyticsDesk(found, days: 30)
        #expect(desk.charts[0].bars.map(\.thousandths) == [250, 0, 1_000])
        #expect(desk.charts[0].bars.map(\.words) == ["1 of 4", "0 of 0", "9 of 3"])
        #expect(desk.charts[1].bars.map { "\($0.label) \($0.words) \($0.thousandths)" } == ["pro 14.50 USD 500", "team 29.00 USD 1000"])
        #expect(desk.facts.first?.1 == "29.00 USD")
        #expect([5, 1_023, 1_024, 1_572_864].map { Spans.bytes($0) } == ["5 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB"])
    }

    @Test("each state of leaving offers what can be done in it, and nothing to who may not ask")
    func leaving() {
        func ways(_ state: String, mayAsk: Bool = true) -> [String] {
            Console.leavingDesk(["state": .string(state)], mayAsk: mayAsk, elsewhere: []).forms.map(\.action)
        }
        #expect(ways("offered") == ["/leaving/offer/take", "/leaving/offer/refuse", "/leaving/withdraw"])
        #expect(ways("scheduled") == ["/leaving/withdraw"] && ways("retained") == ["/leaving/reactivate"])
        let planned: JSONValue = ["state": "scheduled", "cause": "cancelled", "can_return_until": "2027-03-01T00:00:00Z"]
        let desk = Console.leavingDesk(planned, mayAsk: true, elsewhere: [])
        #expect(desk.forms.map(\.action) == ["/leaving/withdraw", "/leaving/request"])
        #expect(desk.intro.first?.hasPrefix("Your subscription is cancelled and nothing takes its place") == true)
        #expect(desk.facts.first?.0 == "Why" && desk.facts.last?.0 == "You can come back until about")
        let stays = Console.leavingDesk(["state": "withdrawn", "called_off_at": "2027-03-01T00:00:00Z"], mayAsk: true, elsewhere: [])
        #expect(stays.intro == ["Your organization was about to leave. Something is paid for again, so it stays."])
        #expect(ways("leaving") == [] && ways("purging") == [])
        #expect(ways("withdrawn") == ["/leaving/request"] && ways("reactivated") == ["/leaving/request"])
        #expect(ways("offered", mayAsk: false) == [])
    }

    @Test("a QR code holds what fits and nothing more; its corners are finders")
    func qrCode() throws {
        for count in [1, 14, 15, 60, 180, 213, 214, 666] {
            let code = try #require(QRCode(String(repeating: "x", count: count)))
            #expect((code.size - 17) % 4 == 0 && code.modules.count == code.size)
            for (x, y) in [(0, 0), (code.size - 7, 0), (0, code.size - 7)] {
                #expect((0..<7).allSatisfy { code.modules[y][x + $0] && code.modules[y + 6][x + $0] && code.modules[y + $0][x] })
                #expect(code.modules[y + 3][x + 3] && !code.modules[y + 1][x + 1])
            }
        }
        #expect(QRCode(String(repeating: "x", count: 667)) == nil)
    }

    @Test("every page is well formed and accessible as far as markup shows it")
    func accessible() throws {
        for (name, page) in try everyPage() {
            let faults = try Markup(page.replacing(ours, with: "")).faults
            #expect(faults.isEmpty, "\(name): \(faults)\n\(page)")
        }
    }

    @Test("nothing that came from outside becomes markup")
    func escaped() throws {
        for (name, page) in try everyPage() {
            // The one script is ours, and stands where passkeys are.
            #expect(page.components(separatedBy: ours).count - 1 == (page.contains("data-passkey") ? 1 : 0), "\(name)")
            #expect(!page.replacing(ours, with: "").contains("<script"), "\(name)")
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
        #expect(
            Set(templates) == [
                "head", "foot", "field", "form", "home", "plans", "licence", "waiting", "message", "mailbox", "mail", "ways", "sso",
                "sso_connection", "security", "app", "codes", "prove", "passkey", "passkey_form", "desk",
            ])
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
