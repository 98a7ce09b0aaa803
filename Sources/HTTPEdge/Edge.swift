import Foundation
import KeyValue
import Signing
import Vocabulary

/// Who answers the edge's questions.
package struct EdgeGuards: Sendable {
    package let authenticator: any Authenticator
    package let authorizer: any Authorizer
    package let keyValue: any KeyValue
    /// A limit instead of the standard one, by the caller's tier; nil: the standard one.
    package let standardLimit: (@Sendable (Principal) async -> RateLimit?)?
    /// A problem as a page. Nil: a plain one.
    package let problemPage: (@Sendable (Problem, _ requestID: String) -> String)?
    /// Nil where one region is alone.
    package let regions: (any RegionGate)?

    package init(
        authenticator: any Authenticator, authorizer: any Authorizer, keyValue: any KeyValue,
        standardLimit: (@Sendable (Principal) async -> RateLimit?)? = nil,
        problemPage: (@Sendable (Problem, _ requestID: String) -> String)? = nil, regions: (any RegionGate)? = nil
    ) {
        self.authenticator = authenticator
        self.authorizer = authorizer
        self.keyValue = keyValue
        self.standardLimit = standardLimit
        self.problemPage = problemPage
        self.regions = regions
    }
}

/// A header of a reply whose name is not lower case, or whose value holds a control character.
struct ReplyFault: Error {
    let header: String
}

/// Runs one request from its raw parts to its reply: identify, read the clock once, place, match, limit, authenticate, permit,
/// decode strictly, handle, map problems, guard the answer. Knows no socket, so that transcripts run without one.
package final class Edge: Sendable {
    let trie: RouteTrie
    let rules: EdgeRules
    let guards: EdgeGuards
    let limits: LimitGuard
    let keys: EdgeKeys
    /// For a page where no route was met: it has its style sheet as all pages have.
    private let strayPage: SecurityHeaders
    private let clock: any Clock
    private let ids: RequestIDs
    private let observer: any EdgeObserver

    /// `secret` is at least 32 random bytes, the same on every process and across restarts: forms and cursors are sealed under it.
    package init(
        routes: [Route], guards: EdgeGuards, clock: any Clock, entropy: any Entropy, settings: Settings, secret: [UInt8],
        observer: any EdgeObserver
    ) throws(EdgeFault) {
        guard secret.count >= 32 else { throw .setting("secret", "has fewer than 32 bytes") }
        let rules = try EdgeRules(settings)
        var endpoints: [Endpoint] = []
        var names: Set<String> = []
        for route in routes {
            guard names.insert(route.name).inserted else { throw .route(route.name, "the name stands twice") }
            endpoints.append(try Endpoint(route, rules: rules, hasRegions: guards.regions != nil))
        }
        trie = try RouteTrie(endpoints)
        keys = EdgeKeys(secret: secret, entropy: entropy)
        limits = LimitGuard(rules: rules.limits, keyValue: guards.keyValue, keys: keys, standardLimit: guards.standardLimit)
        self.rules = rules
        strayPage = .page(rules)
        self.guards = guards
        self.clock = clock
        self.observer = observer
        ids = RequestIDs(entropy)
    }

    // MARK: For whoever holds the socket

    /// The id under which this request will be answered.
    package func identify(_ raw: RawRequest) -> String {
        if let known = raw.requestID { return known }
        if let relay = relay(in: raw) { return relay.requestID }
        if !rules.trustedProxies.isEmpty, let sent = raw.headers["x-request-id"], RequestIDs.isSane(sent), isFromProxy(raw) { return sent }
        return ids.next(clock.now())
    }
    private func relay(in raw: RawRequest) -> RegionRelay? { try? guards.regions?.relay(in: raw, now: clock.now()) }
    private func isFromProxy(_ raw: RawRequest) -> Bool {
        guard !rules.trustedProxies.isEmpty, let peer = NetworkAddress(raw.remoteAddress) else { return false }
        return rules.trustedProxies.contains { $0.contains(peer) }
    }
    /// How many bytes of body to read before giving up; 0 where nothing takes one.
    package func bodyLimit(method: String, target: String) -> Int {
        guard let target = try? Target(target, host: nil), let (place, values) = try? trie.find(target),
            let method = Method(rawValue: method)
        else {
            return 0
        }
        guard let endpoint = place.endpoints[method] else { return 0 }
        return (try? endpoint.bodyLimit(target, values, clock.now())) ?? 0
    }
    /// The answer to a request whose handler did not come back in time.
    package func expired(_ raw: RawRequest) -> Reply {
        var exchange = Exchange(requestID: identify(raw), now: clock.now(), method: raw.method)
        exchange.started = clock.monotonic()
        if let target = try? Target(raw.target, host: nil), let found = try? trie.find(target), let method = Method(rawValue: raw.method) {
            exchange.endpoint = found.0.endpoints[method]
        }
        var reply = render(HTTPProblems.timedOut, &exchange)
        finish(&reply, &exchange)
        return reply
    }
    /// A long answer that could not be brought to its end, though its head had gone.
    package func broken(_ error: any Error, _ raw: RawRequest) { observer.faulted(error, requestID: identify(raw), route: nil) }
    /// The answer to bytes that never became a request.
    package func refuse(_ problem: Problem) -> Reply {
        var exchange = Exchange(requestID: ids.next(clock.now()), now: clock.now(), method: "other")
        exchange.started = clock.monotonic()
        var reply = render(problem, &exchange)
        finish(&reply, &exchange)
        return reply
    }

    // MARK: One request

    package func respond(to raw: RawRequest) async -> Reply {
        await Attendance.$isAwaited.withValue(true) { await followed(raw) }
    }
    private func followed(_ raw: RawRequest) async -> Reply {
        guard observer.follows else { return await reply(to: raw) }
        let sent = raw.headers["traceparent"].flatMap { TraceContext(traceparent: $0, state: raw.headers["tracestate"]) }
        return await observer.follow(sent, isBelieved: isFromProxy(raw) || relay(in: raw) != nil) { await reply(to: raw) }
    }

    private func reply(to raw: RawRequest) async -> Reply {
        var exchange = Exchange(requestID: identify(raw), now: clock.now(), method: raw.method)
        exchange.started = clock.monotonic()
        var reply: Reply
        do {
            do { reply = try await answer(raw, &exchange) } catch let elsewhere as Elsewhere {
                reply = try await passOn(raw, to: elsewhere.region, &exchange)
            }
            try Self.check(reply)
        } catch let problem as Problem {
            reply = render(problem, &exchange)
        } catch is CancellationError {
            reply = render(HTTPProblems.timedOut, &exchange)
        } catch {
            observer.faulted(error, requestID: exchange.requestID, route: exchange.endpoint?.route.name)
            let fault = error as? any PassingFault
            let passing = fault?.isPassing == true ? fault?.problem : error is KeyValueFault ? CommonProblems.unavailable : nil
            reply = render(passing?.retry(afterSeconds: 5) ?? CommonProblems.internal, &exchange)
        }
        finish(&reply, &exchange)
        return reply
    }

    private func answer(_ raw: RawRequest, _ exchange: inout Exchange) async throws -> Reply {
        let incoming = try Incoming(raw.headers)
        exchange.incoming = incoming
        exchange.relay = try guards.regions?.relay(in: raw, now: exchange.now)
        let provenance = try exchange.relay.map { Provenance($0, rules: rules) } ?? Provenance(raw, incoming: incoming, rules: rules)
        exchange.provenance = provenance
        if raw.target == "*", raw.method == "OPTIONS" { return Reply(status: 204) }
        let target = try Target(raw.target, host: incoming.host)
        guard let (place, values) = try trie.find(target) else { throw CommonProblems.notFound }
        if raw.method == "OPTIONS" { return preflight(place, incoming) }
        guard let method = Method(rawValue: exchange.isHead ? "GET" : raw.method), let endpoint = place.endpoints[method] else {
            exchange.allow = place.allow
            throw HTTPProblems.methodNotAllowed
        }
        exchange.endpoint = endpoint
        let bodyLimit: Int
        do { bodyLimit = try endpoint.bodyLimit(target, values, exchange.now) } catch let problem {
            guard let away = try await sentAway(endpoint, raw, try target.fields(), &exchange) else { throw problem }
            return away
        }
        guard !raw.isBodyTooLarge, raw.body.count <= bodyLimit else {
            throw HTTPProblems.bodyTooLarge.with(["limit_bytes": .int(Int64(bodyLimit))])
        }
        try checkMediaType(endpoint, raw, incoming)

        let network = provenance.address?.network ?? "unknown"
        try await limits.admit(endpoint.route.limit, network: network, now: exchange.now)
        try await authenticate(endpoint, incoming, provenance, network, &exchange)
        try checkForgery(endpoint, raw, incoming, provenance, &exchange)
        try await limits.admit(endpoint.route.limit, caller: exchange.caller?.principal, network: network, now: exchange.now)
        try checkLeaving(endpoint, &exchange)
        if let detour = try checkProof(endpoint, target, exchange) { return detour }

        var act = Act(actor: exchange.actor, requestID: exchange.requestID, now: exchange.now, address: provenance.text)
        if case .permission(let permission) = endpoint.route.access {
            guard let caller = exchange.caller else { throw CommonProblems.unauthenticated }
            try await guards.authorizer.require(permission, of: caller.principal, act: act)
        }
        let json = try readBody(endpoint, raw)
        let query = try readQuery(endpoint, target)
        if let key = json?["license_key"]?.string { try await limits.admit(endpoint.route.limit, licenseKey: key, now: exchange.now) }
        let step = try await follow(endpoint, raw, json: json, query: query, exchange)
        if case .browse(let reply) = step { return reply }
        if endpoint.route.creates, let claim = try claim(endpoint, raw, incoming, network: network, json: json, exchange: exchange) {
            act = Act(actor: act.actor, requestID: act.requestID, now: act.now, address: act.address, idempotency: claim)
        }
        let parameters = values.isEmpty ? [:] : Dictionary(zip(endpoint.parameterNames, values)) { first, _ in first }
        let call = Call(
            act: act, method: method, path: endpoint.route.path == target.path ? endpoint.route.path : String(target.path),
            parameters: parameters, query: query, body: raw.body, principal: exchange.caller?.principal, tokenID: exchange.caller?.tokenID,
            origin: provenance.origin, isLoopback: provenance.isLoopback, json: json, headerFields: raw.headers, keys: keys,
            formBinding: exchange.formBinding, relayedFrom: exchange.relay?.from)
        guard case .alone = step else { return try await endpoint.route.handler(call) }
        // Nobody of here: whether somebody of elsewhere, nobody knows at the moment. A known and an unknown address are told the same.
        let reply: Reply
        do { reply = try await endpoint.route.handler(call) } catch let problem as Problem where problem.status == 401 {
            throw RegionProblems.directoryUnavailable.retry(afterSeconds: 5)
        }
        guard reply.status != 401 else { throw RegionProblems.directoryUnavailable.retry(afterSeconds: 5) }
        return reply
    }

    // MARK: Reading

    private func checkMediaType(_ endpoint: Endpoint, _ raw: RawRequest, _ incoming: Incoming) throws(Problem) {
        guard endpoint.isUnsafe, !raw.body.isEmpty else { return }
        let form = endpoint.route.takesFiles ? MultipartForm.mediaType : "application/x-www-form-urlencoded"
        let accepted = endpoint.isPage ? form : "application/json"
        guard endpoint.isPage || !endpoint.takesAnyBody else { return }
        guard let media = incoming.mediaType, media.type == accepted, media.isUTF8 else {
            throw HTTPProblems.unsupportedMediaType.with(["accepted": [.string(accepted)]])
        }
    }

    private func readBody(_ endpoint: Endpoint, _ raw: RawRequest) throws(Problem) -> JSONValue? {
        guard endpoint.isUnsafe, !endpoint.takesAnyBody, !endpoint.isPage else { return nil }
        if raw.body.isEmpty {
            guard endpoint.acceptsNoBody else { throw CommonProblems.malformed.with(["reason": "empty", "position": 0]) }
            return endpoint.schema == nil ? nil : [:]
        }
        let json: JSONValue
        do { json = try JSONReader.read(raw.body) } catch {
            throw CommonProblems.malformed.with(["reason": .string(error.reason), "position": .int(Int64(error.position))])
        }
        let findings =
            endpoint.schema.map { $0.check(json) } ?? (json == [:] ? [] : [Finding("body", "must be empty: this takes no fields")])
        guard findings.isEmpty else { throw CommonProblems.invalid.with(["fields": .array(findings.map(\.json))]) }
        return json
    }

    private func readQuery(_ endpoint: Endpoint, _ target: Target) throws(Problem) -> [String: String] {
        guard target.query != nil else { return [:] }
        let fields = try target.fields()
        var findings: [Finding] = []
        for (name, text) in fields {
            if let schema = endpoint.query[name] {
                guard let value = schema.value(ofText: text) else {
                    findings.append(contentsOf: schema.check(.string(text)).map { Finding(name, $0.rule) })
                    continue
                }
                findings.append(contentsOf: schema.check(value).map { Finding(name, $0.rule) })
            } else if !endpoint.isPage, endpoint.route.limit != .webhook {
                findings.append(Finding(String(name.prefix(64)), "is not a known query field"))
            }
        }
        guard findings.isEmpty else {
            throw CommonProblems.invalid.with(["fields": .array(findings.sorted { $0.place < $1.place }.map(\.json))])
        }
        return fields
    }

    private func claim(
        _ endpoint: Endpoint, _ raw: RawRequest, _ incoming: Incoming, network: String, json: JSONValue?, exchange: Exchange
    ) throws(Problem) -> IdempotencyClaim? {
        guard let key = incoming.idempotencyKey else { return nil }
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw HTTPProblems.malformedIdempotencyKey
        }
        let who: String
        if let caller = exchange.caller?.principal {
            who = "user:\(EdgeText.uuid(caller.user.uuid))@\(EdgeText.uuid(caller.tenant.uuid))"
        } else if endpoint.route.access == .proof, let license = json?["license_key"]?.string {
            who = "key:\(keys.limitKey(for: LimitGuard.canonical(license)))"
        } else {
            who = "network:\(network)"
        }
        let message = Array("\(raw.method) \(raw.target)\n".utf8) + raw.body
        return IdempotencyClaim(key: key, scope: "\(who)|\(endpoint.route.name)", fingerprint: Digest.sha256(message))
    }

    // MARK: Answering

    /// A header that would end its line early is a mistake of the handler, told before it reaches a wire.
    private static func check(_ reply: Reply) throws(ReplyFault) {
        for (name, value) in reply.headers {
            guard !name.isEmpty, name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }),
                value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
            else { throw ReplyFault(header: name) }
        }
    }

    func finish(_ reply: inout Reply, _ exchange: inout Exchange) {
        let isSecure = exchange.provenance?.isSecure ?? false
        (exchange.endpoint?.headers ?? (exchange.isPage ? strayPage : .api)).add(to: &reply, isSecure: isSecure)
        reply.headers.append(("x-request-id", exchange.requestID))
        if exchange.endpoint?.isPage != true { addCORS(to: &reply, exchange) }
        if let binding = exchange.formBinding, binding.isFresh, binding.isUsed.load(ordering: .relaxed) {
            reply.headers.append(("set-cookie", SetCookie(Cookies.csrf(isSecure: isSecure), binding.text, isSecure: isSecure).text))
        }
        if exchange.isHead {
            if !reply.headers.contains(where: { $0.0 == "content-length" }) {
                reply.headers.append(("content-length", String(reply.length)))
            }
            reply.body = Data()
            reply.stream = nil
        }
        observer.answered(
            AnsweredRequest(
                requestID: exchange.requestID, method: exchange.knownMethod, route: exchange.endpoint?.route.name,
                template: exchange.endpoint?.route.path, status: reply.status, problem: exchange.problem?.code,
                isDocumented: isDocumented(reply, exchange),
                duration: clock.monotonic() - exchange.started,
                caller: exchange.caller?.principal, address: exchange.provenance?.text ?? ""))
    }

    private func isDocumented(_ reply: Reply, _ exchange: Exchange) -> Bool {
        guard let endpoint = exchange.endpoint, !endpoint.isPage, !exchange.isPassed else { return true }
        if let problem = exchange.problem {
            return endpoint.documented.contains(problem.code) && OpenAPI.describes(problem, of: endpoint.route)
        }
        return endpoint.documentedStatuses.contains(reply.status)
    }
}
