import HTTPEdge
import NIOCore
import Synchronization
import Vocabulary

/// What every connection of a service shares.
final class ConnectionRules: Sendable {
    let edge: Edge
    let draining: DrainSwitch
    let registry = ConnectionRegistry()
    let date: DateLine
    let headerTimeout: TimeAmount
    let bodyTimeout: TimeAmount
    let idleTimeout: TimeAmount
    let handlerTimeout: TimeAmount
    let maxHeaderBytes: Int
    let maxHeaderFields: Int
    let isTLS: Bool
    private let executors: [ObjectIdentifier: LoopExecutor]

    /// How long what still comes in is read and dropped after an answer that closes, so that the answer is not lost in a reset.
    static let lingerTime = TimeAmount.seconds(2)

    /// When the port has closed: in which a connection that never had a request may send its first, or the rest of a head that has begun; and
    /// one that was answered before may send another that crossed our leaving on its way.
    static let firstRequestTime = TimeAmount.seconds(2)
    static let crossingTime = TimeAmount.milliseconds(5)

    /// Of a connection's buffer for answers, in bytes: a larger one is given back.
    static let largestKept = 4_096

    init(edge: Edge, draining: DrainSwitch, settings: Settings, clock: any Vocabulary.Clock, isTLS: Bool, group: any EventLoopGroup) {
        self.edge = edge
        self.draining = draining
        self.isTLS = isTLS
        date = DateLine(clock)
        let seconds = { (setting: Setting<Int>) in TimeAmount.seconds(Int64(settings[setting])) }
        headerTimeout = seconds(HTTPEdgeSettings.headerTimeout)
        bodyTimeout = seconds(HTTPEdgeSettings.bodyTimeout)
        idleTimeout = seconds(HTTPEdgeSettings.idleTimeout)
        handlerTimeout = seconds(HTTPEdgeSettings.handlerTimeout)
        maxHeaderBytes = settings[HTTPEdgeSettings.maxHeaderBytes]
        maxHeaderFields = settings[HTTPEdgeSettings.maxHeaderFields]
        executors = Dictionary(uniqueKeysWithValues: group.makeIterator().map { (ObjectIdentifier($0), LoopExecutor($0)) })
    }

    /// After the last connection.
    func close() { for executor in executors.values { executor.close() } }

    func executor(of loop: any EventLoop) -> LoopExecutor { executors[ObjectIdentifier(loop)] ?? LoopExecutor(loop) }
}

/// Says that the process is leaving: readiness falls, connections close after their answer.
package final class DrainSwitch: Sendable {
    private let flag = Atomic<Bool>(false)
    package init() {}
    package var isDraining: Bool { flag.load(ordering: .relaxed) }
    package func begin() { flag.store(true, ordering: .relaxed) }
}

/// Every open connection, so that a drain that takes too long can end.
final class ConnectionRegistry: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])
    func add(_ channel: any Channel) { channels.withLock { $0[ObjectIdentifier(channel)] = channel } }
    func remove(_ channel: any Channel) { _ = channels.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) } }
    var count: Int { channels.withLock { $0.count } }
    func closeAll() { for channel in channels.withLock({ Array($0.values) }) { channel.close(mode: .all, promise: nil) } }
}

/// The Date header, made once a second.
final class DateLine: Sendable {
    private let clock: any Vocabulary.Clock
    private let last = Mutex<(second: Int64, text: String)>((.min, ""))
    init(_ clock: any Vocabulary.Clock) { self.clock = clock }

    var text: String {
        let now = clock.now()
        let second = now.microseconds / 1_000_000
        return last.withLock { last in
            if last.second != second { last = (second, Self.text(now)) }
            return last.text
        }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    static func text(_ moment: Timestamp) -> String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let iso = moment.iso8601
        let part = { (from: Int, count: Int) in String(iso.dropFirst(from).prefix(count)) }
        let weekday = Int((max(0, moment.microseconds) / 86_400_000_000) % 7)
        let month = (Int(part(5, 2)) ?? 1) - 1
        return "\(days[weekday]), \(part(8, 2)) \(months[month]) \(part(0, 4)) \(part(11, 8)) GMT"
    }
}
