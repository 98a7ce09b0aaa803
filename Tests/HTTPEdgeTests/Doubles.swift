import Foundation
import KeyValue
import Synchronization
import Vocabulary

@testable import HTTPEdge

let moment = Timestamp(seconds: 1_800_000_000)

final class HandClock: Vocabulary.Clock {
    private let state = Mutex((moment, 0))
    var readings: Int { state.withLock { $0.1 } }
    func now() -> Timestamp {
        state.withLock { state in
            state.1 += 1
            return state.0
        }
    }
    func monotonic() -> Duration { .zero }
    func advance(by span: Duration) { state.withLock { $0.0 = $0.0 + span } }
}

/// Counts up: repeatable, never twice the same.
final class CountingEntropy: Entropy {
    private let next = Mutex<UInt64>(0)
    func bytes(_ count: Int) -> [UInt8] {
        next.withLock { next in
            (0..<count).map { _ in
                next += 1
                return UInt8(truncatingIfNeeded: next &* 2_654_435_761 >> 16)
            }
        }
    }
}

enum People {
    static let alice = principal("1", role: "owner")
    static let bob = principal("2", role: "viewer")
    static let admin = principal("3", role: "platform_admin")
    static func principal(_ digit: Character, role: String) -> Principal {
        let id = "00000000-0000-7000-8000-00000000000\(digit)"
        guard let user = UserID(id), let tenant = TenantID(id), let membership = MembershipID(id), let session = AuthSessionID(id) else {
            preconditionFailure("a test's id is no UUID")
        }
        return Principal(user: user, tenant: tenant, membership: membership, session: session, role: role)
    }
}

/// `alice-token`, `alice-cookie` and so on prove their people; `broken` makes the lookup fail.
struct ScriptedAuthenticator: Authenticator {
    struct Down: Error {}
    private func caller(_ text: String, _ suffix: String) throws -> AuthenticatedCaller? {
        let people = ["alice\(suffix)": People.alice, "bob\(suffix)": People.bob, "admin\(suffix)": People.admin]
        if text == "broken" { throw Down() }
        return people[text].map { AuthenticatedCaller(principal: $0, tokenID: "jti-\(text)") }
    }
    func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller? { try caller(token, "-token") }
    func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller? { try caller(cookie, "-cookie") }
}

struct OwnersOnly: Authorizer {
    func require(_ permission: Permission, of principal: Principal, act: Act) async throws {
        guard principal.role == "owner" else { throw CommonProblems.forbidden }
    }
}

final class Recorder: EdgeObserver {
    private let state = Mutex<(answered: [AnsweredRequest], faults: [String])>(([], []))
    func answered(_ request: AnsweredRequest) { state.withLock { $0.answered.append(request) } }
    func faulted(_ error: any Error, requestID: String, route: String?) { state.withLock { $0.faults.append("\(requestID) \(error)") } }
    var answered: [AnsweredRequest] { state.withLock { $0.answered } }
    var faults: [String] { state.withLock { $0.faults } }
}

/// A house with one route of each kind, and what its handlers saw.
struct House {
    let edge: Edge
    let clock = HandClock()
    let recorder = Recorder()
    let calls = Seen()

    final class Seen: Sendable {
        private let all = Mutex<[Call]>([])
        func add(_ call: Call) { all.withLock { $0.append(call) } }
        var last: Call? { all.withLock { $0.last } }
        var count: Int { all.withLock { $0.count } }
    }

    static let note = Schema.object([
        SchemaField("text", .string(min: 1, max: 20)), SchemaField("count", .integer(1...9), optional: true),
        SchemaField("kind", .choice(["a", "b"]), optional: true),
        SchemaField("tags", .array(.object([SchemaField("name", .string(max: 5))]), max: 3), optional: true),
    ])
    static let keyed = Schema.object([SchemaField("license_key", .string(max: 64)), SchemaField("hardware_id", .string(max: 64))])

    init(_ settings: Settings = Settings(), more: [Route] = [], regions: (any RegionGate)? = nil) throws {
        let calls = calls
        func route(
            _ method: HTTPEdge.Method, _ path: String, _ name: String, _ access: RouteAccess, limit: LimitClass = .unlimited,
            request: Schema? = nil,
            query: [QueryField] = [], creates: Bool = false, aliases: [String] = []
        ) -> Route {
            Route(
                method, path, name: name, summary: name, access: access, limit: limit, request: request, query: query,
                answers: [RouteAnswer(200, "Done", .any)], creates: creates, maxBodyBytes: 1_000, aliases: aliases
            ) { call in
                calls.add(call)
                return .json(value: ["ok": true])
            }
        }
        let write = Permission("notes:write", "Writes notes")
        let routes = [
            route(.get, "/open", "t.open", .open, query: [QueryField("limit", .integer(1...100), "l"), QueryField("flag", .boolean, "f")]),
            route(.post, "/open", "t.open_post", .open, limit: .standard, request: Self.note),
            route(.get, "/notes/{id}", "t.note", .session), route(.get, "/notes/latest", "t.latest", .session),
            route(.get, "/notes/{note}/lines/{line}", "t.line", .session),
            route(
                .post, "/notes", "t.create", .permission(write), limit: .standard, request: Self.note, creates: true,
                aliases: ["/old/notes"]),
            route(.post, "/nothing", "t.nothing", .session), route(.delete, "/notes/{id}", "t.delete", .session),
            route(.post, "/login", "t.login", .open, limit: .login, request: Self.note),
            route(.post, "/signup", "t.signup", .open, limit: .signup, request: Self.note, creates: true),
            route(.post, "/validate", "t.validate", .proof, limit: .validate, request: Self.keyed),
            route(.post, "/activate", "t.activate", .proof, limit: .activate, request: Self.keyed, creates: true),
            route(.post, "/webhooks/{provider}", "t.webhook", .proof, limit: .webhook),
            route(.get, "/heartbeat", "t.lease", .lease, limit: .standard), route(.get, "/operator", "t.operator", .operatorOnly),
            route(.post, "/operator", "t.operator_post", .operatorOnly),
            Route(.get, "/page", name: "t.page", summary: "p", access: .page, limit: .unlimited, answers: [RouteAnswer(200, "Page")]) {
                call in
                calls.add(call)
                return .html("<input name=csrf_token value=\(call.csrf)>")
            },
            Route(.get, "/plain", name: "t.plain", summary: "p", access: .page, limit: .unlimited, answers: [RouteAnswer(200, "Page")]) {
                _ in
                .html("plain")
            },
            Route(.post, "/page", name: "t.page_post", summary: "p", access: .page, limit: .unlimited, answers: [RouteAnswer(303, "On")]) {
                call in
                calls.add(call)
                return .redirect(to: "/page?said=\(try call.form()["said"] ?? "")")
            },
        ]
        edge = try Edge(
            routes: routes + more,
            guards: EdgeGuards(
                authenticator: ScriptedAuthenticator(), authorizer: OwnersOnly(), keyValue: InProcessKeyValue(), regions: regions),
            clock: clock,
            entropy: CountingEntropy(), settings: settings, secret: [UInt8](repeating: 7, count: 32), observer: recorder)
    }

    func send(
        _ method: String, _ target: String, _ headers: [String: String] = [:], body: String = "", from address: String = "203.0.113.9",
        tls: Bool = false
    ) async -> Reply { await send(method, target, HeaderFields(headers), Data(body.utf8), from: address, tls: tls) }

    func send(
        _ method: String, _ target: String, _ headers: HeaderFields, _ body: Data, from address: String = "203.0.113.9", tls: Bool = false
    ) async -> Reply {
        var headers = headers
        if headers["host"] == nil { headers.append("Host", "app.example.com") }
        return await edge.respond(
            to: RawRequest(method: method, target: target, headers: headers, body: body, remoteAddress: address, isTLS: tls))
    }
    /// A JSON body.
    func post(
        _ target: String, _ body: String, _ headers: [String: String] = [:], from address: String = "203.0.113.9"
    ) async -> Reply {
        await send("POST", target, headers.merging(["Content-Type": "application/json"]) { own, _ in own }, body: body, from: address)
    }
}

extension Reply {
    var json: JSONValue { (try? JSONReader.read(body)) ?? .null }
    var code: String? { json["error"]?.string }
    var text: String { String(decoding: body, as: UTF8.self) }
    /// `place: rule` of each finding.
    var findings: [String] { json["fields"]?.array?.map { "\($0["field"]?.string ?? "?"): \($0["rule"]?.string ?? "?")" } ?? [] }
}
