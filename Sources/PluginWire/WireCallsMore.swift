import Foundation
import PluginKit

// For a provisioner and for a support desk.
extension ToChild {
    package static let workstationSteps = WireCall<WorkstationTask, [String]>(200)
    package static let carryOutStep = WireCall<WorkstationStep, StepOutcome>(201)
    package static let observeWorkstation = WireCall<WorkstationKey, ObservedWorkstation>(202)
    package static let listWorkstations = WireCall<String, [ObservedWorkstation]>(203)
    package static let provisionerFigures = WireCall<Nothing, ProvisionerFigures>(204)

    package static let openTicket = WireCall<TicketRequest, Ticket>(210)
    package static let commentTicket = WireCall<TicketComment, Ticket>(211)
    package static let closeTicket = WireCall<String, Ticket>(212)
    package static let readTicket = WireCall<String, Ticket>(213)
    package static let verifyTicketEvents = WireCall<WebhookDelivery, [TicketEvent]>(214)
}
