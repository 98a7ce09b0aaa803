import Foundation
import Vocabulary

/// One request as a handler sees it: identified, limited, authenticated, its body already checked against the schema.
package struct Call: Sendable {
    package let act: Act
    package let method: Method
    package let path: String
    /// Values of `{name}` in the path, percent-decoded.
    package let parameters: [String: String]
    package let query: [String: String]
    package let body: Data
    /// Present for `.session`, `.permission`, `.lease`, and for `.page` and `.operatorOnly` when there is a valid session.
    package let principal: Principal?
    /// Claims of the access token beside the principal, for revocation by `jti`.
    package let tokenID: String?
    /// Scheme and authority as the client sees them: `https://example.com`.
    package let origin: String
    package let isLoopback: Bool
    /// The body as read by the edge; nil where the route names no schema.
    package let json: JSONValue?
    let headerFields: HeaderFields
    let keys: EdgeKeys
    /// What a page's forms are bound to.
    let formBinding: FormBinding?
    /// The other region that passed this on; nil: a client sent it.
    package let relayedFrom: Region?

    /// For tests and for calls made by hand: no form can be verified, and cursors hold within the process only.
    package init(
        act: Act, method: Method, path: String, parameters: [String: String], query: [String: String], headers: [String: String],
        body: Data,
        principal: Principal?, tokenID: String?, origin: String, isLoopback: Bool
    ) {
        self.init(
            act: act, method: method, path: path, parameters: parameters, query: query, body: body, principal: principal, tokenID: tokenID,
            origin: origin, isLoopback: isLoopback, json: try? JSONReader.read(body), headerFields: HeaderFields(headers), keys: .unshared,
            formBinding: nil, relayedFrom: nil)
    }

    init(
        act: Act, method: Method, path: String, parameters: [String: String], query: [String: String], body: Data, principal: Principal?,
        tokenID: String?, origin: String, isLoopback: Bool, json: JSONValue?, headerFields: HeaderFields, keys: EdgeKeys,
        formBinding: FormBinding?, relayedFrom: Region?
    ) {
        self.act = act
        self.method = method
        self.path = path
        self.parameters = parameters
        self.query = query
        self.body = body
        self.principal = principal
        self.tokenID = tokenID
        self.origin = origin
        self.isLoopback = isLoopback
        self.json = json
        self.headerFields = headerFields
        self.keys = keys
        self.formBinding = formBinding
        self.relayedFrom = relayedFrom
    }

    /// Every header, names in lower case, repeated ones joined. Made at each use: `header(_:)` is cheaper for one.
    package var headers: [String: String] { headerFields.dictionary }
    /// One header by its name in lower case.
    package func header(_ name: String) -> String? { headerFields[name] }
    /// One cookie; the first of that name.
    package func cookie(_ name: String) -> String? { headerFields["cookie"].flatMap { Cookies.value(name, in: $0) } }
    /// True when the client speaks TLS, to us or to a trusted proxy.
    package var isSecure: Bool { origin.utf8.starts(with: "https:".utf8) }
    /// The value that a page's form must send back as `csrf_token`. Another one each time, all of them good for this session.
    package var csrf: String {
        guard let formBinding else { return "" }
        formBinding.isUsed.store(true, ordering: .relaxed)
        return keys.csrf.token(for: formBinding.text)
    }
    /// The fields of a form body.
    package func form() throws(Problem) -> FormBody { try FormBody(body) }

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
        do { return try JSONDecoder().decode(type, from: body.isEmpty ? Data("{}".utf8) : body) } catch { throw CommonProblems.malformed }
    }
}

/// A body that is made while it is sent: the next part is asked for when the client has taken the one before. One that fails, or ends early,
/// cuts the connection, so that no client takes a part for the whole.
package struct ReplyStream: Sendable {
    package let length: Int64
    /// Some bytes from this offset on, never none before the end.
    package let read: @Sendable (_ offset: Int64) async throws -> Data
    package init(length: Int64, read: @escaping @Sendable (_ offset: Int64) async throws -> Data) {
        self.length = length
        self.read = read
    }
}

package struct Reply: Sendable {
    package var status: Int
    package var headers: [(String, String)]
    package var body: Data
    /// In the place of `body`, where that would be more than belongs in memory.
    package var stream: ReplyStream?
    /// Of a page: where its scripts may send something besides ourselves.
    package var connects: [WebOrigin] = []

    package init(status: Int, headers: [(String, String)] = [], body: Data = Data(), stream: ReplyStream? = nil) {
        self.status = status
        self.headers = headers
        self.body = body
        self.stream = stream
    }
    /// As many bytes as the answer has.
    package var length: Int64 { stream?.length ?? Int64(body.count) }
    package static func json<Body: Encodable>(_ body: Body, status: Int = 200) throws -> Reply {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Reply(status: status, headers: [("content-type", "application/json")], body: try encoder.encode(body))
    }
    /// Without a detour over an encoder.
    package static func json(value: JSONValue, status: Int = 200) -> Reply {
        Reply(status: status, headers: [("content-type", "application/json")], body: JSONWriter.data(value))
    }
    package static func html(_ text: String, status: Int = 200) -> Reply {
        Reply(status: status, headers: [("content-type", "text/html; charset=utf-8")], body: Data(text.utf8))
    }
    package static func redirect(to location: String, status: Int = 303) -> Reply {
        Reply(status: status, headers: [("location", location)])
    }

    /// The first header of this name (lower case).
    package func header(_ name: String) -> String? { headers.first { $0.0 == name || $0.0.lowercased() == name }?.1 }
    /// The same reply with one cookie more.
    package func setting(_ cookie: SetCookie) -> Reply {
        var copy = self
        copy.headers.append(("set-cookie", cookie.text))
        return copy
    }
}
