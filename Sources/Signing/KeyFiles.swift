import Foundation

/// Files of secrets: 0600 in directories of 0700, written whole or not at all, refused when others can read them.
enum KeyFiles {
    /// Makes the directory with mode 0700 where it is missing; refuses one that others can enter.
    static func prepare(directory: URL) throws {
        try? FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var status = stat()
        guard stat(directory.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw fault(directory) }
        guard status.st_mode & 0o077 == 0 else { throw SigningFault.permissions(path: directory.path, mode: Int(status.st_mode & 0o777)) }
    }

    /// Nil where there is no file. Follows no symbolic link.
    static func read(_ file: URL, maxBytes: Int = 1 << 20) throws -> [UInt8]? {
        let descriptor = open(file.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw fault(file)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw fault(file) }
        guard status.st_mode & 0o077 == 0 else { throw SigningFault.permissions(path: file.path, mode: Int(status.st_mode & 0o777)) }
        guard status.st_size <= maxBytes else { throw SigningFault.file(path: file.path, reason: "larger than \(maxBytes) bytes") }
        var out = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < out.count {
            let count = out.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress.map { $0 + filled }, $0.count - filled) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fault(file) }
            filled += count
        }
        return out
    }

    /// Replaces the file in one step; on the disk when this returns.
    static func write(_ bytes: [UInt8], to file: URL, mode: mode_t = 0o600) throws {
        let draft = try self.draft(bytes, beside: file, mode: mode)
        guard rename(draft.path, file.path) == 0 else {
            let reason = fault(file)
            unlink(draft.path)
            throw reason
        }
        try flush(directory: file.deletingLastPathComponent())
    }

    /// Makes the file, unless there is one already: then false, and nothing is changed.
    static func create(_ bytes: [UInt8], at file: URL) throws -> Bool {
        let draft = try self.draft(bytes, beside: file, mode: 0o600)
        defer { unlink(draft.path) }
        guard link(draft.path, file.path) == 0 else {
            if errno == EEXIST { return false }
            throw fault(file)
        }
        try flush(directory: file.deletingLastPathComponent())
        return true
    }

    /// Takes the name away; nothing to do where there is none.
    static func remove(_ file: URL) throws {
        guard unlink(file.path) == 0 || errno == ENOENT else { throw fault(file) }
    }

    /// Overwrites the file's bytes in place and leaves it empty; false where there is none.
    static func blank(_ file: URL) throws -> Bool {
        let descriptor = open(file.path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return false }
            throw fault(file)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw fault(file) }
        let zeros = [UInt8](repeating: 0, count: Int(status.st_size))
        guard pwrite(descriptor, zeros, zeros.count, 0) == zeros.count, fsync(descriptor) == 0, ftruncate(descriptor, 0) == 0,
            fsync(descriptor) == 0
        else { throw fault(file) }
        return true
    }

    /// Runs `body` while no other process is in a section of the same file.
    static func exclusively<Value>(_ file: URL, _ body: () throws -> Value) throws -> Value {
        let descriptor = open(file.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw fault(file) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 { guard errno == EINTR else { throw fault(file) } }
        return try body()
    }

    /// What changes whenever the file does.
    struct Mark: Hashable, Sendable {
        let inode: UInt64
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }
    static func mark(_ path: String) -> Mark? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Mark(
            inode: UInt64(status.st_ino), size: Int(status.st_size), seconds: Int(status.st_mtim.tv_sec),
            nanoseconds: Int(status.st_mtim.tv_nsec))
    }

    private static func draft(_ bytes: [UInt8], beside file: URL, mode: mode_t) throws -> URL {
        let draft = file.deletingLastPathComponent().appendingPathComponent(".\(UUID().uuidString).draft")
        let descriptor = open(draft.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw fault(draft) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = fault(draft)
                unlink(draft.path)
                throw reason
            }
            written += count
        }
        guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
            let reason = fault(draft)
            unlink(draft.path)
            throw reason
        }
        return draft
    }

    private static func flush(directory: URL) throws {
        let descriptor = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fault(directory) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fault(directory) }
    }

    private static func fault(_ file: URL) -> SigningFault { .file(path: file.path, reason: String(cString: strerror(errno))) }
}
