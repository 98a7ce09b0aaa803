import Foundation
import LicenseFormat
import Licensing
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

struct ProvingTests {
    @Test("the code of a validation follows a fixed precedence")
    func precedence() {
        typealias Case = (LicenseStatus, Bool, Int, Int?, ValidationCode)
        let cases: [Case] = [
            (.revoked, true, 9, 1, .revoked), (.suspended, true, 9, 1, .suspended), (.expired, false, 9, 1, .expired),
            (.active, false, 1, 1, .activationLimitReached), (.grace, false, 1, 1, .activationLimitReached), (.active, true, 5, 1, .valid),
            (.active, false, 0, 1, .notActivated), (.active, false, 1_000_000, nil, .notActivated), (.grace, true, 1, 1, .inGrace),
            (.grace, false, 0, 1, .notActivated), (.active, true, 1, 1, .valid),
        ]
        for (status, isActivated, count, limit, code) in cases {
            #expect(ValidationCode.judge(status, isActivated: isActivated, activations: count, limit: limit) == code)
        }
        #expect(ValidationCode.allCases.filter(\.isValid) == [.notActivated, .inGrace, .valid])
    }

    @Test("a key that is not good is told from one that nobody has, and neither throws")
    func badKeys() async throws {
        let house = try await LicenseHouse.make()
        let key = try await house.issued().key
        var wrong = Array(key)
        wrong[12] = wrong[12] == "A" ? "B" : "A"
        #expect(try await house.licenses.validate(key: String(wrong), hardwareID: "hw", now: house.now).code == .malformedKey)
        let strange = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: SeededEntropy(99))
        let unknown = try await house.licenses.validate(key: strange, hardwareID: "hw", now: house.now)
        #expect(unknown.code == .unknownKey)
        #expect(unknown.license == nil)
    }

    @Test("validate goes with the licence's life, and hands out a file only to an active device")
    func validateThroughLife() async throws {
        let house = try await LicenseHouse.make()
        let detail = try await house.issued(tier: "pilot_starter", quantity: 1)
        func code(_ hardware: String) async throws -> ValidationCode {
            let validation = try await house.licenses.validate(key: detail.key.lowercased(), hardwareID: hardware, now: house.now)
            #expect((validation.file != nil) == [.valid, .inGrace].contains(validation.code))
            return validation.code
        }
        #expect(try await code("hw-1") == .notActivated)
        _ = try await house.licenses.activate(key: detail.key, hardwareID: "hw-1", machineName: "desk", house.act(.anonymous))
        #expect(try await code("hw-1") == .valid)
        #expect(try await code("hw-2") == .activationLimitReached)
        house.test.clock.advance(by: .days(31))
        #expect(try await code("hw-1") == .expired)
        #expect(try await code("hw-2") == .expired)
        try await house.licenses.revoke(detail.license.id, tenant: house.tenant, reason: "fraud", house.act())
        #expect(try await code("hw-1") == .revoked)
    }

    @Test("activating is idempotent for a device, bounded by the tier, and a deactivated place is free again")
    func activation() async throws {
        let house = try await LicenseHouse.make()
        let key = try await house.issued(quantity: 1).key
        func activate(_ hardware: String) async throws -> ActivationChange {
            try await house.licenses.activate(key: key, hardwareID: hardware, machineName: hardware, house.act(.anonymous))
        }
        let first = try await activate("hw-1")
        let again = try await activate("hw-1")
        #expect(first.activation == again.activation)
        #expect(again.license.activations == 1)
        _ = try await activate("hw-2")
        let refused = await #expect(throws: Problem.self) { try await activate("hw-3") }
        #expect(refused?.code == "activation_limit_reached")
        #expect(refused?.status == 409)
        #expect(refused?.fields["max_activations"] == 2)
        _ = try await house.licenses.deactivate(key: key, hardwareID: "hw-1", house.act(.anonymous))
        #expect(try await activate("hw-3").license.activations == 2)
        await #expect(throws: LicenseProblems.notActivated) {
            try await house.licenses.deactivate(key: key, hardwareID: "hw-1", house.act(.anonymous))
        }
        #expect(
            try await house.journal().filter { $0.hasPrefix("device.") } == [
                "device.activated", "device.activated", "device.deactivated", "device.activated",
            ])
    }

    @Test("64 activations at once on a limit of 10 are exactly 10")
    func racingActivations() async throws {
        let house = try await LicenseHouse.make()
        let key = try await house.issued(quantity: 5).key
        let granted = await withTaskGroup(of: Bool.self) { group in
            for device in 0..<64 {
                group.addTask {
                    (try? await house.licenses.activate(key: key, hardwareID: "hw-\(device)", machineName: nil, house.act(.anonymous)))
                        != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(granted == 10)
    }

    @Test("the schema itself refuses a device beyond the limit and a place taken twice")
    func schemaRefuses() async throws {
        let house = try await LicenseHouse.make()
        let detail = try await house.issued(tier: "pilot_starter", quantity: 1)
        _ = try await house.licenses.activate(key: detail.key, hardwareID: "hw-1", machineName: nil, house.act(.anonymous))
        for place in [1, 2] {
            let device = [UInt8](repeating: UInt8(place), count: 32)
            let activation: Activation.ID = house.test.entropy.id(house.now)
            await #expect(throws: StoreFault.self) {
                try await house.test.store.tenant(house.tenant) { db in
                    try db.run(
                        SQL(
                            "test.activate",
                            """
                            INSERT INTO activation (tenant_id, license_id, device, activation_id, place, device_limit, machine_name_box, activated_at)
                            VALUES ($1, $2, $3, $4, $5, 1, NULL, 0)
                            """), db.tenant, detail.license.id, device, activation, place)
                }
            }
        }
    }

    @Test("a suspended licence activates no device, but can be taken off one")
    func suspended() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        let id = try await house.licenses.list(house.tenant).licenses[0].id
        let key = try await house.licenses.reveal(id, tenant: house.tenant, house.act()).key
        _ = try await house.licenses.activate(key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous))
        try await house.licenses.apply(house.standing(subscription, version: 2, .suspended), house.act())
        await #expect(throws: LicenseProblems.suspended) {
            try await house.licenses.activate(key: key, hardwareID: "hw-2", machineName: nil, house.act(.anonymous))
        }
        let off = try await house.licenses.deactivate(key: key, hardwareID: "hw", house.act(.anonymous))
        #expect(off.file == nil)
        #expect(off.license.status == .suspended)
    }

    @Test("an Idempotency-Key repeats an activation's answer and refuses another request")
    func idempotency() async throws {
        let house = try await LicenseHouse.make()
        let key = try await house.issued(quantity: 1).key
        let claim = IdempotencyClaim(key: "k1", scope: "activate", fingerprint: [1])
        let first = try await house.licenses.activate(
            key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous, idempotency: claim))
        let again = try await house.licenses.activate(
            key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous, idempotency: claim))
        #expect(first.activation == again.activation)
        let other = IdempotencyClaim(key: "k1", scope: "activate", fingerprint: [2])
        await #expect(throws: CommonProblems.idempotencyKeyReused) {
            try await house.licenses.activate(key: key, hardwareID: "hw-2", machineName: nil, house.act(.anonymous, idempotency: other))
        }
    }

    @Test("features are what the usable licences grant together, at their widest")
    func features() async throws {
        let house = try await LicenseHouse.make()
        _ = try await house.issued(tier: "pilot_starter", quantity: 1)
        var granted = try await house.licenses.features(house.tenant, now: house.now)
        #expect(granted.limits == ["projects": 3, "ai_requests": 100])
        _ = try await house.issued(tier: "team")
        granted = try await house.licenses.features(house.tenant, now: house.now)
        #expect(granted.features == ["private_projects": true])
        #expect(granted.limits == ["projects": nil, "ai_requests": 100])
        house.test.clock.advance(by: .days(400))
        #expect(try await house.licenses.features(house.tenant, now: house.now).features.isEmpty)
    }
}
