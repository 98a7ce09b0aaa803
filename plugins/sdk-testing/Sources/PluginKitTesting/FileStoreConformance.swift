import Foundation
import PluginKit

/// How what stands behind a file store behaves.
public enum FileSituation: String, Sendable, Hashable, CaseIterable {
    case works
    /// Each request that changes something is carried out, and its answer never comes.
    case losesAnswers
    /// Requests that change something surely do not arrive.
    case losesRequests
    /// Nothing can be asked.
    case away
    /// What it answers makes no sense.
    case answersNonsense
    /// No room is left.
    case full
    /// Key or password are not accepted; nil where there is none.
    case wrongSecret
}

/// A store at work over a place of the tests' own.
public struct FileStage: Sendable {
    public var store: any FileStore
    /// The same place, in order again, under a new store: what a server sees after a restart.
    public var again: @Sendable () async throws -> any FileStore
    /// What really lies there: contents by `tenant/path`, uploads that are not finished left out.
    public var held: @Sendable () async throws -> [String: Data]
    /// How many uploads are under way there.
    public var uploads: @Sendable () async throws -> Int
    /// A stranger's request, as a browser sends it; asked only of stores that presign.
    public var fetch: @Sendable (OutboundRequest) async throws -> OutboundResponse
    /// Lets this time pass for the store and for what stands behind it.
    public var pass: @Sendable (Duration) async -> Void
    public init(
        store: any FileStore, again: @escaping @Sendable () async throws -> any FileStore,
        held: @escaping @Sendable () async throws -> [String: Data], uploads: @escaping @Sendable () async throws -> Int,
        fetch: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse = { _ in OutboundResponse(status: 404) },
        pass: @escaping @Sendable (Duration) async -> Void = { _ in }
    ) {
        self.store = store
        self.again = again
        self.held = held
        self.uploads = uploads
        self.fetch = fetch
        self.pass = pass
    }
}

/// What the conformance kit must know of one store.
public protocol FileStoreSubject: Sendable {
    /// A new, empty place that behaves so, and a store over it; nil only for `wrongSecret`, where there is none.
    /// `kept`: files that lie there already, stored while all was well.
    func stage(_ situation: FileSituation, kept: [FileContent]) async throws -> FileStage?
    /// What must never stand in an error or an address.
    var secrets: [String] { get }
}

/// Tries a file store the way networks, disks and strangers do. Every store passes it, shipped or not.
public struct FileStoreConformance: Sendable {
    let subject: any FileStoreSubject
    public init(_ subject: any FileStoreSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String]?)] = [
            ("what is put is there whole, with its type, size and hash, also after a restart", whole),
            ("the same file again is the same, and another takes its place whole", replaced),
            ("bytes that are not those declared are refused, and nothing of them is kept", mismatched),
            ("what is no key is refused before it is used", keys),
            ("a content type that is none is refused", types),
            ("another tenant's file is not there, whatever its name begins with", tenants),
            ("what is not there is an unknown file", unknown),
            ("parts of a file are those asked for, and nothing lies behind its end", ranges),
            ("a list is whole and in order, however it is cut, also while files go", listed),
            ("deleting takes that file alone, and is no error the second time", deleted),
            ("many who put one file at once leave one of them whole", raced),
            ("pieces in any order, some of them twice, make the file that was declared, once", pieces),
            ("an upload with a wrong or missing piece is no file, and the old one stays", incomplete),
            ("an upload is nobody's file before its end, and nothing once it is abandoned", abandoned),
            ("an upload's id opens nothing but its own file", foreignUploads),
            ("an answer that is lost leaves it unknown, and asking settles it", lostAnswers),
            ("what surely did not arrive is unavailable, and nothing is kept", lostRequests),
            ("a store that is away is unavailable, never empty", away),
            ("an answer that nobody can read is no answer", nonsense),
            ("a store without room keeps what it has and takes nothing in part", full),
            ("a secret that is not accepted is refused, and told to nobody", wrongSecret),
            ("a presigned address gives the file to save, and nothing else", presignedReading),
            ("a presigned address takes exactly what was declared", presignedWriting),
            ("an address that was altered, or is past its time, gives and takes nothing", alteredAddresses),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do {
                let faults = try await check()
                findings.append(ConformanceFinding(check: name, faults: faults ?? [], isSkipped: faults == nil))
            } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: - What all use

    static let key = FileKey(tenant: "t1", path: "projects/p1/f1")
    static func file(_ content: String, type: String = "text/plain") -> FileContent { file(key.path, content, type: type) }
    static func file(_ path: String, tenant: String = "t1", _ content: String, type: String = "text/plain") -> FileContent {
        FileContent(FileKey(tenant: tenant, path: path), type, Data(content.utf8))
    }
    /// Bytes that differ from piece to piece.
    static func bytes(_ count: Int, seed: UInt8 = 1) -> Data {
        var data = Data(repeating: seed, count: count)
        for place in stride(from: 0, to: count, by: 65_536) {
            data[place] = UInt8(truncatingIfNeeded: place >> 16) &+ seed
            data[place + min(1, count - 1 - place)] = UInt8(truncatingIfNeeded: place >> 20)
        }
        return data
    }
    func stage(_ situation: FileSituation = .works, kept: [FileContent] = []) async throws -> FileStage {
        guard let stage = try await subject.stage(situation, kept: kept) else {
            throw PluginRefusal("The subject offers no stage for \(situation.rawValue).")
        }
        return stage
    }
    /// What it threw; nil where it did not.
    func thrown(_ work: () async throws -> Void) async -> (any Error)? {
        do { try await work() } catch { return error }
        return nil
    }
    func fault(_ what: String, _ error: (any Error)?, unless isRight: (FileStoreError) -> Bool) -> [String] {
        guard let error else { return ["\(what) was carried out."] }
        guard let known = error as? FileStoreError, isRight(known) else { return ["\(what) threw \(error)."] }
        return leaks("\(known)").map { "\(what): \($0)" }
    }
    func leaks(_ text: String) -> [String] { subject.secrets.filter { text.contains($0) }.map { _ in "It told a secret." } }
    static func isRefused(_ error: FileStoreError) -> Bool { if case .refused = error { true } else { false } }
    static func isMismatch(_ error: FileStoreError) -> Bool { if case .mismatch = error { true } else { false } }
    static func isUnknownFile(_ error: FileStoreError) -> Bool { if case .unknownFile = error { true } else { false } }
    static func isUnknown(_ error: FileStoreError) -> Bool { if case .unknown = error { true } else { false } }
    static func isUnavailable(_ error: FileStoreError) -> Bool { if case .unavailable = error { true } else { false } }

    /// Nil if the store shows and gives this very file.
    func otherwise(_ file: FileContent, in store: any FileStore) async throws -> String? {
        let shown = try await store.head(file.file.key)
        guard shown.file == file.file else { return "\(file.file.key) is shown as \(shown.file)." }
        let part = try await store.read(FileReading(key: file.file.key))
        guard part.content == file.content else { return "\(file.file.key) has \(part.content.count) other bytes." }
        return part.file == shown ? nil : "\(file.file.key) is read as another file than it is shown."
    }

    // MARK: - Files

    private func whole() async throws -> [String] {
        let stage = try await stage()
        let files = [
            Self.file("a", "Hello, files."), Self.file("empty", ""), Self.file("a.b/c_d/e-f", "{}", type: "application/vnd.acme+json"),
            FileContent(FileKey(tenant: "t1", path: "all"), "application/octet-stream", Data(0...255)),
            FileContent(
                FileKey(tenant: "t1", path: "large/" + String(repeating: "x", count: 100)), "application/zip",
                Self.bytes(FileStoreLimits.partBytes)),
        ]
        var faults: [String] = []
        for file in files {
            let stored = try await stage.store.put(file)
            if stored.file != file.file { faults.append("\(file.file.key) is answered as \(stored.file).") }
            if let fault = try await otherwise(file, in: stage.store) { faults.append(fault) }
        }
        let again = try await stage.again()
        for file in files { if let fault = try await otherwise(file, in: again) { faults.append("After a restart: \(fault)") } }
        let held = try await stage.held()
        for file in files where held["\(file.file.key)"] != file.content { faults.append("\(file.file.key) does not lie there.") }
        if held.count != files.count { faults.append("\(held.count) files lie where \(files.count) were put.") }
        return faults
    }

    private func replaced() async throws -> [String] {
        let stage = try await stage()
        let first = Self.file("first")
        for _ in 1...2 { _ = try await stage.store.put(first) }
        var faults = [try await otherwise(first, in: stage.store)].compactMap(\.self)
        let second = Self.file("second, and longer", type: "text/markdown")
        _ = try await stage.store.put(second)
        if let fault = try await otherwise(second, in: stage.store) { faults.append(fault) }
        let third = Self.file("3")
        _ = try await stage.store.put(third)
        if let fault = try await otherwise(third, in: stage.store) { faults.append(fault) }
        if try await stage.held().count != 1 { faults.append("One key holds several files.") }
        return faults
    }

    private func mismatched() async throws -> [String] {
        let stage = try await stage()
        let old = Self.file("old")
        _ = try await stage.store.put(old)
        var faults: [String] = []
        var changed = Self.file("new")
        changed.content = Data("neu".utf8)
        let otherHash = changed
        faults += fault("Another hash", await thrown { _ = try await stage.store.put(otherHash) }, unless: Self.isMismatch)
        changed = Self.file("new")
        changed.file.bytes = 4
        let longer = changed
        faults += fault("A size that is too large", await thrown { _ = try await stage.store.put(longer) }, unless: Self.isMismatch)
        changed.file.bytes = 2
        let shorter = changed
        faults += fault("A size that is too small", await thrown { _ = try await stage.store.put(shorter) }, unless: Self.isMismatch)
        changed = Self.file("new")
        changed.file.hash = ContentHash(digest: changed.file.hash.digest.dropLast())
        let cut = changed
        faults += fault("Half a hash", await thrown { _ = try await stage.store.put(cut) }, unless: Self.isRefused)
        changed = Self.file("new")
        changed.file.hash.pieces = 2
        let inPieces = changed
        faults += fault("The hash of pieces", await thrown { _ = try await stage.store.put(inPieces) }, unless: Self.isRefused)
        let large = FileContent(Self.key, "text/plain", Data(count: FileStoreLimits.partBytes + 1))
        faults += fault("Too many bytes", await thrown { _ = try await stage.store.put(large) }) {
            $0 == .tooLarge(limit: Int64(FileStoreLimits.partBytes))
        }
        if let fault = try await otherwise(old, in: stage.store) { faults.append("What was there before: \(fault)") }
        return faults
    }

    private func keys() async throws -> [String] {
        let stage = try await stage(kept: [Self.file("b", tenant: "t2", "another's")])
        let store = stage.store
        var faults: [String] = []
        let paths = [
            "", ".", "..", "../t2/b", "a/../../t2/b", "a/..", "/etc/passwd", "a//b", "a/", "/", "a\\..\\b", "a\0b", "a b", "a%2e%2e/b",
            "ä", "a\nb", ".hidden", "a/.git/b", "a/\u{301}b", "a?b", "a#b", "a*", "a&b", String(repeating: "x", count: 101),
            Array(repeating: "abcdefghi", count: 41).joined(separator: "/"),
        ]
        let tenants = ["", ".", "..", "t1/..", "../t2", "t1/x", "t 1", "t1\0", "t.1", "%2e", String(repeating: "t", count: 101)]
        let bad = paths.map { FileKey(tenant: "t1", path: $0) } + tenants.map { FileKey(tenant: $0, path: "b") }
        for key in bad {
            let what = "\(key)".prefix(30).debugDescription
            let file = FileContent(key, "text/plain", Data("x".utf8))
            faults += fault("Putting \(what)", await thrown { _ = try await store.put(file) }, unless: Self.isRefused)
            faults += fault("Showing \(what)", await thrown { _ = try await store.head(key) }, unless: Self.isRefused)
            faults += fault("Reading \(what)", await thrown { _ = try await store.read(FileReading(key: key)) }, unless: Self.isRefused)
            faults += fault("Deleting \(what)", await thrown { try await store.delete(key) }, unless: Self.isRefused)
            if store.presigns {
                let request = PresignRequest(key: key, purpose: .read(downloadName: "x"), lifetime: .seconds(60))
                faults += fault("An address for \(what)", await thrown { _ = try await store.presign(request) }, unless: Self.isRefused)
            }
        }
        for prefix in ["..", "../", "a//", "/", ".", "a/.", "a\0", "a b"] {
            let request = FileListing(tenant: "t1", prefix: prefix)
            faults += fault(
                "Listing \(prefix.debugDescription)", await thrown { _ = try await store.list(request) }, unless: Self.isRefused)
        }
        for tenant in tenants {
            let request = FileListing(tenant: tenant)
            faults += fault(
                "Listing for \(tenant.prefix(20).debugDescription)", await thrown { _ = try await store.list(request) },
                unless: Self.isRefused)
        }
        let behind = FileListing(tenant: "t1", after: "../t2/a")
        faults += fault("Listing behind ../t2/a", await thrown { _ = try await store.list(behind) }, unless: Self.isRefused)
        if try await stage.held().keys.sorted() != ["t2/b"] { faults.append("Something else lies there than before.") }
        return faults
    }

    private func types() async throws -> [String] {
        let stage = try await stage()
        var faults: [String] = []
        let types = [
            "", "text", "text/", "/plain", "text/plain; charset=utf-8", "TEXT/HTML", "text/html\r\nX-Evil: 1", "text /plain", "a/b/c",
            "text/pläin", "text/plain\0", "*/*", String(repeating: "a", count: 60) + "/" + String(repeating: "b", count: 60),
        ]
        for type in types {
            let file = Self.file("x", type: type)
            faults += fault(
                "The type \(type.debugDescription)", await thrown { _ = try await stage.store.put(file) }, unless: Self.isRefused)
        }
        if !(try await stage.held().isEmpty) { faults.append("Something was kept.") }
        return faults
    }

    private func tenants() async throws -> [String] {
        let kept = ["t1", "t1-b", "t10", "T1"].map { Self.file("a/b", tenant: $0, "of \($0)") } + [Self.file("c", tenant: "t10", "more")]
        let stage = try await stage(kept: kept)
        var faults: [String] = []
        for file in kept { if let fault = try await otherwise(file, in: stage.store) { faults.append(fault) } }
        for (tenant, paths) in [("t1", ["a/b"]), ("t10", ["a/b", "c"]), ("t", []), ("t1-", [])] {
            let found = try await stage.store.list(FileListing(tenant: tenant)).files.map(\.path)
            if found != paths { faults.append("\(tenant) has \(paths), and \(found) are listed.") }
        }
        let foreign = FileKey(tenant: "t1", path: "c")
        faults += fault(
            "Another tenant's file", await thrown { _ = try await stage.store.read(FileReading(key: foreign)) }, unless: Self.isUnknownFile)
        try await stage.store.delete(FileKey(tenant: "t1", path: "a/b"))
        if try await stage.held().count != kept.count - 1 { faults.append("Deleting one tenant's file took another's.") }
        return faults
    }

    private func unknown() async throws -> [String] {
        let stage = try await stage(kept: [Self.file("a/b", "x"), Self.file("abc", "x")])
        var faults: [String] = []
        for path in ["a", "ab", "a/b/c", "a/bc", "nothing"] {
            let key = FileKey(tenant: "t1", path: path)
            faults += fault("Showing \(path)", await thrown { _ = try await stage.store.head(key) }, unless: Self.isUnknownFile)
            faults += fault(
                "Reading \(path)", await thrown { _ = try await stage.store.read(FileReading(key: key)) }, unless: Self.isUnknownFile)
        }
        return faults
    }

    private func ranges() async throws -> [String] {
        let content = Data(0..<200)
        let file = FileContent(Self.key, "application/octet-stream", content)
        let stage = try await stage(kept: [file])
        var faults: [String] = []
        let parts: [(Int64, Int, Range<Int>)] = [
            (0, 1, 0..<1), (0, 200, 0..<200), (0, 1_000, 0..<200), (50, 10, 50..<60), (199, 1, 199..<200), (150, 1_000, 150..<200),
            (200, 10, 200..<200), (10_000, 10, 200..<200), (1, FileStoreLimits.partBytes, 1..<200),
        ]
        for (offset, length, range) in parts {
            let part = try await stage.store.read(FileReading(key: Self.key, offset: offset, length: length))
            if part.content != content[range] { faults.append("\(length) bytes from \(offset) on are \(part.content.count) others.") }
            if part.file.file != file.file { faults.append("A part from \(offset) on is of another file.") }
        }
        for (offset, length) in [(Int64(-1), 1), (0, 0), (0, -1), (0, FileStoreLimits.partBytes + 1)] {
            let request = FileReading(key: Self.key, offset: offset, length: length)
            faults += fault(
                "\(length) bytes from \(offset) on", await thrown { _ = try await stage.store.read(request) }, unless: Self.isRefused)
        }
        let empty = try await self.stage(kept: [Self.file("")])
        if !(try await empty.store.read(FileReading(key: Self.key)).content.isEmpty) { faults.append("An empty file has bytes.") }
        return faults
    }
}
