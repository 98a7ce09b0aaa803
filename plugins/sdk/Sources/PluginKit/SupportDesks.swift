// since 1.2
import Foundation

/// For the kind `support_desk`: where people's questions are answered. The server opens tickets and hears by webhook what became of them.
///
/// Everything but `verify` throws `SupportDeskError`; every call answers within `SupportDeskLimits.answerSeconds`.
public protocol SupportDesk: Sendable {
    /// Opens a ticket. The same key again is the same ticket, with whatever text: a call whose answer was lost is repeated.
    func open(_ request: TicketRequest) async throws -> Ticket
    /// Adds a comment; the same key again adds nothing. A closed ticket takes none: `closed`.
    func comment(_ request: TicketComment) async throws -> Ticket
    /// Closes it; no error where it is closed already.
    func close(_ ticket: String) async throws -> Ticket
    /// The ticket as the desk shows it now; throws `unknownTicket`.
    func read(_ ticket: String) async throws -> Ticket
    /// Whether a delivery is the desk's own, and what it says. No I/O, no memory: the same delivery gives the same answer.
    /// Throws `SupportDeskError.forged`, `.stale` or `.malformed`.
    func verify(_ delivery: WebhookDelivery) async throws -> [TicketEvent]
}

public struct TicketRequest: Sendable, Hashable, Codable {
    /// 1 … 100 letters, digits and `. _ -`: the server's own name for this ticket, by which a repetition is known.
    public var key: String
    public var tenant: String
    /// 1 … 200 bytes, one line.
    public var subject: String
    /// Plain text of a person's; 1 … 65,536 bytes. Whoever shows it must make it harmless for its place.
    public var text: String
    /// Whom the desk answers.
    public var requester: OutgoingMail.Party
    public var priority: TicketPriority
    public init(
        key: String, tenant: String, subject: String, text: String, requester: OutgoingMail.Party, priority: TicketPriority = .normal
    ) {
        self.key = key
        self.tenant = tenant
        self.subject = subject
        self.text = text
        self.requester = requester
        self.priority = priority
    }

    /// Nil if the request is fine, else what is wrong with it.
    public var fault: String? {
        if let fault = SupportDeskLimits.fault(inKey: key) { return fault }
        if let fault = FileKey(tenant: tenant, path: "x").fault { return fault }
        guard SupportDeskLimits.isLine(subject, max: 200) else { return "a subject is one line of 1 to 200 bytes" }
        guard SupportDeskLimits.isText(text) else { return "a text has 1 to \(SupportDeskLimits.maxTextBytes) bytes" }
        guard SupportDeskLimits.isLine(requester.address, max: 254), requester.address.utf8.filter({ $0 == 64 }).count == 1,
            requester.address.utf8.allSatisfy({ $0 > 32 && ![44, 59, 60, 62].contains($0) }),
            requester.name.isEmpty || SupportDeskLimits.isLine(requester.name, max: 200)
        else { return "the requester has no address, or a name of more than one line" }
        return nil
    }
}

public enum TicketPriority: String, Sendable, Hashable, Codable, CaseIterable { case low, normal, high, urgent }

public struct TicketComment: Sendable, Hashable, Codable {
    /// As in `TicketRequest`.
    public var key: String
    /// The desk's own id.
    public var ticket: String
    public var text: String
    public init(key: String, ticket: String, text: String) {
        self.key = key
        self.ticket = ticket
        self.text = text
    }
    /// Nil if the comment is fine, else what is wrong with it.
    public var fault: String? {
        if let fault = SupportDeskLimits.fault(inKey: key) { return fault }
        if let fault = SupportDeskLimits.fault(inTicket: ticket) { return fault }
        return SupportDeskLimits.isText(text) ? nil : "a text has 1 to \(SupportDeskLimits.maxTextBytes) bytes"
    }
}

public enum TicketState: String, Sendable, Hashable, Codable, CaseIterable {
    /// Somebody of the desk's is to answer.
    case open
    /// The requester is to answer.
    case pending
    case closed
}

public struct Ticket: Sendable, Hashable, Codable {
    /// The desk's own id: 1 … 100 printable signs, no space.
    public var id: String
    /// The key under which the server opened it; nil where somebody else did.
    public var key: String?
    public var state: TicketState
    public var comments: Int
    /// Where staff sees it; nil where there is no such place.
    public var address: String?
    /// Rises with each change, so that an older event never overwrites newer state.
    public var version: Int64
    public init(id: String, key: String?, state: TicketState, comments: Int, address: String? = nil, version: Int64) {
        self.id = id
        self.key = key
        self.state = state
        self.comments = comments
        self.address = address
        self.version = version
    }
}

/// What a desk told by webhook: the ticket as it was then.
public struct TicketEvent: Sendable, Hashable, Codable {
    /// The desk's own; the same event comes more than once under one id.
    public var id: String
    public var ticket: Ticket
    /// What somebody of the desk's wrote, for the requester; nil where it is no answer.
    public var answer: String?
    public init(id: String, ticket: Ticket, answer: String? = nil) {
        self.id = id
        self.ticket = ticket
        self.answer = answer
    }
}

public enum SupportDeskLimits {
    public static let answerSeconds = 30
    public static let maxTextBytes = 65_536
    public static let maxEvents = 100

    public static func fault(inKey key: String) -> String? {
        FileKey.isSegment(key) ? nil : "a ticket's key has 1 to 100 letters, digits and . _ -, and begins with no dot"
    }
    public static func fault(inTicket id: String) -> String? {
        (1...100).contains(id.utf8.count) && id.utf8.allSatisfy { (33...126).contains($0) }
            ? nil : "a ticket's id has 1 to 100 printable signs"
    }
    static func isLine(_ text: String, max: Int) -> Bool {
        (1...max).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { $0.value >= 32 && !(127...159).contains($0.value) && ![0x2028, 0x2029].contains($0.value) }
    }
    static func isText(_ text: String) -> Bool { (1...maxTextBytes).contains(text.utf8.count) && !text.utf8.contains(0) }
}

/// Why a desk did not do what it was asked. Texts are for logs: no secret, no address of a person.
public enum SupportDeskError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    case unknownTicket(String)
    case closed(String)
    /// Not done; asking again may help.
    case unavailable(String)
    /// The answer did not come when it may have been carried out: asked again under the same key.
    case unknown(String)
    case refused(String)
    /// A delivery that the desk did not sign.
    case forged(String)
    /// One that was signed too long ago, or for a time to come.
    case stale(String)
    case malformed(String)

    public var description: String {
        switch self {
        case .unknownTicket(let id): "there is no ticket \(id)"
        case .closed(let id): "the ticket \(id) is closed"
        case .unavailable(let what): "unavailable: \(what)"
        case .unknown(let what): "unknown: \(what)"
        case .refused(let what): "refused: \(what)"
        case .forged(let what): "forged: \(what)"
        case .stale(let what): "stale: \(what)"
        case .malformed(let what): "malformed: \(what)"
        }
    }
}

extension PluginKind {
    public static let supportDesk = PluginKind(rawValue: "support_desk")
}
// end of 1.2
