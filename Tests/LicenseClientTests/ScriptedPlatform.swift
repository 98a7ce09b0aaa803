import Foundation
import Synchronization
import Vocabulary

@testable import LicenseClient

/// A server without a network: answers as a test says, remembers what it was asked, and loses answers on request.
final class ScriptedPlatform: LicenseTransport {
    struct Asked: Sendable {
        let path: String
        let key: String?
        let token: String?
        let body: JSONValue
        let bytes: Data
    }
    struct Silence: Error, CustomStringConvertible { let description = "no answer" }
    typealias Handler = @Sendable (Asked) -> (Int, JSONValue)?

    let clock: HandClock
    private let handler: Mutex<Handler>
    private let memory = Mutex<[Asked]>([])

    /// - Parameter handler: nil is an answer that never comes.
    init(_ clock: HandClock, _ handler: @escaping Handler) {
        self.clock = clock
        self.handler = Mutex(handler)
    }
    func answer(_ next: @escaping Handler) { handler.withLock { $0 = next } }
    var asked: [Asked] { memory.withLock { $0 } }
    func count(_ path: String) -> Int { asked.filter { $0.path.hasSuffix(path) }.count }

    func send(_ request: LicenseRequest) throws -> LicenseResponse {
        let body = request.body ?? Data()
        let asked = Asked(
            path: request.url.path, key: request.headers["Idempotency-Key"],
            token: request.headers["Authorization"]?.split(separator: " ").last.map(String.init),
            body: (try? JSONDecoder().decode(JSONValue.self, from: body)) ?? .null, bytes: body)
        memory.withLock { $0.append(asked) }
        guard let (status, json) = handler.withLock({ $0 })(asked) else { throw Silence() }
        return LicenseResponse(status: status, headers: ["date": clock.serverDate], body: try JSONEncoder().encode(json))
    }

    /// A lease of 360 seconds by the server's clock, whatever this device's says.
    func seat(_ session: String = "s-1") -> (Int, JSONValue) {
        (
            200,
            [
                "license_id": "l", "session_id": .string(session), "seats_used": 1, "seats_total": 2,
                "expires_at": .string((clock.server + .seconds(360)).iso8601), "signature": "00", "heartbeat_interval": 300, "epoch": 1,
            ]
        )
    }
}

/// Time moved by hand. The server's clock may differ from the device's.
final class HandClock: Clock {
    private let state = Mutex((wall: Timestamp(seconds: 1_800_000_000), uptime: Duration.seconds(1_000), ahead: Duration.zero))
    func now() -> Timestamp { state.withLock { $0.wall } }
    func monotonic() -> Duration { state.withLock { $0.uptime } }
    var server: Timestamp { state.withLock { $0.wall + $0.ahead } }
    func pass(_ span: Duration) {
        state.withLock {
            $0.wall = $0.wall + span
            $0.uptime += span
        }
    }
    /// Sets the device's wall clock; the server's stays right.
    func step(_ span: Duration) {
        state.withLock {
            $0.wall = $0.wall + span
            $0.ahead = $0.ahead - span
        }
    }
    /// `Fri, 15 Jan 2027 08:00:00 GMT`.
    var serverDate: String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "GMT")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return format.string(from: Date(timeIntervalSince1970: Double(server.seconds)))
    }
}

/// One device: a folder, a clock and a server; as many processes' clients as wanted.
final class Bench: Sendable {
    let clock = HandClock()
    let folder: URL
    let platform: ScriptedPlatform
    let notices = Mutex<[String]>([])

    init(_ handler: @escaping ScriptedPlatform.Handler) {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("client-\(UUID().uuidString)")
        platform = ScriptedPlatform(clock, handler)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }

    func client(_ change: (inout LicenseClient.Options) -> Void = { _ in }) throws -> LicenseClient {
        var options = LicenseClient.Options()
        options.credentials = .token { "token-1" }
        options.folder = folder
        options.device = "hw"
        options.transport = platform
        options.releasesAtExit = false
        change(&options)
        return try LicenseClient(
            server: "https://example.com", application: ("test", "1"), options: options, clock: clock, jitter: { 0.5 })
    }
    /// A seat whose thread was never started: the test moves time and wakes it.
    func keeper(_ client: LicenseClient, waiting: Duration = .zero) -> SeatKeeper {
        client.makeKeeper(waiting: waiting) { notice in self.notices.withLock { $0.append(notice.line.event) } }
    }
    func told() -> [String] {
        notices.withLock { notices in
            defer { notices = [] }
            return notices
        }
    }
    /// Lets time pass, and wakes the keeper whenever it wanted to be.
    func pass(_ span: Duration, _ keepers: SeatKeeper...) {
        let end = clock.monotonic() + span
        while let (next, keeper) = keepers.compactMap({ keeper in keeper.wake.map { ($0, keeper) } }).min(by: { $0.0 < $1.0 }), next <= end
        {
            clock.pass(max(.zero, next - clock.monotonic()))
            keeper.drive(.due)
        }
        clock.pass(max(.zero, end - clock.monotonic()))
    }
}
