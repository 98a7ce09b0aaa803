import Foundation

/// The plugin's way out. Redirects are not followed; the host refuses what `plugin.json` does not name.
public protocol OutboundHTTP: Sendable {
    /// Throws `OutboundFailure`.
    func send(_ request: OutboundRequest) async throws -> OutboundResponse
}

public struct OutboundRequest: Sendable, Hashable, Codable {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`.
    public var method: String
    /// Absolute; `https`, or `http` where the operator wrote it.
    public var url: String
    /// Names in any case; each at most once.
    public var headers: [String: String]
    public var body: Data
    /// For the whole exchange; 1 to 60 seconds.
    public var timeout: Duration
    /// Bytes of answer accepted, up to `OutboundLimits.maxAnswerBytes`.
    public var maxAnswerBytes: Int

    public init(
        _ method: String, _ url: String, headers: [String: String] = [:], body: Data = Data(), timeout: Duration = .seconds(20),
        maxAnswerBytes: Int = 1_048_576
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.maxAnswerBytes = maxAnswerBytes
    }
}

public struct OutboundResponse: Sendable, Hashable, Codable {
    public var status: Int
    /// Names in lower case; a repeated header's values joined by a comma and a space.
    public var headers: [String: String]
    public var body: Data
    public init(status: Int, headers: [String: String] = [:], body: Data = Data()) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

public enum OutboundFailure: Error, Sendable, Hashable, Codable {
    /// The host did not let it out: host, method, header or size is not allowed.
    case forbidden(String)
    /// It surely did not reach the other side (no address, no connection).
    case unsent(String)
    /// It may have been carried out: the answer did not come, broke off, came too late or was too large.
    case unanswered(String)
}

public enum OutboundLimits {
    public static let maxRequestBytes = 6_291_456
    public static let maxAnswerBytes = 16_777_216
    public static let timeout: ClosedRange<Duration> = Duration.seconds(1)...Duration.seconds(60)
    public static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
}
