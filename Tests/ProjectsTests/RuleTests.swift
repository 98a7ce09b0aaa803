import Foundation
import RoomTesting
import Tenancy
import Testing
import Vocabulary

@testable import Projects

@Suite("Projects: rules")
struct RuleTests {
    static let project = ProjectID("018f0000-0000-7000-8000-000000000001")!
    static let other = ProjectID("018f0000-0000-7000-8000-000000000002")!
    static let me = MembershipID("018f0000-0000-7000-8000-000000000003")!
    static let team = TeamID("018f0000-0000-7000-8000-000000000004")!
    static let now = Timestamp(seconds: 1_800_000_000)

    /// SPEC 2, column projects: role, scope, shares → how far.
    @Test("each role gets as far as the matrix says, by scope, by share, and no longer than its end")
    func matrix() {
        let all: [ProjectShare.Target] = [.everyone, .team(Self.team), .member(Self.me)]
        let named = ["\(Self.project)"]
        func reach(_ role: Role, scope: [String]? = nil, _ shares: [ProjectShare] = [], endsAt: Timestamp? = nil) -> ProjectReach {
            ProjectCaller(role: role, membership: Self.me, scope: scope, endsAt: endsAt, teams: [Self.team]).reach(
                Self.project, sharedBy: shares, now: Self.now)
        }
        for share in [[]] + all.map({ [ProjectShare($0, .read)] }) + all.map({ [ProjectShare($0, .write)] }) {
            let writes = share.first?.level == .write
            #expect(reach(.owner, share) == .full && reach(.admin, share) == .full && reach(.platformAdmin, share) == .full)
            #expect(reach(.staff, share) == .read)
            #expect(reach(.developer, share) == (share.isEmpty ? .none : writes ? .write : .read))
            #expect(reach(Role(rawValue: "bookkeeper"), share) == (share.isEmpty ? .none : writes ? .write : .read))
            #expect(reach(.viewer, share) == (share.isEmpty ? .none : .read))
            #expect(reach(.contractor, share) == .none && reach(.contractor, scope: named, share) == .write)
            #expect(reach(.contractor, scope: ["\(Self.other)"], share) == .none && reach(.contractor, scope: [], share) == .none)
            #expect(reach(.auditor, share) == .none && reach(.auditor, scope: named, share) == .read)
            #expect(reach(.developer, scope: ["\(Self.other)"], share) == .none)
            #expect(reach(.admin, scope: ["\(Self.other)"], share) == .none && reach(.admin, scope: named, share) == .write)
        }
        let foreign = [
            ProjectShare(.team(TeamID(UUID())), .write), ProjectShare(.member(MembershipID(UUID())), .write),
        ]
        #expect(reach(.developer, foreign) == .none)
        let (before, at) = (Self.now + .microseconds(1), Self.now)
        #expect(reach(.contractor, scope: named, endsAt: before) == .write && reach(.contractor, scope: named, endsAt: at) == .none)
    }

    @Test("a lifecycle is sound, and knows no way but the declared ones")
    func lives() {
        #expect(projectLifecycle.flaws.isEmpty && fileObjectLifecycle.flaws.isEmpty)
        #expect(projectLifecycle.transition(from: .archived, to: .purging)?.by.contains(.customer) == false)
        #expect(projectLifecycle.transition(from: .purging, to: .active) == nil && fileObjectLifecycle.isFinal(.dropped))
        for transition in projectLifecycle.transitions where transition.by.contains(.customer) {
            #expect(ProjectChanged.Step(rawValue: transition.past) != nil, "\(transition.past) is told to nobody")
        }
    }

    // MARK: Paths

    @Test(
        "no trick gets through a path",
        arguments: [
            "", "/", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/..", "./a", ".", "..", "a\0b", "a\nb", "a\u{7F}b",
            "a\u{202E}fdp.exe",
            "a\u{200B}b", "a\u{FEFF}", "\u{FF0E}\u{FF0E}/a", "\u{2024}\u{2024}", "a\u{FF0F}b", "a\u{FF3C}b", "..\\..\\a", "C:\\a", "c:a",
            "a:stream",
            "CON", "con.txt", "nul", "Aux.tar.gz", "COM1", "lpt9.log", "COM¹", "\u{FF23}ON", "a.", "a ", " a", "a. ", "\u{A0}a",
            "a\u{3000}",
            "a/.../b", "p\u{430}ypal", "pаypal.exe", "\u{301}a", "a/\u{301}b", "a*b", "a?b", "a|b", "a<b", "a>b", "a\"b", "a\u{E0041}b",
            "a\u{115F}b", "a\u{FFFE}", "a\u{E000}", String(repeating: "a", count: 201), String(repeating: "a/", count: 16) + "a",
            String(repeating: "ab/", count: 400), "a\u{2028}b", "\u{2025}", "\u{2026}", "CLOCK$", "conin$", "nul .txt", "com\u{B2}.x",
        ])
    func tricks(_ text: String) {
        #expect(throws: (any Error).self, "\(text.debugDescription)") { try FilePath(text) }
    }

    @Test(
        "honest names pass as they are",
        arguments: [
            "a", "report.pdf", "docs/2026/q1.csv", ".gitignore", "a b.txt", "Größe.html", "отчёт.pdf", "報告書.docx", "a..b", "-rf", "~x",
            "a+b=c",
            "100 %.txt", "Δt.csv", "é.txt", "ελληνικά/αρχείο.txt", "console.log", "nullable", "x.con",
        ])
    func honest(_ text: String) throws {
        #expect(try FilePath(text).text == text.precomposedStringWithCanonicalMapping)
    }

    @Test(
        "two names that a person or a disk could take for each other are one",
        arguments: [
            ("Report.PDF", "report.pdf"), ("e\u{301}.txt", "é.txt"), ("ﬁle", "file"), ("ａｂｃ", "abc"),
            ("cоcо".replacing("c", with: "с"), "coco"),
            ("СОМ", "COM"), ("Ａ", "a"), ("x²", "x2"),
        ])
    func alike(_ pair: (String, String)) throws {
        // What passes for a device's name is none itself, and still the same as it.
        let keys = try [pair.0, pair.1].map { try FilePath("\($0) x").key }
        #expect(keys[0] == keys[1])
    }

    // MARK: Contents

    static let png = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8))
    static let zipEnd = Data([0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18))

    @Test("a content is what its type says, and nothing else beside")
    func contents() {
        func fault(_ type: String, _ content: Data) -> String? {
            ContentRule.fault(type: type, bytes: Int64(content.count), head: content, tail: content)
        }
        #expect(fault("image/png", Self.png) == nil)
        #expect(fault("image/png", Data("GIF89a".utf8)) != nil)
        #expect(fault("image/gif", Data("GIF89a<script>alert(1)</script>".utf8)) != nil)
        #expect(fault("image/gif", Data("GIF89a".utf8) + Self.zipEnd) != nil)
        #expect(fault("image/jpeg", Data([0xFF, 0xD8, 0xFF]) + Data(repeating: 0, count: 500) + Data("%PDF-1.4".utf8)) != nil)
        #expect(fault("application/pdf", Data("%PDF-1.7\n".utf8)) == nil)
        #expect(fault("application/pdf", Data("%PDF-1.7\n".utf8) + Self.zipEnd) != nil)
        #expect(fault("application/pdf", Data("MZ%PDF-".utf8)) != nil)
        #expect(fault("application/zip", Self.zipEnd) == nil && fault("application/zip", Data("PK".utf8)) != nil)
        #expect(fault("text/plain", Data("a\0b".utf8)) != nil && fault("text/plain", Data("<html>".utf8)) == nil)
        #expect(fault("image/svg+xml", Data("<svg onload=alert(1)>".utf8)) == nil && fault("image/svg+xml", Self.png) != nil)
        #expect(fault("application/octet-stream", Data("MZ".utf8)) == nil)
        #expect(fault("image/png", Data()) == nil)
        // A record in the middle of the tail whose comment would end behind the file is none.
        var stray = Self.png + Data([0x50, 0x4B, 5, 6]) + Data(repeating: 0, count: 16) + Data([0xFF, 0xFF])
        #expect(fault("image/png", stray) == nil)
        stray[stray.count - 2] = 0
        stray[stray.count - 1] = 0
        #expect(fault("image/png", stray) != nil)
    }

    @Test("what is served is never run or shown, and a name cannot end its header")
    func served() {
        for type in ["text/html", "image/svg+xml", "text/javascript", "application/xhtml+xml", "text/xml", "application/x-shockwave-flash"]
        {
            #expect(ContentRule.servedType(type) == "application/octet-stream")
        }
        #expect(ContentRule.servedType("image/png") == "image/png")
        #expect(
            ContentRule.disposition("Größe \"x\".html")
                == "attachment; filename=\"Gr____e _x_.html\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%22x%22.html")
        #expect(!ContentRule.disposition("a\r\nb").contains("\n"))
    }

    @Test("one range within the file is answered, none behind it, and anything else is the whole")
    func ranges() throws {
        func read(_ text: String?, of size: Int64 = 100) throws -> [Int64]? {
            try ByteRange.read(text, of: size).map { [$0.offset, $0.count] }
        }
        #expect(try read("bytes=0-9") == [0, 10] && read("bytes=90-") == [90, 10] && read("bytes=-10") == [90, 10])
        #expect(try read("bytes=0-1000") == [0, 100] && read("bytes=-1000") == [0, 100] && read("BYTES=99-99") == [99, 1])
        for whole in [
            nil, "", "bytes=", "bytes=-", "bytes=5-1", "bytes=0-1,2-3", "bytes=a-b", "lines=0-1", "bytes=99999999999999999999-",
            "bytes=+1-2",
        ] {
            #expect(try read(whole) == nil, "\(whole ?? "")")
        }
        for gone in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            #expect(throws: ProjectProblems.range.with(["size_bytes": 100])) { try read(gone) }
        }
        #expect(throws: (any Error).self) { try read("bytes=0-", of: 0) }
    }

    // MARK: Addresses

    @Test("an address opens what it was made for: every field that is changed, left out or written otherwise closes it")
    func addresses() throws {
        let sealer = TestSealer()
        let object = FileObjectID(UUID())
        let made = FileAddress(
            purpose: .write, tenant: TenantID(UUID()), object: object, user: UserID(UUID()), bytes: 1_000,
            expiresAt: Self.now + .seconds(60))
        let query = Dictionary(
            made.query(sealer).split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                return (parts[0], parts[1])
            }
        ) { first, _ in first }
        func open(
            _ query: [String: String], _ purpose: FileAddress.Purpose = .write, _ id: String? = nil, at now: Timestamp = RuleTests.now
        ) -> FileAddress? { FileAddress(purpose, object: id ?? "\(object)", query: query, sealer: sealer, now: now) }
        #expect(open(query) == made)
        #expect(open(query, .read) == nil && open(query, .write, "\(FileObjectID(UUID()))") == nil)
        #expect(open(query, at: Self.now + .seconds(59)) != nil && open(query, at: Self.now + .seconds(60)) == nil)
        for name in query.keys {
            var without = query
            without[name] = nil
            #expect(open(without) == nil, "\(name) left out")
            for value in [
                "", "0", "\(UUID())", (query[name] ?? "") + "0", "+" + (query[name] ?? ""), " ", (query[name] ?? "").uppercased() + "x",
            ] {
                var changed = query
                changed[name] = value
                #expect(open(changed) == nil, "\(name)=\(value)")
            }
        }
        var loud = query
        loud["signature"] = query["signature"]?.uppercased()
        #expect(open(loud) == nil || loud == query)
    }

    @Test("a file's pieces have five mebibytes each but the last")
    func pieces() {
        let size = Int64(FileStoreLimits.partBytes)
        #expect(FileAddress.pieceBytes(1, of: 0) == 0 && FileAddress.pieceBytes(2, of: 0) == nil)
        #expect(FileAddress.pieceBytes(1, of: size) == size && FileAddress.pieceBytes(2, of: size) == nil)
        #expect(FileAddress.pieceBytes(2, of: size + 1) == 1 && FileAddress.pieceBytes(0, of: 1) == nil)
        #expect(FileAddress.pieceBytes(Int.max, of: Int64.max / 2) == nil)
    }
}
