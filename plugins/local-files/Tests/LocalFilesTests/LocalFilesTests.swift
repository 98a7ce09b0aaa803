import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import LocalFiles

@Suite("Files on this machine")
struct LocalFilesTests {
    private static let key = FileKey(tenant: "t1", path: "a/b")

    @Test("the store passes every clause of the kit that is not about addresses")
    func conformance() async {
        let findings = await FileStoreConformance(Shelf()).run()
        #expect(findings.count >= 24)
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
        #expect(findings.filter(\.isSkipped).count == 4, "no secret, and addresses are the server's")
    }

    @Test("what was not written here, or is cut off, is damaged and not a file")
    func damaged() async throws {
        let bench = try Shelf.bench()
        let store = try await Shelf.store(bench)
        _ = try await store.put(FileContent(Self.key, "text/plain", Data("hello".utf8)))
        let good = try #require(await bench.folder.files["t1/a/b"])
        for (what, bytes) in [
            ("cut off", good.dropLast()), ("longer", good + [1]), ("empty", Data()), ("a short head", good.prefix(1_000)),
            ("another mark", Data(repeating: 32, count: 16) + good.dropFirst(16)),
            (
                "another's",
                try FileHead.write(
                    StoredFile(
                        file: FileContent(FileKey(tenant: "t2", path: "a/b"), "text/plain", Data("hello".utf8)).file,
                        storedAt: bench.clock.now())) + Data("hello".utf8)
            ),
        ] {
            await bench.folder.lay(Data(bytes), "t1/a/b")
            await #expect(throws: FileStoreError.self, "\(what)") { _ = try await store.read(FileReading(key: Self.key)) }
        }
    }

    @Test("a file whose draft or name fails leaves no draft behind")
    func noDraftsLeft() async throws {
        let bench = try Shelf.bench()
        let store = try await Shelf.store(bench)
        for fault in [MemoryFolder.Fault.full, .fails, .failsAfter] {
            await bench.folder.breaks(writing: fault)
            _ = try? await store.put(FileContent(Self.key, "text/plain", Data("x".utf8)))
            await bench.folder.breaks(publishing: fault)
            _ = try? await store.put(FileContent(Self.key, "text/plain", Data("x".utf8)))
        }
        #expect(await bench.folder.drafts.isEmpty)
    }

    @Test("an upload that fails at its end can be finished later")
    func resumed() async throws {
        let bench = try Shelf.bench()
        let store = try await Shelf.store(bench)
        let content = Data(repeating: 7, count: FileStoreLimits.partBytes + 1)
        let digests = [content.dropLast(), content.suffix(1)].map { Data(PluginDigest.sha256(Data($0))) }
        let file = FileDeclaration(
            key: Self.key, contentType: "text/plain", bytes: Int64(content.count), hash: ContentHash(ofPieces: digests))
        let upload = FileUpload(file: file, id: try await store.beginUpload(file))
        let receipts = [
            try await store.putPart(FilePiece(upload: upload, number: 1, content: Data(content.dropLast()), digest: digests[0])),
            try await store.putPart(FilePiece(upload: upload, number: 2, content: Data(content.suffix(1)), digest: digests[1])),
        ]
        let end = UploadEnd(upload: upload, receipts: receipts)
        await bench.folder.breaks(publishing: .fails)
        await #expect(throws: FileStoreError.unknown("the disk failed")) { _ = try await store.finishUpload(end) }
        await bench.folder.breaks()
        #expect(try await store.finishUpload(end).file == file)
    }
}
