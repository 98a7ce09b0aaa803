import Foundation
import PluginKit

/// A file store as the house sees it: no key gets through that is none, what comes back is checked like any other input from outside, and an
/// error that is none of the kit's leaves a write unknown and a reading "unavailable".
struct GuardedFileStore: FileStore {
    let plugin: String
    let store: any FileStore
    let gate: WorkGate
    /// What must not stand in an error.
    let secrets: PluginSecrets
    let services: any PluginHostServices

    var presigns: Bool { store.presigns }

    func put(_ file: FileContent) async throws -> StoredFile {
        try file.check()
        return try await entered(.write) { [store] in try Self.same(try await store.put(file), file.file) }
    }
    func head(_ key: FileKey) async throws -> StoredFile {
        try refuse(key.fault)
        return try await entered(.reading) { [store] in try Self.checked(try await store.head(key), key) }
    }
    func read(_ request: FileReading) async throws -> FilePart {
        try refuse(request.key.fault)
        guard request.offset >= 0, (1...FileStoreLimits.partBytes).contains(request.length) else {
            throw FileStoreError.refused("1 to \(FileStoreLimits.partBytes) bytes are read at once, from 0 on")
        }
        return try await entered(.reading) { [store] in
            let part = try await store.read(request)
            let file = try Self.checked(part.file, request.key).file
            let wanted = max(0, min(Int64(request.length), file.bytes - request.offset))
            guard Int64(part.content.count) == wanted else {
                throw FileStoreError.damaged("it answered \(part.content.count) bytes where there are \(wanted)")
            }
            // Whoever gets the whole gets what was stored, or nothing.
            if request.offset == 0, wanted == file.bytes, file.hash.pieces == 1 {
                guard PluginDigest.sha256(part.content) == Array(file.hash.digest) else {
                    throw FileStoreError.damaged("\(request.key) has another hash than when it was stored")
                }
            }
            return part
        }
    }
    func delete(_ key: FileKey) async throws {
        try refuse(key.fault)
        try await entered(.write) { [store] in try await store.delete(key) }
    }
    func list(_ request: FileListing) async throws -> FilePage {
        try refuse(request.fault)
        return try await entered(.reading) { [store] in
            let page = try await store.list(request)
            let paths = page.files.map(\.path)
            let isOrdered = zip(paths, paths.dropFirst()).allSatisfy { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            guard paths.count <= request.limit, isOrdered, !page.hasMore || !paths.isEmpty else {
                throw FileStoreError.refused("it listed too many files, or not in their order")
            }
            let isAsked = page.files.allSatisfy { file in
                FileKey.fault(inPath: file.path) == nil && file.path.utf8.starts(with: request.prefix.utf8) && file.bytes >= 0
                    && request.after.map { $0.utf8.lexicographicallyPrecedes(file.path.utf8) } ?? true
            }
            guard isAsked else { throw FileStoreError.refused("it listed files that were not asked for") }
            return page
        }
    }

    // MARK: - In pieces

    func beginUpload(_ file: FileDeclaration) async throws -> String {
        try refuse(file.faultInPieces)
        return try await entered(.write) { [store] in
            let id = try await store.beginUpload(file)
            guard Self.isToken(id, FileStoreLimits.maxUploadIDBytes) else { throw FileStoreError.unknown("it answered no usable upload") }
            return id
        }
    }
    func putPart(_ part: FilePiece) async throws -> PieceReceipt {
        try check(part.upload)
        try part.check()
        return try await entered(.write) { [store] in
            let receipt = try await store.putPart(part)
            guard receipt.number == part.number, receipt.digest == part.digest, Self.isToken(receipt.token, 256, orEmpty: true) else {
                throw FileStoreError.unknown("it answered no usable receipt")
            }
            return receipt
        }
    }
    func finishUpload(_ end: UploadEnd) async throws -> StoredFile {
        try check(end.upload)
        try end.check()
        guard end.receipts.allSatisfy({ Self.isToken($0.token, 256, orEmpty: true) }) else {
            throw FileStoreError.refused("that is no receipt of a store")
        }
        return try await entered(.finish) { [store] in try Self.same(try await store.finishUpload(end), end.upload.file) }
    }
    func abandonUpload(_ upload: FileUpload) async throws {
        try check(upload)
        try await entered(.write) { [store] in try await store.abandonUpload(upload) }
    }

    func presign(_ request: PresignRequest) async throws -> PresignedAddress {
        guard presigns else { throw FileStoreError.notSupported }
        try refuse(request.fault)
        let asked = services.now()
        return try await entered(.reading) { [store] in
            let address = try await store.presign(request)
            let method = if case .read = request.purpose { "GET" } else { "PUT" }
            guard WebOrigin(address.url, allowingQuery: true) != nil, address.url.utf8.count <= 8_192, address.method == method else {
                throw FileStoreError.refused("it answered no usable address")
            }
            // The clocks of two machines are a minute apart at most.
            guard address.expiresAt <= asked + request.lifetime + .seconds(60) else {
                throw FileStoreError.refused("it answered an address that lives longer than was asked for")
            }
            let isPlain = address.headers.allSatisfy { name, value in
                name == name.lowercased() && Self.isToken(name, 100) && (value.isEmpty || Self.isText(value, 1_000))
            }
            guard address.headers.count <= 16, isPlain else { throw FileStoreError.refused("it answered headers that cannot be sent") }
            return address
        }
    }

    // MARK: - What comes in and goes out

    private func refuse(_ fault: String?) throws { if let fault { throw FileStoreError.refused(fault) } }
    private func check(_ upload: FileUpload) throws {
        try refuse(upload.file.faultInPieces)
        guard Self.isToken(upload.id, FileStoreLimits.maxUploadIDBytes) else { throw FileStoreError.refused("that is no upload's id") }
    }
    private static func same(_ stored: StoredFile, _ declared: FileDeclaration) throws -> StoredFile {
        // It says that something was stored, and not what: the caller asks again.
        guard stored.file == declared else { throw FileStoreError.unknown("it answered another file than was declared") }
        return stored
    }
    private static func checked(_ stored: StoredFile, _ key: FileKey) throws -> StoredFile {
        guard stored.key == key, stored.file.fault == nil else {
            throw FileStoreError.damaged("it answered another file, or none that can be")
        }
        return stored
    }
    private static func isToken(_ text: String, _ most: Int, orEmpty: Bool = false) -> Bool {
        ((orEmpty ? 0 : 1)...most).contains(text.utf8.count) && text.utf8.allSatisfy { (33...126).contains($0) }
    }
    private static func isText(_ text: String, _ most: Int) -> Bool {
        text.utf8.count <= most && text.utf8.allSatisfy { (32...126).contains($0) }
    }

    private enum Sort { case reading, write, finish }
    private func entered<Value: Sendable>(_ sort: Sort, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        let seconds = sort == .finish ? FileStoreLimits.finishSeconds : FileStoreLimits.answerSeconds
        do {
            // A second for the way: the store's own answer says more.
            return try await bounded(.seconds(Int64(seconds + 1)), HostClock(services: services), work)
        } catch let error as CancellationError {
            throw error
        } catch let error as FileStoreError {
            throw cleaned(error)
        } catch {
            let what = error is TooSlow ? "\(plugin) did not answer within \(seconds) s" : text("\(plugin) failed: \(error)")
            throw sort == .reading ? FileStoreError.unavailable(what) : .unknown(what)
        }
    }
    private func cleaned(_ error: FileStoreError) -> FileStoreError {
        switch error {
        case .unknownFile(let what): .unknownFile(text(what))
        case .mismatch(let what): .mismatch(text(what))
        case .full(let what): .full(text(what))
        case .unknown(let what): .unknown(text(what))
        case .unavailable(let what): .unavailable(text(what))
        case .refused(let what): .refused(text(what))
        case .damaged(let what): .damaged(text(what))
        case .tooLarge, .notSupported: error
        @unknown default: .unknown(text("\(error)"))
        }
    }
    private func text(_ text: String) -> String { String(secrets.redacted(text).prefix(500)) }
}

/// A file store by name. There is one at a time, whatever tenant asks: a new version takes over when it is promoted.
struct RoutedFileStore: FileStore {
    let host: PluginHost
    let plugin: String

    var presigns: Bool { host.versions(plugin).current?.fileStore?.presigns ?? false }
    func put(_ file: FileContent) async throws -> StoredFile { try await call { try await $0.put(file) } }
    func head(_ key: FileKey) async throws -> StoredFile { try await call { try await $0.head(key) } }
    func read(_ request: FileReading) async throws -> FilePart { try await call { try await $0.read(request) } }
    func delete(_ key: FileKey) async throws { try await call { try await $0.delete(key) } }
    func list(_ request: FileListing) async throws -> FilePage { try await call { try await $0.list(request) } }
    func beginUpload(_ file: FileDeclaration) async throws -> String { try await call { try await $0.beginUpload(file) } }
    func putPart(_ part: FilePiece) async throws -> PieceReceipt { try await call { try await $0.putPart(part) } }
    func finishUpload(_ end: UploadEnd) async throws -> StoredFile { try await call { try await $0.finishUpload(end) } }
    func abandonUpload(_ upload: FileUpload) async throws { try await call { try await $0.abandonUpload(upload) } }
    func presign(_ request: PresignRequest) async throws -> PresignedAddress { try await call { try await $0.presign(request) } }

    private func call<Value>(_ work: (any FileStore) async throws -> Value) async throws -> Value {
        // Versions follow each other slower than this; the bound is for a host that stops.
        for _ in 0..<16 {
            guard let store = host.versions(plugin).current?.fileStore else { break }
            do { return try await work(store) } catch is GateClosed { continue }
        }
        throw FileStoreError.unavailable("\(plugin) is not at work")
    }
}
