import HummingbirdCore
import NIOCore
import Synchronization

/// Closes a port without losing who is already on the way in.
///
/// A listening socket that is closed resets what the system has accepted for it and the process has not. A client that has sent its
/// request by then cannot know whether it was carried out: nginx answers 502 to a POST. So at first no new connection is begun: the
/// system drops their first packet, as if it were lost, and by the time the client sends it again, a second later, the port is closed and
/// it is told so. What was begun before is taken in meanwhile, also beyond the number of connections that are served otherwise.
final class ClosingPort: Sendable {
    /// Nobody new can come, and whoever stands at the port is taken in.
    private let isLastCall = Atomic<Bool>(false)

    /// In which a connection that the system has half taken comes whole. Such a one is not counted among those that wait.
    private static let least = Duration.milliseconds(200)
    /// The first packet that was dropped comes again a second after it was sent; the next one would come two seconds later.
    private static let most = Duration.milliseconds(900)
    private static let look = Duration.milliseconds(10)

    /// - Returns: how many stood at the port when time was up; they are cut off.
    func settle(_ port: any Channel, loops: any EventLoopGroup) async -> Int {
        #if os(Linux)
            guard let socket = port as? any SocketOptionProvider else { return 0 }
            let (clock, begin) = (ContinuousClock(), ContinuousClock.now)
            // Where the system has no such filters, the port closes a moment after nobody stood at it.
            if (try? await socket.unsafeSetSocketOption(level: .socket, name: Self.attachFilter, value: Filter.noNew).get()) != nil {
                isLastCall.store(true, ordering: .relaxed)
                // Where there was no room, nobody was waiting to read from it.
                port.read()
            }
            var waiting = 0
            repeat {
                guard (try? await Task.sleep(for: clock.now < begin + Self.least ? Self.least : Self.look, clock: clock)) != nil else {
                    break
                }
                // Of a listening socket `tcpi_unacked` says how many connections wait to be taken.
                waiting = Int((try? await socket.getTCPInfo().get().tcpi_unacked) ?? 0)
            } while waiting > 0 && clock.now < begin + Self.most
            // Each that was taken goes from the port's loop to its own and back before it may be told that we leave.
            for _ in 0..<2 {
                for loop in loops.makeIterator() { try? await loop.submit {}.get() }
                try? await port.eventLoop.submit {}.get()
            }
            return waiting
        #else
            return 0
        #endif
    }

    /// So many connections at once, and at the last call all who stand there.
    struct Places: AvailableConnectionsDelegate {
        private let most: Int
        private let port: ClosingPort
        private var taken = 0
        init(_ most: Int, of port: ClosingPort) { (self.most, self.port) = (most, port) }

        mutating func connectionOpened() { taken += 1 }
        mutating func connectionClosed() { taken -= 1 }
        func isAcceptingNewConnections() -> Bool { taken < most || port.isLastCall.load(ordering: .relaxed) }
    }

    #if os(Linux)
        /// SO_ATTACH_FILTER.
        private static let attachFilter = NIOBSDSocket.Option(rawValue: 26)

        /// `struct sock_filter` and `struct sock_fprog` of linux/filter.h.
        private struct Step {
            let code: UInt16
            let ifTrue: UInt8
            let ifFalse: UInt8
            let operand: UInt32
        }
        // Its steps are written once, before it is seen by anyone, and neither changed nor freed: the kernel copies them.
        private struct Filter: @unchecked Sendable {
            let count: UInt16
            let steps: UnsafePointer<Step>

            init(_ steps: [Step]) {
                let kept = UnsafeMutablePointer<Step>.allocate(capacity: steps.count)
                kept.initialize(from: steps, count: steps.count)
                (count, self.steps) = (UInt16(steps.count), UnsafePointer(kept))
            }

            /// Drops a packet with SYN and without ACK, and lets every other one in. The first byte is the TCP header's.
            static let noNew = Filter([
                Step(code: 0x30, ifTrue: 0, ifFalse: 0, operand: 13),  // the byte of flags
                Step(code: 0x54, ifTrue: 0, ifFalse: 0, operand: 0x12),  // SYN and ACK of it
                Step(code: 0x15, ifTrue: 0, ifFalse: 1, operand: 0x02),  // SYN alone?
                Step(code: 0x06, ifTrue: 0, ifFalse: 0, operand: 0),
                Step(code: 0x06, ifTrue: 0, ifFalse: 0, operand: .max),
            ])
        }
    #endif
}
