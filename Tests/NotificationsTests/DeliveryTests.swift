import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Notifications

/// People by hand; who is not listed was erased or never there.
final class PaperAddressBook: AddressBook {
    let people = Guarded<[UserID: MailAddress]>([:])
    let owning = Guarded<[UserID]>([])
    let staffed = Guarded<[UserID]>([])
    func address(of user: UserID) async throws -> MailAddress? { people.with { $0[user] } }
    func owners(of tenant: TenantID) async throws -> [UserID] { owning.with { $0 } }
    func members(of tenant: TenantID) async throws -> [UserID] { owning.with { $0 } }
    func staff() async throws -> [UserID] { staffed.with { $0 } }
    func add(_ email: String, _ name: String = "") -> UserID {
        let id = UserID(UUID())
        people.with { $0[id] = MailAddress(email: email, name: name) }
        return id
    }
}

/// Keeps what it took, and fails when told.
final class BasketTransport: MailTransport {
    struct Refused: Error {}
    let taken = Guarded<[Mail]>([])
    let failsFor = Guarded<Set<String>>([])
    let refusesFor = Guarded<Set<String>>([])
    func send(_ mail: Mail) async throws -> MailReceipt {
        if failsFor.with({ $0.contains(mail.to.email) }) { throw Refused() }
        if refusesFor.with({ $0.contains(mail.to.email) }) { return .refused(code: "5.1.1") }
        taken.with { $0.append(mail) }
        return .taken
    }
    var recipients: [String] { taken.with { $0.map(\.to.email) } }
}

@Suite("Delivery")
struct DeliveryTests {
    struct House {
        let test: TestStore
        let book = PaperAddressBook()
        let basket = BasketTransport()
        let room: Notifications

        init() async throws {
            let topics = [MailRequested.topic: ["notifications"]]
            test = try await TestStore.make(migrations: try NotificationsRoom.migrations(), topics: topics)
            room = Notifications(
                store: test.store, sealer: test.sealer, addresses: book, transport: basket, settings: Settings(),
                voice: MailVoice(MailBrand("Acme")),
                origin: { "https://id.example.com" })
        }
        func ask(_ request: MailRequested) async throws {
            let act = test.act()
            try await test.store.kernel(KernelReason("test.ask")) { db in try db.emit(request, act) }
        }
        func run() async throws { try await test.runDue(handlers: room.jobs(), subscribers: room.subscribers()) }
    }

    @Test("a mail is written with the address and name of the moment of sending")
    func sends() async throws {
        let house = try await House()
        let ada = house.book.add("old@example.com", "Ada")
        try await house.ask(MailRequested(recipient: .user(ada), template: "license_issued", values: ["tier_name": "Team"], key: "k"))
        house.book.people.with { $0[ada] = MailAddress(email: "new@example.com", name: "Ada") }
        try await house.run()
        let mail = try #require(house.basket.taken.with { $0.first })
        #expect(mail.to == MailAddress(email: "new@example.com", name: "Ada"))
        #expect(mail.subject == "Your licence is ready")
        #expect(mail.sender == "Acme")
        #expect(mail.text.contains("Your Team licence is ready."))
        #expect(mail.text.contains("https://id.example.com/licence"))
        #expect(mail.at == house.test.clock.now())
    }

    @Test("two requests with one key are one mail; another key is another")
    func once() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        for key in ["a", "a", "a", "a", "b"] {
            try await house.ask(MailRequested(recipient: .user(ada), template: "password_changed", values: [:], key: key))
        }
        try await house.run()
        // Those that found another one sending come back.
        house.test.clock.advance(by: .hours(1))
        try await house.run()
        try await house.ask(MailRequested(recipient: .user(ada), template: "password_changed", values: [:], key: "a"))
        try await house.run()
        #expect(house.basket.recipients == ["ada@example.com", "ada@example.com"])
        #expect(Set(house.basket.taken.with { $0.map(\.messageID) }).count == 2)
    }

    @Test("owners and staff each get their own; who is gone gets nothing")
    func several() async throws {
        let house = try await House()
        let owners = [house.book.add("a@example.com"), UserID(UUID()), house.book.add("b@example.com")]
        let staff = [house.book.add("s@example.com")]
        house.book.owning.with { $0 = owners }
        house.book.staffed.with { $0 = staff }
        try await house.ask(MailRequested(recipient: .owners(TenantID(UUID())), template: "seats_nearly_full", values: [:], key: "k"))
        try await house.ask(MailRequested(recipient: .staff, template: "staff_notice", values: ["reason": "event_parked"], key: "l"))
        try await house.run()
        #expect(house.basket.recipients.sorted() == ["a@example.com", "b@example.com", "s@example.com"])
    }

    @Test("when the transport fails for one, the others have theirs once, and that one gets it later")
    func partial() async throws {
        let house = try await House()
        house.book.owning.with { $0 = [house.book.add("a@example.com"), house.book.add("b@example.com"), house.book.add("c@example.com")] }
        house.basket.failsFor.with { $0 = ["b@example.com"] }
        try await house.ask(MailRequested(recipient: .owners(TenantID(UUID())), template: "payment_failed", values: [:], key: "k"))
        try await house.run()
        #expect(house.basket.recipients == ["a@example.com", "c@example.com"])
        // Given back at once, not only when the claim is over.
        let claims = try await house.test.store.kernelRead(KernelReason("test.claims")) { db in
            try db.row(SQL("test.claims", "SELECT count(*) FROM notification_claim"))?.int(0)
        }
        #expect(claims == 0)
        house.basket.failsFor.with { $0 = [] }
        house.test.clock.advance(by: .days(1))
        try await house.run()
        #expect(house.basket.recipients == ["a@example.com", "c@example.com", "b@example.com"])
    }

    @Test("what a process that died was sending goes out when its successor takes over, not only when the claim is over")
    func takenOver() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        let until = house.test.clock.now() + .minutes(5)
        try await house.test.store.kernel(KernelReason("test.claim")) { db in
            _ = try db.row(NotificationTable.claim, "k", ada, until, house.test.clock.now())
        }
        try await house.ask(MailRequested(recipient: .user(ada), template: "password_changed", values: [:], key: "k"))
        try await house.run()
        #expect(house.basket.recipients.isEmpty, "the other process may be sending")
        house.test.clock.advance(by: .minutes(4))
        try await house.run()
        #expect(house.basket.recipients.isEmpty, "still")
        try await house.room.takeOver()
        house.test.clock.advance(by: .seconds(59))
        try await house.run()
        #expect(house.basket.recipients == ["ada@example.com"])
    }

    @Test("a mailbox that is refused for good is not asked again, and the journal says so")
    func refused() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        house.basket.refusesFor.with { $0 = ["ada@example.com"] }
        try await house.ask(MailRequested(recipient: .user(ada), template: "password_changed", values: [:], key: "k"))
        try await house.run()
        house.basket.refusesFor.with { $0 = [] }
        house.test.clock.advance(by: .days(1))
        try await house.run()
        #expect(house.basket.recipients.isEmpty)
        let entries = try await house.test.store.kernelRead(KernelReason("test.journal")) { db in
            try db.rows(SQL("test.journal", "SELECT action, details FROM journal_entry_all WHERE action LIKE 'mail.%'")).map {
                try "\($0.text(0)) \($0.text(1))"
            }
        }
        #expect(entries.count == 1 && entries[0].hasPrefix("mail.refused") && entries[0].contains("5.1.1"), "\(entries)")
    }

    @Test("a secret travels sealed, bound to template, name and key")
    func sealed() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        func box(_ key: String) throws -> String {
            let context = MailRequested.context(template: "reset_password", name: "token", key: key)
            return Data(try house.test.sealer.seal(Array("s3cret".utf8), context: context)).base64EncodedString()
        }
        try await house.ask(
            MailRequested(recipient: .user(ada), template: "reset_password", values: [:], sealed: ["token": try box("k")], key: "k"))
        // Taken from one mail and put into another.
        try await house.ask(
            MailRequested(recipient: .user(ada), template: "reset_password", values: [:], sealed: ["token": try box("k")], key: "m"))
        try await house.ask(
            MailRequested(recipient: .user(ada), template: "reset_password", values: [:], sealed: ["token": "%%"], key: "n"))
        try await house.run()
        house.test.clock.advance(by: .days(1))
        try await house.run()
        let mails = house.basket.taken.with { $0 }
        #expect(mails.count == 1)
        #expect(mails.first?.text.contains("https://id.example.com/reset?token=s3cret\n") == true)
    }

    @Test("an address that is not one plain address gets nothing", arguments: ["a@b\r\nBcc: c@d", "a@b, c@d", "nobody"])
    func badAddress(email: String) async throws {
        let house = try await House()
        let user = house.book.add(email)
        try await house.ask(MailRequested(recipient: .user(user), template: "password_changed", values: [:], key: "k"))
        try await house.run()
        #expect(house.basket.recipients.isEmpty)
    }

    @Test("a crash between taking and recording repeats the mail under the same Message-ID, which the mailbox keeps once")
    func crash() async throws {
        let house = try await House()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailbox-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let mailbox = try Mailbox(folder: folder)
        let ada = house.book.add("ada@example.com")
        let room = Notifications(
            store: house.test.store, sealer: house.test.sealer, addresses: house.book, transport: mailbox, settings: Settings(),
            voice: MailVoice(MailBrand("Acme")),
            origin: { "" })
        let request = MailRequested(recipient: .user(ada), template: "password_changed", values: [:], key: "k")
        try await room.deliver(request, house.test.act())
        // As if the record had not been written.
        try await house.test.store.kernel(KernelReason("test.forget")) { db in
            try db.run(SQL("test.forget", "DELETE FROM notification_sent"))
        }
        house.test.clock.advance(by: .minutes(5))
        try await room.deliver(request, house.test.act())
        #expect(try mailbox.newest(limit: 10).count == 1)
    }

    @Test("what was sent is forgotten after the retention, not before, and the purge asks for itself again")
    func purge() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        let request = MailRequested(recipient: .user(ada), template: "password_changed", values: [:], key: "k")
        try await house.room.start(house.test.act())
        try await house.room.start(house.test.act())
        try await house.ask(request)
        try await house.run()
        func remembered() async throws -> Int {
            try await house.test.store.kernelRead(KernelReason("test.count")) { db in
                try db.row(SQL("test.count", "SELECT count(*) FROM notification_sent"))?.int(0) ?? 0
            }
        }
        for _ in 0..<90 {
            house.test.clock.advance(by: .days(1))
            try await house.run()
        }
        #expect(try await remembered() == 1)
        house.test.clock.advance(by: .days(1))
        try await house.run()
        #expect(try await remembered() == 0)
    }
}

@Suite("The mailbox")
struct MailboxTests {
    private func box() throws -> (Mailbox, URL) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailbox-\(UUID())")
        return (try Mailbox(folder: folder), folder)
    }

    @Test("a mail reads back as it was written, the newest first, in files that sort by time and only their owner reads")
    func roundTrip() async throws {
        let (mailbox, folder) = try box()
        defer { try? FileManager.default.removeItem(at: folder) }
        let long = String(repeating: "ü", count: 1_500)
        _ = try await mailbox.send(someMail(id: "a1@x", at: Timestamp(seconds: 2_000_000_000)))
        _ = try await mailbox.send(
            someMail(
                to: MailAddress(email: "zoe@example.com", name: "Zoë, \"Z\""), subject: "Über 漢字 " + String(repeating: "é", count: 60),
                text: long,
                id: "b2@x", at: Timestamp(seconds: 2_000_000_001)))
        let mails = try mailbox.newest(limit: 10)
        #expect(mails.map(\.sentAt.seconds) == [2_000_000_001, 2_000_000_000])
        #expect(mails[0].subject == "Über 漢字 " + String(repeating: "é", count: 60))
        #expect(mails[0].to == "Zoë, \"Z\" <zoe@example.com>")
        #expect(mails[0].text == long)
        #expect(mails[1].text.trimmingCharacters(in: .newlines) == "Hello\n\nhttps://example.com/verify?token=abc")
        #expect(mails[1].from == "CODITECT <no-reply@coditect.example>")
        #expect(try mailbox.read(mails[0].id) == mails[0])
        #expect(try mailbox.newest(limit: 1).count == 1)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(files.count == 2)
        #expect(files.map { String($0.dropLast(4)) } == mails.map(\.id).reversed())
        for file in files {
            let mode = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent(file).path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test(
        "a name that is not a mail's opens nothing",
        arguments: ["../secret", "..", "", "a/b", ".hidden", "A", "a%2fb", "a\u{0}", "a.eml", "é"])
    func names(name: String) throws {
        let (mailbox, folder) = try box()
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("Subject: x\n\nbody".utf8).write(to: folder.deletingLastPathComponent().appendingPathComponent("secret.eml"))
        defer { try? FileManager.default.removeItem(at: folder.deletingLastPathComponent().appendingPathComponent("secret.eml")) }
        #expect(try mailbox.read(name) == nil)
    }

    @Test("a file that somebody else put there does no harm")
    func foreign() throws {
        let (mailbox, folder) = try box()
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, bytes) in [
            ("1-a.eml", [UInt8]()), ("2-b.eml", [0xff, 0xfe]), ("3-c.eml", Array("Subject: =?utf-8?B?%%%?=\n\n--".utf8)),
        ] {
            try Data(bytes).write(to: folder.appendingPathComponent(name))
        }
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("4-d.eml"), withIntermediateDirectories: false)
        #expect(try mailbox.newest(limit: 10).count == 3)
    }
}
