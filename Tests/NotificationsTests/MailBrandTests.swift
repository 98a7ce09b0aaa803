import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Notifications

@Suite("How mails look")
struct MailBrandTests {
    private static let hostile = [
        "", " ", "Acme ", String(repeating: "a", count: 61), "Acme\r\nBcc: eve@example.com", "Acme <eve@example.com>", "Acme\" <x@y>",
        "www.evil.example",
        "https://evil", "a@b", "\u{202e}emcA", "A\u{200b}cme", "<b>Acme</b>", "{token}", "=?utf-8?Q?x?=", "123", "(x)",
    ]

    @Test("whatever colour a tenant chooses, what stands on it can be read")
    func contrast() {
        var worst = 21.0
        for value in stride(from: 0, through: 0xffffff, by: 4_099) {
            let text = "#" + String(repeating: "0", count: 6 - String(value, radix: 16).count) + String(value, radix: 16)
            guard let colour = MailColour(text) else {
                Issue.record("\(text) is a colour")
                return
            }
            #expect(colour.hex == text)
            worst = min(worst, colour.contrast(to: colour.ink))
        }
        #expect(worst >= 4.5, "\(worst)")
        for text in ["", "#fff", "red", "#12345g", "#+12345", "#-12345", "0b57d0", "#0b57d0;", "#0b57d\u{301}", "url(x)"] {
            #expect(MailColour(text) == nil, "\(text)")
        }
    }

    @Test("a name that could pass for a link, an address, a header or markup is none", arguments: hostile)
    func names(name: String) {
        #expect(!MailBrand.isName(name))
        #expect(MailBrand.tenant(name, accent: nil, footer: "", of: MailVoice(MailBrand("Acme"))) == nil)
    }

    @Test("ordinary names are", arguments: ["Analytical Engines", "Müller & Söhne", "O'Brien, Ltd", "漢字", "42 Labs", "A+B"])
    func ordinary(name: String) { #expect(MailBrand.isName(name)) }

    @Test("whatever brand is given to it, a mail holds no foreign markup, header or address to load from", arguments: hostile)
    func markup(text: String) {
        let brand = MailBrand(text, footer: text + "\"><img src=x onerror=y>", platform: "Acme")
        let mail = MailWriter(brand: brand, origin: "https://id.example.com").write(
            "invitation", values: ["token": "t", "inviter": text, "organization": text, "role": "viewer", "days": "7"], recipient: text)
        let tags = mail.html.components(separatedBy: "<").dropFirst().map { $0.prefix { $0 != ">" } }
        let names = Set(tags.map { $0.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber || $0 == "!" } })
        let known: Set<Substring> = [
            "!doctype", "html", "head", "meta", "title", "style", "body", "table", "tr", "td", "h1", "p", "a", "br", "span",
        ]
        #expect(names.subtracting(known).isEmpty, "\(names)")
        #expect(!tags.contains { $0.contains("onerror") || $0.contains("src=") || $0.contains("url(") })
        #expect(!mail.subject.contains("\n") && !mail.subject.contains("\r"))
        let message = MailText.message(
            Mail(
                from: "a@b.example", sender: brand.sender, to: MailAddress(email: "c@d.example", name: text), subject: mail.subject,
                text: mail.text,
                html: mail.html, messageID: "x@y", at: Timestamp(seconds: 0), template: "invitation"))
        let head = message.components(separatedBy: "\r\n\r\n")[0]
        #expect(!head.components(separatedBy: "\r\n").contains { $0.lowercased().hasPrefix("bcc") })
    }

    @Test("a mail loads nothing, knows day and night, and leads to our own pages alone", arguments: MailTemplate.all.keys.sorted())
    func page(name: String) {
        let sample = MailVoice(MailBrand("Acme")).preview(name, origin: "https://id.example.com")
        for word in ["src=", "@import", "url(", "<link", "<script", "http://", "<img"] { #expect(!sample.html.contains(word), "\(word)") }
        let targets = sample.html.components(separatedBy: "href=\"").dropFirst().map { $0.prefix { $0 != "\"" } }
        for target in targets { #expect(target.hasPrefix("https://id.example.com/")) }
        #expect(sample.html.contains("prefers-color-scheme: dark") && sample.html.contains("name=\"color-scheme\""))
        #expect(sample.html.utf8.count < 20_000)
        #expect(!sample.text.contains("{") && !sample.text.contains("<"))
    }

    @Test("a tenant's mails carry its name and always the platform's; people's own and staff's are the platform's")
    func whose() async throws {
        let house = try await MailFateTests.House()
        let tenant = TenantID(UUID())
        let ada = house.book.add("ada@example.com")
        house.book.owning.with { $0 = [ada] }
        let made = try await house.room.setBrand(
            "Analytical Engines", accent: "#FFDD00", footer: "12 Dorset Street, London", of: tenant, house.test.act())
        #expect(made.accent.hex == "#ffdd00" && made.accent.ink.hex == "#000000")
        _ = try await house.room.setBrand("Difference Engines", accent: "#ffdd00", footer: "London", of: tenant, house.test.act())
        let act = house.test.act()
        try await house.test.store.tenant(tenant) { db in
            try db.emit(MailRequested(recipient: .owners(tenant), template: "payment_failed", values: ["tier": "Team"], key: "a"), act)
            try db.emit(MailRequested(recipient: .user(ada), template: "webhook_disabled", values: [:], key: "b"), act)
        }
        try await house.mail(ada, "c")
        let mails = Dictionary(house.sent.map { ($0.template, $0) }, uniquingKeysWith: { $1 })
        for name in ["payment_failed", "webhook_disabled"] {
            #expect(mails[name]?.sender == "Difference Engines (Acme)")
            #expect(mails[name]?.html.contains("Difference Engines uses Acme, which sent this mail.") == true)
            #expect(mails[name]?.text.contains("London\n\nDifference Engines uses Acme") == true)
        }
        #expect(mails["password_changed"]?.sender == "Acme")
        #expect(mails["password_changed"]?.html.contains("Engines") == false)

        try await house.room.dropBrand(of: tenant, house.test.act())
        #expect(try await house.room.brand(of: tenant) == MailBrand("Acme"))
        for (name, accent, footer) in [
            ("<x>", "#000000", ""), ("Acme", "red", ""), ("Acme", "#000000", "see https://evil.example"), ("Acme", "#000000", "<b>"),
            ("Acme", "#000000", "see evil.example"), ("Acme", "#000000", "ask eve@example"), ("Acme", "#000000", "a\nb"),
        ] {
            do {
                _ = try await house.room.setBrand(name, accent: accent, footer: footer, of: tenant, house.test.act())
                Issue.record("\(name), \(accent), \(footer) was taken")
            } catch let problem as Problem {
                #expect(problem.code == "validation_failed")
            }
        }
        let actions = try await house.test.store.kernelRead(KernelReason("test.journal")) { db in
            try db.rows(SQL("test.journal", "SELECT action FROM journal_entry_all WHERE action LIKE 'mail_brand.%'")).map { try $0.text(0) }
        }
        #expect(actions == ["mail_brand.changed", "mail_brand.changed", "mail_brand.dropped"])
    }
}

@Suite("An operator's templates")
struct MailTemplateFolderTests {
    private func folder(_ files: [String: String]) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("templates-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
        return folder
    }
    private static let good =
        "subject: Please confirm\n\nHello from {brand}:\nit works for {hours} hours.\n\n[Yes, it is mine](/verify?token={token})\n"

    @Test("a file says a mail otherwise, from the next mail on, and without it the built-in words are back")
    func live() throws {
        let place = try folder(["verify_email.txt": Self.good])
        defer { try? FileManager.default.removeItem(at: place) }
        let voice = MailVoice(MailBrand("Acme"), templates: MailTemplateFolder(place))
        let sample = voice.preview("verify_email", origin: "https://id.example.com")
        #expect(sample.subject == "Please confirm")
        #expect(
            sample.text.contains(
                "Hello from Acme: it works for 24 hours.\n\nYes, it is mine:\nhttps://id.example.com/verify?token=not-a-token\n"))
        #expect(voice.templates.faults().isEmpty)
        try FileManager.default.removeItem(at: place.appendingPathComponent("verify_email.txt"))
        #expect(voice.preview("verify_email", origin: "").subject == "Confirm your address")
    }

    @Test(
        "a broken file changes nothing and is told",
        arguments: [
            ("", "begin with subject"), ("Hello", "begin with subject"), ("subject:\n\nx", "1 to 150"),
            ("subject: x", "1 to 30 paragraphs"),
            (good.replacing("{hours}", with: "{password}"), "{password}"),
            (good.replacing("/verify?token={token}", with: "/"), "lacks the link"),
            (good.replacing("/verify?token={token}", with: "https://evil.example/?{token}"), "page of our own"),
            (good.replacing("/verify?token={token}", with: "//evil.example/{token}"), "page of our own"),
            (good.replacing("/verify?token={token}", with: "/x?token={token}"), "lacks the link"),
            (good.replacing("{hours} hours", with: "{token}"), "path alone"),
            (good.replacing("Please", with: "Please {token}"), "path alone"),
            (good.replacing("Hello", with: "\u{202e}Hello"), "cannot be seen"), (String(repeating: "x", count: 16_385), "longer than"),
            ("subject: x\n\n" + String(repeating: "y\n\n", count: 31), "30 paragraphs"),
        ])
    func broken(text: String, words: String) throws {
        let place = try folder(["verify_email.txt": text])
        defer { try? FileManager.default.removeItem(at: place) }
        let told = Guarded<[String]>([])
        let templates = MailTemplateFolder(place) { message, fields in told.with { $0.append("\(message) \(fields)") } }
        #expect(templates.template("verify_email").subject == "Confirm your address")
        #expect(told.with { $0.count } == 1)
        #expect(templates.faults().count == 1 && templates.faults()[0].contains(words), "\(templates.faults())")
    }

    @Test("files of no template, of other bytes and folders are told, and nobody's name is a path")
    func strange() throws {
        let place = try folder(["no_such.txt": Self.good, "README.md": "x"])
        defer { try? FileManager.default.removeItem(at: place) }
        try Data([0xff, 0xfe]).write(to: place.appendingPathComponent("invitation.txt"))
        try FileManager.default.createDirectory(at: place.appendingPathComponent("reset_password.txt"), withIntermediateDirectories: false)
        let templates = MailTemplateFolder(place)
        #expect(templates.faults().count == 3, "\(templates.faults())")
        #expect(templates.template("invitation").subject == "You are invited to an organisation")
        #expect(templates.template("reset_password").subject == "Set a new password")
        #expect(templates.template("../../etc/passwd").paragraphs.count == 1)
    }
}
