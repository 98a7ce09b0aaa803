import Foundation
import LicenseTesting
import Signing
import Testing
import Vocabulary

/// `coditect verify`: what was signed when an organisation left, checked by the public keys alone.
struct VerifyCommandTests {
    static let tenant = "01933b5c-0000-7000-8000-000000000001"

    // MARK: A certificate

    private static func certificate(steps: JSONValue = [["phase": "purge", "step": "purge:identity", "done_at": "2026-11-20T10:00:00Z"]])
        -> JSONValue
    {
        [
            "kind": "coditect.deletion_certificate", "version": 1, "tenant_id": .string(tenant), "left_at": "2026-10-20T10:00:00Z",
            "purged_at": "2026-11-20T10:00:00Z", "steps": steps,
            "remains": [["what": "invoices", "why": "tax law", "until": "2036-11-20T10:00:00Z"]],
        ]
    }
    private static func signed(_ document: JSONValue, _ ring: KeyRing, purpose: KeyPurpose = .journal) async throws -> JSONValue {
        let message = try TypedMessage(.deletionCertificate, json: document)
        let signature = try await ring.sign(message.bytes, purpose)
        return [
            "certificate": .string(String(decoding: message.body, as: UTF8.self)), "key_id": .string(signature.keyID),
            "algorithm": "ed25519", "signed_prefix": "coditect:deletion-certificate.v1\\0",
            "signature": .string(Base64URL.encode(signature.bytes)),
        ]
    }
    private static func write(_ value: JSONValue, _ name: String, _ shell: Shell) throws -> String {
        let file = shell.home.appendingPathComponent(name)
        try Data(CanonicalJSON.encode(value)).write(to: file)
        return file.path
    }
    private static func with(_ value: JSONValue, _ name: String, _ change: (String) -> String) -> JSONValue {
        var members = value.object ?? [:]
        members[name] = .string(change(members[name]?.string ?? ""))
        return .object(members)
    }

    @Test("a certificate holds as it was saved, alone or with what the mailed link says besides; who, when and what remains is told")
    func certificateHolds() async throws {
        let (shell, ring) = (try Shell(), try await FileMaker().ring)
        let keys = try Self.write(ring.licenseKeysDocument(), "keys.json", shell)
        let good = try await Self.signed(Self.certificate(), ring)
        for document in [good, ["state": "purged", "steps": [], "certificate": good]] {
            let checked = try shell.run("verify", "deletion", try Self.write(document, "certificate.json", shell), "--keys", keys)
            #expect(checked.code == 0, "\(checked.err)")
            #expect(checked.out.hasPrefix("intact    organisation \(Self.tenant)\nsigned    with "))
            #expect(
                checked.out.hasSuffix(
                    """
                    left      2026-10-20 10:00 UTC
                    deleted   2026-11-20 10:00 UTC, in 1 steps
                    remains   invoices: tax law; until 2036-11-20 10:00 UTC

                    """), "\(checked.out)")
        }
        let told = try shell.run("verify", "deletion", try Self.write(good, "certificate.json", shell), "--keys", keys, "--json")
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(told.out.utf8))
        #expect(json["intact"] == true && json["certificate"]?["tenant_id"] == .string(Self.tenant))
    }

    @Test("changed, signed by another, of another kind or unfinished: refused with 65, and why")
    func certificateIsRefused() async throws {
        let (shell, ring) = (try Shell(), try await FileMaker().ring)
        let keys = try Self.write(ring.licenseKeysDocument(), "keys.json", shell)
        let good = try await Self.signed(Self.certificate(), ring)
        let theirs = try FileMaker.theirs.get()
        let open = Self.certificate(steps: [["phase": "purge", "step": "purge:identity", "done_at": .null]])
        let other: JSONValue = ["kind": "coditect.tenant_export", "version": 1]
        for (name, document) in [
            ("not_authentic", Self.with(good, "certificate") { $0 + " " }),
            ("not_authentic", Self.with(good, "certificate") { $0.replacing("2026-11", with: "2026-12") }),
            ("not_authentic", Self.with(good, "signature") { "AA" + $0.dropFirst(2) }),
            ("file_damaged", Self.with(good, "signature") { _ in "/" }),
            ("unknown_key", Self.with(good, "key_id") { _ in "k" }),
            ("unknown_key", try await Self.signed(Self.certificate(), theirs)),
            // A key of the platform, but none that certificates are signed with.
            ("unknown_key", try await Self.signed(Self.certificate(), ring, purpose: .license)),
            ("file_damaged", try await Self.signed(open, ring)), ("file_damaged", try await Self.signed(other, ring)),
            ("file_damaged", ["state": "retained", "certificate": .null]), ("file_damaged", []),
        ] {
            let refused = try shell.run("verify", "deletion", try Self.write(document, "certificate.json", shell), "--keys", keys, "--json")
            #expect(refused.code == 65 && refused.err.contains("\"error\":\"\(name)\""), "\(name): \(refused.err)")
            #expect(refused.out.isEmpty)
        }
        for wrong in [
            ["verify", "deletion", "/nowhere", "--keys", keys], ["verify", "deletion", keys, "--keys", "/nowhere"],
            ["verify", "deletion", keys],
        ] {
            #expect(try shell.start(wrong).wait().code == 64, "\(wrong)")
        }
        let foreign = try Self.write(["keys": []], "none.json", shell)
        #expect(try shell.run("verify", "deletion", try Self.write(good, "c.json", shell), "--keys", foreign).code == 64)
    }

    // MARK: An export

    /// An archive as PKWARE describes it, written here in another way than the platform's: sizes in the headers, no ZIP64.
    private static func archive(_ files: [(String, [UInt8])]) -> [UInt8] {
        func number(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        func checksum(_ bytes: [UInt8]) -> Int {
            var value: UInt32 = .max
            for byte in bytes {
                value ^= UInt32(byte)
                for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
            }
            return Int(~value)
        }
        var (out, directory): ([UInt8], [UInt8]) = ([], [])
        for (name, content) in files {
            let common =
                number(20, 2) + number(0x800, 2) + number(0, 2) + number(0, 4) + number(checksum(content), 4) + number(content.count, 4)
                + number(content.count, 4) + number(name.utf8.count, 2) + number(0, 2)
            directory += number(0x0201_4b50, 4) + number(20, 2) + common + number(0, 10) + number(out.count, 4) + Array(name.utf8)
            out += number(0x0403_4b50, 4) + common + Array(name.utf8) + content
        }
        return out + directory + number(0x0605_4b50, 4) + number(0, 4) + number(files.count, 2) + number(files.count, 2)
            + number(directory.count, 4) + number(out.count, 4) + number(0, 2)
    }
    private static func export(_ ring: KeyRing, _ files: [(String, [UInt8])], listed: [(String, [UInt8])]? = nil) async throws -> [UInt8] {
        let lines = try (listed ?? files).map { name, content -> String in
            let line: JSONValue = [
                "name": .string(name), "bytes": .int(Int64(content.count)), "sha256": .string(Hex.encode(Digest.sha256(content))),
            ]
            return String(decoding: try CanonicalJSON.encode(line), as: UTF8.self) + "\n"
        }
        let list = Array(lines.joined().utf8)
        let message = try TypedMessage(
            .tenantExport,
            json: [
                "kind": "coditect.tenant_export", "version": 1, "tenant_id": .string(tenant), "exported_at": "2026-11-20T10:00:00Z",
                "files": .int(Int64(lines.count)),
                "list": [
                    "name": "files.jsonl", "bytes": .int(Int64(list.count)), "sha256": .string(Hex.encode(Digest.sha256(list))),
                ],
            ])
        let signature = try await ring.sign(message.bytes, .journal)
        let proof: JSONValue = ["key_id": .string(signature.keyID), "signature": .string(Base64URL.encode(signature.bytes))]
        return archive(
            files + [
                ("files.jsonl", list), ("manifest.json", message.body), ("manifest.signature.json", try CanonicalJSON.encode(proof)),
            ])
    }
    private static let files: [(String, [UInt8])] = [
        ("people/users.jsonl", Array("{\"email\":\"ada@example.com\"}\n".utf8)), ("projects/contents/a/empty", []),
        ("projects/contents/a/über.bin", (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7919) }),
    ]

    @Test(
        "an export is checked file by file, in pieces; one byte that is changed anywhere in a file, its name, the list or the manifest is found"
    )
    func exports() async throws {
        let (shell, ring) = (try Shell(), try await FileMaker().ring)
        let keys = try Self.write(ring.licenseKeysDocument(), "keys.json", shell)
        let file = shell.home.appendingPathComponent("export.zip")
        func check(_ bytes: [UInt8]) throws -> Shell.Outcome {
            try Data(bytes).write(to: file)
            return try shell.run("verify", "export", file.path, "--keys", keys)
        }
        let good = try await Self.export(ring, Self.files)
        let checked = try check(good)
        #expect(checked.code == 0 && checked.out.contains("files     3, "), "\(checked.out)\(checked.err)")

        let text = Data(good)
        for part in ["ada@example.com", "people/users", "\"sha256\":\"", "\"tenant_id\":\"", "\"signature\":\"", "über"] {
            let place = try #require(text.range(of: Data(part.utf8)))
            var damaged = good
            damaged[place.upperBound - 1] ^= 1
            #expect(try check(damaged).code == 65, "\(part)")
        }
        var late = good
        late[2_500_000] ^= 0x80
        let found = try check(late)
        #expect(found.code == 65 && found.err.contains("über.bin is damaged"), "\(found.err)")
        for cut in [0, 21, good.count / 2, good.count - 1] { #expect(try check(Array(good.prefix(cut))).code == 65, "\(cut)") }
    }

    @Test("a file too many, one too few, one twice, one that leads out of the archive, and a list of others are refused")
    func exportsOfOthers() async throws {
        let (shell, ring) = (try Shell(), try await FileMaker().ring)
        let keys = try Self.write(ring.licenseKeysDocument(), "keys.json", shell)
        let file = shell.home.appendingPathComponent("export.zip")
        let small: [(String, [UInt8])] = [("a", [1, 2, 3]), ("b/c", [4])]
        let escape: [(String, [UInt8])] = [("a/../../b", [1])]
        for (why, bytes) in [
            ("was not signed", try await Self.export(ring, small + [("d", [5])], listed: small)),
            ("is missing: d", try await Self.export(ring, small, listed: small + [("d", [5])])),
            ("is missing: a", try await Self.export(ring, small, listed: small + [small[0]])),
            ("is in it twice", try await Self.export(ring, small + [small[0]])),
            ("leads out of it", try await Self.export(ring, escape)),
            ("is not what was signed", try await Self.export(ring, small, listed: [("a", [1, 2, 4]), small[1]])),
            ("not among the keys", try await Self.export(try FileMaker.theirs.get(), small)),
            ("manifest.json is missing", Self.archive(small)), ("no archive", Array("PK".utf8)),
        ] {
            try Data(bytes).write(to: file)
            let refused = try shell.run("verify", "export", file.path, "--keys", keys)
            #expect(refused.code == 65 && refused.err.contains(why), "\(why): \(refused.code) \(refused.err)")
        }
    }
}
