import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Notifications

/// Tells what a test put there.
final class TellingTransport: MailTransport {
    let basket = BasketTransport()
    let isUnknownFor = Guarded<Set<String>>([])
    let told = Guarded<[MailReport]>([])
    func send(_ mail: Mail) async throws -> MailReceipt {
        let receipt = try await basket.send(mail)
        if isUnknownFor.with({ $0.contains(mail.to.email) }) { throw MailUnknown("no answer") }
        return receipt
    }
    func reports(_ delivery: WebhookDelivery, channel: String) async throws -> [MailReport] {
        guard channel == "paper" else { throw NotificationProblems.channelUnknown }
        guard delivery.body.isEmpty else { throw MailReportRefusal.forged("no") }
        return told.with { $0 }
    }
}

@Suite("What becomes of mails")
struct MailFateTests {
    struct House {
        let test: TestStore
        let book = PaperAddressBook()
        let transport = TellingTransport()
        let room: Notifications

        init() async throws {
            let topics = [MailRequested.topic: ["notifications"]]
            test = try await TestStore.make(migrations: try NotificationsRoom.migrations(), topics: topics)
            room = Notifications(
                store: test.store, sealer: test.sealer, addresses: book, transport: transport, settings: Settings(),
                voice: MailVoice(MailBrand("Acme")),
                origin: { "https://id.example.com" })
        }
        var sent: [Mail] { transport.basket.taken.with { $0 } }
        /// One mail more to that person, and everything that was due before.
        func mail(_ user: UserID, _ key: String) async throws {
            test.clock.advance(by: .seconds(1))
            let act = test.act()
            let request = MailRequested(recipient: .user(user), template: "password_changed", values: [:], key: key)
            try await test.store.kernel(KernelReason("test.ask")) { db in try db.emit(request, act) }
            try await run()
        }
        func run() async throws { try await test.runDue(handlers: room.jobs(), subscribers: room.subscribers()) }
        func tell(_ reports: [MailReport]) async throws -> Int {
            transport.told.with { $0 = reports }
            return try await room.receive(delivery(), channel: "paper", test.act())
        }
        func delivery(_ body: String = "") -> WebhookDelivery {
            WebhookDelivery(headers: [:], body: Data(body.utf8), receivedAt: test.clock.now())
        }
        func report(
            _ id: String, _ fate: MailReport.Fate, of mail: Mail, isLasting: Bool = false, to address: String? = nil
        ) -> MailReport {
            MailReport(
                id: id, mail: mail.messageID, recipient: address ?? mail.to.email, fate: fate, isLasting: isLasting, at: test.clock.now(),
                code: fate == .bounced ? "5.1.1" : "")
        }
        func fate(_ user: UserID) async throws -> MailFate? { try await room.deliveries(of: user, limit: 1).first?.fate }
        func journal() async throws -> [String] {
            try await test.store.kernelRead(KernelReason("test.journal")) { db in
                try db.rows(SQL("test.journal", "SELECT action, details FROM journal_entry_all WHERE action LIKE 'mail.%'")).map {
                    try "\($0.text(0)) \($0.text(1))"
                }
            }
        }
    }

    @Test("in whatever order reports come, and however often, the same fate stands")
    func order() async throws {
        let fates: [MailReport.Fate] = [.accepted, .deferred, .delivered, .complained]
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [3, 3, 0, 0, 2, 1]] {
            let house = try await House()
            let ada = house.book.add("ada@example.com")
            try await house.mail(ada, "k")
            #expect(try await house.fate(ada) == .sent)
            var count = 0
            for place in order { count += try await house.tell([house.report("\(place)", fates[place], of: house.sent[0])]) }
            #expect(count == 4)
            #expect(try await house.fate(ada) == .complained)
        }
        for first in MailFate.allCases {
            for second in MailFate.allCases {
                #expect(first.joined(with: second) == second.joined(with: first))
                #expect(first.joined(with: first) == first)
            }
        }
    }

    @Test("an address that bounced for good gets nothing more until staff lifts it; another address of the same person does")
    func suppressed() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com", "Ada")
        try await house.mail(ada, "one")
        #expect(try await house.tell([house.report("1", .bounced, of: house.sent[0], isLasting: true)]) == 1)
        #expect(try await house.tell([house.report("2", .bounced, of: house.sent[0], isLasting: true)]) == 1)
        try await house.mail(ada, "two")
        #expect(house.sent.count == 1)
        #expect(try await house.fate(ada) == .suppressed)
        let held = try await house.room.suppressions(of: [ada])
        #expect(held.count == 1 && held[0].cause == "bounced" && held[0].code == "5.1.1" && held[0].user == ada)
        #expect(try await house.room.suppressions(before: house.test.clock.now(), limit: 10) == held)
        let entries = try await house.journal()
        #expect(entries.filter { $0.hasPrefix("mail.bounced") }.map { $0.contains("\"suppressed\":true") } == [true, false])
        #expect(entries.contains { $0.hasPrefix("mail.suppressed") && $0.contains("bounced") && $0.contains("5.1.1") }, "\(entries)")
        #expect(!entries.contains { $0.contains("ada@") })

        house.book.people.with { $0[ada] = MailAddress(email: "ADA@example.com", name: "Ada") }
        try await house.mail(ada, "three")
        #expect(house.sent.count == 1)
        house.book.people.with { $0[ada] = MailAddress(email: "ada@elsewhere.example", name: "Ada") }
        try await house.mail(ada, "four")
        #expect(house.sent.count == 2)

        house.book.people.with { $0[ada] = MailAddress(email: "ada@example.com", name: "Ada") }
        try await house.room.lift(held[0].id, house.test.act())
        await #expect(throws: CommonProblems.notFound) { try await house.room.lift(held[0].id, house.test.act()) }
        try await house.mail(ada, "five")
        #expect(house.sent.count == 3)
        // What was held back stays so.
        house.test.clock.advance(by: .days(2))
        try await house.run()
        #expect(house.sent.count == 3)
    }

    @Test("a bounce that passes, a delivery and an opting out hold nothing back")
    func passing() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        try await house.mail(ada, "one")
        let reports: [MailReport.Fate] = [.bounced, .delivered, .deferred, .dropped, .unsubscribed]
        #expect(try await house.tell(reports.enumerated().map { house.report("\($0)", $1, of: house.sent[0]) }) == 5)
        try await house.mail(ada, "two")
        #expect(house.sent.count == 2)
        #expect(try await house.room.suppressions(of: [ada]).isEmpty)
    }

    @Test("a report of a mail that is none of ours, or that went to somebody else, changes nothing")
    func foreign() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        try await house.mail(ada, "one")
        var stranger = house.report("1", .bounced, of: house.sent[0], isLasting: true)
        stranger.mail = "nobody@example.com"
        let passedOn = house.report("2", .bounced, of: house.sent[0], isLasting: true, to: "bob@example.com")
        #expect(try await house.tell([stranger, passedOn]) == 0)
        #expect(try await house.fate(ada) == .sent)
        #expect(try await house.room.suppressions(before: house.test.clock.now(), limit: 10).isEmpty)
        await #expect(throws: NotificationProblems.reportForged) {
            try await house.room.receive(house.delivery("x"), channel: "paper", house.test.act())
        }
        await #expect(throws: NotificationProblems.channelUnknown) {
            try await house.room.receive(house.delivery(), channel: "stone", house.test.act())
        }
    }

    @Test("a mail of which nobody knows is sent again, not silently; and not at all where a report came first", arguments: [false, true])
    func unknown(isTold: Bool) async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        house.transport.isUnknownFor.with { $0 = ["ada@example.com"] }
        try await house.mail(ada, "one")
        #expect(try await house.fate(ada) == .unknown)
        if isTold { _ = try await house.tell([house.report("1", .accepted, of: house.sent[0])]) }
        house.transport.isUnknownFor.with { $0 = [] }
        house.test.clock.advance(by: .days(1))
        try await house.run()
        #expect(house.sent.count == (isTold ? 1 : 2))
        #expect(Set(house.sent.map(\.messageID)).count == 1)
        #expect(try await house.fate(ada) == (isTold ? .accepted : .sent))
        let entries = try await house.journal()
        #expect(entries.contains { $0.hasPrefix("mail.unknown") })
        let detail = isTold ? "\"confirmed\":\"accepted\"" : "\"repeated\":true"
        #expect(entries.filter { $0.hasPrefix("mail.sent") && $0.contains(detail) }.count == 1, "\(entries)")
    }

    @Test("an address that its server does not know is not asked a second time, with what was said in the journal")
    func refusedAtOnce() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        house.transport.basket.refusesFor.with { $0 = ["ada@example.com"] }
        try await house.mail(ada, "one")
        #expect(try await house.fate(ada) == .refused)
        #expect(try await house.room.suppressions(of: [ada]).map(\.cause) == ["refused"])
        house.transport.basket.refusesFor.with { $0 = [] }
        try await house.mail(ada, "two")
        #expect(house.sent.isEmpty)
        #expect(try await house.fate(ada) == .suppressed)
    }

    @Test("what became of mails is forgotten with them, whom nothing is sent to a year later")
    func purge() async throws {
        let house = try await House()
        let ada = house.book.add("ada@example.com")
        try await house.room.start(house.test.act())
        try await house.mail(ada, "one")
        _ = try await house.tell([house.report("1", .bounced, of: house.sent[0], isLasting: true)])
        for _ in 0..<92 {
            house.test.clock.advance(by: .days(1))
            try await house.run()
        }
        #expect(try await house.room.deliveries(of: ada, limit: 10).isEmpty)
        #expect(try await house.room.suppressions(of: [ada]).count == 1)
        for _ in 0..<274 {
            house.test.clock.advance(by: .days(1))
            try await house.run()
        }
        #expect(try await house.room.suppressions(of: [ada]).isEmpty)
        try await house.mail(ada, "two")
        #expect(house.sent.count == 2)
    }
}
