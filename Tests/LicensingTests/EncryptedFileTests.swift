import Foundation
import LicenseFormat
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

@testable import Licensing

struct EncryptedFileTests {
    static let key = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: SeededEntropy(11))

    static func make() async throws -> (made: LicenseFileTests.Setting, bytes: [UInt8]) {
        let made = try await LicenseFileTests.make()
        let signed = try SignedLicenseFile(try JSONCoding.decode(JSONValue.self, Data(made.bytes)))
        let file = try EncryptedLicenseFile(signed, key: key, hardwareID: "hw-1", entropy: SeededEntropy(3))
        return (made, [UInt8](try JSONCoding.encode(file.json)))
    }

    @Test("key and hardware id open the file, however the key is typed, and the signature inside is what it was")
    func opens() async throws {
        let (made, bytes) = try await Self.make()
        for typed in [Self.key, Self.key.lowercased(), Self.key.replacing("-", with: " ")] {
            let inside = try EncryptedLicenseFile.open(bytes, key: typed, hardwareID: "hw-1")
            let file = try LicenseFile.check(inside, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
            #expect(file.tier == "team")
        }
    }

    @Test("without the key or without the hardware id it stays closed, and tells nothing of the licence")
    func closed() async throws {
        let (made, bytes) = try await Self.make()
        let other = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: SeededEntropy(12))
        for (key, hardware) in [(other, "hw-1"), (Self.key, "hw-2"), (Self.key, ""), (Self.key, "hw-1 "), (Self.key, "HW-1")] {
            #expect(throws: EncryptedLicenseFile.Fault.closed) { try EncryptedLicenseFile.open(bytes, key: key, hardwareID: hardware) }
        }
        #expect(throws: EncryptedLicenseFile.Fault.key(.length)) { try EncryptedLicenseFile.open(bytes, key: "", hardwareID: "hw-1") }
        let text = String(decoding: bytes, as: UTF8.self)
        let detail = try await made.house.licenses.list(made.house.tenant).licenses[0]
        for secret in [detail.id.description, "team", "hw-1", "license_id", LicenseFile.hash(hardwareID: "hw-1")] {
            #expect(!text.contains(secret))
        }
        // Nor does it pass for a file in clear.
        #expect(throws: LicenseFileFault.self) { try LicenseFile.authentic(bytes, keys: made.keys) }
    }

    @Test("any changed bit of salt or box closes it, and so does a shorter one")
    func changed() async throws {
        let (_, bytes) = try await Self.make()
        let members = try #require(try JSONCoding.decode(JSONValue.self, Data(bytes)).object)
        for name in ["salt", "box"] {
            let whole = try #require(members[name]?.string.flatMap(Hex.decode))
            // Each byte of the salt; of the box the nonce, the first and last of the ciphertext, and the tag.
            let places = name == "salt" ? Array(whole.indices) : Array(0..<16) + Array((whole.count - 20)..<whole.count)
            for place in places {
                var other = whole
                other[place] ^= 1 << (place % 8)
                var told = members
                told[name] = .string(Hex.encode(other))
                #expect(throws: EncryptedLicenseFile.Fault.closed) {
                    try EncryptedLicenseFile.open([UInt8](try JSONCoding.encode(JSONValue.object(told))), key: Self.key, hardwareID: "hw-1")
                }
            }
        }
        let box = try #require(members["box"]?.string)
        for length in [2, 24, 56, box.count - 2] {
            var told = members
            told["box"] = .string(String(box.prefix(length)))
            #expect(throws: EncryptedLicenseFile.Fault.closed) {
                try EncryptedLicenseFile.open([UInt8](try JSONCoding.encode(JSONValue.object(told))), key: Self.key, hardwareID: "hw-1")
            }
        }
    }

    @Test("what is no encrypted file is refused before any key is tried")
    func garbage() async throws {
        let (made, bytes) = try await Self.make()
        let members = try #require(try JSONCoding.decode(JSONValue.self, Data(bytes)).object)
        var bad: [[UInt8]] = ["", "{}", "[]", "null"].map { Array($0.utf8) } + [made.bytes, [UInt8](repeating: 0x20, count: 1 << 20)]
        for (name, value) in [
            ("kind", "license-file.v1"), ("cipher", "AES-256-CBC"), ("key_derivation", "none"), ("salt", ""), ("salt", "zz"), ("box", ""),
            ("box", "abc"),
        ] as [(String, JSONValue)] {
            var told = members
            told[name] = value
            bad.append([UInt8](try JSONCoding.encode(JSONValue.object(told))))
            told[name] = nil
            bad.append([UInt8](try JSONCoding.encode(JSONValue.object(told))))
        }
        for bytes in bad {
            let fault = #expect(throws: EncryptedLicenseFile.Fault.self) {
                try EncryptedLicenseFile.open(bytes, key: Self.key, hardwareID: "hw-1")
            }
            guard case .malformed = fault else {
                Issue.record("\(String(describing: fault))")
                continue
            }
        }
    }

    @Test("whoever has key and hardware id can encrypt, but not sign: a forged file opens and is refused")
    func forged() async throws {
        let (made, _) = try await Self.make()
        let text = String(decoding: made.bytes, as: UTF8.self).replacing("\"seats\":2", with: "\"seats\":9")
        let signed = try SignedLicenseFile(try JSONCoding.decode(JSONValue.self, Data(text.utf8)))
        let file = try EncryptedLicenseFile(signed, key: Self.key, hardwareID: "hw-1", entropy: SeededEntropy(4))
        let inside = try EncryptedLicenseFile.open([UInt8](try JSONCoding.encode(file.json)), key: Self.key, hardwareID: "hw-1")
        #expect(throws: LicenseFileFault.notSigned) {
            try LicenseFile.check(inside, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
        }
    }

    @Test("no two files have the same salt or the same box, though they say the same")
    func fresh() async throws {
        let made = try await LicenseFileTests.make()
        let signed = try SignedLicenseFile(try JSONCoding.decode(JSONValue.self, Data(made.bytes)))
        let files = try (0..<50).map { _ in
            try EncryptedLicenseFile(signed, key: Self.key, hardwareID: "hw-1", entropy: SystemEntropy()).json
        }
        #expect(Set(files.compactMap { $0["salt"]?.string }).count == 50)
        #expect(Set(files.compactMap { $0["box"]?.string }).count == 50)
    }

    @Test("over HTTP a file is in clear or encrypted as asked, never both; without a file there is neither")
    func wire() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let key = try await http.house.issued().key
        func body(_ encrypt: JSONValue?) -> JSONValue {
            var members: [String: JSONValue] = ["license_key": .string(key), "hardware_id": "hw"]
            members["encrypt"] = encrypt
            return .object(members)
        }
        let none = try await http.send("POST", "/api/v1/licenses/validate", body(true)).1
        #expect(none["file"] == .null && none["encrypted_file"] == nil)
        for path in ["activate", "validate"] {
            let closed = try await http.send("POST", "/api/v1/licenses/\(path)", body(true)).1
            #expect(closed["file"] == .null)
            let file = [UInt8](try JSONCoding.encode(try #require(closed["encrypted_file"])))
            let inside = try EncryptedLicenseFile.open(file, key: key, hardwareID: "hw")
            let open = try await http.send("POST", "/api/v1/licenses/\(path)", body(path == "activate" ? nil : false)).1
            #expect(open["encrypted_file"] == nil)
            #expect(try JSONCoding.decode(JSONValue.self, Data(inside)) == open["file"])
        }
        for wrong in [1, "true", nil] as [JSONValue] {
            #expect(try await http.send("POST", "/api/v1/licenses/validate", body(wrong)).0 == 422)
        }
        #expect(try await http.send("POST", "/api/v1/licenses/deactivate", body(true)).0 == 422)
    }

    @Test("over HTTP components are bounded, and each that is refused is named")
    func components() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let key = try await http.house.issued().key
        func send(_ hardware: JSONValue) async throws -> (Int, JSONValue) {
            try await http.send(
                "POST", "/api/v1/licenses/validate", ["license_key": .string(key), "hardware_id": "hw", "hardware": hardware])
        }
        #expect(try await send(["cpu": "a", "mac": "b"]).0 == 200)
        let bad: [JSONValue] = [
            [:], nil, [], "x", ["cpu": "a"], ["cpu": "", "mac": "b"], ["cpu": nil, "mac": "b"], ["cpu": 1, "mac": "b"],
            ["cpu": " ", "mac": "b"],
            ["cpu": "b", "mac": "b"], ["CPU": "a", "mac": "b"],
            .object(Dictionary(uniqueKeysWithValues: (0..<9).map { ("c\($0)", JSONValue.string("v\($0)")) })),
        ]
        for hardware in bad {
            let (status, answer) = try await send(hardware)
            #expect(status == 422, "\(hardware)")
            #expect(answer["fields"]?.array?.first?["field"]?.string?.hasPrefix("hardware") == true, "\(answer)")
        }
    }
}
