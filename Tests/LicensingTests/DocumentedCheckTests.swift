import Foundation
import LicenseFormat
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

/// The Python of docs/explanation/licences.md, run as it stands there with Debian's own `cryptography`.
struct DocumentedCheckTests {
    static let python = "/usr/bin/python3"
    static let isThere = (try? run("import cryptography", "")) == ""

    static func run(_ program: String, _ input: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-c", program]
        let (stdin, stdout) = (Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = FileHandle.nullDevice
        try process.run()
        stdin.fileHandleForWriting.write(Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let output = String(decoding: stdout.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableRuntimeMismatch) }
        return output
    }

    @Test("the documented check accepts our file on its device, not on another, and refuses a changed one", .enabled(if: isThere))
    func documented() async throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/explanation/licences.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let program = try #require(text.firstMatch(of: /(?s)```python\n(.*?)```/)?.1)
        let made = try await LicenseFileTests.make()
        let keys = String(decoding: try JSONCoding.encode(made.ring.licenseKeysDocument()), as: UTF8.self)
        func judge(_ file: String, _ hardware: String) throws -> String {
            try Self.run(
                "\(program)\nimport sys\nfile, keys = sys.stdin.read().split('\\n')[:2]\nprint(check(json.loads(file), json.loads(keys), '\(hardware)'))",
                "\(file)\n\(keys)\n"
            ).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let file = String(decoding: made.bytes, as: UTF8.self)
        #expect(try judge(file, "hw-1") == "True")
        #expect(try judge(file, "hw-2") == "False")
        #expect(throws: CocoaError.self) { try judge(file.replacing("\"seats\":2", with: "\"seats\":9"), "hw-1") }
    }

    @Test("the documented opening of an encrypted file gives the signed file to who has key and hardware id", .enabled(if: isThere))
    func documentedOpening() async throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/explanation/licences.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let program = try #require(text.matches(of: /(?s)```python\n(.*?)```/).last?.1)
        let (made, bytes) = try await EncryptedFileTests.make()
        func open(_ key: String, _ hardware: String) throws -> String {
            try Self.run(
                "import json, sys\n\(program)\nprint(json.dumps(open_file(json.load(sys.stdin), '\(key)', '\(hardware)')))",
                String(decoding: bytes, as: UTF8.self))
        }
        let inside = try JSONCoding.decode(JSONValue.self, Data(try open(EncryptedFileTests.key.lowercased(), "hw-1").utf8))
        #expect(try inside == JSONCoding.decode(JSONValue.self, Data(made.bytes)))
        #expect(throws: CocoaError.self) { try open(EncryptedFileTests.key, "hw-2") }
        let other = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: SeededEntropy(12))
        #expect(throws: CocoaError.self) { try open(other, "hw-1") }
    }

    @Test("clients in the field verify a seat's answer with RSA-4096 PSS and the longest salt", .enabled(if: isThere))
    func field() async throws {
        let ring = try LicenseFileTests.keyRing.get()
        try await ring.ready()
        let pem = try #require(
            ring.licenseKeysDocument()["keys"]?.array?.first { $0["purpose"]?.string == KeyPurpose.licenseRSA.rawValue }?["pem"]?.string)
        let license: LicenseID = Identifier(UUID())
        let answer: JSONValue = [
            "expires_at": "2027-01-15T08:06:00Z", "license_id": .string(license.description), "session_id": "s", "seats_used": 1,
        ]
        let signature = try await ring.sign(
            SeatAnswer.message(expiresAt: Timestamp(seconds: 1_800_000_360), license: license, session: "s"), .licenseRSA)
        let program = """
            import json, sys
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.asymmetric import padding
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
            answer, pem, signature = json.loads(sys.stdin.read())
            body = json.dumps({k: answer[k] for k in ("expires_at", "license_id", "session_id")}, sort_keys=True).encode()
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
            load_pem_public_key(pem.encode()).verify(bytes.fromhex(signature), body, pss, hashes.SHA256())
            print("good")
            """
        let input: JSONValue = [answer, .string(pem), .string(Hex.encode(signature.bytes))]
        #expect(try Self.run(program, String(decoding: try JSONCoding.encode(input), as: UTF8.self)) == "good\n")
    }
}
