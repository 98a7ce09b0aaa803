import HookEngine
import LicenseFormat
import Licensing
import RoomTesting
import Seats
import Signing
import Testing
import Vocabulary

struct AcquireTests {
    @Test("policy sees who asks, with which device and under which licence, and handles instead of names")
    func question() async throws {
        let house = try await SeatHouse.make()
        let (license, _) = try await house.license(seats: 4)
        try await house.acquire("a")
        try await house.acquire("b", by: house.person(2, role: "contractor"))
        let question = try #require(house.hooks.questions.last)
        #expect(question.subject.tier == "team")
        #expect(question.input["user"]?["role"]?.string == "contractor")
        let name = try #require(question.input["device"]?["hostname"]?.string)
        #expect(name.count == 32 && !name.contains("host") && name != house.hooks.questions.first?.input["device"]?["hostname"]?.string)
        #expect(question.input["license"]?["id"]?.string == license.description)
        #expect(question.input["license"]?["seats"]?.int == 4)
        #expect(question.input["license"]?["seats_used"]?.int == 1)
        let handle = try #require(question.input["device"]?["id"]?.string)
        #expect(handle.count == 32)
        #expect(handle != house.hooks.questions.first?.input["device"]?["id"]?.string)
        #expect(Set(SeatRequestHook.definition.input.map(\.name)) == ["purpose", "borrow_hours", "user", "device", "license"])
        #expect(question.input["user"]?["recent_devices"]?.int == 0)
    }

    @Test("a policy's refusal is told with its reason and journalled with its decision; no seat is touched")
    func denied() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 4)
        house.hooks.script("on_seat_request", .deny(reason: "outside_hours", retryAfterSeconds: 3_600))
        let problem = await #expect(throws: Problem.self) { try await house.acquire("a") }
        #expect(problem?.code == "policy_denied")
        #expect(problem?.status == 403)
        #expect(problem?.fields["reason"] == "outside_hours")
        #expect(problem?.fields["retry_after"] == 3_600)
        #expect(problem?.fields["receipt"]?["document"]?["act"] == "denied")
        #expect(try await house.live() == 0)
        #expect(try await house.journal() == ["seat.denied"])
    }

    @Test("heartbeat and release ask no policy")
    func noHook() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 4)
        let grant = try await house.acquire("a")
        try await house.beat(grant.session)
        try await house.release(grant.session)
        #expect(house.hooks.questions.count == 1)
    }

    @Test("the answer is signed in the field's format, with the algorithm of the setting", arguments: ["rsa", "ed25519"])
    func signature(_ algorithm: String) async throws {
        let house = try await SeatHouse.make(settings: Settings().setting(SeatSettings.signatureAlgorithm, to: algorithm))
        try await house.license(seats: 1)
        let answer = try await house.answer(Leases.Request(hardwareID: "a"), house.person(), house.act())
        let message = SeatAnswer.message(
            expiresAt: answer.grant.expiresAt, license: answer.grant.license, session: answer.grant.session.description)
        let signature = Signature(keyID: "", bytes: try #require(Hex.decode(answer.signature)))
        #expect(TestSigner().verify(message, signature, algorithm == "rsa" ? .licenseRSA : .license))
        #expect(answer.heartbeatIntervalSeconds == 300)
    }

    @Test("the oldest licence with a free seat is taken, the device's own before it, and the named one before all")
    func choice() async throws {
        let house = try await SeatHouse.make()
        let (old, _) = try await house.license(seats: 1)
        house.advance(1)
        let (young, _) = try await house.license(seats: 2)
        #expect(try await house.acquire("a", license: young).license == young)
        #expect(try await house.acquire("a").license == young)
        #expect(try await house.acquire("b").license == old)
        #expect(try await house.acquire("c").license == young)
        let problem = await #expect(throws: Problem.self) { try await house.acquire("d") }
        #expect(problem?.fields["seats_used"] == 3)
        #expect(problem?.fields["seats_total"] == 3)
        let named = await #expect(throws: Problem.self) { try await house.acquire("d", license: old) }
        #expect(named?.fields["seats_total"] == 1)
    }

    @Test("a licence that may not be used is passed over, and alone it says why")
    func unusable() async throws {
        let house = try await SeatHouse.make()
        #expect(try await house.refusal { try await house.acquire("a") } == "no_license")
        let (suspended, _) = try await house.license(seats: 5, standing: .active)
        let subscription = try await house.license(seats: 5)
        try await house.licenses.revoke(suspended, tenant: house.tenant, reason: "test", house.act())
        #expect(try await house.acquire("a").license == subscription.license)
        try await house.license(seats: 5, subscription: subscription.subscription, version: 2, standing: .suspended)
        #expect(try await house.refusal { try await house.acquire("b") } == "license_suspended")
        #expect(try await house.refusal { try await house.acquire("b", license: suspended) } == "license_revoked")
        #expect(try await house.refusal { try await house.acquire("b", license: house.test.entropy.id(house.now)) } == "not_found")
    }

    @Test("a licence of another tenant is not found, and its seats are not counted")
    func tenants() async throws {
        let house = try await SeatHouse.make()
        let foreign: TenantID = house.test.entropy.id(house.now)
        let (license, _) = try await house.license(seats: 1, tenant: foreign)
        try await house.license(seats: 1)
        try await house.acquire("a", by: house.person(1, tenant: foreign))
        #expect(try await house.refusal { try await house.acquire("b", license: license) } == "not_found")
        try await house.acquire("a")
        #expect(try await house.live() == 1)
    }
}
