import Foundation
import PluginKit

/// How what stands behind a support desk behaves.
public enum DeskSituation: String, Sendable, Hashable, CaseIterable {
    case works
    /// What changes something is carried out, and the answer never comes.
    case losesAnswers
    /// Nothing can be asked.
    case away
}

/// A ticket as it really lies at the desk.
public struct DeskTicket: Sendable, Hashable {
    public var key: String
    public var subject: String
    public var text: String
    public var requester: OutgoingMail.Party
    public var priority: TicketPriority
    public var comments: [String]
    public var state: TicketState
    public init(
        key: String, subject: String, text: String, requester: OutgoingMail.Party, priority: TicketPriority, comments: [String],
        state: TicketState
    ) {
        self.key = key
        self.subject = subject
        self.text = text
        self.requester = requester
        self.priority = priority
        self.comments = comments
        self.state = state
    }
}

/// A desk at work over a world of the tests' own.
public struct DeskStage: Sendable {
    public var desk: any SupportDesk
    /// The same world, in order again, under a new desk.
    public var again: @Sendable () async throws -> any SupportDesk
    public var tickets: @Sendable () async throws -> [DeskTicket]
    public init(
        desk: any SupportDesk, again: @escaping @Sendable () async throws -> any SupportDesk,
        tickets: @escaping @Sendable () async throws -> [DeskTicket]
    ) {
        self.desk = desk
        self.again = again
        self.tickets = tickets
    }
}

/// What the conformance kit must know of one desk.
public protocol SupportDeskSubject: Sendable {
    func stage(_ situation: DeskSituation) async throws -> DeskStage
    /// The body in which the desk would tell that event.
    func body(_ event: TicketEvent) throws -> Data
    /// A body of a kind that nobody knows yet.
    var unknownBody: Data { get }
    /// Signed as the desk signs; with a foreign secret, as somebody would who has none.
    func delivery(_ body: Data, at moment: Timestamp, isForeign: Bool) throws -> WebhookDelivery
    var now: Timestamp { get }
    /// What must never stand in an error.
    var secrets: [String] { get }
}

/// Tries a support desk the way networks and strangers do. Every desk passes it, shipped or not.
public struct SupportDeskConformance: Sendable {
    private let subject: any SupportDeskSubject
    public init(_ subject: any SupportDeskSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String])] = [
            ("a ticket arrives whole, with who asks and how urgent it is", opened),
            ("the same key is the same ticket, one after the other and all at once", repeated),
            ("a comment is added once for each key, and the version rises", commented),
            ("a closed ticket stays closed and takes no comment", closed),
            ("what is not there is an unknown ticket", unknown),
            ("texts arrive as they were written, whatever they look like", hostile),
            ("what cannot be meant is refused and makes nothing", refused),
            ("an answer that is lost leaves it unknown, and the same key again is one ticket", lostAnswers),
            ("a desk that is away is unavailable, and nothing is lost", away),
            ("what a desk signed is read, and read again the same", verified),
            ("what it did not sign, or signed otherwise, is forged", forged),
            ("what was signed too long ago, or for a time to come, is stale", stale),
            ("what is signed and makes no sense is malformed; what is new says nothing", malformed),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check())) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: - What all use

    private static func request(
        _ key: String = "k1", _ subject: String = "It does not start", _ text: String = "Since this morning.\nPlease help."
    ) -> TicketRequest {
        TicketRequest(
            key: key, tenant: "t1", subject: subject, text: text, requester: OutgoingMail.Party("mary@example.com", name: "Mary Ann"),
            priority: .high)
    }
    private func thrown(_ work: () async throws -> Void) async -> (any Error)? {
        do { try await work() } catch { return error }
        return nil
    }
    private func fault(_ what: String, _ error: (any Error)?, unless isRight: (SupportDeskError) -> Bool) -> [String] {
        guard let error else { return ["\(what) was carried out."] }
        guard let known = error as? SupportDeskError, isRight(known) else { return ["\(what) threw \(error)."] }
        let told = (subject.secrets + ["mary@example.com"]).contains { "\(known)".contains($0) }
        return told ? ["\(what): it told a secret or an address."] : []
    }
    private static func isRefused(_ error: SupportDeskError) -> Bool { if case .refused = error { true } else { false } }
    private static func isForged(_ error: SupportDeskError) -> Bool { if case .forged = error { true } else { false } }
    private static func isUnavailable(_ error: SupportDeskError) -> Bool { if case .unavailable = error { true } else { false } }

    // MARK: - Tickets

    private func opened() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let request = Self.request()
        let ticket = try await stage.desk.open(request)
        var faults: [String] = []
        if ticket.key != request.key || ticket.state != .open || ticket.comments != 0 { faults.append("It is answered as \(ticket).") }
        let there = try await stage.tickets()
        let wanted = DeskTicket(
            key: request.key, subject: request.subject, text: request.text, requester: request.requester, priority: .high, comments: [],
            state: .open)
        if there != [wanted] { faults.append("What lies there is \(there).") }
        for desk in [stage.desk, try await stage.again()] where try await desk.read(ticket.id) != ticket {
            faults.append("It is read as another.")
        }
        return faults
    }

    private func repeated() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let first = try await stage.desk.open(Self.request())
        let second = try await stage.again().open(Self.request("k1", "Another subject", "Another text"))
        var faults = first.id == second.id ? [] : ["The same key is \(first.id) and \(second.id)."]
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { try await stage.desk.open(Self.request("k2")).id } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        if ids.count != 1 { faults.append("One key all at once is \(ids.count) tickets.") }
        let there = try await stage.tickets()
        if there.map(\.key).sorted() != ["k1", "k2"] { faults.append("There are \(there.map(\.key)).") }
        if there.first(where: { $0.key == "k1" })?.text != Self.request().text { faults.append("A repetition changed the text.") }
        return faults
    }

    private func commented() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let ticket = try await stage.desk.open(Self.request())
        var faults: [String] = []
        var last = ticket.version
        for (key, text, count) in [("c1", "One.", 1), ("c2", "Two.", 2), ("c1", "One again.", 2), ("c2", "Two.", 2), ("c3", "One.", 3)] {
            let now = try await stage.desk.comment(TicketComment(key: key, ticket: ticket.id, text: text))
            if now.comments != count || now.id != ticket.id { faults.append("After \(key) it has \(now.comments) comments.") }
            if now.version < last { faults.append("Its version falls.") }
            if count == last - ticket.version + 1, now.version == last { faults.append("Its version does not rise with a comment.") }
            last = now.version
        }
        if last == ticket.version { faults.append("Its version never rises.") }
        let there = try await stage.tickets().first?.comments ?? []
        return faults + (there == ["One.", "Two.", "One."] ? [] : ["The comments are \(there)."])
    }

    private func closed() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let ticket = try await stage.desk.open(Self.request())
        _ = try await stage.desk.comment(TicketComment(key: "c1", ticket: ticket.id, text: "Before."))
        let closed = try await stage.desk.close(ticket.id)
        var faults = closed.state == .closed && closed.version > ticket.version ? [] : ["It is answered as \(closed)."]
        if try await stage.again().close(ticket.id) != closed { faults.append("Closed again it is another.") }
        if try await stage.desk.read(ticket.id) != closed { faults.append("It is read otherwise.") }
        let comment = TicketComment(key: "c2", ticket: ticket.id, text: "After.")
        faults += fault("A comment on a closed ticket", await thrown { _ = try await stage.desk.comment(comment) }) {
            if case .closed = $0 { true } else { false }
        }
        let there = try await stage.tickets()
        return faults + (there.first?.comments == ["Before."] && there.first?.state == .closed ? [] : ["What lies there is \(there)."])
    }

    private func unknown() async throws -> [String] {
        let stage = try await subject.stage(.works)
        var faults: [String] = []
        let isRight = { (error: SupportDeskError) in if case .unknownTicket = error { true } else { false } }
        for id in ["nothing", "k1", "0", "a/../b"] {
            faults += fault("Reading \(id)", await thrown { _ = try await stage.desk.read(id) }, unless: isRight)
            faults += fault("Closing \(id)", await thrown { _ = try await stage.desk.close(id) }, unless: isRight)
            let comment = TicketComment(key: "c", ticket: id, text: "x")
            faults += fault("A comment on \(id)", await thrown { _ = try await stage.desk.comment(comment) }, unless: isRight)
        }
        return faults + (try await stage.tickets().isEmpty ? [] : ["Something was made."])
    }

    private func hostile() async throws -> [String] {
        let texts = [
            "<script>alert(1)</script>", "line\r\nBcc: eve@example.com\r\n\r\n.\r\nQUIT", "{{7*7}} ${x} %s %n", "'; DROP TABLE ticket; --",
            "👩‍🚀 Größe \u{202e}",
            "\\u0000 \"quoted\" \\", String(repeating: "long ", count: 6_000),
        ]
        let stage = try await subject.stage(.works)
        for (number, text) in texts.enumerated() {
            let ticket = try await stage.desk.open(Self.request("k\(number)", String(text.prefix(30).filter { !$0.isNewline }), text))
            _ = try await stage.desk.comment(TicketComment(key: "c", ticket: ticket.id, text: text))
        }
        let there = try await stage.tickets().sorted { $0.key < $1.key }
        let isWhole =
            there.map(\.text) == texts && there.map(\.comments) == texts.map { [$0] }
            && there.map(\.subject) == texts.map { String($0.prefix(30).filter { !$0.isNewline }) }
        return isWhole ? [] : ["Not every text arrived as it was."]
    }

    private func refused() async throws -> [String] {
        let stage = try await subject.stage(.works)
        var faults: [String] = []
        let bad: [(String, (inout TicketRequest) -> Void)] = [
            ("no key", { $0.key = "" }), ("a key that is a path", { $0.key = "../x" }),
            ("a long key", { $0.key = String(repeating: "k", count: 101) }),
            ("no tenant", { $0.tenant = "" }), ("no subject", { $0.subject = "" }),
            ("a subject of two lines", { $0.subject = "a\r\nBcc: eve@example.com" }),
            ("a long subject", { $0.subject = String(repeating: "s", count: 201) }), ("no text", { $0.text = "" }),
            ("a long text", { $0.text = String(repeating: "t", count: 65_537) }), ("NUL", { $0.text = "a\0b" }),
            ("no address", { $0.requester.address = "mary" }),
            ("two addresses", { $0.requester.address = "mary@example.com,eve@example.com" }),
            ("an address that ends a header", { $0.requester.address = "mary@example.com\r\nBcc: eve" }),
            ("a name of two lines", { $0.requester.name = "Mary\nEve" }),
        ]
        for (what, change) in bad {
            var request = Self.request()
            change(&request)
            let changed = request
            faults += fault("A ticket with \(what)", await thrown { _ = try await stage.desk.open(changed) }, unless: Self.isRefused)
        }
        if !(try await stage.tickets().isEmpty) { faults.append("Something was made.") }
        let ticket = try await stage.desk.open(Self.request())
        for (key, text) in [("", "x"), ("a/b", "x"), ("c", ""), ("c", String(repeating: "t", count: 65_537)), ("c", "a\0")] {
            let comment = TicketComment(key: key, ticket: ticket.id, text: text)
            faults += fault(
                "A comment that cannot be meant", await thrown { _ = try await stage.desk.comment(comment) }, unless: Self.isRefused)
        }
        for id in ["", "a b", String(repeating: "x", count: 101)] {
            faults += fault(
                "Reading \(id.prefix(9).debugDescription)", await thrown { _ = try await stage.desk.read(id) }, unless: Self.isRefused)
        }
        return faults + (try await stage.tickets().first?.comments == [] ? [] : ["A comment was made."])
    }

    private func lostAnswers() async throws -> [String] {
        let stage = try await subject.stage(.losesAnswers)
        let faults = fault("A ticket whose answer was lost", await thrown { _ = try await stage.desk.open(Self.request()) }) {
            if case .unknown = $0 { true } else { false }
        }
        let desk = try await stage.again()
        let ticket = try await desk.open(Self.request())
        let there = try await stage.tickets()
        return faults + (there.count == 1 && ticket.key == "k1" ? [] : ["Asked again, there are \(there.count) tickets."])
    }

    private func away() async throws -> [String] {
        let stage = try await subject.stage(.away)
        var faults = fault("Opening", await thrown { _ = try await stage.desk.open(Self.request()) }, unless: Self.isUnavailable)
        faults += fault("Reading", await thrown { _ = try await stage.desk.read("abc") }, unless: Self.isUnavailable)
        let comment = TicketComment(key: "c", ticket: "abc", text: "x")
        faults += fault("A comment", await thrown { _ = try await stage.desk.comment(comment) }, unless: Self.isUnavailable)
        _ = try await stage.again()
        return faults + (try await stage.tickets().isEmpty ? [] : ["Something was made."])
    }

    // MARK: - Webhooks

    private static let events = [
        TicketEvent(
            id: "e1", ticket: Ticket(id: "abc", key: "k1", state: .pending, comments: 2, version: 7),
            answer: "Have you tried <b>this</b>?\nÜber"),
        TicketEvent(id: "e2", ticket: Ticket(id: "abc", key: "k1", state: .closed, comments: 2, version: 8)),
        TicketEvent(id: "e3", ticket: Ticket(id: "other", key: nil, state: .open, comments: 0, version: 1)),
    ]

    private func verified() async throws -> [String] {
        let stage = try await subject.stage(.works)
        var faults: [String] = []
        for event in Self.events + Self.events.reversed() {
            for moment in [subject.now, subject.now - .seconds(299), subject.now + .seconds(299)] {
                let delivery = try subject.delivery(try subject.body(event), at: moment, isForeign: false)
                for _ in 1...2 {
                    let said = try await stage.desk.verify(delivery)
                    if said != [event] { faults.append("\(event.id) is read as \(said).") }
                }
            }
        }
        return faults
    }

    private func forged() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let body = try subject.body(Self.events[0])
        let good = try subject.delivery(body, at: subject.now, isForeign: false)
        var faults: [String] = []
        func tries(_ what: String, _ delivery: WebhookDelivery) async {
            faults += fault(what, await thrown { _ = try await stage.desk.verify(delivery) }, unless: Self.isForged)
        }
        await tries("A delivery without headers", WebhookDelivery(headers: [:], body: body, receivedAt: subject.now))
        await tries("A foreign secret's", try subject.delivery(body, at: subject.now, isForeign: true))
        await tries("Another body", WebhookDelivery(headers: good.headers, body: try subject.body(Self.events[1]), receivedAt: subject.now))
        await tries("A body with a space more", WebhookDelivery(headers: good.headers, body: body + [32], receivedAt: subject.now))
        await tries("An empty body", WebhookDelivery(headers: good.headers, body: Data(), receivedAt: subject.now))
        for name in good.headers.keys {
            for value in ["", "x", String(repeating: "0", count: 10_000)] {
                await tries(
                    "\(name) changed",
                    WebhookDelivery(headers: good.headers.merging([name: value]) { $1 }, body: body, receivedAt: subject.now))
            }
        }
        return faults
    }

    private func stale() async throws -> [String] {
        let stage = try await subject.stage(.works)
        var faults: [String] = []
        for span in [Duration.seconds(301), .hours(1), .days(30), .seconds(-301), .days(-1)] {
            var delivery = try subject.delivery(try subject.body(Self.events[0]), at: subject.now - span, isForeign: false)
            delivery.receivedAt = subject.now
            let old = delivery
            faults += fault("Signed \(span) ago", await thrown { _ = try await stage.desk.verify(old) }) {
                if case .stale = $0 { true } else { false }
            }
        }
        return faults
    }

    private func malformed() async throws -> [String] {
        let stage = try await subject.stage(.works)
        var faults: [String] = []
        let half = try subject.body(Self.events[0])
        for body in [
            Data(), Data("{}".utf8), Data("[]".utf8), Data("no".utf8), half.prefix(half.count / 2), Data(repeating: 91, count: 100_000),
        ] {
            let delivery = try subject.delivery(Data(body), at: subject.now, isForeign: false)
            faults += fault("\(body.count) bytes that say nothing", await thrown { _ = try await stage.desk.verify(delivery) }) {
                if case .malformed = $0 { true } else { false }
            }
        }
        let new = try subject.delivery(subject.unknownBody, at: subject.now, isForeign: false)
        if try await !stage.desk.verify(new).isEmpty { faults.append("What nobody knows yet says something.") }
        return faults
    }
}
