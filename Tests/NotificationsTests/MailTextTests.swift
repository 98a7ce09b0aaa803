import Foundation
import Testing
import Vocabulary

@testable import Notifications

func someMail(
    to: MailAddress = MailAddress(email: "ada@example.com", name: "Ada Lovelace"), subject: String = "Confirm your address",
    text: String = "Hello\n\nhttps://example.com/verify?token=abc\n", html: String = "<p>Hello</p>\n", sender: String = "CODITECT",
    id: String = "0011aabb@coditect.example", at: Timestamp = Timestamp(seconds: 1_795_000_000)
) -> Mail {
    Mail(
        from: "no-reply@coditect.example", sender: sender, to: to, subject: subject, text: text, html: html, messageID: id, at: at,
        template: "verify_email")
}

/// What Python's `email` package, written by others, reads in a message.
struct ReadMail: Decodable, Equatable {
    var headers: [String]
    var from: String
    var to: [[String]]
    var subject: String
    var date: Double
    var text: String
    var html: String
    var defects: [String]

    static let isAvailable = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

    init(_ message: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = [
            "-c",
            """
            import email, email.policy, json, sys
            m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTPUTF8)
            defects = [str(d) for d in m.defects] + [str(d) for p in m.walk() for d in p.defects] + [str(d) for v in m.values() for d in getattr(v, 'defects', [])]
            part = lambda kind: m.get_body(preferencelist=(kind,)).get_content()
            print(json.dumps({'headers': m.keys(), 'from': str(m['From']), 'to': [[a.display_name, a.addr_spec] for a in m['To'].addresses],
                'subject': str(m['Subject']), 'date': m['Date'].datetime.timestamp(), 'text': part('plain'), 'html': part('html'), 'defects': defects}))
            """,
        ]
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data(message.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        self = try JSONDecoder().decode(Self.self, from: data)
    }
}

@Suite("The text of a mail")
struct MailTextTests {
    private let names = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted", "Content-Type"]

    @Test("a plain mail is this, to the byte")
    func transcript() {
        #expect(
            MailText.message(someMail())
                == """
                From: CODITECT\r
                 <no-reply@coditect.example>\r
                To: Ada Lovelace\r
                 <ada@example.com>\r
                Subject: Confirm your address\r
                Date: Wed, 18 Nov 2026 11:06:40 +0000\r
                Message-ID: <0011aabb@coditect.example>\r
                MIME-Version: 1.0\r
                Auto-Submitted: auto-generated\r
                Content-Type: multipart/alternative; boundary="=_0011aabbcoditectexample_="\r
                \r
                --=_0011aabbcoditectexample_=\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Transfer-Encoding: 7bit\r
                \r
                Hello\r
                \r
                https://example.com/verify?token=abc\r
                \r
                --=_0011aabbcoditectexample_=\r
                Content-Type: text/html; charset=utf-8\r
                Content-Transfer-Encoding: 7bit\r
                \r
                <p>Hello</p>\r
                \r
                --=_0011aabbcoditectexample_=--\r

                """)
    }

    @Test(
        "Python's email package reads what was meant, without a defect", .enabled(if: ReadMail.isAvailable, "needs /usr/bin/python3"),
        arguments: [
            ("Ada", "Confirm your address"), ("Zoë Müller-Lüdenscheidt", "Über «alles» – 100 %"),
            ("Dr. O'Brien, \"Bob\" <b@c>", "a: b, c; d"),
            ("", "=?utf-8?Q?=41?="), ("漢字かな交じり文の名前はとても長いので分けて書かれる", String(repeating: "x", count: 300)),
            ("Ada", String(repeating: "ü ", count: 80) + "end"), ("😀👩‍👩‍👧", " spaces  inside "),
        ])
    func peer(name: String, subject: String) throws {
        let mail = someMail(to: MailAddress(email: "ada@example.com", name: name), subject: subject, text: "Zoë\n\nend\n")
        let read = try ReadMail(MailText.message(mail))
        #expect(read.headers == names)
        #expect(read.to.count == 1)
        #expect(read.to.first?.last == "ada@example.com")
        // Joiners that cannot be seen are taken for spaces, as every sign of control is.
        let shown = { (text: String) in String(String.UnicodeScalarView(text.unicodeScalars.map { MailText.isVisible($0) ? $0 : " " })) }
        // Python 3.11 keeps the space between two encoded words of a name, which RFC 2047 6.2 says to drop.
        #expect(read.to.first?.first?.replacing(" ", with: "") == shown(name).replacing(" ", with: ""))
        #expect(read.subject.trimmingCharacters(in: .whitespaces) == shown(subject).trimmingCharacters(in: .whitespaces))
        #expect(read.from == "CODITECT <no-reply@coditect.example>")
        #expect(read.date == 1_795_000_000)
        #expect(read.text.replacing("\r\n", with: "\n").trimmingCharacters(in: .newlines) == "Zoë\n\nend")
        #expect(read.html.trimmingCharacters(in: .newlines) == "<p>Hello</p>")
        #expect(read.defects.isEmpty)
    }

    @Test(
        "no name, subject or brand can add a header or a part",
        arguments: [
            "x\r\nBcc: all@example.com", "x\nBcc: all@example.com", "x\rBcc: a@b.c", "x\r\n\r\nbody", "x\u{2028}Bcc: a@b.c",
            "x\u{85}Bcc: a@b.c",
            "x\u{b}y", "x\u{0}y", "a@b.c>, <evil@example.com", "\u{202e}evil", "--=_0011aabbcoditectexample_=--",
        ])
    func injection(text: String) throws {
        let mail = someMail(to: MailAddress(email: "ada@example.com", name: text), subject: text, sender: text)
        let message = MailText.message(mail)
        let head = message.components(separatedBy: "\r\n\r\n")[0]
        // Every line either begins one of our headers or continues it.
        for line in head.components(separatedBy: "\r\n") {
            #expect(line.hasPrefix(" ") || names.contains { line.hasPrefix("\($0): ") })
            #expect(line.utf8.count <= 78)
        }
        #expect(!head.replacing("\r\n", with: "").unicodeScalars.contains { !MailText.isVisible($0) })
        #expect(message.dropFirst(head.count).components(separatedBy: "--=_0011aabbcoditectexample_=").count == 4)
        if ReadMail.isAvailable {
            let read = try ReadMail(message)
            #expect(read.headers == names)
            #expect(read.to.map { $0[1] } == ["ada@example.com"])
        }
    }

    @Test(
        "only one plain visible address is an address",
        arguments: [
            ("ada@example.com", true), ("ada+tag@sub.example.com", true), ("zoë@example.com", true), ("", false), ("@", false),
            ("a@", false),
            ("@b", false), ("a@b\r\nBcc: c@d", false), ("a b@c.d", false), ("a@b@c", false), ("a@b>", false), ("<a@b", false),
            ("a@b,c@d", false),
            ("\"a\"@b", false), ("a@b\u{0}", false), ("a\u{202e}@b", false), ("a\u{200b}@b", false), ("a@b\u{2028}", false),
            (String(repeating: "a", count: 250) + "@b.c", true), (String(repeating: "a", count: 251) + "@b.c", false),
        ])
    func addresses(text: String, isAddress: Bool) { #expect(MailText.isAddress(text) == isAddress) }

    @Test(
        "dates are those of RFC 5322",
        arguments: [
            (Int64(0), "Thu, 01 Jan 1970 00:00:00 +0000"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_253_400, "Sat, 21 Nov 2026 09:30:00 +0000"), (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
        ])
    func dates(seconds: Int64, text: String) { #expect(MailText.date(Timestamp(seconds: seconds)) == text) }

    @Test("a body that holds the boundary gets another one", .enabled(if: ReadMail.isAvailable, "needs /usr/bin/python3"))
    func boundary() throws {
        let text = "--=_0011aabbcoditectexample_=\nContent-Type: text/html\n\n--=_0011aabbcoditectexamplex_=--"
        let read = try ReadMail(MailText.message(someMail(text: text)))
        #expect(read.text.replacing("\r\n", with: "\n").trimmingCharacters(in: .newlines) == text)
        #expect(read.html.trimmingCharacters(in: .newlines) == "<p>Hello</p>")
    }

    @Test("a line too long for a mail is carried in base64, and reads back")
    func longLines() throws {
        let text = String(repeating: "ä", count: 2_000)
        let message = MailText.message(someMail(text: text))
        #expect(message.components(separatedBy: "\r\n").allSatisfy { $0.utf8.count <= 998 })
        if ReadMail.isAvailable { #expect(try ReadMail(message).text.trimmingCharacters(in: .newlines) == text) }
    }
}

@Suite("The words of mails")
struct MailWriterTests {
    private let writer = MailWriter(brand: MailBrand("Acme & <Sons>"), origin: "https://id.example.com")

    @Test("a link carries its secret percent-encoded, in text and HTML, and nothing else carries it")
    func link() {
        let mail = writer.write("verify_email", values: ["token": "a b&\"<>/+", "hours": "24"], recipient: "Ada")
        let target = "https://id.example.com/verify?token=a%20b%26%22%3C%3E%2F%2B"
        #expect(mail.text.contains("\n\(target)\n"))
        #expect(mail.html.contains("href=\"\(target)\""))
        #expect(!mail.subject.contains("a b&"))
        #expect(mail.text.contains("for 24 hours"))
        #expect(!mail.html.contains("<Sons>"))
        #expect(mail.html.contains("Acme &amp; &lt;Sons&gt;"))
    }

    @Test("a paragraph or link with a missing value is left out; braces in a value are only text")
    func missing() {
        let mail = writer.write("purchase_confirmed", values: ["tier": "{token}{brand}"], recipient: "")
        #expect(mail.text.contains("Your purchase of {token}{brand} is confirmed."))
        #expect(!mail.text.contains("Amount"))
        #expect(mail.text.hasPrefix("Hello,\n"))
        #expect(!writer.write("verify_email", values: [:], recipient: "").text.contains("/verify"))
    }

    @Test("a moment is written for a person, other values stay on one line")
    func moments() {
        let mail = writer.write(
            "payment_failed", values: ["tier": "Team\nBcc: x", "grace_until": "2026-12-01T08:05:00.123456Z"], recipient: "Ada")
        #expect(mail.text.contains("until 1 December 2026, 08:05 UTC."))
        #expect(mail.text.contains("for Team Bcc: x did"))
    }

    @Test(
        "a name that could pass for a message or a link is not greeted",
        arguments: [
            "Win at evil.example", "http://evil.example", "Ada\nClick here", "Ada <b>", String(repeating: "a", count: 61), "", "100% off!",
            "\u{202e}adA", "a@b",
        ])
    func noName(name: String) {
        let mail = writer.write("already_registered", values: [:], recipient: name)
        #expect(mail.text.hasPrefix("Hello,\n"))
        if !name.isEmpty { #expect(!mail.html.contains(name)) }
    }

    @Test("ordinary names are", arguments: ["Ada Lovelace", "Zoë", "O'Brien-Smith", "漢字", "Ada, Countess"])
    func name(name: String) { #expect(writer.write("already_registered", values: [:], recipient: name).text.hasPrefix("Hello \(name),\n")) }

    @Test("staff see every value, the reason in words")
    func staff() {
        let mail = writer.write(
            "staff_notice", values: ["reason": "event_parked", "provider": "stripe", "event": "1"], recipient: "", isForStaff: true)
        #expect(mail.subject == "Staff notice: event parked")
        #expect(mail.text.contains("event: 1\n\nprovider: stripe"))
    }

    @Test("a template that only a policy knows is a plain notice")
    func unknown() {
        let mail = writer.write("winter_is_coming", values: ["x": "y"], recipient: "Ada")
        #expect(mail.subject == "Winter is coming")
        #expect(mail.text.contains("winter is coming"))
    }

    @Test(
        "every template has a subject that stands without values, words, and links into our own pages",
        arguments: MailTemplate.all.keys.sorted())
    func templates(name: String) throws {
        let template = try #require(MailTemplate.all[name])
        #expect(name == "staff_notice" || !template.subject.contains("{"))
        #expect(!template.paragraphs.isEmpty)
        for link in template.links { #expect(link.path.hasPrefix("/") && !link.path.hasPrefix("//")) }
        // With everything given nothing is left to fill.
        let values = [
            "token", "hours", "minutes", "device", "tier", "tier_name", "amount", "period_end", "grace_until", "cancels_at",
            "trial_ends_at", "seats_used", "seats_total", "reason", "url", "inviter", "organization", "role", "days", "provider",
            "factor", "left", "passkey", "next_tier", "used", "limit", "meter", "resets_at", "leaves_at", "until", "download",
            "kind", "due_at", "outcome", "summary", "more", "quantity", "status", "can_return_until",
        ]
        let mail = writer.write(name, values: Dictionary(uniqueKeysWithValues: values.map { ($0, "v") }), recipient: "Ada")
        let parts = mail.html.components(separatedBy: "<style>").flatMap { $0.components(separatedBy: "</style>") }
        #expect(parts.count == 3 && !mail.text.contains("{") && !parts[0].contains("{") && !parts[2].contains("{"))
        for paragraph in template.paragraphs {
            #expect(MailWriter.fill(paragraph, Dictionary(uniqueKeysWithValues: (values + ["brand"]).map { ($0, "v") })) != nil)
        }
    }
}
