import PluginKit
import PluginWire

extension Guest {
    /// The call of the kit's `ComplianceFramework`; what it says of itself is told when it is made.
    func addCompliance(_ desk: inout WireDesk) {
        desk.on(ToChild.evaluate) { [self] in try provided(\.complianceFramework).evaluate($0) }
    }
}
