import Vocabulary

/// A route made ready: everything that does not depend on the request is worked out once.
final class Endpoint: Sendable {
    let route: Route
    let schema: CompiledSchema?
    /// True if a request without a body stands for `{}`.
    let acceptsNoBody: Bool
    let query: [String: CompiledSchema]
    let parameterNames: [String]
    let maxBodyBytes: Int
    /// Names that an answer carries unless the handler set them.
    let headers: SecurityHeaders
    /// Codes that the route's description promises.
    let documented: Set<String>
    let documentedStatuses: Set<Int>

    init(_ route: Route, rules: EdgeRules, hasRegions: Bool = false) throws(EdgeFault) {
        self.route = route
        var unclear: String?
        func compiled(_ schema: Schema) -> CompiledSchema? {
            do { return try CompiledSchema(schema) } catch {
                unclear = "the pattern \(error.pattern) is not understood"
                return nil
            }
        }
        schema = route.access == .page ? nil : route.request.flatMap(compiled)
        acceptsNoBody = route.request?.acceptsNothing ?? true
        var query: [String: CompiledSchema] = [:]
        for field in route.query {
            guard query[field.name] == nil else { throw .route(route.name, "the query field \(field.name) stands twice") }
            query[field.name] = compiled(field.schema)
            if case .array = field.schema { unclear = "the query field \(field.name) is a list" }
        }
        self.query = query
        parameterNames = RouteTrie.names(route.path)
        guard Set(parameterNames).count == parameterNames.count else { throw .route(route.name, "a parameter stands twice") }
        maxBodyBytes = min(route.maxBodyBytes, rules.maxBodyBytes)
        headers = route.access == .page ? .page(rules) : .api
        documented = Set(OpenAPI.possible(route, hasRegions: hasRegions).map(\.code))
        documentedStatuses = Set(route.answers.map(\.status))
        if let unclear { throw .route(route.name, unclear) }
    }

    /// How many bytes of body this request may bring. Where the route asks the target, that says it before a byte is read.
    func bodyLimit(_ target: Target, _ values: [String], _ now: Timestamp) throws(Problem) -> Int {
        guard let admits = route.admits else { return maxBodyBytes }
        let parameters = Dictionary(zip(parameterNames, values)) { first, _ in first }
        return try admits(parameters, try target.fields(), now)
    }
    var isPage: Bool { route.access == .page }
    var isUnsafe: Bool { route.method != .get }
    /// True where a browser's cookie proves the caller.
    var takesCookie: Bool { route.access == .page || route.access == .operatorOnly }
    var takesBearer: Bool { route.access != .page }
    /// Bodies that no schema describes reach these handlers as they are: webhooks, forms, proofs.
    var takesAnyBody: Bool {
        switch route.access {
        case .open, .proof, .page: route.request == nil
        case .session, .permission, .lease, .operatorOnly: false
        }
    }
}

/// The headers that guard an answer in a browser.
struct SecurityHeaders: Sendable {
    let plain: [(String, String)]
    let secure: [(String, String)]

    private init(_ headers: [(String, String)]) {
        plain = headers + [("x-content-type-options", "nosniff")]
        secure = plain + [("strict-transport-security", "max-age=31536000")]
    }

    static let api = SecurityHeaders([
        ("cache-control", "no-store"), ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ])
    /// Everything from ourselves, no inline script or style. Forms must know their origin, so the referrer stays within the site
    /// (under `no-referrer` browsers send `Origin: null` with a form).
    static func page(_ rules: EdgeRules) -> SecurityHeaders {
        let forms = (["'self'"] + rules.formActionOrigins).joined(separator: " ")
        return SecurityHeaders([
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; \(connecting); "
                    + "form-action \(forms); base-uri 'none'; frame-ancestors 'none'"
            ),
            ("referrer-policy", "same-origin"), ("cross-origin-opener-policy", "same-origin"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
        ])
    }

    private static let connecting = "connect-src 'self'"
    private static func letting(_ origins: [WebOrigin], _ policy: String) -> String {
        policy.replacing(connecting, with: ([connecting] + origins.map(\.description).filter(EdgeRules.isOrigin)).joined(separator: " "))
    }

    /// Adds what the handler did not set itself.
    func add(to reply: inout Reply, isSecure: Bool) {
        let own = reply.headers.count
        for header in isSecure ? secure : plain where !reply.headers.prefix(own).contains(where: { $0.0 == header.0 }) {
            reply.headers.append((header.0, reply.connects.isEmpty ? header.1 : Self.letting(reply.connects, header.1)))
        }
    }
}
