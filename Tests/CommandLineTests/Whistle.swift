import Foundation

/// A named pipe on which a command that a test started says that it is there.
final class Whistle: Sendable {
    let path: String
    private let pipe: Int32

    init(in folder: URL) throws {
        path = folder.appendingPathComponent("whistle").path
        guard mkfifo(path, 0o600) == 0 else { throw CocoaError(.fileWriteUnknown) }
        // Both ends: opening waits for nobody, whoever comes first.
        pipe = open(path, O_RDWR | O_CLOEXEC)
        guard pipe >= 0 else { throw CocoaError(.fileReadUnknown) }
    }
    deinit { close(pipe) }

    /// What the command said, without its newline; nil: it said nothing for a minute.
    func heard() -> String? {
        var look = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        guard poll(&look, 1, 60_000) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(pipe, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .newlines) : nil
    }
}
