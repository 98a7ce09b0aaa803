import Foundation
import Synchronization

/// A line to the server that brings every byte at once, and the news that the server has closed only when it is let: as from a server that is
/// too busy to close.
final class LateLine: Sendable {
    let folder: String
    private let listener: Int32
    private let held = Mutex<(isOpen: Bool, clients: [Int32])>((false, []))
    struct Unusable: Error {}

    init(to server: String) throws {
        var template = Array("/tmp/late-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Unusable() }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard Self.with("\(folder)/.s.PGSQL.5432", { bind(listener, $0, $1) }) == 0, listen(listener, 16) == 0 else { throw Unusable() }
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                let upstream = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                guard Self.with("\(server)/.s.PGSQL.5432", { connect(upstream, $0, $1) }) == 0 else { return }
                Thread.detachNewThread {
                    Self.copy(client, upstream)
                    shutdown(upstream, Int32(SHUT_RDWR))
                }
                Thread.detachNewThread { [self] in
                    Self.copy(upstream, client)
                    end(client)
                }
            }
        }
    }

    /// From now on whoever was closed hears of it.
    func open() {
        let clients = held.withLock { held in
            defer { held = (true, []) }
            return held.clients
        }
        for client in clients { shutdown(client, Int32(SHUT_RDWR)) }
    }
    /// Ends the line; what is under way on it goes.
    func close() {
        open()
        shutdown(listener, Int32(SHUT_RDWR))
        Foundation.close(listener)
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func end(_ client: Int32) {
        let isOpen = held.withLock { held in
            if !held.isOpen { held.clients.append(client) }
            return held.isOpen
        }
        if isOpen { shutdown(client, Int32(SHUT_RDWR)) }
    }
    private static func copy(_ from: Int32, _ to: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(from, &buffer, buffer.count, 0)
            guard count > 0, send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
        }
    }
    private static func with(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}
