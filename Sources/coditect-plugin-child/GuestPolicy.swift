import PluginKit
import PluginWire

extension Guest {
    /// Every call of the kit's `PolicyModule`.
    func addPolicy(_ desk: inout WireDesk) {
        desk.on(ToChild.answer) { [self] in try provided(\.policyModule).answer($0) }
    }
}
