import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Projects

@Suite("Projects: uploads")
struct UploadTests {
    @Test("a file comes, is read in whole and in part, gets versions, and goes; every byte is counted and none stays")
    func whole() async throws {
        let settings = Settings([ProjectSettings.versions.path: "2"])
        let shop = try await Workshop(settings)
        let project = try await shop.project()
        let stored = try await shop.store("Docs/A.txt", Data("one".utf8), type: "text/plain", in: project)
        let file = try #require(stored.file)
        #expect(file.version == 1 && stored.object.state == .stored && stored.way == nil)
        #expect(try await shop.read(file.id) == Data("one".utf8))
        #expect(try await shop.read(file.id, range: "bytes=1-1") == Data("n".utf8))
        // The same name in other letters is the same file.
        #expect(try await shop.store("docs/a.TXT", Data("two!".utf8), in: project).file?.version == 2)
        #expect(try await shop.store("docs/a.txt", Data("three".utf8), in: project).file?.version == 3)
        let (now, versions) = try await shop.room.file(file.id, shop.owner, shop.test.act())
        #expect(now.path == "docs/a.txt" && versions.map(\.version) == [3, 2])
        #expect(try await shop.read(file.id, version: 2) == Data("two!".utf8))
        #expect(await shop.refusal { _ = try await shop.read(file.id, version: 1) } == "not_found")
        #expect(try await shop.usage() == ProjectUsage(projects: 1, storedBytes: 9, reservedBytes: 0, isClosed: false))
        try await shop.room.remove(file.id, shop.owner, shop.test.act())
        #expect(await shop.refusal { _ = try await shop.read(file.id) } == "not_found")
        try await shop.pass(days: 3)
        #expect(shop.paper.names.isEmpty)
        #expect(try await shop.rows().isEmpty)
        #expect(try await shop.usage().storedBytes == 0)
    }

    @Test("files are listed by name, from a folder on, page after page")
    func list() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        for name in ["b", "a/2", "a/1", "A/3", "ab", "c/d/e"] { try await shop.store(name, Data(name.utf8), in: project) }
        func names(_ prefix: String, after: String? = nil, limit: Int = 10) async throws -> [String] {
            try await shop.room.files(in: project, prefix: prefix, after: after, limit: limit, shop.owner, shop.test.act()).map(\.path)
        }
        #expect(try await names("") == ["a/1", "a/2", "A/3", "ab", "b", "c/d/e"])
        #expect(try await names("a/") == ["a/1", "a/2", "A/3"])
        #expect(try await names("A") == ["a/1", "a/2", "A/3", "ab"])
        #expect(try await names("", after: "a/2", limit: 2) == ["A/3", "ab"])
        #expect(try await names("%").isEmpty)
        #expect(try await names("_").isEmpty)
        #expect(await shop.refusal { _ = try await names("../") } == "file_path_refused")
    }

    @Test("bytes that are not the declared ones, too many, too few or of another type leave nothing behind")
    func refused() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let seen = try await shop.declared("a", Data("abc".utf8), in: project)
        let address = try shop.address(seen)
        for wrong in ["abd", "ab", "abcd", ""] {
            #expect(
                await shop.refusal { _ = try await shop.room.take(Data(wrong.utf8), piece: 1, under: address, shop.test.act()) }
                    == "file_mismatch")
        }
        #expect(
            await shop.refusal { _ = try await shop.room.take(Data("abc".utf8), piece: 2, under: address, shop.test.act()) }
                == "file_mismatch")
        #expect(await shop.refusal { _ = try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()) } == "upload_incomplete")
        #expect(
            await shop.refusal { _ = try await shop.store("x.png", Data("<html>".utf8), type: "image/png", in: project) }
                == "file_content_refused")
        for (type, bytes, hash) in [
            ("text/plain; charset=x", 1, String(repeating: "a", count: 64)), ("TEXT/plain", 1, String(repeating: "a", count: 64)),
            ("text/plain", -1, String(repeating: "a", count: 64)), ("text/plain", Int64.max, String(repeating: "a", count: 64)),
            ("text/plain", 1, String(repeating: "A", count: 64)), ("text/plain", 1, "ab"),
            ("text/plain", 1, String(repeating: "a", count: 64) + "-2"),
            ("text/plain", Int64(FileStoreLimits.partBytes) + 1, String(repeating: "a", count: 64)),
        ] {
            let new = NewUpload(path: "a", contentType: type, bytes: bytes, hash: hash)
            #expect(
                await shop.refusal { _ = try await shop.room.declare(new, in: project, shop.owner, shop.test.act()) }
                    == "file_declaration_refused")
        }
        try await shop.room.abandon(seen.object.id, shop.owner, shop.test.act())
        #expect(
            await shop.refusal { _ = try await shop.room.take(Data("abc".utf8), piece: 1, under: address, shop.test.act()) } == "not_found")
        try await shop.pass(days: 3)
        #expect(shop.paper.names.isEmpty)
        #expect(try await shop.rows().isEmpty)
        #expect(try await shop.usage() == ProjectUsage(projects: 1, storedBytes: 0, reservedBytes: 0, isClosed: false))
    }

    @Test("a large file comes in pieces in any order, again, and at once; it is whole only when all of them are here")
    func pieces() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let size = FileStoreLimits.partBytes
        let content = Data((0..<(2 * size + 5)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 251) })
        let seen = try await shop.declared("big", content, in: project)
        #expect(seen.object.pieces == 3)
        let address = try shop.address(seen)
        let part: @Sendable (Int) -> Data = { Data(content.dropFirst(($0 - 1) * size).prefix(size)) }
        _ = try await shop.room.take(part(3), piece: 3, under: address, shop.test.act())
        #expect(await shop.refusal { _ = try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()) } == "upload_incomplete")
        await withTaskGroup(of: Void.self) { group in
            for number in [1, 2, 1, 3] {
                group.addTask { _ = try? await shop.room.take(part(number), piece: number, under: address, shop.test.act()) }
            }
        }
        for number in [1, 2] { _ = try await shop.room.take(part(number), piece: number, under: address, shop.test.act()) }
        #expect(try await shop.room.upload(seen.object.id, shop.owner, shop.test.act()).came == [1, 2, 3])
        // A piece of the right size that is another: found out when all are together.
        var spoilt = part(2)
        spoilt[0] ^= 1
        _ = try await shop.room.take(spoilt, piece: 2, under: address, shop.test.act())
        #expect(await shop.refusal { _ = try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()) } == "file_mismatch")
        _ = try await shop.room.take(part(2), piece: 2, under: address, shop.test.act())
        let file = try #require(try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()).file)
        #expect(try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()).file?.version == 1)
        #expect(try await shop.read(file.id) == content)
        #expect(try await shop.read(file.id, range: "bytes=\(size - 2)-\(size + 1)") == content[(size - 2)...(size + 1)])
        // What the store has spoilt is given to nobody.
        let key = seen.object.key(shop.tenant)
        shop.paper.state.with { $0.files["\(key)"]?.content[size + 1] ^= 1 }
        #expect(await shop.refusal { _ = try await shop.read(file.id) } != nil)
        #expect(try await shop.read(file.id, range: "bytes=0-9") == content.prefix(10))
    }

    @Test("where the store makes addresses its own are given, and a file is proved when the upload is completed")
    func presigned() async throws {
        let shop = try await Workshop(presigns: true)
        let project = try await shop.project()
        let seen = try await shop.declared("a", Data("abc".utf8), in: project)
        #expect(seen.way?.url.hasPrefix("https://store.test/") == true && seen.way?.headers == ["x-a": "b"])
        #expect(await shop.refusal { _ = try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()) } == "upload_incomplete")
        let key = seen.object.key(shop.tenant)
        _ = try await shop.paper.put(FileContent(key, "text/html", Data("xyz".utf8)))
        #expect(await shop.refusal { _ = try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()) } == "file_mismatch")
        _ = try await shop.paper.put(FileContent(key, "application/octet-stream", Data("abc".utf8)))
        #expect(try await shop.room.complete(seen.object.id, shop.owner, shop.test.act()).file?.version == 1)
    }

    @Test("an address ends with the membership for which it was made, and a reading by an auditor stands in the journal")
    func holders() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let file = try #require(try await shop.store("a", Data("abc".utf8), in: project).file).id
        let auditor = try await shop.join(.auditor, scope: ["\(project)"], endsAt: shop.test.clock.now() + .minutes(5))
        let way = try await shop.room.address(of: file, version: nil, auditor, shop.test.act())
        let address = try #require(Workshop.read(way.url, .read, shop.test))
        let found = try await shop.room.download(under: address, range: nil, shop.test.act())
        #expect(try await found.read(0) == Data("abc".utf8))
        #expect(try await shop.journal().filter { $0 == "file.read" || $0 == "file.address_made" } == ["file.address_made", "file.read"])
        #expect(Workshop.read(way.url, .write, shop.test) == nil)
        // From outside of the tenant's networks an address opens no more than its person would.
        let elsewhere = try AddressRule.read(["198.51.100.0/24"])
        _ = try await shop.tenancy.allow(elsewhere, coversLicenseKeys: false, confirmed: true, in: shop.tenant, shop.test.act())
        #expect(
            await shop.refusal { _ = try await shop.room.download(under: address, range: nil, shop.test.act()) } == "file_address_refused")
        try await shop.tenancy.allowAnywhere(in: shop.tenant, shop.test.act())
        _ = try await shop.room.download(under: address, range: nil, shop.test.act())
        shop.test.clock.advance(by: .minutes(5))
        #expect(
            await shop.refusal { _ = try await shop.room.download(under: address, range: nil, shop.test.act()) } == "file_address_refused")
        shop.test.clock.advance(by: .minutes(10))
        #expect(Workshop.read(way.url, .read, shop.test) == nil)
    }

    @Test("a store that is down refuses for a while, and what is to leave it waits")
    func down() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let file = try #require(try await shop.store("a", Data("abc".utf8), in: project).file).id
        let seen = try await shop.declared("b", Data("b".utf8), in: project)
        shop.paper.state.with { $0.isDown = true }
        #expect(await shop.refusal { _ = try await shop.read(file) } == "file_store_unavailable")
        #expect(
            await shop.refusal { _ = try await shop.room.take(Data("b".utf8), piece: 1, under: try shop.address(seen), shop.test.act()) }
                == "file_store_unavailable")
        try await shop.room.remove(file, shop.owner, shop.test.act())
        try await shop.pass(days: 2)
        #expect(shop.paper.names.count == 1)
        shop.paper.state.with { $0.isDown = false }
        try await shop.pass(days: 4)
        #expect(shop.paper.names.isEmpty)
        #expect(try await shop.rows().isEmpty)
    }

    /// The process ends at a random call of the store, before or after its effect, again and again; whoever was interrupted may try again or go away.
    @Test("whenever the process ends between store and row, neither stays without the other", arguments: UInt64(1)...24)
    func crashes(seed: UInt64) async throws {
        let shop = try await Workshop(seed: seed)
        var random = SeededEntropy(seed).bytes(4_000)[...]
        func dice(_ sides: Int) -> Int { Int(random.popFirst() ?? 0) % sides }
        let project = try await shop.project()
        var known: [ProjectFileID: Data] = [:]
        for step in 0..<30 {
            shop.paper.state.with { state in
                state.diesAt = dice(3) == 0 ? state.calls + 1 + dice(4) : nil
                state.diesAfter = dice(2) == 0
            }
            let act = shop.test.act()
            switch dice(5) {
            case 0...2:
                let content = Data("\(seed) \(step)".utf8)
                let seen = try? await shop.declared("file-\(dice(4))", content, in: project)
                for _ in 0...dice(3) {
                    guard let seen, let address = try? shop.address(seen) else { break }
                    if let file = try? await shop.room.take(content, piece: 1, under: address, act).file {
                        known[file.id] = content
                        break
                    }
                    _ = try? await shop.room.complete(seen.object.id, shop.owner, act)
                }
            case 3:
                if let file = known.keys.sorted().first {
                    try await shop.room.remove(file, shop.owner, act)
                    known[file] = nil
                }
            default: try await shop.pass(days: 1)
            }
        }
        shop.paper.state.with { $0.diesAt = nil }
        try await shop.pass(days: 8)
        let files = try await shop.room.files(in: project, prefix: "", after: nil, limit: 100, shop.owner, shop.test.act())
        // An interrupted completion may have come through: what is there is whole.
        for file in files { #expect(try await shop.read(file.id).count == Int(file.content.bytes)) }
        for (file, content) in known where files.contains(where: { $0.id == file && $0.version == 1 }) {
            #expect(try await shop.read(file) == content)
        }
        let rows = try await shop.rows()
        #expect(rows.allSatisfy { $0.state == .stored })
        #expect(Set(rows.map { "\($0.key(shop.tenant))" }) == Set(shop.paper.names))
        let usage = try await shop.usage()
        #expect(usage.reservedBytes == 0 && usage.storedBytes == rows.map(\.bytes).reduce(0, +))
    }
}
