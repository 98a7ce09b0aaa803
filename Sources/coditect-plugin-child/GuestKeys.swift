import PluginKit
import PluginWire

extension Guest {
    /// Every call of the kit's `KeyService`.
    func addKeys(_ desk: inout WireDesk) {
        desk.on(ToChild.makeKey) { [self] in try await provided(\.keyService).makeKey($0) }
        desk.on(ToChild.readKey) { [self] in try await provided(\.keyService).readKey($0) }
        desk.on(ToChild.listKeys) { [self] in try await provided(\.keyService).listKeys(prefix: $0.prefix, after: $0.after) }
        desk.on(ToChild.signWithKey) { [self] in try await provided(\.keyService).sign($0) }
        desk.on(ToChild.probeKeys) { [self] _ in
            try await provided(\.keyService).probe()
            return Nothing()
        }
        desk.on(ToChild.makeWrappingKey) { [self] in
            try await provided(\.keyService).makeWrappingKey($0)
            return Nothing()
        }
        desk.on(ToChild.wrapSecret) { [self] in try await provided(\.keyService).wrap($0) }
        desk.on(ToChild.unwrapSecret) { [self] in try await provided(\.keyService).unwrap($0) }
    }
}
