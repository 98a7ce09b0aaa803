import Foundation
import HTTPEdge
import PlatformTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// The copy of everything that is known of a tenant, over a whole platform.
@Suite("exports")
struct ExportTests {
    typealias Firm = PeopleTests.Firm
    static let path = "/api/v1/exports"

    /// Tables with a tenant_id that no export gives, each with its reason.
    static let withheld: [String: String] = [
        "payment_event": "the provider's news as they came, sealed; what they said stands in billing's records",
        "payment_route": "leads news to the tenant", "billing_mail_all": "which mails were sent already",
        "billing_move_all": "which checkout followed which: inside checkouts",
        "auth_session": "secrets of sessions; when they were begun and ended stands in the audit log",
        "sign_in_step": "secrets of a sign-in that is under way", "domain_directory": "leads to domains",
        "connection_directory": "leads to connections", "license_key_directory": "hashes of keys",
        "license_standing_all": "a copy of what billing says", "activation_part_all": "hashes of hardware",
        "license_closure_all": "that the tenant leaves: the way out says so", "legal_hold_all": "what staff wrote",
        "tenant_keep": "the same; GET /api/v1/retention tells it",
        "offboarding_link": "a hash of the mailed link", "offboarding_lapse_all": "a copy of what billing says",
        "tenant_export_entry_all": "what an export holds: its own list says so", "tenant_export_piece_all": "the export itself",
        "project_usage_all": "sums", "project_piece_all": "receipts of stored pieces", "provision_home_all": "a key, and sums",
        "seat_beat_tally_all": "sums", "seat_pool_all": "sums", "seat_wait_all": "who waits at this moment",
        "seat_aboard_all": "which process counts", "tenant_directory": "leads to the tenant", "member_directory": "leads to members",
        "usage_plan_all": "a copy of what billing says", "webhook_object_all": "counters", "store_job": "what is to be done, and was",
        "journal_segment_all": "said by the audit log's own lines", "journal_mark_all": "the same", "journal_begin_all": "the same",
    ]

    @Test("every table with a tenant in it is given to its export, or withheld for a reason that stands here")
    func schema() async throws {
        let platform = try await TestPlatform.open()
        let tables = try LeavingTests.tables()
        let given = platform.platform.rooms.exportSources.flatMap(\.given)
        #expect(Set(given).count == given.count && Set(given).isSubset(of: tables), "\(Set(given).subtracting(tables).sorted())")
        let silent = tables.subtracting(given).subtracting(Self.withheld.keys)
        #expect(silent.isEmpty, "nobody gives \(silent.sorted())")
        #expect(Set(given).isDisjoint(with: Self.withheld.keys) && Set(Self.withheld.keys).isSubset(of: tables))
        let names = platform.platform.rooms.exportSources.map(\.name)
        #expect(Set(names).count == names.count)
        await platform.close()
    }

    // MARK: - One that is asked for

    @Test("an owner takes everything along without a secret in it, by a link that is over in time; nobody else does")
    func asked() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let grace = try await firm.member("grace@example.com", "admin")
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let key = await firm.owner.call("POST", "/api/v1/api-keys", ["name": "canary-key", "permissions": ["licenses:read"]])
        let secret = try #require(key["secret"]?.string ?? key["key"]?.string)
        let hook = await firm.owner.call("POST", "/api/v1/webhooks", ["url": "https://example.com/hook", "events": ["*"]])
        let signing = try #require(hook["secret"]?.string ?? hook["webhook"]?["secret"]?.string)
        #expect(await firm.owner.call("POST", "/api/v1/projects", ["name": "Engine"]).status == 201)

        #expect(await grace.call("POST", Self.path).status == 403)
        let asked = await firm.owner.call("POST", Self.path)
        #expect(asked.status == 202 && asked["state"] == "making" && asked["url"] == .null, "\(asked.text)")
        #expect(await firm.owner.call("POST", Self.path)["error"] == "export_at_work")
        try await platform.runDue()
        let id = asked["id"]?.string ?? ""
        let ready = await firm.owner.call("GET", "\(Self.path)/\(id)")
        #expect(ready["state"] == "ready", "\(ready.text)")
        let address = ready["url"]?.string?.replacing("http://127.0.0.1", with: "") ?? ""
        let rooms = platform.platform.rooms
        let export = try #require(try await rooms.offboarding.exports(of: tenant).first)
        let files = try await Self.check(export, of: tenant, rooms.offboarding, platform)
        let all = files.values.joined()
        for text in ["ada@example.com", "grace@example.com", "canary-key", "https://example.com/hook", "export.requested"] {
            #expect(Data(all).range(of: Data(text.utf8)) != nil, "\(text)")
        }
        for text in [secret, signing, Customer.password, "$argon2"] { #expect(Data(all).range(of: Data(text.utf8)) == nil) }
        #expect(files.keys.contains("people/users.jsonl") && files.keys.contains("projects/projects.jsonl"), "\(files.keys.sorted())")

        let part = await platform.call("GET", address, headers: ["range": "bytes=10-19"])
        #expect(part.status == 206 && part.headers.contains { $0.0 == "content-range" && $0.1 == "bytes 10-19/\(export.bytes)" })
        #expect(await platform.call("GET", address, headers: ["range": "bytes=\(export.bytes)-"])["error"] == "export_range")
        let token = String(address.split(separator: "=").last ?? "")
        let forged: [String] = ["x", String(token.dropLast()), "B" + String(token.dropFirst()), token + "x"]
        for bad in forged {
            #expect(await platform.call("GET", "\(Self.path)/archive?token=\(bad)")["error"] == "export_over", "\(bad)")
        }
        let stranger = try await Customer.member(platform, "eve@example.com")
        #expect(await stranger.call("GET", "\(Self.path)/\(id)").status == 404)

        for _ in 0..<2 {
            #expect(await firm.owner.call("POST", Self.path).status == 202)
            try await platform.runDue()
        }
        let fourth = await firm.owner.call("POST", Self.path)
        #expect(fourth["error"] == "exports_used_up" && fourth["per_day"] == 3, "\(fourth.text)")
        platform.clock.advance(by: .days(30))
        #expect(await platform.call("GET", address)["error"] == "export_over")
        try await platform.runDue()
        let ended = try await rooms.offboarding.exports(of: tenant)
        #expect(ended.count == 3 && ended.allSatisfy { $0.state == .over })
        let left = try await platform.platform.ground.store.kernelRead(KernelReason("test.left")) { db in
            try db.row(SQL("test.left_pieces", "SELECT count(*) FROM tenant_export_piece_all"))?.int(0)
        }
        #expect(left == 0)
        #expect(try await platform.journalActions().filter { $0.hasPrefix("export.fetched") }.count >= 2)
        await platform.close()
    }

    @Test("names of an archive lead out of no folder, hide nothing and mean nothing to any system")
    func names() {
        let table: [(String, String)] = [
            ("..", "_"), (".", "_"), ("", "_"), ("a/b", "a_b"), ("a\\b", "a_b"), (".hidden", "_hidden"), ("c:", "c_"), ("nul", "_nul"),
            ("COM1.txt", "_COM1.txt"), ("end. ", "end"), ("right\u{202e}left", "right_left"), ("nul\0", "nul_"), ("Ünïcode", "Ünïcode"),
        ]
        for (given, safe) in table { #expect(ZipFormat.safe(given) == safe, "\(given)") }
        #expect(ZipFormat.safe(String(repeating: "ü", count: 500)).utf8.count <= 130)
    }

    // MARK: - Reading

    /// The files of an archive, each as its manifest says, and the manifest as it was signed.
    @discardableResult
    static func check(_ export: TenantExport, of tenant: TenantID, _ room: Offboarding, _ platform: TestPlatform) async throws -> [String:
        [UInt8]]
    {
        let link = try #require(room.address(of: export, tenant: tenant, now: platform.clock.now())?.split(separator: "=").last)
        let act = Act(actor: .system("test"), requestID: "fetch", now: platform.clock.now())
        let found = try await room.fetch(link: String(link), range: nil, act)
        var bytes: [UInt8] = []
        while Int64(bytes.count) < export.bytes { bytes += try await found.read(Int64(bytes.count)) }
        let files = try entries(bytes)
        #expect(files.count == export.files)
        let manifest = try #require(files["manifest.json"])
        let proof = try JSONReader.read(Data(try #require(files["manifest.signature.json"])))
        let signature = Signature(
            keyID: proof["key_id"]?.string ?? "", bytes: try #require(Base64URL.decode(proof["signature"]?.string ?? "")))
        #expect(platform.platform.ground.keys.verify(Array("coditect:tenant-export.v1\0".utf8) + manifest, signature, .journal))
        let said = try JSONReader.read(Data(manifest))
        let list = try #require(files["files.jsonl"])
        #expect(said["list"]?["sha256"]?.string == Hex.encode(Digest.sha256(list)) && said["tenant_id"]?.string == tenant.description)
        var listed: Set<String> = ["manifest.json", "manifest.signature.json", "files.jsonl"]
        for line in list.split(separator: 10) {
            let entry = try JSONReader.read(Data(line))
            let name = try #require(entry["name"]?.string)
            let content = try #require(files[name])
            #expect(entry["sha256"]?.string == Hex.encode(Digest.sha256(content)) && entry["bytes"]?.int == Int64(content.count), "\(name)")
            listed.insert(name)
        }
        #expect(listed == Set(files.keys))
        return files
    }

    /// By the directory at the end.
    private static func entries(_ bytes: [UInt8]) throws -> [String: [UInt8]] {
        func number(_ at: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
        let end = bytes.count - 22 - 20 - 56
        try #require(end > 0 && number(end, 4) == 0x0606_4b50)
        var at = number(end + 48, 8)
        var found: [String: [UInt8]] = [:]
        for _ in 0..<number(end + 32, 8) {
            try #require(number(at, 4) == 0x0201_4b50)
            let length = number(at + 28, 2)
            let name = String(decoding: bytes[(at + 46)..<(at + 46 + length)], as: UTF8.self)
            let extra = at + 46 + length
            let (size, offset) = (number(extra + 4, 8), number(extra + 20, 8))
            try #require(number(offset, 4) == 0x0403_4b50)
            let begin = offset + 30 + number(offset + 26, 2) + number(offset + 28, 2)
            #expect(found[name] == nil)
            found[name] = Array(bytes[begin..<(begin + size)])
            at = extra + number(at + 30, 2)
        }
        return found
    }
}
