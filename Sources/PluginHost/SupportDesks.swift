import Foundation
import PluginKit

/// A support desk as the house sees it: what it is asked and what it answers is checked, calls are bounded and counted for draining, and an
/// error that is none of the kit's leaves a change unknown: asked again under the same key, it is done once.
struct GuardedSupportDesk: SupportDesk {
    let plugin: String
    let desk: any SupportDesk
    let gate: WorkGate
    let secrets: PluginSecrets
    let services: any PluginHostServices

    func open(_ request: TicketRequest) async throws -> Ticket {
        try refuse(request.fault)
        return try await entered(changes: true) { [self] in
            let ticket = try checked(try await desk.open(request))
            guard ticket.key == request.key else { throw SupportDeskError.unknown("it answered another ticket") }
            return ticket
        }
    }
    func comment(_ request: TicketComment) async throws -> Ticket {
        try refuse(request.fault)
        return try await entered(changes: true) { [self] in try same(try await desk.comment(request), request.ticket) }
    }
    func close(_ ticket: String) async throws -> Ticket {
        try refuse(SupportDeskLimits.fault(inTicket: ticket))
        return try await entered(changes: true) { [self] in
            let closed = try same(try await desk.close(ticket), ticket)
            guard closed.state == .closed else { throw SupportDeskError.unknown("it answered that the ticket is \(closed.state.rawValue)") }
            return closed
        }
    }
    func read(_ ticket: String) async throws -> Ticket {
        try refuse(SupportDeskLimits.fault(inTicket: ticket))
        return try await entered(changes: false) { [self] in try same(try await desk.read(ticket), ticket) }
    }
    func verify(_ delivery: WebhookDelivery) async throws -> [TicketEvent] {
        try await entered(changes: false) { [self] in
            let events = try await desk.verify(delivery)
            guard events.count <= SupportDeskLimits.maxEvents else { throw SupportDeskError.malformed("more events than one delivery has") }
            return try events.map { event in
                guard SupportDeskLimits.fault(inTicket: event.id) == nil, event.answer?.utf8.count ?? 0 <= SupportDeskLimits.maxTextBytes
                else {
                    throw SupportDeskError.malformed("an event without a usable id, or with too long an answer")
                }
                var event = event
                event.ticket = try checked(event.ticket)
                return event
            }
        }
    }

    private func refuse(_ fault: String?) throws { if let fault { throw SupportDeskError.refused(fault) } }
    private func same(_ ticket: Ticket, _ id: String) throws -> Ticket {
        guard ticket.id == id else { throw SupportDeskError.unknown("it answered another ticket") }
        return try checked(ticket)
    }
    private func checked(_ ticket: Ticket) throws -> Ticket {
        guard SupportDeskLimits.fault(inTicket: ticket.id) == nil, ticket.key.flatMap({ SupportDeskLimits.fault(inKey: $0) }) == nil,
            ticket.comments >= 0,
            ticket.address.map({ $0.utf8.count <= 2_000 && WebOrigin($0, allowingQuery: true) != nil }) ?? true
        else { throw SupportDeskError.unknown("it answered a ticket that cannot be") }
        return ticket
    }

    private func entered<Value: Sendable>(changes: Bool, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        do {
            return try await bounded(.seconds(Int64(SupportDeskLimits.answerSeconds + 1)), HostClock(services: services), work)
        } catch let error as CancellationError {
            throw error
        } catch let error as SupportDeskError {
            throw cleaned(error)
        } catch {
            let what = error is TooSlow ? "\(plugin) did not answer in time" : text("\(plugin) failed: \(error)")
            throw changes ? SupportDeskError.unknown(what) : .unavailable(what)
        }
    }
    private func cleaned(_ error: SupportDeskError) -> SupportDeskError {
        switch error {
        case .unknownTicket(let what): .unknownTicket(text(what))
        case .closed(let what): .closed(text(what))
        case .unavailable(let what): .unavailable(text(what))
        case .unknown(let what): .unknown(text(what))
        case .refused(let what): .refused(text(what))
        case .forged(let what): .forged(text(what))
        case .stale(let what): .stale(text(what))
        case .malformed(let what): .malformed(text(what))
        @unknown default: .unknown(text("\(error)"))
        }
    }
    private func text(_ text: String) -> String { String(secrets.redacted(text).prefix(500)) }
}

/// A support desk by name. There is one at a time, whatever tenant asks: a new version takes over when it is promoted.
struct RoutedSupportDesk: SupportDesk {
    let host: PluginHost
    let plugin: String

    func open(_ request: TicketRequest) async throws -> Ticket { try await call { try await $0.open(request) } }
    func comment(_ request: TicketComment) async throws -> Ticket { try await call { try await $0.comment(request) } }
    func close(_ ticket: String) async throws -> Ticket { try await call { try await $0.close(ticket) } }
    func read(_ ticket: String) async throws -> Ticket { try await call { try await $0.read(ticket) } }
    func verify(_ delivery: WebhookDelivery) async throws -> [TicketEvent] { try await call { try await $0.verify(delivery) } }

    private func call<Value>(_ work: (any SupportDesk) async throws -> Value) async throws -> Value {
        // Versions follow each other slower than this; the bound is for a host that stops.
        for _ in 0..<16 {
            guard let desk = host.versions(plugin).current?.supportDesk else { break }
            do { return try await work(desk) } catch is GateClosed { continue }
        }
        throw SupportDeskError.unavailable("\(plugin) is not at work")
    }
}
