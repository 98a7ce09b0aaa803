import HookEngine
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Notifications

@Suite("Whether and when a mail goes out")
struct MailRulingTests {
    typealias House = DeliveryTests.House
    static let tenant = TenantID("01890000-0000-7000-8000-000000000001")!

    /// A room that asks, of a house whose own asks nobody.
    static func asking(_ house: House, _ hooks: ScriptedHooks) -> Notifications {
        var room = house.room
        room.audience = MailAudience(hooks: hooks, tier: { _, _ in "team" }, role: { _, _ in "owner" })
        return room
    }
    static func run(_ house: House, _ room: Notifications) async throws {
        try await house.test.runDue(handlers: room.jobs(), subscribers: room.subscribers())
    }
    static func request(_ template: String, _ key: String = "k") -> MailRequested {
        MailRequested(recipient: .owners(tenant), template: template, values: [:], key: key)
    }
    static func journal(_ house: House) async throws -> [String] {
        try await house.test.store.kernelRead(KernelReason("test.look")) { db in
            try db.rows(SQL("test.look", "SELECT action FROM journal_entry_all ORDER BY seq")).map { try $0.text(0) }
        }
    }

    @Test("on_notify is asked about each mail to each person with what is known of them, and once")
    func asked() async throws {
        let house = try await House()
        let hooks = ScriptedHooks()
        let room = Self.asking(house, hooks)
        house.book.owning.with { $0 = [house.book.add("a@example.com"), house.book.add("b@example.com")] }
        try await house.ask(Self.request("payment_failed", "k1"))
        try await Self.run(house, room)
        try await house.ask(Self.request("seats_nearly_full", "k2"))
        try await house.ask(Self.request("seats_nearly_full", "k2"))
        try await Self.run(house, room)
        house.test.clock.advance(by: .hours(2))
        try await Self.run(house, room)
        #expect(house.basket.recipients.count == 4 && hooks.count("on_notify") >= 4)
        let questions = hooks.questions
        for question in questions { #expect(HookCheck.issues(question.input, OnNotify.definition.input).isEmpty) }
        #expect(questions[0].input["is_mandatory"]?.bool == true && questions[0].input["sent_today"]?.int == 0)
        #expect(questions[0].input["user"]?["role"]?.string == "owner" && questions[0].input["tier"]?.string == "team")
        #expect(questions[2].input["is_mandatory"]?.bool == false && questions[2].input["sent_today"]?.int == 1)
        #expect(questions.allSatisfy { $0.subject.tenant == Self.tenant && $0.subject.tier == "team" })
    }

    @Test("what is denied goes to nobody, ever, and the journal says why; what is owed goes out whatever is answered")
    func denied() async throws {
        let house = try await House()
        let hooks = ScriptedHooks()
        hooks.script("on_notify", .deny(reason: "too_many", retryAfterSeconds: nil))
        let room = Self.asking(house, hooks)
        house.book.owning.with { $0 = [house.book.add("a@example.com")] }
        try await house.ask(Self.request("seats_nearly_full", "k1"))
        try await house.ask(Self.request("a_policys_own", "k2"))
        try await house.ask(Self.request("payment_failed", "k3"))
        try await Self.run(house, room)
        hooks.script("on_notify", nil)
        try await house.ask(Self.request("seats_nearly_full", "k1"))
        try await Self.run(house, room)
        #expect(house.basket.taken.with { $0.map(\.template) } == ["payment_failed"])
        #expect(try await Self.journal(house).filter { $0 == "mail.withheld" }.count == 2)
    }

    @Test("what is put off goes out at its time, once, however often it is asked for before, and is not asked about again")
    func postponed() async throws {
        let house = try await House()
        let hooks = ScriptedHooks()
        hooks.script("on_notify", .allow(.object([("delay_seconds", .int(7_200))])))
        let room = Self.asking(house, hooks)
        house.book.owning.with { $0 = [house.book.add("a@example.com")] }
        for _ in 0..<3 {
            try await house.ask(Self.request("seats_nearly_full"))
            try await Self.run(house, room)
            house.test.clock.advance(by: .minutes(30))
        }
        #expect(house.basket.recipients.isEmpty && hooks.count("on_notify") == 1)
        house.test.clock.advance(by: .minutes(31))
        try await Self.run(house, room)
        house.test.clock.advance(by: .hours(9))
        try await house.ask(Self.request("seats_nearly_full"))
        try await Self.run(house, room)
        #expect(house.basket.recipients == ["a@example.com"] && hooks.count("on_notify") == 1)
        // Put off is no way round what is owed.
        try await house.ask(Self.request("payment_failed", "k3"))
        try await Self.run(house, room)
        #expect(house.basket.recipients.count == 2)
    }

    @Test("a policy that fails keeps no mail back")
    func fails() async throws {
        let house = try await House()
        let hooks = ScriptedHooks()
        hooks.script("on_notify", .fail("broken"))
        house.book.owning.with { $0 = [house.book.add("a@example.com")] }
        try await house.ask(Self.request("seats_nearly_full"))
        try await Self.run(house, Self.asking(house, hooks))
        #expect(house.basket.recipients == ["a@example.com"])
    }

    @Test("the mail's own link stops mails of its kind for its person alone, also twice; a forged or foreign link stops nothing")
    func unsubscribes() async throws {
        let house = try await House()
        let (ada, bob) = (house.book.add("a@example.com"), house.book.add("b@example.com"))
        house.book.owning.with { $0 = [ada, bob] }
        try await house.ask(Self.request("seats_nearly_full", "k1"))
        try await house.ask(Self.request("payment_failed", "k2"))
        try await house.run()
        let mails = house.basket.taken.with { $0 }
        #expect(mails.filter { $0.template == "payment_failed" }.allSatisfy { $0.unsubscribe == nil })
        let mail = try #require(mails.first { $0.to.email == "a@example.com" && $0.template == "seats_nearly_full" })
        let target = try #require(mail.unsubscribe)
        #expect(mail.text.contains(target) && target.hasPrefix("https://id.example.com/api/v1/mail/unsubscribe?token="))
        let message = MailText.message(mail)
        #expect(message.contains("\r\nList-Unsubscribe:\r\n <\(target)>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"))
        let token = String(try #require(target.split(separator: "=").last))
        for forged in [
            token.dropLast() + "0x", token.replacing(ada.description, with: bob.description), token.replacing("seats", with: "payment"), "",
            "..", "a.b.c",
        ] {
            await #expect(throws: NotificationProblems.linkInvalid) { try await house.room.unsubscribe(forged, house.test.act()) }
        }
        for _ in 0..<2 { try await house.room.unsubscribe(token, house.test.act()) }
        try await house.ask(Self.request("seats_nearly_full", "k3"))
        try await house.ask(Self.request("payment_failed", "k4"))
        try await house.run()
        #expect(house.basket.recipients.filter { $0 == "a@example.com" }.count == 3 && house.basket.recipients.count == 7)
        #expect(try await house.room.choices(of: ada).contains { $0.template == "seats_nearly_full" && !$0.isWanted })
        try await house.room.choose("seats_nearly_full", isWanted: true, of: ada, house.test.act())
        try await house.ask(Self.request("seats_nearly_full", "k5"))
        try await house.run()
        #expect(house.basket.recipients.count == 9)
        await #expect(throws: (any Error).self) {
            try await house.room.choose("payment_failed", isWanted: false, of: ada, house.test.act())
        }
    }
}
