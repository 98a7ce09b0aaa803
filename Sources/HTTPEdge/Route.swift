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
    package let proof: RouteProof
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
    /// True for a page that other sites make browsers post to: what comes proves itself, and neither our form's token nor our origin is asked for.
    package let takesForeignForms: Bool
    /// True for a page whose form brings a file: `multipart/form-data`, read by `Call.multipart`.
    package let takesFiles: Bool
    /// Where the path and query prove who may send how much: asked before the body is read, in the place of `maxBodyBytes`. Refuses by throwing.
    package let admits: (@Sendable (_ parameters: [String: String], _ query: [String: String], _ now: Timestamp) throws(Problem) -> Int)?
    /// What tells in which region a request is at home that carries no bearer token; nil: it is answered wherever it arrives.
    package let clue: RegionClue?
    package let handler: @Sendable (Call) async throws -> Reply

    package init(
        _ method: Method, _ path: String, name: String, summary: String, access: RouteAccess, limit: LimitClass = .standard,
        proof: RouteProof = .usual, request: Schema? = nil, query: [QueryField] = [], answers: [RouteAnswer], problems: [Problem] = [],
        creates: Bool = false, maxBodyBytes: Int = 65_536, aliases: [String] = [], takesForeignForms: Bool = false,
        takesFiles: Bool = false,
        admits: (@Sendable (_ parameters: [String: String], _ query: [String: String], _ now: Timestamp) throws(Problem) -> Int)? = nil,
        clue: RegionClue? = nil,
        handler: @escaping @Sendable (Call) async throws -> Reply
    ) {
        self.method = method
        self.path = path
        self.name = name
        self.summary = summary
        self.access = access
        self.limit = limit
        self.proof = proof
        self.request = request
        self.query = query
        self.answers = answers
        self.problems = problems
        self.creates = creates
        self.maxBodyBytes = maxBodyBytes
        self.aliases = aliases
        self.takesForeignForms = takesForeignForms
        self.takesFiles = takesFiles
        self.admits = admits
        self.clue = clue
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

/// How far a signed-in caller must have proved who it is, beside the permission: a change under a sensitive permission asks for a
/// recent second factor in any case (`Route.needsRecentFactor`).
package struct RouteProof: Sendable, Hashable {
    /// Whoever has a second factor proves it again if that was long ago.
    package let isSensitive: Bool
    /// Nobody without a recent second factor, also nobody who has none.
    package let isStrict: Bool
    /// Open to a session that may only set up a second factor.
    package let isForEnrolment: Bool
    /// Open from networks that the caller's tenant lets nobody in from: it only takes rights away.
    package let isFromAnywhere: Bool
    /// A page that staff in a member's place may send: what it does is asked of operations, which check that by themselves.
    package let isForDelegates: Bool
    /// Where a browser comes back to once the factor is proved; nil: to the page itself.
    package let back: String?

    package static let usual = RouteProof()
    package static let sensitive = RouteProof(isSensitive: true)
    package static let strict = RouteProof(isSensitive: true, isStrict: true)
    package static let enrolment = RouteProof(isForEnrolment: true)

    package init(
        isSensitive: Bool = false, isStrict: Bool = false, isForEnrolment: Bool = false, isFromAnywhere: Bool = false,
        isForDelegates: Bool = false, back: String? = nil
    ) {
        self.isForDelegates = isForDelegates
        self.isSensitive = isSensitive
        self.isStrict = isStrict
        self.isForEnrolment = isForEnrolment
        self.isFromAnywhere = isFromAnywhere
        self.back = back
    }
}

extension Route {
    package var needsRecentFactor: Bool {
        if case .permission(let permission) = access, permission.isSensitive, method != .get { return true }
        return proof.isSensitive
    }
    /// Whether a caller may be told to prove or set up a second factor first.
    var asksForFactor: Bool {
        switch access {
        case .session, .permission, .lease, .operatorOnly: true
        case .open, .proof, .page: false
        }
    }
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
