import Foundation

/// Whose policies they are: the operator's say what holds in the platform and in tiers, a tenant's narrow that for itself.
enum PolicyAuthor: Sendable { case `operator`, tenant }

/// The Lua files of a policy directory at one moment.
struct PolicyDirectory: Sendable {
    /// `policies`: how findings name the directory.
    let label: String
    /// By path within the directory: `seats/overdraft/policy.lua`.
    let files: [String: String]
    /// Files that are there and could not be read.
    var refused: Set<String> = []

    static let mostFiles = 25_000
    static let mostBytes = 256 << 10

    /// Reads every `.lua` file but those whose path has a part that begins with `_` or `.`. Each is read once: what is checked, tested, hashed and
    /// run is the same text, whatever becomes of the file meanwhile.
    static func read(_ directory: URL, _ findings: inout Findings) -> PolicyDirectory {
        let entries = Fingerprint.entries(directory)
        let (place, root) = (directory.path, PolicyFileBytes.realPath(directory.path) ?? directory.path)
        let contents = PolicyThreads.each(min(entries.count, mostFiles)) { index in
            Result { () throws(PolicyFileBytes.Refused) in
                try PolicyFileBytes.text(try PolicyFileBytes.read("\(place)/\(entries[index].path)", within: root, most: mostBytes))
            }
        }
        var files: [String: String] = [:]
        var refused: Set<String> = []
        files.reserveCapacity(contents.count)
        for (entry, content) in zip(entries, contents) {
            switch content {
            case .success(let text): files[entry.path] = text
            case .failure(let refusal):
                refused.insert(entry.path)
                findings.add(entry.path, refusal.line, refusal.reason)
            }
        }
        if entries.count > mostFiles { findings.add(entries[mostFiles].path, nil, "the directory holds more than \(mostFiles) files") }
        return PolicyDirectory(label: findings.label, files: files, refused: refused)
    }
}

/// One file of a folder that others may write to: a plain file within it, of bounded length, in UTF-8. Never waits.
enum PolicyFileBytes {
    struct Refused: Error {
        let line: Int?
        let reason: String
        init(_ reason: String, line: Int? = nil) {
            self.reason = reason
            self.line = line
        }
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    static func read(_ path: String, within root: String, most: Int) throws(Refused) -> [UInt8] {
        let name = path.utf8.suffix(path.utf8.count - min(path.utf8.count, root.utf8.count))
        guard name.allSatisfy({ (33...126).contains($0) || $0 == 32 }) else {
            throw Refused("a file of policies is called by ASCII letters, digits, -, _ and .")
        }
        guard let real = realPath(path) else { throw Refused("cannot be read: \(String(cString: strerror(errno)))") }
        guard real.hasPrefix(root + "/") else { throw Refused("is a link that leads out of the folder; put the file itself here") }
        // Opening a pipe would wait for somebody to write, so it is opened without waiting and looked at first.
        let file = open(real, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { throw Refused("cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw Refused("is no plain file") }
        let tooLong = "is longer than \(most) bytes; a policy file is at most that long"
        guard status.st_size <= most else { throw Refused(tooLong) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress?.advanced(by: count), $0.count - count) }
            guard got > 0 else {
                if got < 0 { throw Refused("cannot be read: \(String(cString: strerror(errno)))") }
                break
            }
            count += got
        }
        guard count <= Int(status.st_size) else { throw Refused("has changed while it was read; read it again") }
        return Array(bytes.prefix(count))
    }

    static func text(_ bytes: [UInt8]) throws(Refused) -> String {
        if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) { throw Refused("is UTF-16; save it as UTF-8", line: 1) }
        if bytes.starts(with: [0x1b, 0x4c, 0x75, 0x61]) { throw Refused("is compiled Lua; a policy is its text", line: 1) }
        // Editors write a byte order mark before UTF-8, which means nothing.
        let plain = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
        if let text = String(validating: plain, as: UTF8.self) { return text }
        // The first byte that is none: up to it all is good, from it on nothing, so halving finds it.
        var (good, bad) = (0, bytes.count - 1)
        while good < bad {
            let middle = (good + bad) / 2
            if String(validating: bytes[...middle], as: UTF8.self) != nil || isBegun(bytes, middle) {
                good = middle + 1
            } else {
                bad = middle
            }
        }
        let line = bytes[..<good].count { $0 == 10 } + 1
        throw Refused("is not UTF-8: the byte 0x\(String(bytes[good], radix: 16)) is no letter there; save the file as UTF-8", line: line)
    }

    /// A letter of several bytes may go on after this one.
    private static func isBegun(_ bytes: [UInt8], _ at: Int) -> Bool {
        (1...3).contains { more in at + more < bytes.count && String(validating: bytes[...(at + more)], as: UTF8.self) != nil }
    }
}

/// What a directory looks like from outside: names, sizes and times. Cheap enough to take twice a second.
struct Fingerprint: Sendable, Hashable {
    struct Entry: Sendable, Hashable {
        let path: String
        let size: Int64
        let seconds: Int
        let nanoseconds: Int
        let inode: UInt64
    }
    let entries: [Entry]
    private static let mostFolders = 30_000

    init(_ directory: URL) { entries = Self.entries(directory) }

    /// Sorted by path; at most as many as a directory may hold, and one more.
    static func entries(_ directory: URL) -> [Entry] {
        var found: [Entry] = []
        // Links may lead back: each folder is gone through once.
        var seen: Set<[UInt64]> = []
        list(directory.path, "", 0, &found, &seen)
        return found.sorted { $0.path < $1.path }
    }

    private static func list(_ folder: String, _ prefix: String, _ depth: Int, _ found: inout [Entry], _ seen: inout Set<[UInt64]>) {
        guard depth <= 6, seen.count <= mostFolders, let stream = opendir(folder) else { return }
        defer { closedir(stream) }
        var status = stat()
        guard fstat(dirfd(stream), &status) == 0, seen.insert([UInt64(status.st_dev), UInt64(status.st_ino)]).inserted else { return }
        while let entry = readdir(stream) {
            guard found.count <= PolicyDirectory.mostFiles else { return }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            let mayBeFolder = entry.pointee.d_type != UInt8(DT_REG)
            guard !name.hasPrefix("_"), !name.hasPrefix("."), mayBeFolder || name.hasSuffix(".lua") else { continue }
            guard fstatat(dirfd(stream), name, &status, 0) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                list("\(folder)/\(name)", "\(prefix)\(name)/", depth + 1, &found, &seen)
            } else if name.hasSuffix(".lua") {
                found.append(
                    Entry(
                        path: prefix + name, size: Int64(status.st_size), seconds: Int(status.st_mtim.tv_sec),
                        nanoseconds: Int(status.st_mtim.tv_nsec), inode: UInt64(status.st_ino)))
            }
        }
    }
}

/// Decides when a changed directory is worth reading: once it has looked the same for two looks.
struct PolicyWatch: Sendable {
    private var live: Fingerprint
    private var pending: Fingerprint?

    init(live: Fingerprint) { self.live = live }

    /// True once for each change that has come to rest.
    mutating func observe(_ now: Fingerprint) -> Bool {
        guard now != live else {
            pending = nil
            return false
        }
        guard now == pending else {
            pending = now
            return false
        }
        live = now
        pending = nil
        return true
    }
}
