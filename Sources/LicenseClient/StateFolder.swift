import Foundation
import Vocabulary

/// What clients keep between calls: files that only their owner reads, each replaced as a whole, under locks that end with their process.
package struct StateFolder: Sendable {
    package let url: URL

    package init(url: URL) { self.url = url }

    /// `$XDG_CONFIG_HOME/coditect`, else `~/.config/coditect`.
    package static func standard(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> StateFolder {
        let base: URL
        if let configured = environment["XDG_CONFIG_HOME"], configured.hasPrefix("/") {
            base = URL(fileURLWithPath: configured)
        } else {
            let home = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory()
            base = URL(fileURLWithPath: home).appendingPathComponent(".config")
        }
        return StateFolder(url: base.appendingPathComponent("coditect"))
    }

    package func path(_ name: String) -> String { url.appendingPathComponent(name).path }
    package func inner(_ name: String) -> StateFolder { StateFolder(url: url.appendingPathComponent(name)) }

    package func prepare() throws(LicenseClientError) {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue { return }
        var place = ""
        for part in url.standardizedFileURL.path.split(separator: "/") {
            place += "/\(part)"
            guard mkdir(place, 0o700) != 0, errno != EEXIST, errno != EISDIR else { continue }
            // What stands above and may not be written may be there all the same.
            let reason = String(cString: strerror(errno))
            guard FileManager.default.fileExists(atPath: place) else { throw Self.fault("make", url.path, reason) }
        }
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
            throw Self.fault("make", url.path, "a file stands there")
        }
    }

    package func read<Value: Decodable>(_ type: Value.Type, _ name: String) -> Value? {
        guard let data = try? Data(contentsOf: url.appendingPathComponent(name)), data.count <= 1 << 20 else { return nil }
        return try? JSONDecoder().decode(type, from: data)
    }

    package func write(_ value: some Encodable, _ name: String) throws(LicenseClientError) {
        try prepare()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { throw Self.fault("write", path(name), "it has no JSON form") }
        let target = path(name)
        let draft = "\(target).\(getpid()).\(UInt32.random(in: 0 ... .max))"
        let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Self.fault("write", target) }
        // A disk that fills up takes a part, and says why only when it is asked for the rest.
        let isWhole = data.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(file, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                guard count > 0 || errno == EINTR else { return false }
                done += max(count, 0)
            }
            return fsync(file) == 0
        }
        let cause = errno
        close(file)
        guard isWhole, rename(draft, target) == 0 else {
            let reason = String(cString: strerror(isWhole ? errno : cause))
            unlink(draft)
            throw Self.fault("write", target, reason)
        }
    }

    package func remove(_ name: String) { unlink(path(name)) }

    /// Throws where a file of the usual size could not be written: before anything is asked for that is to be kept.
    package func probe() throws(LicenseClientError) {
        let name = "probe-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try write(String(repeating: "0", count: 16_384), name)
        remove(name)
    }

    /// Runs `body` while no other process of this user holds the lock of that name. A process that was stopped while it held
    /// the lock holds others up for `patience` at most.
    package func locked<Value, Failure: Error>(
        _ name: String, patience: Duration = .seconds(20), _ body: () throws(Failure) -> Value
    ) throws -> Value {
        try prepare()
        let path = path("\(name).lock")
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Self.fault("lock", path) }
        defer { close(file) }
        let start = DeviceClock().monotonic()
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EINTR || errno == EWOULDBLOCK else { throw Self.fault("lock", path) }
            guard DeviceClock().monotonic() - start < patience else {
                throw LicenseClientError(
                    .deviceBusy, "another process of this device holds \(path) and does not go on", next: "end or continue that process")
            }
            usleep(20_000)
        }
        return try body()
    }

    static func fault(_ verb: String, _ path: String, _ reason: String = String(cString: strerror(errno))) -> LicenseClientError {
        LicenseClientError(
            .storage, "cannot \(verb) \(path): \(reason)", next: "make room and the folder writable, or set XDG_CONFIG_HOME")
    }
}

/// Time as a device has it: a monotonic reading that goes on while the machine sleeps, and is the same in all its processes.
package struct DeviceClock: Clock {
    package init() {}
    package func now() -> Timestamp { SystemClock().now() }
    package func monotonic() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
