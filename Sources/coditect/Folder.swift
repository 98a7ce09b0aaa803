import Foundation

/// What the command keeps between calls: files that only their owner reads, each replaced as a whole, under locks that end with their process.
struct Folder: Sendable {
    let url: URL

    /// `$XDG_CONFIG_HOME/coditect`, else `~/.config/coditect`.
    static func standard(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> Folder {
        let base: URL
        if let configured = environment["XDG_CONFIG_HOME"], configured.hasPrefix("/") {
            base = URL(fileURLWithPath: configured)
        } else {
            let home = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory()
            base = URL(fileURLWithPath: home).appendingPathComponent(".config")
        }
        return Folder(url: base.appendingPathComponent("coditect"))
    }

    private func prepare() throws {
        do {
            try FileManager.default.createDirectory(
                at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw Failure(.notSetUp, "cannot use \(url.path): \(error.localizedDescription)") }
    }

    func read<Value: Decodable>(_ type: Value.Type, _ name: String) -> Value? {
        guard let data = try? Data(contentsOf: url.appendingPathComponent(name)), data.count <= 1 << 20 else { return nil }
        return try? JSONDecoder().decode(type, from: data)
    }

    func write(_ value: some Encodable, _ name: String) throws {
        try prepare()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        let data = try encoder.encode(value)
        let target = url.appendingPathComponent(name).path
        let draft = "\(target).\(getpid())"
        unlink(draft)
        let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Failure(.notSetUp, "cannot write \(target): \(String(cString: strerror(errno)))") }
        let written = data.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        let isWhole = written == data.count && fsync(file) == 0
        close(file)
        guard isWhole, rename(draft, target) == 0 else {
            unlink(draft)
            throw Failure(.notSetUp, "cannot write \(target): \(String(cString: strerror(errno)))")
        }
    }

    func remove(_ name: String) { unlink(url.appendingPathComponent(name).path) }

    /// Runs `body` while no other process of this user holds the lock of that name.
    func locked<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
        try prepare()
        let path = url.appendingPathComponent("\(name).lock").path
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Failure(.notSetUp, "cannot lock \(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        while flock(file, LOCK_EX) != 0 {
            guard errno == EINTR else { throw Failure(.notSetUp, "cannot lock \(path): \(String(cString: strerror(errno)))") }
        }
        return try body()
    }
}
