import Foundation
import PluginKit

// What happens to many files, in pieces, and where something goes wrong on the way.
extension FileStoreConformance {
    func listed() async throws -> [String] {
        let paths = ["a", "a-b", "a.b", "a/b", "a/b.c", "a/b/c", "a0", "ab/c", "b", "b/x", "B", "_"]
        let stage = try await stage(kept: paths.map { Self.file($0, "of \($0)") } + [Self.file("a/b", tenant: "t2", "another's")])
        let ordered = paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        var faults: [String] = []
        func walk(_ prefix: String, _ limit: Int) async throws -> [ListedFile] {
            var found: [ListedFile] = []
            var after: String?
            for _ in 0...paths.count {
                let page = try await stage.store.list(FileListing(tenant: "t1", prefix: prefix, after: after, limit: limit))
                if page.files.count > limit { faults.append("A page of \(limit) has \(page.files.count) files.") }
                found += page.files
                guard page.hasMore, let last = page.files.last else { return found }
                after = last.path
            }
            faults.append("A walk in pages of \(limit) does not end.")
            return found
        }
        for limit in [1, 2, 3, 5, paths.count, 1_000] {
            let found = try await walk("", limit)
            if found.map(\.path) != ordered { faults.append("In pages of \(limit): \(found.map(\.path)).") }
            for file in found where file.bytes != Int64("of \(file.path)".utf8.count) {
                faults.append("\(file.path) has \(file.bytes) bytes.")
            }
        }
        for prefix in ["a", "a/", "a/b", "a/b/", "b", "ab", "none", "a."] {
            let found = try await walk(prefix, 2).map(\.path)
            if found != ordered.filter({ $0.hasPrefix(prefix) }) { faults.append("Below \(prefix): \(found).") }
        }
        if try await stage.store.list(FileListing(tenant: "t1", limit: paths.count)).hasMore {
            faults.append("More is promised than there is.")
        }
        let behind = try await stage.store.list(FileListing(tenant: "t1", prefix: "a", after: "a/az")).files.map(\.path)
        if behind != ordered.filter({ $0.hasPrefix("a") && $0 > "a/az" }) { faults.append("Behind a path that is not there: \(behind).") }
        // Files that go while somebody walks take none of the others with them.
        let first = try await stage.store.list(FileListing(tenant: "t1", limit: 3)).files.map(\.path)
        for path in first { try await stage.store.delete(FileKey(tenant: "t1", path: path)) }
        let rest = try await stage.store.list(FileListing(tenant: "t1", after: first.last)).files.map(\.path)
        if first + rest != ordered { faults.append("After deleting the first page the rest is \(rest).") }
        for limit in [0, -1, 1_001] {
            let request = FileListing(tenant: "t1", limit: limit)
            faults += fault("A list of \(limit)", await thrown { _ = try await stage.store.list(request) }, unless: Self.isRefused)
        }
        return faults
    }

    func deleted() async throws -> [String] {
        let kept = ["a", "a/b", "ab", "a/b/c"].map { Self.file($0, "x") }
        let stage = try await stage(kept: kept)
        var left = Set(kept.map { "\($0.file.key)" })
        var faults: [String] = []
        for path in ["a/b", "a/b", "a", "nothing", "a/b/c"] {
            try await stage.store.delete(FileKey(tenant: "t1", path: path))
            left.remove("t1/\(path)")
            if Set(try await stage.held().keys) != left {
                faults.append("After deleting \(path) there are \(try await stage.held().keys.sorted()).")
            }
        }
        let key = FileKey(tenant: "t1", path: "a/b")
        return faults + fault("A file that was deleted", await thrown { _ = try await stage.store.head(key) }, unless: Self.isUnknownFile)
    }

    func raced() async throws -> [String] {
        let stage = try await stage()
        let files = (0..<8).map { Self.file(String(repeating: "\($0)", count: 1_000 + $0)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for file in files { group.addTask { _ = try await stage.store.put(file) } }
            try await group.waitForAll()
        }
        let part = try await stage.store.read(FileReading(key: Self.key))
        let isOne = files.contains { $0.content == part.content && $0.file == part.file.file }
        return isOne ? [] : ["Eight who put one file left \(part.content.count) bytes that none of them put."]
    }

    // MARK: - In pieces

    static let size = FileStoreLimits.partBytes
    struct Parcel {
        let file: FileDeclaration
        let content: Data
        let digests: [Data]
        init(_ content: Data, path: String = FileStoreConformance.key.path) {
            let pieces = stride(from: 0, to: content.count, by: FileStoreConformance.size).map {
                content[$0..<min(content.count, $0 + FileStoreConformance.size)]
            }
            digests = pieces.map { Data(PluginDigest.sha256(Data($0))) }
            self.content = content
            file = FileDeclaration(
                key: FileKey(tenant: "t1", path: path), contentType: "application/zip", bytes: Int64(content.count),
                hash: ContentHash(ofPieces: digests))
        }
        func piece(_ number: Int, of upload: FileUpload) -> FilePiece {
            let start = (number - 1) * FileStoreConformance.size
            return FilePiece(
                upload: upload, number: number, content: Data(content[start..<min(content.count, start + FileStoreConformance.size)]),
                digest: digests[number - 1])
        }
    }
    private func begin(_ parcel: Parcel, _ store: any FileStore) async throws -> FileUpload {
        FileUpload(file: parcel.file, id: try await store.beginUpload(parcel.file))
    }

    func pieces() async throws -> [String] {
        let stage = try await stage()
        let parcel = Parcel(Self.bytes(2 * Self.size + 17))
        let upload = try await begin(parcel, stage.store)
        var receipts: [Int: PieceReceipt] = [:]
        for number in [3, 1, 2, 1] { receipts[number] = try await stage.store.putPart(parcel.piece(number, of: upload)) }
        let end = UploadEnd(upload: upload, receipts: (1...3).compactMap { receipts[$0] })
        var faults: [String] = []
        let stored = try await stage.store.finishUpload(end)
        if stored.file != parcel.file { faults.append("It is answered as \(stored.file).") }
        if try await stage.held()["\(parcel.file.key)"] != parcel.content { faults.append("What lies there is not what was sent.") }
        let shown = try await stage.again().head(parcel.file.key)
        if shown.file != parcel.file { faults.append("After a restart it is shown as \(shown.file).") }
        let part = try await stage.store.read(FileReading(key: parcel.file.key, offset: Int64(Self.size) - 5, length: 10))
        if part.content != parcel.content[(Self.size - 5)..<(Self.size + 5)] { faults.append("Across two pieces other bytes are read.") }
        // The answer may have been lost.
        if try await stage.store.finishUpload(end).file != parcel.file { faults.append("Finished again, it is another file.") }
        if try await stage.uploads() != 0 { faults.append("The upload is still there.") }
        let small = FileDeclaration(key: Self.key, contentType: "text/plain", bytes: 3, hash: ContentHash(of: Data("abc".utf8)))
        return faults
            + fault("An upload of three bytes", await thrown { _ = try await stage.store.beginUpload(small) }, unless: Self.isRefused)
    }

    func incomplete() async throws -> [String] {
        let old = Self.file("old")
        let stage = try await stage(kept: [old])
        let store = stage.store
        let parcel = Parcel(Self.bytes(Self.size + 9))
        let upload = try await begin(parcel, store)
        let first = try await store.putPart(parcel.piece(1, of: upload))
        var faults: [String] = []
        var wrong = parcel.piece(2, of: upload)
        wrong.content[0] ^= 1
        let spoilt = wrong
        faults += fault("A piece with another hash", await thrown { _ = try await store.putPart(spoilt) }, unless: Self.isMismatch)
        wrong = parcel.piece(2, of: upload)
        wrong.content = wrong.content.dropLast()
        wrong.digest = Data(PluginDigest.sha256(Data(wrong.content)))
        let short = wrong
        faults += fault("A piece that is too short", await thrown { _ = try await store.putPart(short) }, unless: Self.isMismatch)
        for number in [0, -1, 3, 10_000] {
            var piece = parcel.piece(2, of: upload)
            piece.number = number
            let numbered = piece
            faults += fault("Piece \(number) of 2", await thrown { _ = try await store.putPart(numbered) }, unless: Self.isRefused)
        }
        for (what, list) in [
            ("without its second piece", [first]), ("with one piece twice", [first, first]), ("without pieces", []),
            ("with a piece that was never sent", [first, PieceReceipt(number: 2, digest: parcel.digests[1], token: first.token)]),
        ] {
            let end = UploadEnd(upload: upload, receipts: list)
            faults += fault("An upload \(what)", await thrown { _ = try await store.finishUpload(end) }) {
                Self.isMismatch($0) || Self.isRefused($0)
            }
        }
        // The right size, another content than was declared at the beginning.
        var other = parcel.piece(2, of: upload)
        other.content = Data(repeating: 9, count: 9)
        other.digest = Data(PluginDigest.sha256(other.content))
        let changed = try await store.putPart(other)
        let end = UploadEnd(upload: upload, receipts: [first, changed])
        faults += fault("An upload of another content", await thrown { _ = try await store.finishUpload(end) }, unless: Self.isMismatch)
        let lying = UploadEnd(
            upload: upload, receipts: [first, PieceReceipt(number: 2, digest: parcel.digests[1], token: changed.token)])
        faults += fault("Receipts that lie", await thrown { _ = try await store.finishUpload(lying) }) {
            Self.isMismatch($0) || Self.isRefused($0)
        }
        if let fault = try await otherwise(old, in: store) { faults.append("What was there before: \(fault)") }
        let right = try await store.putPart(parcel.piece(2, of: upload))
        _ = try await store.finishUpload(UploadEnd(upload: upload, receipts: [first, right]))
        if try await stage.held()["\(Self.key)"] != parcel.content { faults.append("Mended, it is still another file.") }
        return faults
    }

    func abandoned() async throws -> [String] {
        let stage = try await stage()
        let store = stage.store
        let parcel = Parcel(Self.bytes(Self.size + 1))
        let upload = try await begin(parcel, store)
        let receipts = [try await store.putPart(parcel.piece(1, of: upload)), try await store.putPart(parcel.piece(2, of: upload))]
        var faults: [String] = []
        faults += fault("An upload under way", await thrown { _ = try await store.head(Self.key) }, unless: Self.isUnknownFile)
        if !(try await store.list(FileListing(tenant: "t1")).files.isEmpty) { faults.append("An upload under way is listed.") }
        for _ in 1...2 { try await store.abandonUpload(upload) }
        if try await stage.uploads() != 0 { faults.append("An abandoned upload is still there.") }
        faults += fault(
            "A piece of an abandoned upload", await thrown { _ = try await store.putPart(parcel.piece(1, of: upload)) },
            unless: Self.isUnknownFile)
        let end = UploadEnd(upload: upload, receipts: receipts)
        faults += fault(
            "The end of an abandoned upload", await thrown { _ = try await store.finishUpload(end) }, unless: Self.isUnknownFile)
        if !(try await stage.held().isEmpty) { faults.append("Something of it was kept.") }
        return faults
    }

    func foreignUploads() async throws -> [String] {
        let stage = try await stage()
        let store = stage.store
        let parcel = Parcel(Self.bytes(Self.size + 1))
        let upload = try await begin(parcel, store)
        let receipts = [try await store.putPart(parcel.piece(1, of: upload)), try await store.putPart(parcel.piece(2, of: upload))]
        var faults: [String] = []
        var foreign = parcel.file
        foreign.key = FileKey(tenant: "t2", path: Self.key.path)
        let taken = FileUpload(file: foreign, id: upload.id)
        faults += fault(
            "A piece for another's upload", await thrown { _ = try await store.putPart(parcel.piece(1, of: taken)) },
            unless: Self.isUnknownFile)
        let end = UploadEnd(upload: taken, receipts: receipts)
        faults += fault("The end of another's upload", await thrown { _ = try await store.finishUpload(end) }, unless: Self.isUnknownFile)
        try? await store.abandonUpload(taken)
        var dressed = parcel.file
        dressed.contentType = "text/html"
        let changed = FileUpload(file: dressed, id: upload.id)
        faults += fault(
            "A piece for the upload under another type", await thrown { _ = try await store.putPart(parcel.piece(1, of: changed)) },
            unless: Self.isUnknownFile)
        for id in ["", "../x", "x", String(repeating: "0", count: 32), "a/b", "a&b=c", "a\r\nb"] {
            let made = FileUpload(file: parcel.file, id: id)
            faults += fault("A piece for \(id.debugDescription)", await thrown { _ = try await store.putPart(parcel.piece(1, of: made)) }) {
                Self.isUnknownFile($0) || Self.isRefused($0)
            }
        }
        _ = try await store.finishUpload(UploadEnd(upload: upload, receipts: receipts))
        if try await stage.held().keys.sorted() != ["\(Self.key)"] { faults.append("There are \(try await stage.held().keys.sorted()).") }
        return faults
    }

    // MARK: - What goes wrong

    func lostAnswers() async throws -> [String] {
        let old = Self.file("kept", "old")
        let stage = try await stage(.losesAnswers, kept: [old])
        var faults: [String] = []
        let file = Self.file("new")
        faults += fault("A file whose answer was lost", await thrown { _ = try await stage.store.put(file) }, unless: Self.isUnknown)
        faults += fault(
            "A deletion whose answer was lost", await thrown { try await stage.store.delete(old.file.key) }, unless: Self.isUnknown)
        let again = try await stage.again()
        if let fault = try await otherwise(file, in: again) { faults.append("Asked afterwards: \(fault)") }
        _ = try await again.put(file)
        try await again.delete(old.file.key)
        if try await stage.held() != ["\(Self.key)": file.content] { faults.append("Asked again, there is something else.") }
        return faults
    }

    func lostRequests() async throws -> [String] {
        let stage = try await stage(.losesRequests)
        let file = Self.file("new")
        let faults = fault("A file that did not arrive", await thrown { _ = try await stage.store.put(file) }, unless: Self.isUnavailable)
        return faults + (try await stage.held().isEmpty ? [] : ["Something was kept."])
    }

    func away() async throws -> [String] {
        let stage = try await stage(.away, kept: [Self.file("x")])
        let store = stage.store
        var faults: [String] = []
        faults += fault(
            "Showing a file of a store that is away", await thrown { _ = try await store.head(Self.key) }, unless: Self.isUnavailable)
        faults += fault("Reading", await thrown { _ = try await store.read(FileReading(key: Self.key)) }, unless: Self.isUnavailable)
        faults += fault("Listing", await thrown { _ = try await store.list(FileListing(tenant: "t1")) }, unless: Self.isUnavailable)
        return faults
    }

    func nonsense() async throws -> [String] {
        let stage = try await stage(.answersNonsense, kept: [Self.file("x")])
        var faults = fault("Showing", await thrown { _ = try await stage.store.head(Self.key) }) { error in
            if case .damaged = error { return true }
            return Self.isUnavailable(error)
        }
        // Names may still be readable where contents are not.
        var listed: [String] = []
        if let error = await thrown({ listed = try await stage.store.list(FileListing(tenant: "t1")).files.map(\.path) }) {
            faults += fault("Listing", error, unless: Self.isUnavailable)
        } else if listed != [Self.key.path] {
            faults.append("Nonsense is listed as \(listed).")
        }
        return faults
    }

    func full() async throws -> [String] {
        let old = Self.file("kept", "old")
        let stage = try await stage(.full, kept: [old])
        let file = Self.file("new")
        var faults = fault("A file for which there is no room", await thrown { _ = try await stage.store.put(file) }) {
            if case .full = $0 { true } else { false }
        }
        if try await stage.held() != ["\(old.file.key)": old.content] { faults.append("There is something else than before.") }
        let parcel = Parcel(Self.bytes(Self.size + 1))
        // It may find out at the beginning or with a piece.
        faults += fault(
            "An upload for which there is no room",
            await thrown {
                let upload = try await begin(parcel, stage.store)
                _ = try await stage.store.putPart(parcel.piece(1, of: upload))
            }
        ) { if case .full = $0 { true } else { false } }
        return faults
    }

    func wrongSecret() async throws -> [String]? {
        guard let stage = try await subject.stage(.wrongSecret, kept: []) else { return nil }
        let file = Self.file("new")
        var faults: [String] = []
        faults += fault("A file under a wrong secret", await thrown { _ = try await stage.store.put(file) }, unless: Self.isRefused)
        faults += fault("Showing under a wrong secret", await thrown { _ = try await stage.store.head(Self.key) }, unless: Self.isRefused)
        faults += fault(
            "Listing under a wrong secret", await thrown { _ = try await stage.store.list(FileListing(tenant: "t1")) },
            unless: Self.isRefused)
        return faults + (try await stage.held().isEmpty ? [] : ["Something was kept."])
    }
}
