import Foundation
import PluginKit
import PluginWire

/// What dies in the middle of a step leaves it unknown, as `GuardedProvisioner` says of any error that is none of the kit's.
struct ConfinedProvisioner: Provisioner {
    let plugin: ConfinedPlugin
    let offer: WorkstationOffer
    func steps(for task: WorkstationTask) async throws -> [String] { try await plugin.call(ToChild.workstationSteps, task) }
    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome { try await plugin.call(ToChild.carryOutStep, step) }
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation { try await plugin.call(ToChild.observeWorkstation, key) }
    func list(tenant: String) async throws -> [ObservedWorkstation] { try await plugin.call(ToChild.listWorkstations, tenant) }
    func figures() async throws -> ProvisionerFigures { try await plugin.call(ToChild.provisionerFigures, Nothing()) }
}

struct ConfinedSupport: SupportDesk {
    let plugin: ConfinedPlugin
    func open(_ request: TicketRequest) async throws -> Ticket { try await plugin.call(ToChild.openTicket, request) }
    func comment(_ request: TicketComment) async throws -> Ticket { try await plugin.call(ToChild.commentTicket, request) }
    func close(_ ticket: String) async throws -> Ticket { try await plugin.call(ToChild.closeTicket, ticket) }
    func read(_ ticket: String) async throws -> Ticket { try await plugin.call(ToChild.readTicket, ticket) }
    func verify(_ delivery: WebhookDelivery) async throws -> [TicketEvent] { try await plugin.call(ToChild.verifyTicketEvents, delivery) }
}
