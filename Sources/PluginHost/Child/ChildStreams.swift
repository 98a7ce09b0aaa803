import Foundation
import PluginKit
import PluginWire
import Synchronization

/// The connections that the server holds for one child; they end with it.
final class ChildStreams: Sendable {
    private struct State {
        var last: UInt64 = 0
        var open: [UInt64: any OutboundStream] = [:]
    }
    private let state = Mutex(State())
    private let streams: any OutboundStreams
    init(_ streams: any OutboundStreams) { self.streams = streams }

    func add(to desk: inout WireDesk) {
        desk.on(ToHost.streamConnect) { [self] target in
            let stream = try await streams.connect(target)
            return state.withLock { state in
                state.last += 1
                state.open[state.last] = stream
                return state.last
            }
        }
        desk.on(ToHost.streamRead) { [self] in try await stream($0.stream).read(max: $0.max) }
        desk.on(ToHost.streamWrite) { [self] in
            try await stream($0.stream).write($0.data)
            return Nothing()
        }
        desk.on(ToHost.streamTLS) { [self] in
            try await stream($0).startTLS()
            return Nothing()
        }
        desk.on(ToHost.streamClose) { [self] number in
            guard let stream = state.withLock({ $0.open.removeValue(forKey: number) }) else { return }
            Task { await stream.close() }
        }
    }

    private func stream(_ number: UInt64) throws -> any OutboundStream {
        guard let stream = state.withLock({ $0.open[number] }) else { throw OutboundFailure.unsent("the connection is closed") }
        return stream
    }
}
