import Foundation
import HookEngine
import LuaShim
import Synchronization

/// What has passed its own tests or kept its contracts, by the hash of everything that it depends on: the texts, the settings and data, the
/// hooks' definitions, this program and Lua's library. What failed is not kept: it is tried again.
///
/// On disk it lies in the data directory, where only the server may write. Whoever can write there can write the database and the keys, so
/// a seal would keep out nobody; a file that others may write to is not believed.
package final class PolicyVerdicts: Sendable {
    typealias Key = SIMD4<UInt64>

    private struct Kept {
        var known: Set<Key> = []
        /// Asked for or added since this process began.
        var used: Set<Key> = []
        var order: [Key] = []
        var isRead = false
    }
    private let file: URL?
    private let most: Int
    /// Program and library: another build may judge otherwise.
    let fundament: String
    private let kept = Mutex(Kept())
    private static let bytes = MemoryLayout<Key>.size

    /// In memory alone where there is no file. The file's folder is made when the first verdict is kept.
    package init(file: URL? = nil, fundament: String = PolicyVerdicts.thisProgram, most: Int = 100_000) {
        self.file = file
        self.fundament = fundament
        self.most = most
    }

    static func key(_ parts: (inout SHA256) -> Void) -> Key {
        var digest = SHA256()
        parts(&digest)
        return digest.digest().withUnsafeBytes { $0.loadUnaligned(as: Key.self) }
    }

    func contains(_ key: Key) -> Bool {
        kept.withLock { kept in
            read(&kept)
            guard kept.known.contains(key) else { return false }
            kept.used.insert(key)
            return true
        }
    }

    func add(_ keys: [Key]) {
        kept.withLock { kept in
            read(&kept)
            let new = keys.filter { kept.known.insert($0).inserted }
            kept.used.formUnion(keys)
            kept.order += new
            guard !new.isEmpty else { return }
            if kept.order.count > most { drop(&kept) } else { append(new) }
        }
    }

    // MARK: The file

    /// A list of digests, oldest first.
    private func read(_ kept: inout Kept) {
        guard !kept.isRead else { return }
        kept.isRead = true
        guard let file else { return }
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        guard Self.isOurs(descriptor), let data = try? handle.read(upToCount: most * 4 * Self.bytes) else { return }
        data.withUnsafeBytes { bytes in
            for at in stride(from: 0, through: bytes.count - Self.bytes, by: Self.bytes) {
                let key = bytes.loadUnaligned(fromByteOffset: at, as: Key.self)
                if kept.known.insert(key).inserted { kept.order.append(key) }
            }
        }
    }

    private static func isOurs(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_uid == geteuid()
            && status.st_mode & 0o022 == 0
    }

    /// Two processes may append at once. A disk that is full keeps nothing and harms nobody.
    private func append(_ keys: [Key]) {
        guard let file else { return }
        try? FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard Self.isOurs(descriptor), flock(descriptor, LOCK_EX) == 0 else { return }
        // Half a digest, left by a crash, would shift all that come after it.
        let size = Int(lseek(descriptor, 0, SEEK_END))
        if size % Self.bytes != 0, ftruncate(descriptor, off_t(size - size % Self.bytes)) != 0 { return }
        _ = keys.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Keeps what this process has use for, and of the rest the newest, until half of the room is free again.
    private func drop(_ kept: inout Kept) {
        let mine = kept.order.filter(kept.used.contains).suffix(most / 2)
        let others = kept.order.filter { !kept.used.contains($0) }.suffix(max(0, most / 2 - mine.count))
        kept.order = Array(others) + Array(mine)
        kept.known = Set(kept.order)
        guard let file else { return }
        let data = kept.order.withUnsafeBytes { Data($0) }
        let draft = file.appendingPathExtension("draft")
        guard FileManager.default.createFile(atPath: draft.path, contents: data, attributes: [.posixPermissions: 0o600]) else { return }
        if rename(draft.path, file.path) != 0 { unlink(draft.path) }
    }

    /// The running program and the Lua library: where they lie on disk, their size, and when they were last changed or put there; of Lua
    /// also which build of it was loaded. What cannot be found out is no other process's.
    package static let thisProgram: String = {
        func mark(_ path: String) -> String {
            var status = stat()
            guard stat(path, &status) == 0 else { return UUID().uuidString }
            return "\(status.st_dev) \(status.st_ino) \(status.st_size)"
                + [status.st_mtim, status.st_ctim].map { " \($0.tv_sec).\($0.tv_nsec)" }.joined()
        }
        var build = [CChar](repeating: 0, count: 129)
        let library = luashim_library(&build, build.count).map { String(cString: $0) } ?? ""
        return mark("/proc/self/exe") + "\n" + mark(library) + " "
            + String(decoding: build.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }()
}
