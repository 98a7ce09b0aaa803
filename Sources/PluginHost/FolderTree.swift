import Foundation
import PluginKit

/// A directory that is open, by which names below it are looked up one at a time: no path is ever followed, and no link.
final class OpenDirectory: Sendable {
    let descriptor: Int32
    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    /// The top, made where it is not there.
    static func top(_ place: URL) throws -> OpenDirectory {
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let descriptor = open(place.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskFault.last("the folder cannot be opened") }
        return OpenDirectory(descriptor)
    }

    /// Nil where there is none.
    func below(_ name: String, makes: Bool = false) throws -> OpenDirectory? {
        if makes, mkdirat(descriptor, name, 0o700) == 0 { try flush() }
        let found = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if found < 0, errno == ENOENT, !makes { return nil }
        guard found >= 0 else { throw DiskFault.last("a directory in the folder cannot be opened") }
        return OpenDirectory(found)
    }
    /// Makes durable which names stand in it.
    func flush() throws { guard fsync(descriptor) == 0 else { throw DiskFault.last("a directory could not be made durable") } }

    /// Bytes of the regular file of that name; nil where there is none. Anything else that lies there is a fault.
    func size(of name: String) throws -> Int64? {
        var status = stat()
        guard fstatat(descriptor, name, &status, Int32(AT_SYMLINK_NOFOLLOW)) == 0 else {
            if errno == ENOENT { return nil }
            throw DiskFault.last("a file cannot be looked at")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw DiskFault("something that is no file lies in the folder") }
        return Int64(status.st_size)
    }

    /// The names in it: directories by themselves, files with their sizes. What is neither is left out.
    func names() throws -> (directories: [String], files: [String: Int64]) {
        // A stream of its own, so that two readers do not share one place.
        let own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard own >= 0, let stream = fdopendir(own) else { throw DiskFault.last("a directory cannot be read") }
        defer { closedir(stream) }
        var directories: [String] = []
        var files: [String: Int64] = [:]
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            var status = stat()
            guard fstatat(descriptor, name, &status, Int32(AT_SYMLINK_NOFOLLOW)) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: directories.append(name)
            case S_IFREG: files[name] = Int64(status.st_size)
            default: break
            }
        }
        return (directories, files)
    }
}

/// What the disk said; fit for a log.
struct DiskFault: Error, CustomStringConvertible {
    let description: String
    let code: Int32
    init(_ description: String, code: Int32 = 0) {
        self.description = description
        self.code = code
    }
    static func last(_ what: String) -> DiskFault {
        let code = errno
        return DiskFault("\(what): \(String(cString: strerror(code)))", code: code)
    }
    var failure: PluginFolderFailure {
        [ENOSPC, EDQUOT].contains(code) ? .full(description) : .unavailable(description)
    }
}

/// Names as they lie on the disk: a segment that leads on is a directory whose name ends in `+`, which stands in no name. So `a` and `a/b`
/// are two files that do not hinder each other.
enum FolderNames {
    static func steps(_ name: String) -> (directories: [String], file: String) {
        let segments = name.split(separator: "/").map(String.init)
        return (segments.dropLast().map { $0 + "+" }, segments.last ?? "")
    }

    /// Files below `directory` in the order of their whole names, until `take` answers false.
    static func walk(
        _ directory: OpenDirectory, at place: String = "", prefix: String, after: String?, _ take: (String, Int64) -> Bool
    ) throws -> Bool {
        let (directories, files) = try directory.names()
        // A directory sorts as its name with a slash, which every name below it begins with.
        let steps =
            files.map { (place + $0.key, Optional($0.value)) }
            + directories.filter { $0.hasSuffix("+") }.map { (place + $0.dropLast() + "/", nil) }
        for (name, bytes) in steps.sorted(by: { isBefore($0.0, $1.0) }) {
            if let bytes {
                guard begins(name, with: prefix), after.map({ isBefore($0, name) }) ?? true else { continue }
                guard take(name, bytes) else { return false }
            } else {
                guard begins(name, with: prefix) || begins(prefix, with: name) else { continue }
                // All of it lies before `after`, unless that lies in it.
                if let after, isBefore(name, after), !begins(after, with: name) { continue }
                guard let next = try directory.below(String(name.dropFirst(place.count).dropLast()) + "+") else { continue }
                guard try walk(next, at: name, prefix: prefix, after: after, take) else { return false }
            }
        }
        return true
    }
    static func isBefore(_ left: String, _ right: String) -> Bool { left.utf8.lexicographicallyPrecedes(right.utf8) }
    private static func begins(_ text: String, with start: String) -> Bool { text.utf8.starts(with: start.utf8) }

    /// Bytes of all files below.
    static func total(_ directory: OpenDirectory) throws -> Int64 {
        let (directories, files) = try directory.names()
        var sum = files.values.reduce(0, +)
        for name in directories { if let next = try directory.below(name) { sum += try total(next) } }
        return sum
    }
}
