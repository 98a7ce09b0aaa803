import Foundation
import Vocabulary

/// What is learned of one request on its way.
struct Exchange {
    let requestID: String
    let now: Timestamp
    let method: String
    var started = Duration.zero
    var incoming: Incoming?
    var provenance: Provenance?
    var endpoint: Endpoint?
    var caller: AuthenticatedCaller?
    var formBinding: FormBinding?
    var hasSentToken = false
    var allow: String?
    var problem: Problem?
    /// By which other region it came.
    var relay: RegionRelay?
    /// Another region answered.
    var isPassed = false

    init(requestID: String, now: Timestamp, method: String) {
        self.requestID = requestID
        self.now = now
        self.method = method
    }
    var isHead: Bool { method == "HEAD" }
    /// Whether the answer is for a person's eyes: also where no route was met.
    var isPage: Bool { endpoint?.isPage ?? (incoming?.wantsHTML == true) }
    var actor: Actor { caller?.principal.actor ?? .anonymous }
    /// The method, as long as it is one of HTTP's, so that no caller makes up a name for the metrics.
    var knownMethod: String { ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(method) ? method : "other" }
}

extension Edge {
    static let platformAdmin = "platform_admin"

    func authenticate(
        _ endpoint: Endpoint, _ incoming: Incoming, _ provenance: Provenance, _ network: String, _ exchange: inout Exchange
    ) async throws {
        if endpoint.takesCookie {
            let cookie = incoming.cookie.flatMap { Cookies.value(Cookies.session(isSecure: provenance.isSecure), in: $0) }
            if let cookie, !cookie.isEmpty, cookie.utf8.count <= 512 {
                exchange.formBinding = FormBinding(cookie)
                exchange.caller = try await guards.authenticator.principal(cookie: cookie, now: exchange.now)
            }
        }
        if endpoint.takesBearer, endpoint.route.access != .open, endpoint.route.access != .proof, incoming.authorization != nil {
            exchange.hasSentToken = true
            exchange.caller = nil
            if let token = incoming.bearer {
                exchange.caller = try await guards.authenticator.principal(bearer: token, now: exchange.now)
                if exchange.caller == nil, endpoint.route.access != .operatorOnly, let region = guards.regions?.region(ofBearer: token) {
                    // Nobody has proved anything yet: what is passed on counts against its network.
                    try await limits.admit(.standard, caller: nil, network: network, now: exchange.now)
                    throw Elsewhere(region: region)
                }
            }
        }
        try checkNetwork(endpoint, provenance, &exchange)
        switch endpoint.route.access {
        case .open, .proof: return
        case .page:
            // Staff only looks, but where a page leaves it to operations.
            if endpoint.isUnsafe, !endpoint.route.proof.isForDelegates, let delegation = exchange.caller?.principal.bounds.delegation,
                case .impersonation = delegation
            {
                throw CommonProblems.impersonationLimited
            }
        case .session, .permission, .lease:
            guard exchange.caller != nil else {
                // Guesses count against the network that makes them.
                try await limits.admit(endpoint.route.limit, caller: nil, network: network, now: exchange.now)
                throw CommonProblems.unauthenticated
            }
            if let delegation = exchange.caller?.principal.bounds.delegation { try check(delegation, endpoint) }
        case .operatorOnly:
            if provenance.isLoopback || exchange.caller?.principal.role == Self.platformAdmin { return }
            throw exchange.caller == nil ? CommonProblems.unauthenticated : CommonProblems.forbidden
        }
    }

    /// Whether the caller's tenant lets its people in from here. A page takes whoever it keeps out for a stranger: signing in says why.
    private func checkNetwork(_ endpoint: Endpoint, _ provenance: Provenance, _ exchange: inout Exchange) throws(Problem) {
        guard let networks = exchange.caller?.principal.bounds.networks, !endpoint.route.proof.isFromAnywhere else { return }
        if let address = provenance.address, networks.contains(where: { $0.contains(address) }) { return }
        exchange.caller = nil
        guard endpoint.isPage || endpoint.route.access == .operatorOnly && provenance.isLoopback else {
            throw CommonProblems.addressNotAllowed
        }
    }

    /// Where an owner of a tenant that leaves can still go.
    static let leavingPaths = ["/api/v1/offboarding", "/api/v1/auth/logout", "/api/v1/auth/switch", "/sign-out", "/leaving", "/start"]

    /// Of a tenant that leaves, a browser is as good as signed out; anything else is told so.
    func checkLeaving(_ endpoint: Endpoint, _ exchange: inout Exchange) throws(Problem) {
        guard exchange.caller?.principal.bounds.isLeaving == true,
            !Self.leavingPaths.contains(where: { endpoint.route.path == $0 || endpoint.route.path.hasPrefix("\($0)/") })
        else { return }
        switch endpoint.route.access {
        case .open, .proof: return
        case .page: exchange.caller = nil
        case .session, .permission, .lease, .operatorOnly: throw CommonProblems.tenantLeaving
        }
    }

    /// The permission that a lease was granted under.
    static let leasePermission = "seats:acquire"

    /// What a person may do because it is the person's own, nobody does in the person's place: a key reaches only what its permissions
    /// name, staff only looks. Permissions are `Access`'s to check.
    private func check(_ delegation: Principal.Delegation, _ endpoint: Endpoint) throws(Problem) {
        switch (delegation, endpoint.route.access) {
        case (.key, .session): throw CommonProblems.keyOutOfScope
        case (.key(_, let permissions), .lease):
            guard permissions.contains(Self.leasePermission) else { throw CommonProblems.keyOutOfScope }
        case (.impersonation, .session): if endpoint.isUnsafe { throw CommonProblems.impersonationLimited }
        default: return
        }
    }

    /// Where browsers prove, and set up, a second factor.
    static let confirmPage = "/account/confirm"
    static let securityPage = "/account/security"

    /// Whether the caller has proved enough for this route. A browser is led to where it can, and back.
    func checkProof(_ endpoint: Endpoint, _ target: Target, _ exchange: Exchange) throws(Problem) -> Reply? {
        guard let bounds = exchange.caller?.principal.bounds else { return nil }
        let (proof, route) = (bounds.proof, endpoint.route)
        if proof == .enrolling, !route.proof.isForEnrolment {
            guard endpoint.isPage else { throw CommonProblems.enrolmentRequired }
            return .redirect(to: Self.securityPage)
        }
        guard route.needsRecentFactor, proof == .stale || route.proof.isStrict && proof != .recent else { return nil }
        // A key was made by somebody who had proved it; what it reaches, it names.
        if case .key = bounds.delegation, !route.proof.isStrict { return nil }
        guard endpoint.isPage else { throw CommonProblems.stepUpRequired }
        let back = route.proof.back ?? String(target.path)
        let isPlain = back.utf8.allSatisfy { (97...122).contains($0) || (45...57).contains($0) || $0 == UInt8(ascii: "_") }
        return .redirect(to: Self.confirmPage + (isPlain ? "?next=\(back)" : ""))
    }

    /// Refuses what another site made a browser send: unsafe methods of pages need our token, and of everything that a browser may
    /// send with more rights than its author has (cookies, loopback), an origin that is ours.
    func checkForgery(
        _ endpoint: Endpoint, _ raw: RawRequest, _ incoming: Incoming, _ provenance: Provenance, _ exchange: inout Exchange
    ) throws(Problem) {
        guard endpoint.takesCookie else { return }
        if exchange.formBinding == nil, endpoint.isPage {
            let held = incoming.cookie.flatMap { Cookies.value(Cookies.csrf(isSecure: provenance.isSecure), in: $0) }
            exchange.formBinding =
                held.flatMap { $0.utf8.count == 22 ? FormBinding($0) : nil } ?? FormBinding(keys.csrf.freshBinding(), isFresh: true)
        }
        guard endpoint.isUnsafe, !endpoint.route.takesForeignForms else { return }
        guard isOwnOrigin(incoming, provenance) else { throw HTTPProblems.csrfFailed }
        if endpoint.isPage {
            var token = incoming.csrfToken
            if token == nil, endpoint.route.takesFiles {
                token = try MultipartForm(raw.body, contentType: raw.headers["content-type"]).text(CSRF.field)
            } else if token == nil {
                token = try FormBody(raw.body)[CSRF.field]
            }
            guard let token, let binding = exchange.formBinding, keys.csrf.isValid(token, for: binding.text)
            else {
                throw HTTPProblems.csrfFailed
            }
        }
    }

    /// True if the browser says that our own page sent it, or if nothing that a browser adds is there.
    private func isOwnOrigin(_ incoming: Incoming, _ provenance: Provenance) -> Bool {
        if let site = incoming.fetchSite, site != "same-origin", site != "none" { return false }
        let own = [provenance.origin, provenance.hostOrigin]
        if let origin = incoming.origin { return own.contains(origin) }
        if let referer = incoming.referer { return own.contains { referer == $0 || referer.hasPrefix($0 + "/") } }
        return true
    }

    // MARK: Other origins

    func preflight(_ place: RouteTrie.Place, _ incoming: Incoming) -> Reply {
        var reply = Reply(status: 204, headers: [("allow", place.allow)])
        if incoming.corsMethod != nil, let origin = incoming.origin, rules.corsOrigins.contains(origin) {
            reply.headers.append(("access-control-allow-methods", place.corsMethods))
            reply.headers.append(("access-control-allow-headers", "authorization, content-type, idempotency-key, x-request-id"))
            reply.headers.append(("access-control-max-age", "600"))
        }
        return reply
    }

    func addCORS(to reply: inout Reply, _ exchange: Exchange) {
        guard !rules.corsOrigins.isEmpty else { return }
        reply.headers.append(("vary", "origin"))
        guard let origin = exchange.incoming?.origin, rules.corsOrigins.contains(origin) else { return }
        reply.headers.append(("access-control-allow-origin", origin))
        reply.headers.append(("access-control-expose-headers", "location, retry-after, x-request-id"))
    }

    // MARK: Problems

    func render(_ problem: Problem, _ exchange: inout Exchange) -> Reply {
        exchange.problem = problem
        var headers: [(String, String)] = []
        if let seconds = problem.fields["retry_after"]?.int { headers.append(("retry-after", String(seconds))) }
        if problem.status == 401, exchange.endpoint?.isPage != true {
            headers.append(("www-authenticate", exchange.hasSentToken ? "Bearer error=\"invalid_token\"" : "Bearer"))
        }
        if let allow = exchange.allow { headers.append(("allow", allow)) }
        if exchange.isPage {
            headers.append(("content-type", "text/html; charset=utf-8"))
            let text = guards.problemPage?(problem, exchange.requestID) ?? ProblemPage.html(problem, requestID: exchange.requestID)
            return Reply(status: problem.status, headers: headers, body: Data(text.utf8))
        }
        headers.append(("content-type", "application/json"))
        return Reply(status: problem.status, headers: headers, body: ProblemBody.json(problem, requestID: exchange.requestID))
    }
}

/// A problem on the wire (SPEC 10).
enum ProblemBody {
    private static let reserved: Set<String> = ["error", "message", "hint", "request_id"]

    static func json(_ problem: Problem, requestID: String) -> Data {
        var out: [UInt8] = []
        out.reserveCapacity(320)
        out.append(contentsOf: "{\"error\":".utf8)
        JSONWriter.append(problem.code, to: &out)
        out.append(contentsOf: ",\"message\":".utf8)
        JSONWriter.append(problem.title, to: &out)
        out.append(contentsOf: ",\"hint\":".utf8)
        JSONWriter.append(problem.hint, to: &out)
        out.append(contentsOf: ",\"request_id\":".utf8)
        JSONWriter.append(requestID, to: &out)
        for (name, value) in problem.fields.sorted(by: { $0.key < $1.key }) where !reserved.contains(name) {
            out.append(UInt8(ascii: ","))
            JSONWriter.append(name, to: &out)
            out.append(UInt8(ascii: ":"))
            JSONWriter.append(value, to: &out)
        }
        out.append(UInt8(ascii: "}"))
        return Data(out)
    }
}

/// A problem for a person whose browser asked, where nobody gave a better page.
enum ProblemPage {
    static func html(_ problem: Problem, requestID: String) -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\
        <meta name="color-scheme" content="light dark"><title>\(escaped(problem.title))</title></head>
        <body><main><h1>\(escaped(problem.title))</h1><p>\(escaped(problem.hint))</p>\
        <p><small>\(escaped(problem.code)) · \(escaped(requestID))</small></p></main></body></html>

        """
    }
    static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
