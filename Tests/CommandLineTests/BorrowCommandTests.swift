import Foundation
import LicenseClient
import LicenseFormat
import LicenseTesting
import Testing
import Vocabulary

@testable import coditect

/// `borrow` and `return`, and a folder that is copied to another machine, by the built program.
struct BorrowCommandTests {
    /// Lends to the device `demo`.
    static func lender(_ maker: FileMaker, hours: Int64 = 48) async throws -> FakePlatform {
        let now = SystemClock().now()
        let file = try await maker.borrowed("demo", issuedAt: now, hours: hours)
        let seat: JSONValue = [
            "license_id": .string(maker.license.description), "session_id": "s-1", "seats_used": 1, "seats_total": 1,
            "expires_at": .string((now + .hours(1)).iso8601), "signature": "00", "heartbeat_interval": 300, "epoch": 1,
        ]
        return try FakePlatform { request in
            switch request.path {
            case "/api/v1/licenses/acquire": (200, seat)
            case "/api/v1/licenses/borrow":
                (200, ["license_id": .string(maker.license.description), "session_id": "s-1", "file": file])
            case "/api/v1/licenses/release": (200, ["status": "released"])
            default: (200, maker.ring.licenseKeysDocument())
            }
        }
    }

    @Test("a seat is borrowed, shown with its end, used without the server, and brought home")
    func life() async throws {
        let maker = try await FileMaker(for: ["demo"])
        let platform = try await Self.lender(maker)
        let shell = try Shell()
        try shell.signIn(platform)
        #expect(try shell.run("return", "--device", "demo").code == 78)
        let borrowed = try shell.run("borrow", "--hours", "48", "--device", "demo")
        #expect(borrowed.code == 0 && borrowed.out.hasPrefix("Borrowed: a seat is this device's until 20"), "\(borrowed)")
        #expect(platform.requests.first { $0.path.hasSuffix("borrow") }?.body["hardware_id"] == "demo")
        platform.close()

        let ran = try shell.run("seat", "run", "--device", "demo", "--", "echo", "ran")
        #expect(ran.code == 0 && ran.out == "ran\n" && ran.err.contains("running under the borrowed seat, which ends on 20"), "\(ran)")
        let other = try shell.run("seat", "run", "--device", "other", "--", "echo", "ran")
        #expect(other.code == 69 && other.out.isEmpty, "\(other)")
        let status = try shell.run("status")
        #expect(status.code == 0 && status.out.contains("borrowed  a seat as demo until 20"), "\(status)")
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(try shell.run("status", "--json").out.utf8))
        #expect(json["code"] == "borrowed" && json["borrowed"]?.array?.first?["device"] == "demo")
        let away = try shell.run("return", "--device", "demo")
        #expect(away.code == 69 && away.err.contains("comes home by itself"), "\(away)")
        #expect(try shell.run("status").code == 0)
    }

    @Test("returned, it is gone here and on the server; one that was changed is refused with what to do")
    func returned() async throws {
        let maker = try await FileMaker(for: ["demo"])
        let platform = try await Self.lender(maker)
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        #expect(try shell.run("borrow", "--hours", "48", "--device", "demo").code == 0)
        let folder = shell.file("borrowed")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasSuffix(".json") })
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        let changed = text.replacing(#/"expires_at" : "20\d\d/#, with: "\"expires_at\" : \"2999")
        #expect(changed != text)
        try Data(changed.utf8).write(to: folder.appendingPathComponent(name))
        let status = try shell.run("status")
        #expect(status.code == 78)
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        #expect(try shell.run("return", "--device", "demo").out == "The seat is home.\n")
        #expect(platform.count("/licenses/release") == 1)
        #expect(try shell.run("status").code == 78)
        for hours in ["0", "169", "x"] { #expect(try shell.run("borrow", "--hours", hours).code == 64) }
    }

    @Test("a folder that was activated on one machine is refused on another, online and off, with what to do")
    func copied() async throws {
        let machines = try ["1", "2"].map { number in
            let root = FileManager.default.temporaryDirectory.appendingPathComponent("machine-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: root.appendingPathComponent("etc"), withIntermediateDirectories: true)
            try Data("\(number)123456789abcdef0123456789abcdef\n".utf8).write(to: root.appendingPathComponent("etc/machine-id"))
            return root
        }
        defer { for root in machines { try? FileManager.default.removeItem(at: root) } }
        let (here, there) = (try Shell(["CODITECT_TEST_MACHINE": machines[0].path]), try Shell(["CODITECT_TEST_MACHINE": machines[1].path]))
        let id = try DeviceIdentity.find(named: nil, folder: StateFolder(url: here.home), machine: Machine(root: machines[0].path)).id
        let maker = try await FileMaker(for: [id])
        let platform = try FakePlatform { request in
            switch request.path {
            case "/api/v1/licenses/activate": (200, ["activation": [:], "license": maker.answerLicense, "file": maker.file(id)])
            case "/api/v1/licenses/validate":
                request.body["hardware_id"]?.string == id
                    ? (200, ["valid": true, "code": "valid", "license": maker.answerLicense, "file": maker.file(id)])
                    : (200, ["valid": true, "code": "not_activated", "license": maker.answerLicense, "file": nil])
            case "/api/v1/licenses/deactivate": (404, ["error": "not_activated", "message": "x"])
            default: (200, maker.ring.licenseKeysDocument())
            }
        }
        try here.signIn(platform)
        let activated = try here.run("activate", LicenseCommandTests.key, "--server", platform.address)
        #expect(activated.code == 0, "\(activated)")
        try FileManager.default.copyItem(
            at: here.home.appendingPathComponent("coditect"), to: there.home.appendingPathComponent("coditect"))
        #expect(try here.run("status").code == 0)
        let online = try there.run("status")
        #expect(online.code == 78 && online.out.contains("activated on another device, from which these files are a copy"), "\(online)")
        // Taking it off there takes nothing off here.
        let asked = platform.requests.count
        #expect(try there.run("deactivate").code == 0)
        #expect(platform.requests.dropFirst(asked).first?.body["hardware_id"]?.string != id)
        try FileManager.default.copyItem(at: here.file("license.json"), to: there.file("license.json"))
        platform.close()
        #expect(try here.run("status").code == 0)
        let offline = try there.run("status")
        #expect(
            offline.code == 65 && offline.out.contains("made for another device. Run `coditect activate KEY` on this one."), "\(offline)")
        let run = try there.run("seat", "run", "--", "echo", "ran")
        #expect(run.code == 65 && run.out.isEmpty && run.err.contains("made for another device"), "\(run)")
    }

    @Test("activate --encrypt keeps a file that tells nothing, and status opens it without the server")
    func encrypted() async throws {
        let maker = try await FileMaker()
        let key = LicenseCommandTests.key
        let platform = try FakePlatform { request in
            guard request.path.hasSuffix("activate") else { return (200, maker.ring.licenseKeysDocument()) }
            let file = try? SignedLicenseFile(maker.file("demo"))
            let box = file.flatMap { try? EncryptedLicenseFile($0, key: key, hardwareID: "demo", entropy: SystemEntropy()) }
            let isAsked = request.body["encrypt"]?.bool == true
            return (
                200,
                [
                    "activation": [:], "license": maker.answerLicense, "file": isAsked ? nil : maker.file("demo"),
                    "encrypted_file": isAsked ? box?.json ?? nil : nil,
                ]
            )
        }
        let shell = try Shell()
        let activated = try shell.run("activate", key, "--encrypt", "--server", platform.address, "--device", "demo")
        #expect(activated.code == 0, "\(activated)")
        platform.close()
        let kept = try String(contentsOf: shell.file("license.json"), encoding: .utf8)
        #expect(kept.contains("encrypted-license-file.v1") && !kept.contains("private_projects"))
        let status = try shell.run("status")
        #expect(status.code == 0 && status.out.contains("private_projects"), "\(status)")
    }
}
