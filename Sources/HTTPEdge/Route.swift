import Foundation
import Vocabulary

/// One endpoint, as data: the server, OpenAPI, the reference and the tests are made from it.
package struct Route: Sendable {
    package let method: Method
    /// `/api/v1/licenses/{id}`
    package let path: String
    /// `licenses.acquire`: unique, the operation id.
    package let name: String
    package let summary: String
    package let access: RouteAccess
    package let limit: LimitClass
    package let request: Schema?
    package let query: [QueryField]
    package let answers: [RouteAnswer]
    package let problems: [Problem]
    /// True: a POST that creates; `Idempotency-Key` is honoured.
    package let creates: Bool
    /// Bytes of body accepted.
    package let maxBodyBytes: Int
    /// Older paths that answer the same.
    package let aliases: [String]
    package let handler: @Sendable (Call) async throws -> Reply

    package init(
        _ method: Method, _ path: String, name: String, summary: String, access: RouteAccess, limit: LimitClass = .standard,
        request: Schema? = nil, query: [QueryField] = [], answers: [RouteAnswer], problems: [Problem] = [], creates: Bool = false,
        maxBodyBytes: Int = 65_536, aliases: [String] = [], handler: @escaping @Sendable (Call) async throws -> Reply
    ) {
        self.method = method
        self.path = path
        self.name = name
        self.summary = summary
        self.access = access
        self.limit = limit
        self.request = request
        self.query = query
        self.answers = answers
        self.problems = problems
        self.creates = creates
        self.maxBodyBytes = maxBodyBytes
        self.aliases = aliases
        self.handler = handler
    }
}

package enum Method: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
}

/// Who may call. There is no default: a route that does not say does not compile.
package enum RouteAccess: Sendable, Hashable {
    /// Anyone.
    case open
    /// The body proves the caller (licence key, webhook signature, one-time token).
    case proof
    /// Any signed-in user, for what is the user's own.
    case session
    /// A signed-in user whose role has the permission in the token's tenant: `Access` asks `on_role_check`.
    case permission(Permission)
    /// A signed-in user; the permission was checked when the lease was granted and the ledger checks the rest itself (SPEC 15: heartbeats run no hook).
    case lease
    /// A browser page: a cookie session if there is one; the handler decides. Unsafe methods need the CSRF token.
    case page
    /// Loopback or a platform administrator.
    case operatorOnly
}

/// Which limit a route counts under; the figures are settings of HTTPEdge.
package enum LimitClass: String, Sendable, Hashable, CaseIterable {
    case login, signup, validate, activate, standard, webhook, unlimited
}

package struct RouteAnswer: Sendable {
    package let status: Int
    package let summary: String
    package let schema: Schema?
    /// `application/json` unless said otherwise.
    package let contentType: String
    package init(_ status: Int, _ summary: String, _ schema: Schema? = nil, contentType: String = "application/json") {
        self.status = status
        self.summary = summary
        self.schema = schema
        self.contentType = contentType
    }
}

package struct QueryField: Sendable {
    package let name: String
    package let schema: Schema
    package let summary: String
    package init(_ name: String, _ schema: Schema, _ summary: String) {
        self.name = name
        self.schema = schema
        self.summary = summary
    }
}

/// JSON Schema as far as the surface needs it. Objects are closed: an unknown field is 422.
package indirect enum Schema: Sendable {
    package enum Format: String, Sendable { case email, uuid, dateTime = "date-time", uri, hex, token }
    case string(min: Int = 0, max: Int, format: Format? = nil, pattern: String? = nil)
    case choice([String])
    case integer(ClosedRange<Int64>)
    case boolean
    case array(Schema, max: Int)
    case object([SchemaField])
    /// An object with arbitrary keys and values of one schema.
    case map(Schema)
    case nullable(Schema)
    /// A named schema of the OpenAPI components.
    case named(String, Schema)
    /// Any JSON.
    case any
}

package struct SchemaField: Sendable {
    package let name: String
    package let schema: Schema
    package let summary: String
    package let isRequired: Bool
    package init(_ name: String, _ schema: Schema, _ summary: String = "", optional: Bool = false) {
        self.name = name
        self.schema = schema
        self.summary = summary
        self.isRequired = !optional
    }
}

/// One request as a handler sees it: identified, limited, authenticated, its body already checked against the schema.
package struct Call: Sendable {
    package let act: Act
    package let method: Method
    package let path: String
    /// Values of `{name}` in the path, percent-decoded.
    package let parameters: [String: String]
    package let query: [String: String]
    /// Names in lower case.
    package let headers: [String: String]
    package let body: Data
    /// Present for `.session`, `.permission`, `.lease`, and for `.page` when a cookie session is there.
    package let principal: Principal?
    /// Claims of the access token beside the principal, for revocation by `jti`.
    package let tokenID: String?
    /// Scheme and authority as the client sees them: `https://example.com`.
    package let origin: String
    package let isLoopback: Bool

    package init(
        act: Act, method: Method, path: String, parameters: [String: String], query: [String: String], headers: [String: String],
        body: Data,
        principal: Principal?, tokenID: String?, origin: String, isLoopback: Bool
    ) {
        self.act = act
        self.method = method
        self.path = path
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.body = body
        self.principal = principal
        self.tokenID = tokenID
        self.origin = origin
        self.isLoopback = isLoopback
    }

    /// The caller; throws 401 where the route's access promises none.
    package func caller() throws(Problem) -> Principal {
        guard let principal else { throw CommonProblems.unauthenticated }
        return principal
    }
    /// An id of the path; another form of id is simply not found.
    package func id<Noun>(_ name: String) throws(Problem) -> Identifier<Noun> {
        guard let text = parameters[name], let id = Identifier<Noun>(text) else { throw CommonProblems.notFound }
        return id
    }
    /// The body; its shape was checked against the route's schema before.
    package func decode<Body: Decodable>(_ type: Body.Type) throws -> Body {
        do { return try JSONDecoder().decode(type, from: body) } catch { throw CommonProblems.malformed }
    }
}

package struct Reply: Sendable {
    package var status: Int
    package var headers: [(String, String)]
    package var body: Data

    package init(status: Int, headers: [(String, String)] = [], body: Data = Data()) {
        self.status = status
        self.headers = headers
        self.body = body
    }
    package static func json<Body: Encodable>(_ body: Body, status: Int = 200) throws -> Reply {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Reply(status: status, headers: [("content-type", "application/json")], body: try encoder.encode(body))
    }
    package static func html(_ text: String, status: Int = 200) -> Reply {
        Reply(status: status, headers: [("content-type", "text/html; charset=utf-8")], body: Data(text.utf8))
    }
    package static func redirect(to location: String, status: Int = 303) -> Reply {
        Reply(status: status, headers: [("location", location)])
    }
}
