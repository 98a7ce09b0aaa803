import Foundation

/// The one folder in which a server keeps everything; readable by its owner alone, held by one process at a time.
package final class DataDirectory: Sendable {
    package struct InUse: Error, CustomStringConvertible {
        let path: String
        package var description: String { "\(path) is in use by another server: stop it, or give another --data" }
    }
    package struct Unusable: Error, CustomStringConvertible {
        let path: String
        let reason: String
        package var description: String { "cannot use \(path) as the data directory: \(reason)" }
    }

    package let root: URL
    private let lock: Int32

    package var database: URL { root.appendingPathComponent("coditect.db") }
    package var keys: URL { root.appendingPathComponent("keys") }
    package var masterKey: URL { keys.appendingPathComponent("master.key") }
    package var people: URL { keys.appendingPathComponent("people") }
    package var policySets: URL { root.appendingPathComponent("policies") }
    package var decisions: URL { root.appendingPathComponent("decisions") }
    package var mailbox: URL { root.appendingPathComponent("mailbox") }
    /// Bulk data of plugins, a folder for each.
    package var pluginFolders: URL { root.appendingPathComponent("files") }
    package var pluginCopies: URL { root.appendingPathComponent("plugins") }

    /// Opens or makes the folder. `isShared`: for commands that read beside a running server and take no lock.
    package init(_ root: URL, isShared: Bool = false) throws {
        self.root = root
        try Self.make(root)
        guard !isShared else {
            lock = -1
            return
        }
        lock = open(root.appendingPathComponent(".lock").path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw Unusable(path: root.path, reason: String(cString: strerror(errno))) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw InUse(path: root.path)
        }
        // For commands that want to signal whoever holds it.
        let own = Array("\(getpid())\n".utf8)
        if ftruncate(lock, 0) == 0 { _ = own.withUnsafeBytes { pwrite(lock, $0.baseAddress, $0.count, 0) } }
    }

    /// Nobody comes into it between its making and the mode that it has. One that is there is taken, but not out of a place where everybody
    /// may write, such as /tmp, if somebody else has put it there.
    private static func make(_ root: URL) throws {
        let parent = root.deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Unusable(path: root.path, reason: (error as NSError).localizedDescription)
        }
        if mkdir(root.path, 0o700) == 0 { return }
        guard errno == EEXIST else { throw Unusable(path: root.path, reason: String(cString: strerror(errno))) }
        var (folder, name, above) = (stat(), stat(), stat())
        guard stat(root.path, &folder) == 0, folder.st_mode & S_IFMT == S_IFDIR, lstat(root.path, &name) == 0 else {
            throw Unusable(path: root.path, reason: "it is no folder")
        }
        let isForeign = [folder, name].contains { $0.st_uid != geteuid() && $0.st_uid != 0 }
        guard isForeign, stat(parent.path, &above) == 0, above.st_mode & S_IWOTH != 0 else { return }
        throw Unusable(path: root.path, reason: "somebody else made it, where everybody may: give --data a place of your own")
    }

    /// Lets another take it while this value is still held.
    func release() { if lock >= 0 { _ = flock(lock, LOCK_UN) } }

    /// The process that serves this folder now; nil where none does.
    package var holder: Int32? {
        let file = open(root.appendingPathComponent(".lock").path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        if flock(file, LOCK_SH | LOCK_NB) == 0 { return nil }
        var text = [UInt8](repeating: 0, count: 16)
        let count = pread(file, &text, text.count, 0)
        return Int32(String(decoding: text.prefix(max(0, count)), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }
    deinit { if lock >= 0 { close(lock) } }
}
