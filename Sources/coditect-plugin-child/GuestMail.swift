import Foundation
import PluginKit
import PluginWire

extension Guest {
    /// Every call of the kit's `NotificationChannel`.
    func addMail(_ desk: inout WireDesk) {
        desk.on(ToChild.sendMail) { [self] in try await provided(\.notificationChannel).send($0) }
        desk.on(ToChild.readReports) { [self] in try await provided(\.notificationChannel).reports($0) }
    }
}

struct HostStreams: OutboundStreams {
    let wire: Wire
    func connect(_ target: StreamTarget) async throws -> any OutboundStream {
        HostStream(wire: wire, number: try await wire.call(ToHost.streamConnect, target))
    }
}

/// A connection that the server holds.
final class HostStream: OutboundStream {
    private let wire: Wire
    private let number: UInt64
    init(wire: Wire, number: UInt64) {
        self.wire = wire
        self.number = number
    }
    deinit { wire.note(ToHost.streamClose, number) }

    func read(max: Int) async throws -> Data { try await wire.call(ToHost.streamRead, ToHost.Reading(stream: number, max: max)) }
    func write(_ data: Data) async throws { _ = try await wire.call(ToHost.streamWrite, ToHost.Writing(stream: number, data: data)) }
    func startTLS() async throws { _ = try await wire.call(ToHost.streamTLS, number) }
    func close() async { wire.note(ToHost.streamClose, number) }
}
