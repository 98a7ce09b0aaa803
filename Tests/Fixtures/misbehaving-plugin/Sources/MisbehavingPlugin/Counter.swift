// since 1.2
import Foundation
import PluginKit

/// A support desk whose tickets are entries in the plugin's space. `fault` names the promise that it breaks.
struct Counter: SupportDesk {
    let context: PluginContext
    let fault: String

    struct Note: Codable, Hashable {
        var key: String
        var text: String
    }
    struct Paper: Codable, Hashable {
        var request: TicketRequest
        var state: TicketState
        var comments: [Note]
        var version: Int64
    }

    func open(_ request: TicketRequest) async throws -> Ticket {
        if fault != "takes any request", let fault = request.fault { throw SupportDeskError.refused(fault) }
        let own = fault == "opens one more each time" ? "\(request.key)-\(UInt32.random(in: 0 ... .max))" : request.key
        let id = String(PluginDigest.hex(PluginDigest.sha256(Data(own.utf8))).prefix(16))
        var request = request
        if fault == "cuts texts" { request.text = String(request.text.prefix(20)) }
        if fault == "forgets who asks" { request.requester.name = "" }
        if fault == "leaves how urgent it is out" { request.priority = .normal }
        return try await changed(id) { $0 ?? Paper(request: request, state: .open, comments: [], version: 1) }
    }
    func comment(_ request: TicketComment) async throws -> Ticket {
        if fault != "takes any comment", let fault = request.fault { throw SupportDeskError.refused(fault) }
        return try await changed(request.ticket) { paper in
            guard var paper else { throw SupportDeskError.unknownTicket(request.ticket) }
            if fault != "repeats comments", paper.comments.contains(where: { $0.key == request.key }) { return paper }
            guard paper.state != .closed || fault == "takes comments on what is closed" else {
                throw SupportDeskError.closed(request.ticket)
            }
            paper.comments.append(Note(key: request.key, text: request.text))
            if fault != "keeps its version" { paper.version += 1 }
            return paper
        }
    }
    func close(_ ticket: String) async throws -> Ticket {
        if let fault = SupportDeskLimits.fault(inTicket: ticket) { throw SupportDeskError.refused(fault) }
        return try await changed(ticket) { paper in
            guard var paper else { throw SupportDeskError.unknownTicket(ticket) }
            if paper.state == .closed {
                if fault == "cannot close twice" { throw SupportDeskError.closed(ticket) }
                return paper
            }
            paper.state = .closed
            paper.version += 1
            return paper
        }
    }
    func read(_ ticket: String) async throws -> Ticket {
        if let fault = SupportDeskLimits.fault(inTicket: ticket) { throw SupportDeskError.refused(fault) }
        let data: Data?
        do { data = try await context.space.get(place(ticket)) } catch {
            if fault == "knows no ticket while it is away" { throw SupportDeskError.unknownTicket(ticket) }
            throw SupportDeskError.unavailable("the desk is away")
        }
        guard let data else { throw SupportDeskError.unknownTicket(ticket) }
        return shown(ticket, try JSONDecoder().decode(Paper.self, from: data))
    }

    func verify(_ delivery: WebhookDelivery) async throws -> [TicketEvent] {
        let signature = try WebhookSignature(
            secrets: context.secrets.list("MISBEHAVING_SECRET"), tolerance: fault == "believes what is old" ? .days(40) : .seconds(300))
        do {
            let header = delivery.headers["desk-signature"]
            if fault != "believes what is not signed" || header != nil, fault != "believes everybody" {
                try signature.verify(
                    header: header, body: fault == "believes another body" ? Data(delivery.body.prefix(20)) : delivery.body,
                    receivedAt: delivery.receivedAt)
            }
        } catch PaymentProviderError.stale(let text) {
            throw SupportDeskError.stale(text)
        } catch {
            throw SupportDeskError.forged("the signature does not fit")
        }
        guard let document = try? JSONValue.parse(delivery.body), let kind = document["type"]?.string else {
            if fault == "takes nonsense for silence" { return [] }
            throw SupportDeskError.malformed("no event")
        }
        guard kind == "ticket.changed" else {
            if fault == "stumbles over what is new" { throw SupportDeskError.malformed(kind) }
            return []
        }
        guard let event = document["id"]?.string, let id = document["ticket"]?.string,
            let state = document["state"]?.string.flatMap(TicketState.init),
            let version = document["version"]?.int
        else { throw SupportDeskError.malformed("half an event") }
        if fault == "remembers what it heard" {
            guard try await context.space.replace("heard/\(event)", expecting: nil, with: Data()) else { return [] }
        }
        let ticket = Ticket(
            id: id, key: document["key"]?.string, state: state, comments: document["comments"]?.int.map(Int.init) ?? 0,
            version: fault == "forgets the version" ? 0 : version)
        return [TicketEvent(id: event, ticket: ticket, answer: document["answer"]?.string)]
    }

    // MARK: - Papers

    private func place(_ id: String) -> String { "ticket/" + PluginDigest.hex(Array(id.utf8)) }
    private func changed(_ id: String, _ change: (Paper?) throws -> Paper) async throws -> Ticket {
        for _ in 0..<100 {
            let held: Data?
            do { held = try await context.space.get(place(id)) } catch { throw SupportDeskError.unavailable("the desk is away") }
            let paper = try held.map { try JSONDecoder().decode(Paper.self, from: $0) }
            let next = try change(paper)
            if next == paper { return shown(id, next) }
            do {
                let data = try JSONEncoder().encode(next)
                if try await context.space.replace(place(id), expecting: held, with: data) { return shown(id, next) }
            } catch is PluginSpaceFailure {
                throw fault == "calls a lost answer a refusal" ? SupportDeskError.refused("no answer") : .unknown("no answer")
            }
        }
        throw SupportDeskError.unavailable("everybody changes it at once")
    }
    private func shown(_ id: String, _ paper: Paper) -> Ticket {
        Ticket(
            id: id, key: paper.request.key, state: paper.state, comments: paper.comments.count, address: "https://desk.test/\(id)",
            version: paper.version)
    }
}
// end of 1.2
