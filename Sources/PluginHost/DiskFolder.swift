import Foundation
import PluginKit
import Synchronization

/// A plugin's folder on this machine's disk. Everything that changes which names there are happens under one lock; bytes are written
/// and made durable outside of it, on threads of its own, never on one of Swift's pool.
package final class DiskFolder: PluginFolder {
    private struct Top {
        let files: OpenDirectory
        let drafts: OpenDirectory
        /// Bytes of all files and drafts.
        var used: Int64
    }
    private struct State {
        var top: Top?
        var maxBytes: Int64
    }
    private let place: URL
    private let now: @Sendable () -> Timestamp
    private let state: Mutex<State>
    private let threads: OperationQueue

    init(_ place: URL, maxBytes: Int64, now: @escaping @Sendable () -> Timestamp) {
        self.place = place
        self.now = now
        state = Mutex(State(maxBytes: maxBytes))
        threads = OperationQueue()
        threads.maxConcurrentOperationCount = 8
    }
    var maxBytes: Int64 {
        get { state.withLock(\.maxBytes) }
        set { state.withLock { $0.maxBytes = newValue } }
    }
    /// Bytes in use; counted once, then kept.
    package func used() async throws -> Int64 { try await work { [self] in try held { top, _ in top.used } } }

    // MARK: - Drafts

    package func write(_ data: Data, toDraft draft: String, at offset: Int64) async throws {
        try check(PluginFolderLimits.fault(inDraft: draft))
        guard data.count <= PluginFolderLimits.maxPieceBytes else {
            throw PluginFolderFailure.invalid("at most \(PluginFolderLimits.maxPieceBytes) bytes are written at once")
        }
        try await work { [self] in
            let file = try grown(draft, offset, data.count)
            defer { close(file) }
            try data.withUnsafeBytes { bytes in
                var done = 0
                while done < bytes.count, let start = bytes.baseAddress {
                    let count = pwrite(file, start + done, bytes.count - done, off_t(offset) + off_t(done))
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw DiskFault.last("a draft could not be written") }
                    done += count
                }
            }
            // By the server's clock, so that what is old is old by it.
            let moment = now()
            let seconds = moment.microseconds / 1_000_000
            let time = timespec(tv_sec: Int(seconds), tv_nsec: Int(moment.microseconds % 1_000_000) * 1_000)
            _ = futimens(file, [time, time])
        }
    }

    /// Opens the draft and gives it the length that it will have, where the quota allows that.
    private func grown(_ draft: String, _ offset: Int64, _ count: Int) throws -> Int32 {
        try held { top, maxBytes in
            let size = try top.drafts.size(of: draft) ?? 0
            guard (0...PluginConfinement.folder.upperBound).contains(offset) else {
                throw PluginFolderFailure.invalid("nothing is written at \(offset)")
            }
            let growth = max(0, offset + Int64(count) - size)
            guard growth == 0 || top.used + growth <= maxBytes else {
                throw PluginFolderFailure.full("the folder may hold \(maxBytes) bytes and holds \(top.used)")
            }
            let file = openat(top.drafts.descriptor, draft, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw DiskFault.last("a draft cannot be opened") }
            guard growth == 0 || ftruncate(file, off_t(size + growth)) == 0 else {
                defer { close(file) }
                throw DiskFault.last("a draft could not be made longer")
            }
            top.used += growth
            return file
        }
    }

    package func readDraft(_ draft: String, at offset: Int64, max: Int) async throws -> Data {
        try check(PluginFolderLimits.fault(inDraft: draft))
        return try await work { [self] in try content(try held { top, _ in top.drafts }, draft, offset, max) }
    }

    package func publish(draft: String, as name: String) async throws {
        try check(PluginFolderLimits.fault(inDraft: draft) ?? PluginFolderLimits.fault(inName: name))
        try await work { [self] in
            // Its bytes first: a name must never lead to a file that a power cut emptied.
            let file = try opened(try held { top, _ in top.drafts }, draft)
            defer { close(file) }
            guard fsync(file) == 0 else { throw DiskFault.last("a draft could not be made durable") }
            let (steps, last) = FolderNames.steps(name)
            let (home, drafts) = try held { top, _ in
                var home = top.files
                for step in steps { home = try home.below(step, makes: true) ?? home }
                let replaced = try home.size(of: last) ?? 0
                guard renameat(top.drafts.descriptor, draft, home.descriptor, last) == 0 else {
                    throw errno == ENOENT
                        ? PluginFolderFailure.missing("there is no draft \(draft)") : DiskFault.last("a draft could not be published")
                }
                top.used -= replaced
                return (home, top.drafts)
            }
            try home.flush()
            try drafts.flush()
        }
    }

    package func discard(draft: String) async throws {
        try check(PluginFolderLimits.fault(inDraft: draft))
        try await work { [self] in
            try held { top, _ in
                guard let size = try top.drafts.size(of: draft) else { return }
                guard unlinkat(top.drafts.descriptor, draft, 0) == 0 else { throw DiskFault.last("a draft could not be discarded") }
                top.used -= size
            }
        }
    }

    // MARK: - Files

    package func read(_ name: String, at offset: Int64, max: Int) async throws -> Data {
        try check(PluginFolderLimits.fault(inName: name))
        return try await work { [self] in
            let (steps, last) = FolderNames.steps(name)
            guard let home = try directory(steps).last else { throw PluginFolderFailure.missing("there is no file \(name)") }
            return try content(home, last, offset, max)
        }
    }

    package func remove(_ name: String) async throws {
        try check(PluginFolderLimits.fault(inName: name))
        try await work { [self] in
            let (steps, last) = FolderNames.steps(name)
            let homes: [OpenDirectory] = try held { top, _ in
                let homes = try Self.directory(steps, below: top.files)
                guard let home = homes.last, let size = try home.size(of: last) else { return [] }
                guard unlinkat(home.descriptor, last, 0) == 0 else { throw DiskFault.last("a file could not be removed") }
                top.used -= size
                // Directories that nothing is left in go with it; the first that holds something stays, and all above it.
                for (step, above) in zip(steps, homes).reversed() {
                    guard unlinkat(above.descriptor, step, Int32(AT_REMOVEDIR)) == 0 else { break }
                }
                return homes
            }
            for home in homes { try home.flush() }
        }
    }

    package func entries(prefix: String, after: String?, limit: Int) async throws -> [PluginFolderEntry] {
        if !prefix.isEmpty { try check(PluginFolderLimits.fault(inName: prefix + "x")) }
        if let after { try check(PluginFolderLimits.fault(inName: after)) }
        let limit = min(max(1, limit), 1_000)
        return try await work { [self] in
            var found: [PluginFolderEntry] = []
            _ = try FolderNames.walk(try held { top, _ in top.files }, prefix: prefix, after: after) { name, bytes in
                found.append(PluginFolderEntry(name: name, bytes: bytes))
                return found.count < limit
            }
            return found
        }
    }

    // MARK: - What all use

    private func check(_ fault: String?) throws { if let fault { throw PluginFolderFailure.invalid(fault) } }

    private func work<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        do {
            return try await withCheckedThrowingContinuation { continuation in
                threads.addOperation { continuation.resume(with: Result { try work() }) }
            }
        } catch let fault as DiskFault {
            throw fault.failure
        }
    }
    private func held<Value>(_ work: (inout Top, Int64) throws -> Value) throws -> Value {
        try state.withLock { state in
            var top = try state.top ?? open()
            defer { state.top = top }
            return try work(&top, state.maxBytes)
        }
    }
    /// Opens the place, lets drafts go that nobody touched for long, and counts what is there.
    private func open() throws -> Top {
        guard let files = try OpenDirectory.top(place).below("files", makes: true),
            let drafts = try OpenDirectory.top(place).below("drafts", makes: true)
        else { throw DiskFault("the folder cannot be made") }
        let oldest = now() - PluginFolderLimits.draftLife
        for name in try drafts.names().files.keys {
            var status = stat()
            guard fstatat(drafts.descriptor, name, &status, Int32(AT_SYMLINK_NOFOLLOW)) == 0 else { continue }
            if Int64(status.st_mtim.tv_sec) < oldest.microseconds / 1_000_000 { unlinkat(drafts.descriptor, name, 0) }
        }
        return Top(files: files, drafts: drafts, used: try FolderNames.total(files) + FolderNames.total(drafts))
    }
    /// The directories on the way, the top first; fewer than asked for where one is not there, then without the top.
    private func directory(_ steps: [String]) throws -> [OpenDirectory] {
        try Self.directory(steps, below: try held { top, _ in top.files })
    }
    private static func directory(_ steps: [String], below top: OpenDirectory) throws -> [OpenDirectory] {
        var homes = [top]
        for step in steps {
            guard let next = try homes[homes.count - 1].below(step) else { return [] }
            homes.append(next)
        }
        return homes
    }
    private func opened(_ home: OpenDirectory, _ name: String) throws -> Int32 {
        // Looked at before it is opened: a pipe that somebody laid there would wait for a writer.
        guard try home.size(of: name) != nil else { throw PluginFolderFailure.missing("there is no \(name)") }
        let file = openat(home.descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if file < 0, errno == ENOENT { throw PluginFolderFailure.missing("there is no \(name)") }
        guard file >= 0 else { throw DiskFault.last("a file cannot be opened") }
        return file
    }
    private func content(_ home: OpenDirectory, _ name: String, _ offset: Int64, _ most: Int) throws -> Data {
        guard offset >= 0, (1...PluginFolderLimits.maxPieceBytes).contains(most) else {
            throw PluginFolderFailure.invalid("1 to \(PluginFolderLimits.maxPieceBytes) bytes are read at once, from 0 on")
        }
        let file = try opened(home, name)
        defer { close(file) }
        let size = try home.size(of: name) ?? 0
        var data = Data(count: Int(max(0, min(Int64(most), size - offset))))
        let read = try data.withUnsafeMutableBytes { bytes in
            var done = 0
            while done < bytes.count, let start = bytes.baseAddress {
                let count = pread(file, start + done, bytes.count - done, off_t(offset) + off_t(done))
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw DiskFault.last("a file cannot be read") }
                if count == 0 { break }
                done += count
            }
            return done
        }
        return read == data.count ? data : data.prefix(read)
    }
}

/// The folders of a server's plugins: two versions of one plugin share theirs.
package final class DiskFolders: Sendable {
    private let place: URL
    private let now: @Sendable () -> Timestamp
    private let open = Mutex<[String: DiskFolder]>([:])

    package init(_ place: URL, now: @escaping @Sendable () -> Timestamp) {
        self.place = place
        self.now = now
    }
    package func folder(of plugin: String, maxBytes: Int64) -> DiskFolder {
        open.withLock { open in
            let folder = open[plugin] ?? DiskFolder(place.appendingPathComponent(plugin), maxBytes: maxBytes, now: now)
            folder.maxBytes = maxBytes
            open[plugin] = folder
            return folder
        }
    }
}
