import Foundation
import PlatformTesting
import Store
import Testing
import Vocabulary

@testable import Composition
@testable import DataRequests

/// What people agree to: given and taken back on record, for a version, and asked before mails that need it.
extension DataRequestTests {
    static let consents = "/api/v1/users/me/consents"

    private func given(_ answer: TestPlatform.Answer, _ purpose: String) -> JSONValue? {
        answer["consents"]?.array?.first { $0["purpose"]?.string == purpose }?["is_given"]
    }

    @Test("what is said stays on record, a new version asks anew, and mails that need a consent ask it")
    func agreeing() async throws {
        let firm = try await PeopleTests.Firm()
        let (platform, owner) = (firm.platform, firm.owner)
        let rooms = platform.platform.rooms
        let user = try #require(UserID(await owner.call("GET", "/api/v1/users/me")["id"]?.string ?? ""))
        #expect(given(await owner.call("GET", Self.consents), "product_news") == false)
        #expect(await owner.call("PUT", Self.consents, ["purpose": "nothing", "is_given": true]).status == 422)
        // Nothing was given that could be taken back.
        #expect(given(await owner.call("PUT", Self.consents, ["purpose": "product_news", "is_given": false]), "product_news") == false)
        func send(_ key: String) async throws -> Bool {
            let act = Act(actor: .system("test"), requestID: key, now: platform.clock.now())
            try await platform.platform.ground.store.kernel(KernelReason("test.mail")) { db in
                try db.emit(MailRequested(recipient: .user(user), template: "product_news", values: [:], key: key), act)
            }
            try await platform.runDue()
            let folder = platform.data.appendingPathComponent("mailbox")
            let count = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { name in
                try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).contains("Subject: Product news")
            }.count
            return count > 0
        }
        #expect(try await !send("first"))
        #expect(try await platform.journalActions().contains { $0.hasPrefix("mail.withheld") })
        for _ in 0..<2 {
            #expect(given(await owner.call("PUT", Self.consents, ["purpose": "product_news", "is_given": true]), "product_news") == true)
        }
        #expect(try await send("second"))
        let history = await owner.call("GET", "\(Self.consents)/history?purpose=product_news")["records"]?.array
        #expect(history?.count == 1 && history?.first?["source"] == "api", "\(String(describing: history))")
        #expect(given(await owner.call("PUT", Self.consents, ["purpose": "product_news", "is_given": false]), "product_news") == false)
        #expect(
            await owner.call("GET", "\(Self.consents)/history?purpose=product_news")["records"]?.array?.map { $0["is_given"] } == [
                false, true,
            ])
        _ = await owner.call("PUT", Self.consents, ["purpose": "usage_research", "is_given": true])
        // The same records under newer words.
        let newer = Consents(
            store: platform.platform.ground.store,
            settings: Settings().setting(ConsentSettings.purposes, to: "usage_research:2"))
        #expect(try await newer.standings(of: user).map(\.isGiven) == [false])
        #expect(try await rooms.consents.standings(of: user).map(\.isGiven) == [false, true])
        let act = Act(actor: .system("test"), requestID: "erase", now: platform.clock.now())
        for _ in 0..<2 { _ = try await rooms.consents.erase(user, act) }
        #expect(try await rooms.consents.history(of: user, purpose: "usage_research").map(\.source) == ["erasure", "api"])
        await platform.close()
    }

    @Test(
        "a setting that names no purpose, a bad version or one twice is refused",
        arguments: ["news", "news:0", "News:1", "a:1,a:2", "a:1:2", "a:x"])
    func malformedPurposes(text: String) { #expect(!ConsentSettings.purposes.accepts(text)) }
}
