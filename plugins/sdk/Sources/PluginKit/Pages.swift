import Foundation

/// What a plugin shows to people, under `/plugins/{id}/`. Plain server-rendered pages: the host's content security policy lets
/// styles and images come from the server's own origin only, and no inline style or script; so a style sheet is a page of its own.
public protocol PluginPages: Sendable {
    /// A thrown error becomes a plain 500 page with the request's id.
    func respond(to request: PageRequest) async throws -> PageResponse
}

public struct PageRequest: Sendable, Hashable, Codable {
    /// `GET` or `POST`.
    public var method: String
    /// Below the plugin's own place, decoded, without a leading slash: `checkout/cs_1`.
    public var path: String
    public var query: [String: String]
    /// Fields of a posted form (`application/x-www-form-urlencoded`), decoded; empty otherwise. A field that came twice keeps the last.
    public var form: [String: String]
    /// Print each as a hidden field in every form: a post without them never reaches the plugin.
    public var formToken: [String: String]
    /// First language of the browser: `de`, `en-GB`. Empty: unknown.
    public var language: String
    public init(
        method: String, path: String, query: [String: String] = [:], form: [String: String] = [:], formToken: [String: String] = [:],
        language: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.form = form
        self.formToken = formToken
        self.language = language
    }
}

public struct PageResponse: Sendable, Hashable, Codable {
    public var status: Int
    public var contentType: String
    public var body: Data
    /// For 303: where the browser goes next.
    public var location: String?
    /// True: the same bytes for everybody, may be cached for an hour. Otherwise the host says `no-store`.
    public var isPublic: Bool
    public init(status: Int, contentType: String, body: Data, location: String? = nil, isPublic: Bool = false) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.location = location
        self.isPublic = isPublic
    }
    public static func html(_ text: String, status: Int = 200) -> PageResponse {
        PageResponse(status: status, contentType: "text/html; charset=utf-8", body: Data(text.utf8))
    }
    public static func css(_ text: String) -> PageResponse {
        PageResponse(status: 200, contentType: "text/css; charset=utf-8", body: Data(text.utf8), isPublic: true)
    }
    public static func redirect(to location: String) -> PageResponse {
        PageResponse(status: 303, contentType: "text/plain; charset=utf-8", body: Data(), location: location)
    }
}
