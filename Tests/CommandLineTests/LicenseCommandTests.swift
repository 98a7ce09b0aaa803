import Foundation
import LicenseClient
import LicenseFormat
import LicenseTesting
import Testing
import Vocabulary

@testable import coditect

struct LicenseCommandTests {
    static let key = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: SystemEntropy())

    /// A platform that knows one key and signs what it answers.
    static func platform(_ maker: FileMaker, forged: FileMaker? = nil, code: String = "valid") throws -> FakePlatform {
        try FakePlatform { request in
            let hardware = request.body["hardware_id"]?.string ?? ""
            let file = (forged ?? maker).file(hardware)
            switch request.path {
            case "/api/v1/licenses/activate":
                return (200, ["activation": [:], "license": maker.answerLicense, "file": file])
            case "/api/v1/licenses/validate":
                return (
                    200,
                    [
                        "valid": .bool(code == "valid"), "code": .string(code), "license": maker.answerLicense,
                        "file": code == "valid" ? file : nil,
                    ]
                )
            case "/api/v1/licenses/deactivate": return (200, ["activation": [:], "license": maker.answerLicense, "file": nil])
            default: return (200, maker.ring.licenseKeysDocument())
            }
        }
    }

    @Test("a mistyped key is found without asking anybody")
    func mistyped() throws {
        let platform = try FakePlatform { _ in (500, nil) }
        defer { platform.close() }
        var wrong = Array(Self.key)
        wrong[10] = wrong[10] == "A" ? "B" : "A"
        let outcome = try Shell().run("activate", String(wrong), "--server", platform.address)
        #expect(outcome.code == 65)
        #expect(outcome.err.contains("not a licence key"))
        #expect(platform.requests.isEmpty)
    }

    @Test("activate keeps a file that holds; status asks the server, and judges by the file when it is away")
    func activateAndStatus() async throws {
        let maker = try await FileMaker()
        let platform = try Self.platform(maker)
        let shell = try Shell()
        let activated = try shell.run("activate", Self.key.lowercased(), "--server", platform.address, "--device", "demo")
        #expect(activated.code == 0)
        #expect(activated.out == "Activated on this device: team, active until 2999-01-15 08:06 UTC.\n")
        #expect(platform.requests.first?.body["hardware_id"] == "demo")

        let online = try shell.run("status")
        #expect(online.code == 0)
        #expect(
            online.out == """
                licence   team, active until 2999-01-15 08:06 UTC
                devices   1 of 4
                features  private_projects
                offline   works without the server until 2999-01-15 08:06 UTC

                """)
        platform.close()
        let offline = try shell.run("license", "status", "--json")
        #expect(offline.code == 0)
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(offline.out.utf8))
        #expect(json["source"] == "file")
        #expect(json["valid"] == true)
        #expect(json["license"]?["tier"] == "team")
    }

    @Test("a file that another key signed is not kept")
    func forged() async throws {
        let platform = try Self.platform(try await FileMaker(), forged: try await FileMaker(keys: FileMaker.theirs))
        defer { platform.close() }
        let shell = try Shell()
        let outcome = try shell.run("activate", Self.key, "--server", platform.address, "--device", "demo")
        #expect(outcome.code == 65)
        #expect(outcome.err.contains("not signed by the server's key"))
        #expect(!FileManager.default.fileExists(atPath: shell.file("license.json").path))
    }

    @Test("an ended licence says so, with the way to a new one, and fails the command")
    func expired() async throws {
        let maker = try await FileMaker()
        let good = try Self.platform(maker)
        let shell = try Shell()
        try shell.run("activate", Self.key, "--server", good.address, "--device", "demo")
        good.close()
        let platform = try Self.platform(maker, code: "expired")
        defer { platform.close() }
        let text = try String(contentsOf: shell.file("license.json"), encoding: .utf8).replacing(good.address, with: platform.address)
        try text.write(to: shell.file("license.json"), atomically: true, encoding: .utf8)
        let outcome = try shell.run("status")
        #expect(outcome.code == 77)
        #expect(outcome.out.contains("The licence expired on 2999-01-15 08:06 UTC. Renew it or choose a tier: \(platform.address)/plans"))
    }

    @Test("deactivate frees the device and forgets the licence")
    func deactivate() async throws {
        let platform = try Self.platform(try await FileMaker())
        defer { platform.close() }
        let shell = try Shell()
        #expect(try shell.run("deactivate").code == 78)
        try shell.run("activate", Self.key, "--server", platform.address, "--device", "demo")
        #expect(try shell.run("deactivate").code == 0)
        #expect(platform.count("/licenses/deactivate") == 1)
        #expect(try shell.run("status").code == 78)
    }

    @Test("offline, the file holds for its grace and not a minute longer, on its device alone")
    func offlineGrace() async throws {
        let issued = Timestamp(seconds: 1_800_000_000)
        let maker = try await FileMaker(for: ["hw"], issuedAt: issued)
        var held = HeldLicense(
            server: "https://example.com", key: Self.key, hardwareID: "hw", licenseID: maker.license.description,
            signed: maker.file("hw"), publicKeys: maker.ring.licenseKeysDocument())
        let away = LicenseClientError(.unreachable, "https://example.com cannot be reached: connection refused", next: "wait")
        func report(_ hours: Int64) -> Report {
            Report(offline: held, reason: away) { try held.check(hardwareID: "hw", now: issued + .hours(hours)) }
        }
        #expect(report(71).isValid)
        #expect(report(71).exitCode == nil)
        #expect(report(72).code == "offline_grace_over")
        #expect(report(72).exitCode == .unreachable)
        #expect(report(24 * 31).code == "expired")
        #expect(report(24 * 31).exitCode == .refused)
        #expect(report(24 * 31).notice?.contains("https://example.com/plans") == true)
        #expect(report(-1).code == "clock_behind")
        held.latestSeen = (issued + .hours(60)).seconds
        #expect(report(1).code == "clock_set_back")
        held.publicKeys = try await FileMaker(keys: FileMaker.theirs).ring.licenseKeysDocument()
        #expect(report(1).code == "file_not_authentic")
        #expect(report(1).exitCode == .damaged)
    }

    @Test("on a terminal the same lines are coloured, measured in distances and wrapped; NO_COLOR and pipes get plain text")
    func look() throws {
        let now = Timestamp(seconds: 1_800_000_000)
        var report = Report(
            validation: [
                "valid": true, "code": "valid",
                "license": [
                    "tier": "team", "status": "active", "expires_at": .string((now + .days(29) + .hours(2)).iso8601), "activations": 1,
                    "max_activations": 2, "features": ["alpha_feature": true, "beta_feature": true, "gamma_feature": true],
                    "offline_until": .string((now + .hours(72)).iso8601),
                ],
            ], server: "https://example.com")
        report.account = ("ada@example.com", "https://example.com")
        report.holders = 2
        let colour = report.lines(Look(hasColour: true, isTerminal: true, width: 80), now: now).joined(separator: "\n")
        #expect(colour.contains("\u{1b}[32m●\u{1b}[0m \u{1b}[32mteam, active\u{1b}[0m until 2027-02-13 10:00 UTC"))
        #expect(colour.contains("(in 29 days)"))
        #expect(colour.contains("▰▱ 1 of 2"))
        let plain = report.lines(Look(hasColour: false, isTerminal: true, width: 40), now: now).joined(separator: "\n")
        #expect(!plain.contains("\u{1b}"))
        #expect(plain.contains("features  alpha_feature, beta_feature,\n          gamma_feature\n"))
        #expect(
            report.lines(.plain, now: now) == [
                "licence   team, active until 2027-02-13 10:00 UTC", "devices   1 of 2",
                "features  alpha_feature, beta_feature, gamma_feature", "offline   works without the server until 2027-01-18 08:00 UTC",
                "account   ada@example.com at https://example.com", "seat      held by 2 processes of this device",
            ])
    }

    @Test("spans are said as people say them")
    func spans() {
        let cases: [(Int64, String)] = [
            (0, "0 s"), (59, "59 s"), (60, "1 min"), (312, "5 min 12 s"), (3_600, "1 h"), (7_500, "2 h 5 min"), (259_200, "3 days"),
        ]
        for (seconds, text) in cases { #expect(Words.span(seconds) == text) }
    }

    @Test("the hardware id never shows the machine's own id, and a name replaces it")
    func hardware() throws {
        let shell = try Shell()
        let folder = StateFolder(url: shell.home)
        let etc = shell.home.appendingPathComponent("etc")
        try FileManager.default.createDirectory(at: etc, withIntermediateDirectories: true)
        try "0123456789abcdef0123456789abcdef\n".write(
            to: etc.appendingPathComponent("machine-id"), atomically: true, encoding: .utf8)
        func id(_ name: String? = nil, root: String) throws -> String {
            try DeviceIdentity.find(named: name, folder: folder, machine: Machine(root: root)).id
        }
        let machine = try id(root: shell.home.path)
        #expect(machine.hasPrefix("machine-"))
        #expect(!machine.contains("0123456789abcdef"))
        #expect(try id("demo-2", root: shell.home.path) == "demo-2")
        let kept = try id(root: "/nowhere")
        #expect(try id(root: "/nowhere") == kept)
        #expect(throws: LicenseClientError.self) { try id("a b", root: "/nowhere") }
    }
}
