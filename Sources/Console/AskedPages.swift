import Billing
import HTTPEdge
import PluginKit
import Vocabulary

/// Pages that show what operations of the API answer, and ask for what their forms say.
extension Console {
    func ask(
        _ operation: String, _ call: Call, _ parameters: [String: String] = [:], query: [String: String] = [:], body: JSONValue = [:]
    ) async throws -> JSONValue { try await services.operations.answer(operation, call, parameters, query: query, body: body) }

    /// The same for a part of a page that not everybody may see, or that there is none of; nil then.
    func part(
        _ operation: String, _ call: Call, _ parameters: [String: String] = [:], query: [String: String] = [:]
    ) async throws -> JSONValue? {
        do { return try await ask(operation, call, parameters, query: query) } catch let problem as Problem
            where problem.status == 403 || problem.status == 404
        { return nil }
    }

    /// Whether the caller may ask all of these.
    func may(ask operations: String..., of call: Call) async throws -> Bool {
        for operation in operations where try await !services.operations.may(operation, call) { return false }
        return true
    }

    /// A form that is sent: asks for what it says, and goes on. Whoever acts in a member's place may send it as far as the operation lets.
    func asking(
        _ path: String, _ name: String, _ summary: String, _ operation: String, on next: @escaping @Sendable (Call) throws -> String,
        isSensitive: Bool = false, body: @escaping @Sendable (SentForm) throws -> JSONValue = { _ in [:] }
    ) -> Route {
        acting(path, name, summary, isSensitive: isSensitive) { call in
            _ = try await ask(operation, call, call.parameters, body: try body(SentForm(call)))
            return .redirect(to: try next(call))
        }
    }

    /// A page that acts, within what its operations let; a factor is proved again on the way where they ask for it.
    func acting(
        _ path: String, _ name: String, _ summary: String, isSensitive: Bool = false,
        handler: @escaping @Sendable (Call) async throws -> Reply
    ) -> Route {
        let back = Self.lists.last { path.hasPrefix($0) }
        return route(
            .post, path, name, summary, proof: RouteProof(isSensitive: isSensitive, isForDelegates: true, back: back), handler: handler)
    }

    /// Where one comes back to from what stands below.
    private static let lists = [
        "/staff", "/staff/users", "/staff/places", "/teams", "/projects", "/workstation", "/account/mails", "/leaving",
    ]

    /// The way on to the next page of a list.
    static func more(_ answer: JSONValue, _ path: String, keeping query: [String: String] = [:]) -> [(words: String, target: String)] {
        guard let cursor = answer["next_cursor"]?.string else { return [] }
        let fields = query.merging(["cursor": cursor]) { _, new in new }.sorted { $0.key < $1.key }
        return [("More", "\(path)?\(fields.map { "\($0.key)=\(encoded($0.value))" }.joined(separator: "&"))")]
    }
}

/// Answers as a person reads them.
extension JSONValue {
    func list(_ name: String) -> [JSONValue] { self[name]?.array ?? [] }
    /// Empty for what is not there.
    func text(_ name: String) -> String {
        switch self[name] {
        case .string(let text): text
        case .int(let number): String(number)
        case .bool(let holds): holds ? "yes" : "no"
        default: ""
        }
    }
    /// `in_grace` as it is said.
    func words(_ name: String) -> String { text(name).replacing("_", with: " ") }
    func moment(_ name: String, or none: String = "") -> String {
        self[name]?.string.map { Timestamp(iso8601: $0).map(Spans.minute) ?? $0 } ?? none
    }
    func bytes(_ name: String, or none: String = "without limit") -> String { self[name]?.int.map(Spans.bytes) ?? none }
    func money(_ name: String) -> String { self[name].flatMap(\.asMoney) ?? "" }
    /// `29.00 USD`
    var asMoney: String? {
        guard let minor = self["amount_minor"]?.int, let code = self["currency"]?.string, let currency = Currency(code) else {
            return nil
        }
        return Money(amountMinor: minor, currency: currency).display
    }
}

extension Spans {
    /// `5.0 MiB`
    static func bytes(_ count: Int64) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB"]
        guard count >= 1_024 else { return "\(count) bytes" }
        var (value, unit) = (Double(count) / 1_024, 0)
        while value >= 1_024, unit < units.count - 1 { (value, unit) = (value / 1_024, unit + 1) }
        return "\((value * 10).rounded(.down) / 10) \(units[unit])"
    }
}
