import Foundation

/// Whose policies they are: the operator's say what holds in the platform and in tiers, a tenant's narrow that for itself.
enum PolicyAuthor: Sendable { case `operator`, tenant }

/// The Lua files of a policy directory at one moment.
struct PolicyDirectory: Sendable {
    /// `policies`: how findings name the directory.
    let label: String
    /// By path within the directory: `seats/overdraft/policy.lua`.
    let files: [String: String]

    static let mostFiles = 1_000
    static let mostBytes = 256 << 10

    /// Reads every `.lua` file but those whose path has a part that begins with `_` or `.`.
    static func read(_ directory: URL, _ findings: inout Findings) -> PolicyDirectory {
        var files: [String: String] = [:]
        for entry in Fingerprint.entries(directory) {
            guard files.count < mostFiles else {
                findings.add(entry.path, nil, "the directory holds more than \(mostFiles) files")
                break
            }
            guard let data = FileManager.default.contents(atPath: directory.appending(path: entry.path).path) else {
                findings.add(entry.path, nil, "cannot be read")
                continue
            }
            guard data.count <= mostBytes else {
                findings.add(entry.path, nil, "is longer than \(mostBytes) bytes")
                continue
            }
            guard let text = String(data: data, encoding: .utf8) else {
                findings.add(entry.path, nil, "is not UTF-8")
                continue
            }
            files[entry.path] = text
        }
        return PolicyDirectory(label: findings.label, files: files)
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

    init(_ directory: URL) { entries = Self.entries(directory) }

    /// Sorted by path; at most as many as a directory may hold, and one more.
    static func entries(_ directory: URL) -> [Entry] {
        var found: [Entry] = []
        var open = [""]
        while let folder = open.popLast(), found.count <= PolicyDirectory.mostFiles {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.appending(path: folder).path)) ?? []
            for name in names where !name.hasPrefix("_") && !name.hasPrefix(".") {
                let path = folder.isEmpty ? name : "\(folder)/\(name)"
                var status = stat()
                guard stat(directory.appending(path: path).path, &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    if path.filter({ $0 == "/" }).count < 6 { open.append(path) }
                } else if name.hasSuffix(".lua") {
                    found.append(
                        Entry(
                            path: path, size: Int64(status.st_size), seconds: Int(status.st_mtim.tv_sec),
                            nanoseconds: Int(status.st_mtim.tv_nsec), inode: UInt64(status.st_ino)))
                }
            }
        }
        return found.sorted { $0.path < $1.path }
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
