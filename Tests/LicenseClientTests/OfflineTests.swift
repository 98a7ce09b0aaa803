import Foundation
import LicenseFormat
import LicenseTesting
import Synchronization
import Testing
import Vocabulary

@testable import LicenseClient

/// The signed file stands in for the server: for 72 hours, on its device, by a clock that only goes on.
struct OfflineTests {
    /// A device that was activated at the bench's first moment; `server` says what is asked of it later.
    static func activated(_ hardware: String = "hw") async throws -> (bench: Bench, maker: FileMaker) {
        let bench = SeatKeeperTests.bench()
        let maker = try await FileMaker(for: ["hw"], issuedAt: bench.clock.now())
        let held = HeldLicense(
            server: "https://example.com", key: "k", hardwareID: hardware, licenseID: maker.license.description, signed: maker.file("hw"),
            publicKeys: maker.ring.licenseKeysDocument(), latestSeen: bench.clock.now().seconds)
        try StateFolder(url: bench.folder).write(held, HeldLicense.file)
        return (bench, maker)
    }
    static func code(_ body: () throws -> Void) -> LicenseClientError.Code? {
        do { try body() } catch { return (error as? LicenseClientError)?.code }
        return nil
    }

    @Test("the file holds for 72 hours without the server and not a second longer")
    func grace() async throws {
        let (bench, maker) = try await Self.activated()
        bench.platform.answer { _ in nil }
        let client = try bench.client()
        bench.clock.pass(.hours(72) - .seconds(1))
        let license = try client.offlineLicense()
        #expect(license.license == maker.license.description)
        #expect(license.features == ["private_projects"])
        bench.clock.pass(.seconds(1))
        #expect(Self.code { _ = try client.offlineLicense() } == .offlineGraceOver)
    }

    @Test("a file issued more than five minutes ahead of the clock is refused")
    func ahead() async throws {
        let (bench, _) = try await Self.activated()
        let client = try bench.client()
        bench.clock.step(.minutes(-5))
        _ = try client.offlineLicense()
        bench.clock.step(.seconds(-1))
        #expect(Self.code { _ = try client.offlineLicense() } == .clockBehind)
    }

    @Test("a clock set back behind the latest use is refused, and a newer file of the server makes it good")
    func setBack() async throws {
        let (bench, _) = try await Self.activated()
        let client = try bench.client()
        bench.clock.pass(.hours(50))
        _ = try client.offlineLicense()
        bench.clock.step(.hours(-40))
        #expect(Self.code { _ = try client.offlineLicense() } == .clockSetBack)
        // Another process sees the same.
        #expect(Self.code { _ = try bench.client().offlineLicense() } == .clockSetBack)
        let fresh = try await FileMaker(for: ["hw"], issuedAt: bench.clock.now())
        let (file, keys) = (fresh.file("hw"), fresh.ring.licenseKeysDocument())
        bench.platform.answer { asked in
            asked.path.hasSuffix("validate") ? (200, ["valid": true, "code": "valid", "license": [:], "file": file]) : (200, keys)
        }
        _ = try client.activation.validate()
        _ = try client.offlineLicense()
    }

    @Test("a file of another device, of another signer, damaged or changed is refused, each with its code")
    func refused() async throws {
        let (bench, maker) = try await Self.activated()
        #expect(Self.code { _ = try bench.client { $0.device = "other" }.offlineLicense() } == .otherDevice)
        let folder = StateFolder(url: bench.folder)
        var held = try HeldLicense.load(folder)
        held.publicKeys = try await FileMaker(keys: FileMaker.theirs).ring.licenseKeysDocument()
        try folder.write(held, HeldLicense.file)
        #expect(Self.code { _ = try bench.client().offlineLicense() } == .notAuthentic)
        held.publicKeys = maker.ring.licenseKeysDocument()
        var license = maker.file("hw")["license"]?.object ?? [:]
        license["offline_until"] = "2999-01-01T00:00:00Z"
        held.signed = ["license": .object(license), "signatures": maker.file("hw")["signatures"] ?? nil]
        try folder.write(held, HeldLicense.file)
        #expect(Self.code { _ = try bench.client().offlineLicense() } == .notAuthentic)
        held.signed = ["license": nil]
        try folder.write(held, HeldLicense.file)
        #expect(Self.code { _ = try bench.client().offlineLicense() } == .fileDamaged)
        try Data("{".utf8).write(to: folder.url.appendingPathComponent(HeldLicense.file))
        #expect(Self.code { _ = try bench.client().offlineLicense() } == .fileDamaged)
        folder.remove(HeldLicense.file)
        #expect(Self.code { _ = try bench.client().offlineLicense() } == .notActivated)
    }

    @Test("a seat goes on under the file when its lease ends without the server, until the file ends, and comes back with the server")
    func standsIn() async throws {
        let (bench, _) = try await Self.activated()
        let usual = SeatKeeperTests.usual(bench.platform)
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        bench.platform.answer { _ in nil }
        bench.pass(.minutes(10), keeper)
        bench.clock.pass(.hours(70) + .minutes(48))
        bench.pass(.minutes(2), keeper)
        #expect(bench.told() == ["held", "unsure", "offline"])
        bench.platform.answer(usual)
        bench.pass(.minutes(2), keeper)
        #expect(bench.told() == ["regained"])
        bench.platform.answer { _ in nil }
        bench.pass(.minutes(9), keeper)
        bench.clock.pass(.hours(2))
        bench.pass(.minutes(2), keeper)
        #expect(bench.told() == ["unsure", "offline", "lost"])
    }

    @Test("a clock set back while the server is away does not lengthen the grace")
    func setBackWhileAway() async throws {
        let (bench, _) = try await Self.activated()
        bench.platform.answer { _ in nil }
        let client = try bench.client()
        let keeper = bench.keeper(client)
        keeper.drive(.start)
        bench.pass(.minutes(3), keeper)
        bench.clock.pass(.hours(70))
        bench.pass(.minutes(3), keeper)
        #expect(bench.told() == ["offline"])
        bench.clock.step(.hours(-60))
        bench.pass(.minutes(2), keeper)
        #expect(bench.told() == ["lost"])
        guard case .lost(let error, _, _) = keeper.state else {
            Issue.record("\(keeper.state)")
            return
        }
        #expect(error.code == .clockSetBack)
    }

    @Test("while the server answers, the file is renewed about every hour, so that the grace is counted from the last contact")
    func renewed() async throws {
        let (bench, maker) = try await Self.activated()
        let usual = SeatKeeperTests.usual(bench.platform)
        let keys = maker.ring.licenseKeysDocument()
        let file = try await FileMaker(for: ["hw"], issuedAt: bench.clock.now() + .hours(10)).file("hw")
        bench.platform.answer { asked in
            switch asked.path {
            case "/api/v1/licenses/validate": (200, ["valid": true, "code": "valid", "license": [:], "file": file])
            case "/.well-known/coditect/license-keys.json": (200, keys)
            default: usual(asked)
            }
        }
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        keeper.refreshFile()
        #expect(bench.platform.count("/validate") == 0)
        bench.pass(.hours(10), keeper)
        keeper.refreshFile()
        keeper.refreshFile()
        #expect(bench.platform.count("/validate") == 1)
        bench.platform.answer { _ in nil }
        bench.pass(.minutes(10), keeper)
        bench.clock.pass(.hours(70) + .minutes(48))
        bench.pass(.minutes(2), keeper)
        #expect(bench.told() == ["held", "unsure", "offline"])
    }

    @Test("a file is verified with a public key alone, in either form, and with no other")
    func verified() async throws {
        let (bench, maker) = try await Self.activated()
        let file = try JSONEncoder().encode(maker.file("hw"))
        let now = Date(timeIntervalSince1970: Double(bench.clock.now().seconds))
        let document = maker.ring.licenseKeysDocument()
        let keys = document["keys"]?.array ?? []
        let pem = try #require(keys.first { $0["scheme"] == "Ed25519" }?["pem"]?.string)
        for key in [try JSONEncoder().encode(document), Data(pem.utf8)] {
            #expect(try OfflineLicense.verify(file, publicKeys: key, hardwareID: "hw", now: now).tier == "team")
        }
        let other = try #require(
            try await FileMaker(keys: FileMaker.theirs).ring.licenseKeysDocument()["keys"]?.array?.first { $0["scheme"] == "Ed25519" }?[
                "pem"]?
                .string)
        #expect(
            Self.code { _ = try OfflineLicense.verify(file, publicKeys: Data(other.utf8), hardwareID: "hw", now: now) } == .notAuthentic)
        #expect(Self.code { _ = try OfflineLicense.verify(file, publicKeys: Data("x".utf8), hardwareID: "hw", now: now) } == .notAuthentic)
    }

    @Test("a program with keys of its own believes no seat that they did not sign")
    func pinned() async throws {
        let (bench, maker) = try await Self.activated()
        let document = try JSONEncoder().encode(maker.ring.licenseKeysDocument())
        let client = try bench.client { $0.publicKeys = document }
        let keeper = bench.keeper(client)
        keeper.drive(.start)
        guard case .ended(let error) = keeper.state else {
            Issue.record("\(keeper.state)")
            return
        }
        #expect(error.code == .notAuthentic)
    }
}
