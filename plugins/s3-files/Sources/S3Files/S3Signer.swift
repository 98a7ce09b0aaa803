import Foundation
import PluginKit

/// AWS Signature Version 4 for S3: in headers, and in the query of a presigned address.
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
struct S3Signer: Sendable {
    let accessKey: String
    let secretKey: String
    let sessionToken: String?
    let region: String

    static let algorithm = "AWS4-HMAC-SHA256"

    struct Request {
        var method: String
        var host: String
        /// As it goes out: nothing in it needs escaping.
        var path: String
        var query: [(String, String)] = []
        /// In lower case, `host` left out; all of them are signed.
        var headers: [String: String] = [:]
    }

    var isUsable: Bool {
        ([accessKey, secretKey] + [sessionToken].compactMap(\.self)).allSatisfy { text in
            !text.isEmpty && text.utf8.count <= 4_096 && text.utf8.allSatisfy { (33...126).contains($0) }
        }
    }

    /// The headers to send: those given and what proves them. `payload`: SHA-256 of the body in hex.
    func headers(for request: Request, payload: String, at moment: Timestamp) -> [String: String] {
        var request = request
        let time = Self.time(moment)
        request.headers["x-amz-date"] = time
        request.headers["x-amz-content-sha256"] = payload
        if let sessionToken { request.headers["x-amz-security-token"] = sessionToken }
        let signature = signature(request, payload: payload, time: time)
        var headers = request.headers
        headers["authorization"] =
            "\(Self.algorithm) Credential=\(accessKey)/\(scope(time)), SignedHeaders=\(Self.signed(request)), Signature=\(signature)"
        return headers
    }

    /// The query of an address that proves itself; what is in `headers` must be sent with it.
    func presigned(_ request: Request, seconds: Int64, at moment: Timestamp) -> String {
        var request = request
        let time = Self.time(moment)
        request.query += [
            ("X-Amz-Algorithm", Self.algorithm), ("X-Amz-Credential", "\(accessKey)/\(scope(time))"), ("X-Amz-Date", time),
            ("X-Amz-Expires", "\(seconds)"), ("X-Amz-SignedHeaders", Self.signed(request)),
        ]
        if let sessionToken { request.query.append(("X-Amz-Security-Token", sessionToken)) }
        let signature = signature(request, payload: "UNSIGNED-PAYLOAD", time: time)
        return Self.canonical(request.query) + "&X-Amz-Signature=" + signature
    }

    // MARK: - The signature

    private func signature(_ request: Request, payload: String, time: String) -> String {
        let headers = (request.headers.merging(["host": request.host]) { $1 }).sorted { $0.key < $1.key }
        let canonical = [
            request.method, request.path, Self.canonical(request.query),
            headers.map { "\($0.key):\(Self.trimmed($0.value))\n" }.joined(), Self.signed(request), payload,
        ].joined(separator: "\n")
        let text = [Self.algorithm, time, scope(time), Self.hash(Data(canonical.utf8))].joined(separator: "\n")
        let key = [String(time.prefix(8)), region, "s3", "aws4_request"].reduce(Array("AWS4\(secretKey)".utf8)) {
            PluginDigest.hmacSHA256(key: $0, Data($1.utf8))
        }
        return PluginDigest.hex(PluginDigest.hmacSHA256(key: key, Data(text.utf8)))
    }
    private func scope(_ time: String) -> String { "\(time.prefix(8))/\(region)/s3/aws4_request" }
    private static func signed(_ request: Request) -> String {
        (request.headers.keys + ["host"]).sorted().joined(separator: ";")
    }
    /// Runs of spaces count as one.
    private static func trimmed(_ value: String) -> String { value.split(separator: " ").joined(separator: " ") }

    static func canonical(_ query: [(String, String)]) -> String {
        let pairs: [(name: String, value: String)] = query.map { (escape($0.0), escape($0.1)) }
        let sorted = pairs.sorted { left, right in left.name == right.name ? left.value < right.value : left.name < right.name }
        return sorted.map { pair in "\(pair.name)=\(pair.value)" }.joined(separator: "&")
    }
    static func escape(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "-._~".utf8.contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
    static func hash(_ data: Data) -> String { PluginDigest.hex(PluginDigest.sha256(data)) }
    /// `20261121T183000Z`
    static func time(_ moment: Timestamp) -> String {
        String("\(moment)".prefix(19)).filter { $0 != "-" && $0 != ":" } + "Z"
    }
}
