import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import PluginHost

/// A file store as the house sees it.
@Suite struct FileStoreTests {
    /// Answers as a test says.
    struct Store: FileStore {
        var presigns = true
        var part: @Sendable (FileReading) -> FilePart = { FilePart(file: stored($0.key), content: Data("x".utf8)) }
        var page = FilePage(files: [], hasMore: false)
        var id = "u"
        var receipt: @Sendable (FilePiece) -> PieceReceipt = { PieceReceipt(number: $0.number, digest: $0.digest, token: "t") }
        var address = PresignedAddress(
            url: "https://s.test/x?a=b", method: "GET", headers: [:], expiresAt: Timestamp(seconds: 1_800_000_060))
        var shown: @Sendable (FileKey) -> StoredFile = { stored($0) }
        var failure: (any Error)?

        static func stored(_ key: FileKey) -> StoredFile {
            StoredFile(file: FileContent(key, "text/plain", Data("x".utf8)).file, storedAt: Timestamp(seconds: 1))
        }
        func put(_ file: FileContent) async throws -> StoredFile { try answer(shown(file.file.key)) }
        func head(_ key: FileKey) async throws -> StoredFile { try answer(shown(key)) }
        func read(_ request: FileReading) async throws -> FilePart { try answer(part(request)) }
        func delete(_ key: FileKey) async throws { try answer(()) }
        func list(_ request: FileListing) async throws -> FilePage { try answer(page) }
        func beginUpload(_ file: FileDeclaration) async throws -> String { try answer(id) }
        func putPart(_ part: FilePiece) async throws -> PieceReceipt { try answer(receipt(part)) }
        func finishUpload(_ end: UploadEnd) async throws -> StoredFile { try answer(shown(end.upload.file.key)) }
        func abandonUpload(_ upload: FileUpload) async throws { try answer(()) }
        func presign(_ request: PresignRequest) async throws -> PresignedAddress { try answer(address) }
        private func answer<Value>(_ value: Value) throws -> Value {
            if let failure { throw failure }
            return value
        }
    }
    private static let key = FileKey(tenant: "t1", path: "a")
    private func guarded(_ change: (inout Store) -> Void = { _ in }) throws -> GuardedFileStore {
        var store = Store()
        change(&store)
        return GuardedFileStore(
            plugin: "files", store: store, gate: WorkGate(), secrets: PluginSecrets(["K": ["hunter22"]]), services: try Bench())
    }
    private func said(_ work: () async throws -> Void) async -> String {
        do { try await work() } catch { return "\(error)" }
        return "done"
    }

    @Test("what a store answers is checked: another file, a wrong list, bytes that were not stored")
    func answers() async throws {
        let file = FileContent(Self.key, "text/plain", Data("x".utf8))
        #expect(await said { _ = try await guarded().put(file) } == "done")
        let other = FileKey(tenant: "t2", path: "a")
        let foreign: @Sendable (inout Store) -> Void = { $0.shown = { _ in Store.stored(other) } }
        #expect(await said { _ = try await guarded(foreign).put(file) }.hasPrefix("unknown"), "something was stored; what, nobody knows")
        #expect(await said { _ = try await guarded(foreign).head(Self.key) }.hasPrefix("damaged"))
        for content in ["y", "", "xx"] {
            let spoilt = try guarded { $0.part = { FilePart(file: Store.stored($0.key), content: Data(content.utf8)) } }
            #expect(await said { _ = try await spoilt.read(FileReading(key: Self.key)) }.hasPrefix("damaged"), "\(content)")
        }
        #expect(await said { _ = try await guarded().read(FileReading(key: Self.key)) } == "done")
        let lists: [([String], Bool)] = [
            (["b", "a"], false), (["a", "a"], false), (["../x"], false), (["a", "b", "c"], false), ([], true), (["x"], false),
        ]
        for (paths, hasMore) in lists {
            let store = try guarded { $0.page = FilePage(files: paths.map { ListedFile(path: $0, bytes: 1) }, hasMore: hasMore) }
            let prefix = paths == ["x"] ? "y" : ""
            #expect(
                await said { _ = try await store.list(FileListing(tenant: "t1", prefix: prefix, limit: 2)) }.hasPrefix("refused"),
                "\(paths)")
        }
    }

    @Test("keys, sizes and hashes are looked at before the store is asked, ids and receipts before they are believed")
    func questions() async throws {
        let store = try guarded()
        for path in ["../b", "", "a//b", ".x"] {
            let key = FileKey(tenant: "t1", path: path)
            #expect(await said { _ = try await store.head(key) }.hasPrefix("refused"))
            #expect(await said { _ = try await store.delete(key) }.hasPrefix("refused"))
            #expect(await said { _ = try await store.put(FileContent(key, "text/plain", Data())) }.hasPrefix("refused"))
        }
        var lying = FileContent(Self.key, "text/plain", Data("x".utf8))
        lying.content = Data("y".utf8)
        let changed = lying
        #expect(await said { _ = try await store.put(changed) }.hasPrefix("mismatch"))
        let content = Data(count: FileStoreLimits.partBytes + 1)
        let digests = [content.dropLast(), content.suffix(1)].map { Data(PluginDigest.sha256(Data($0))) }
        let file = FileDeclaration(key: Self.key, contentType: "a/b", bytes: Int64(content.count), hash: ContentHash(ofPieces: digests))
        #expect(await said { _ = try await guarded { $0.id = "a b" }.beginUpload(file) }.hasPrefix("unknown"))
        let upload = FileUpload(file: file, id: "u")
        let piece = FilePiece(upload: upload, number: 2, content: Data(content.suffix(1)), digest: digests[1])
        #expect(try await store.putPart(piece).number == 2)
        let wrong = try guarded { $0.receipt = { PieceReceipt(number: $0.number + 1, digest: $0.digest, token: "") } }
        #expect(await said { _ = try await wrong.putPart(piece) }.hasPrefix("unknown"))
        let end = UploadEnd(upload: upload, receipts: [PieceReceipt(number: 2, digest: digests[1], token: "")])
        #expect(await said { _ = try await store.finishUpload(end) }.hasPrefix("mismatch"))
        #expect(ContentHash("\(file.hash)") == file.hash && ContentHash("\(lying.file.hash)") == lying.file.hash)
        for text in [
            "", "ab", String(repeating: "A", count: 64), "\(lying.file.hash)-1", "\(lying.file.hash)-02", "\(lying.file.hash)-2000",
        ] {
            #expect(ContentHash(text) == nil, "\(text)")
        }
    }

    @Test("addresses that live too long, lead nowhere or carry other headers are not given out")
    func addresses() async throws {
        let request = PresignRequest(key: Self.key, purpose: .read(downloadName: "x.txt"), lifetime: .seconds(60))
        #expect(await said { _ = try await guarded().presign(request) } == "done")
        let bad: [@Sendable (inout PresignedAddress) -> Void] = [
            { $0.url = "javascript:alert(1)" }, { $0.url = "/x" }, { $0.method = "PUT" },
            { $0.expiresAt = Timestamp(seconds: 1_800_000_121) },
            { $0.headers = ["X-A": "b"] }, { $0.headers = ["x-a": "b\r\nc: d"] },
            { $0.headers = Dictionary(uniqueKeysWithValues: (0..<17).map { ("h\($0)", "v") }) },
        ]
        for change in bad {
            let store = try guarded { change(&$0.address) }
            #expect(await said { _ = try await store.presign(request) }.hasPrefix("refused"))
        }
        #expect(await said { _ = try await guarded { $0.presigns = false }.presign(request) } == "not supported")
    }

    @Test("a foreign error leaves a write unknown and a reading unavailable; secrets never get through")
    func errors() async throws {
        let strange = try guarded { $0.failure = EchoStream.EchoFailure() }
        #expect(await said { try await strange.delete(Self.key) }.hasPrefix("unknown"))
        #expect(await said { _ = try await strange.head(Self.key) }.hasPrefix("unavailable"))
        let telling = try guarded { $0.failure = FileStoreError.refused("no, hunter22" + String(repeating: "x", count: 9_000)) }
        let text = await said { _ = try await telling.head(Self.key) }
        #expect(text.hasPrefix("refused: no, [secret]x") && text.utf8.count < 600)
    }

    @Test("a store that dies or waits in the middle leaves a write unknown, and comes back", arguments: PluginIsolation.allCases)
    func dies(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place { members in members["kinds"] = ["payment_provider", "file_store"] }
        bench.set("fails_in", "keeps_files")
        bench.state.withLock { $0.environment["MISBEHAVING_SECRET"] = "hunter22" }
        let host = bench.host()
        #expect(await host.load().refused.isEmpty)
        let store = try #require(host.fileStore("misbehaving"))
        #expect(host.fileStores == ["misbehaving"] && store.presigns)
        func key(_ word: String) -> FileKey { FileKey(tenant: "t1", path: "a/\(word)") }
        func file(_ word: String) -> FileContent { FileContent(key(word), "text/plain", Data("x".utf8)) }
        #expect(try await store.put(file("well")).key == key("well"))
        let thrown = await said { _ = try await store.put(file("throws")) }
        #expect(thrown.hasPrefix("unknown") && !thrown.contains("hunter22"))
        #expect(await said { _ = try await store.head(key("throws")) }.hasPrefix("unavailable"))
        if isolation == .process {
            #expect(await said { _ = try await store.put(file("kills_itself")) }.hasPrefix("unknown"))
            await bench.revived(host, deaths: 1)
            #expect(try await store.put(file("well")).key == key("well"))
        }
        let waiting = Task { await said { _ = try await store.put(file("waits")) } }
        await bench.clock.sleepers(2 + bench.watchers)
        bench.clock.advance(by: .seconds(Int64(FileStoreLimits.answerSeconds) + 1))
        #expect(await waiting.value.hasPrefix("unknown"))
        await host.stop()
    }
}
