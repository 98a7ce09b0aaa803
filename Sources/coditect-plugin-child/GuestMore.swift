import Foundation
import PluginKit
import PluginWire

extension Guest {
    /// Every call of the kit's `Provisioner`; what it offers is told when it is made.
    func addProvisioner(_ desk: inout WireDesk) {
        desk.on(ToChild.workstationSteps) { [self] in try await provided(\.provisioner).steps(for: $0) }
        desk.on(ToChild.carryOutStep) { [self] in try await provided(\.provisioner).carryOut($0) }
        desk.on(ToChild.observeWorkstation) { [self] in try await provided(\.provisioner).observe($0) }
        desk.on(ToChild.listWorkstations) { [self] in try await provided(\.provisioner).list(tenant: $0) }
        desk.on(ToChild.provisionerFigures) { [self] _ in try await provided(\.provisioner).figures() }
    }
    /// Every call of the kit's `SupportDesk`.
    func addSupport(_ desk: inout WireDesk) {
        desk.on(ToChild.openTicket) { [self] in try await provided(\.supportDesk).open($0) }
        desk.on(ToChild.commentTicket) { [self] in try await provided(\.supportDesk).comment($0) }
        desk.on(ToChild.closeTicket) { [self] in try await provided(\.supportDesk).close($0) }
        desk.on(ToChild.readTicket) { [self] in try await provided(\.supportDesk).read($0) }
        desk.on(ToChild.verifyTicketEvents) { [self] in try await provided(\.supportDesk).verify($0) }
    }
}
