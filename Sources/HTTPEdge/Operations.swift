import Foundation
import Vocabulary

/// The API's operations as our own pages ask them, within the process: the permission, the checks of query and body and the handler are
/// those of the route, so that a page can do nothing that the API does not.
package struct Operations: Sendable {
    package struct Unknown: Error {
        package let name: String
    }
    private let routes: [String: Route]
    private let authorizer: any Authorizer

    package init(_ routes: [Route], authorizer: any Authorizer) {
        self.routes = Dictionary(routes.map { ($0.name, $0) }) { first, _ in first }
        self.authorizer = authorizer
    }

    package func has(_ name: String) -> Bool { routes[name] != nil }

    /// Whether the caller of the page may ask this. A fault is thrown, a refusal is an answer.
    package func may(_ name: String, _ call: Call) async throws -> Bool {
        guard let route = routes[name] else { throw Unknown(name: name) }
        do {
            try await admit(try call.caller(), route, call.act)
            return true
        } catch let problem as Problem where problem.status == 403 || problem.status == 401 { return false }
    }

    /// Asks in the name of the page's caller. The page's own route has counted the request and proved the form; whoever has to prove a
    /// factor again is told so by `step_up_required`. `raw` goes in the body's place to operations that take bytes.
    package func ask(
        _ name: String, _ call: Call, _ parameters: [String: String] = [:], query: [String: String] = [:], body: JSONValue = [:],
        raw: Data? = nil
    ) async throws -> Reply {
        guard let route = routes[name] else { throw Unknown(name: name) }
        let caller = try call.caller()
        let proof = caller.bounds.proof
        if route.needsRecentFactor, proof == .stale || route.proof.isStrict && proof != .recent { throw CommonProblems.stepUpRequired }
        try await admit(caller, route, call.act)
        var findings: [Finding] = []
        for (field, text) in query {
            guard let schema = try route.query.first(where: { $0.name == field }).map({ try CompiledSchema($0.schema) }) else {
                findings.append(Finding(field, "is not a known query field"))
                continue
            }
            findings += schema.check(schema.value(ofText: text) ?? .string(text)).map { Finding(field, $0.rule) }
        }
        if route.method != .get, raw == nil { findings += try route.request.map { try CompiledSchema($0).check(body) } ?? [] }
        guard findings.isEmpty else { throw CommonProblems.invalid.with(["fields": .array(findings.map(\.json))]) }
        if let admits = route.admits, try admits(parameters, query, call.act.now) < raw?.count ?? 0 { throw HTTPProblems.bodyTooLarge }
        let path = parameters.reduce(route.path) { $0.replacing("{\($1.key)}", with: $1.value) }
        return try await route.handler(
            Call(
                act: call.act, method: route.method, path: path, parameters: parameters, query: query, body: raw ?? JSONWriter.data(body),
                principal: caller, tokenID: call.tokenID, origin: call.origin, isLoopback: call.isLoopback, json: raw == nil ? body : nil,
                headerFields: call.headerFields, keys: call.keys, formBinding: nil, relayedFrom: call.relayedFrom))
    }

    /// The same, and what it answers; null where it answers nothing.
    package func answer(
        _ name: String, _ call: Call, _ parameters: [String: String] = [:], query: [String: String] = [:], body: JSONValue = [:]
    ) async throws -> JSONValue {
        let reply = try await ask(name, call, parameters, query: query, body: body)
        return reply.body.isEmpty ? .null : try JSONReader.read(reply.body)
    }

    /// Pages prove sessions. What anybody may ask, pages may; what a lease proves, and pages themselves, they may not.
    private func admit(_ caller: Principal, _ route: Route, _ act: Act) async throws {
        switch route.access {
        case .permission(let permission): try await authorizer.require(permission, of: caller, act: act)
        case .session:
            switch caller.bounds.delegation {
            case nil: return
            case .key: throw CommonProblems.keyOutOfScope
            case .impersonation: if route.method != .get { throw CommonProblems.impersonationLimited }
            }
        case .open, .proof: return
        case .lease, .page, .operatorOnly: throw Unknown(name: route.name)
        }
    }
}
