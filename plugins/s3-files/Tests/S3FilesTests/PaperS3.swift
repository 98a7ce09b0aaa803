import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import S3Files

/// A bucket on paper: keeps objects, and believes nothing that is not signed. It reads signatures back by rules of its own.
final class PaperS3: Sendable {
    struct Object {
        var body: Data
        var headers: [String: String]
    }
    struct Upload {
        var key: String
        var headers: [String: String]
        var parts: [Int: (body: Data, sum: Data)] = [:]
    }
    struct State {
        var objects: [String: Object] = [:]
        var uploads: [String: Upload] = [:]
        var situation = FileSituation.works
        var now: Timestamp
        var requests: [OutboundRequest] = []
        var count = 0
        /// Answered to the next request in its place.
        var next: OutboundResponse?
        var others: [String] = []
    }
    let state: Mutex<State>
    let secret: String
    let root: String
    static let accessKey = "AKIAPAPER"

    init(secret: String = "paper/secret+key", root: String = "/files", at now: Timestamp) {
        self.secret = secret
        self.root = root
        state = Mutex(State(now: now))
    }
    var held: [String: Data] { state.withLock { $0.objects.mapValues(\.body) } }
    var requests: [OutboundRequest] { state.withLock { $0.requests } }

    func send(_ request: OutboundRequest) throws -> OutboundResponse {
        let (situation, next) = state.withLock { state in
            state.requests.append(request)
            defer { state.next = nil }
            return (state.situation, state.next)
        }
        if let next { return next }
        let writes = !["GET", "HEAD"].contains(request.method)
        switch situation {
        case .away: throw OutboundFailure.unsent("no connection to the bucket, \(secret)")
        case .losesRequests where writes: throw OutboundFailure.unsent("no connection to the bucket, \(secret)")
        case .answersNonsense: return OutboundResponse(status: 200, headers: ["content-length": "15"], body: Data("<html>no</html>".utf8))
        case .full where writes: return refused(507, "InsufficientStorage")
        case .losesAnswers where writes:
            _ = serve(request)
            throw OutboundFailure.unanswered("the answer did not come, \(secret)")
        default: return serve(request)
        }
    }

    // MARK: - Who asks

    private func serve(_ request: OutboundRequest) -> OutboundResponse {
        guard let parts = URLComponents(string: request.url) else { return refused(400, "InvalidURI") }
        let query = Dictionary((parts.percentEncodedQueryItems ?? []).map { ($0.name, $0.value?.removingPercentEncoding ?? "") }) { $1 }
        var headers = Dictionary(request.headers.map { ($0.key.lowercased(), $0.value) }) { $1 }
        let host = (parts.host ?? "") + (parts.port.map { ":\($0)" } ?? "")
        headers["host"] = host
        headers["content-length"] = "\(request.body.count)"
        // Once for each request: hashing is what takes the time here.
        let sum = Data(PluginDigest.sha256(request.body))
        if let code = forgery(request, sum, parts, query, headers) { return refused(403, code) }
        let path = parts.path
        guard path == root || path.hasPrefix(root + "/") else { return refused(404, "NoSuchBucket") }
        let key = String(path.dropFirst(root.count + 1))
        if let claimed = headers["x-amz-checksum-sha256"], claimed != sum.base64EncodedString() { return refused(400, "BadDigest") }
        return key.isEmpty ? list(query) : object(request, sum, key, query, headers)
    }

    private func forgery(
        _ request: OutboundRequest, _ sum: Data, _ parts: URLComponents, _ query: [String: String], _ headers: [String: String]
    ) -> String? {
        let isPresigned = query["X-Amz-Signature"] != nil
        var claims: [String: String] = [:]
        for word in (headers["authorization"] ?? "").split(whereSeparator: { " ,".contains($0) }) {
            let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
            if pair.count == 2 { claims[pair[0]] = pair[1] }
        }
        let credential = query["X-Amz-Credential"] ?? claims["Credential"] ?? ""
        let names = (query["X-Amz-SignedHeaders"] ?? claims["SignedHeaders"] ?? "").split(separator: ";").map(String.init)
        let signature = query["X-Amz-Signature"] ?? claims["Signature"] ?? ""
        let date = query["X-Amz-Date"] ?? headers["x-amz-date"] ?? ""
        let scope = credential.split(separator: "/").map(String.init)
        guard scope.count == 5, scope[0] == PaperS3.accessKey, scope[3] == "s3", names.contains("host"), date.hasPrefix(scope[1]) else {
            return "InvalidAccessKeyId"
        }
        // What S3 acts on must be signed.
        guard headers.keys.filter({ $0.hasPrefix("x-amz-") }).allSatisfy(names.contains) else { return "AccessDenied" }
        guard let then = Timestamp(iso8601: stretched(date)) else { return "AccessDenied" }
        let now = state.withLock { $0.now }
        if isPresigned {
            guard let life = query["X-Amz-Expires"].flatMap({ Int64($0) }), now < then + .seconds(life) else { return "AccessDenied" }
        } else if now - then > .minutes(15) || then - now > .minutes(15) {
            return "RequestTimeTooSkewed"
        }
        let body = isPresigned ? "UNSIGNED-PAYLOAD" : headers["x-amz-content-sha256"] ?? ""
        guard isPresigned || body == PluginDigest.hex(Array(sum)) else { return "XAmzContentSHA256Mismatch" }
        let pairs = (parts.percentEncodedQuery ?? "").split(separator: "&").map { $0.contains("=") ? String($0) : "\($0)=" }
            .filter { !$0.hasPrefix("X-Amz-Signature=") }.sorted()
        var lines = [request.method, parts.percentEncodedPath, pairs.joined(separator: "&")]
        for name in names { lines.append("\(name):\(headers[name] ?? "")") }
        lines += ["", names.joined(separator: ";"), body]
        let digest = PluginDigest.hex(PluginDigest.sha256(Data(lines.joined(separator: "\n").utf8)))
        var key = Array("AWS4\(state.withLock { $0.situation } == .wrongSecret ? "another" : secret)".utf8)
        for step in [scope[1], scope[2], "s3", "aws4_request"] { key = PluginDigest.hmacSHA256(key: key, Data(step.utf8)) }
        let text = "AWS4-HMAC-SHA256\n\(date)\n\(scope[1...].joined(separator: "/"))\n\(digest)"
        return PluginDigest.hex(PluginDigest.hmacSHA256(key: key, Data(text.utf8))) == signature ? nil : "SignatureDoesNotMatch"
    }
    private func stretched(_ date: String) -> String {
        let signs = Array(date)
        guard signs.count == 16 else { return "" }
        return
            "\(String(signs[0..<4]))-\(String(signs[4..<6]))-\(String(signs[6..<8]))T\(String(signs[9..<11])):\(String(signs[11..<13])):\(String(signs[13..<15]))Z"
    }

    // MARK: - Objects

    private func object(
        _ request: OutboundRequest, _ sum: Data, _ key: String, _ query: [String: String], _ headers: [String: String]
    ) -> OutboundResponse {
        state.withLock { state in
            switch request.method {
            case "POST" where query["uploads"] != nil:
                state.count += 1
                let id = "Up.load~\(state.count)"
                state.uploads[id] = Upload(key: key, headers: kept(headers))
                return xml("<InitiateMultipartUploadResult><UploadId>\(id)</UploadId></InitiateMultipartUploadResult>")
            case _ where query["uploadId"] != nil: return upload(request, sum, key, query, &state)
            case "PUT":
                state.objects[key] = Object(body: request.body, headers: kept(headers))
                return OutboundResponse(status: 200, headers: ["etag": tag(sum)])
            case "DELETE":
                state.objects[key] = nil
                return OutboundResponse(status: 204)
            case "HEAD", "GET":
                guard let object = state.objects[key] else {
                    return request.method == "HEAD" ? OutboundResponse(status: 404) : refused(404, "NoSuchKey")
                }
                return shown(object, request, query, headers)
            default: return refused(405, "MethodNotAllowed")
            }
        }
    }

    private func shown(_ object: Object, _ request: OutboundRequest, _ query: [String: String], _ headers: [String: String])
        -> OutboundResponse
    {
        var given = object.headers.merging(["content-length": "\(object.body.count)", "last-modified": "Sat, 21 Nov 2026 09:30:00 GMT"]) {
            $1
        }
        given["content-disposition"] = query["response-content-disposition"]
        if request.method == "HEAD" { return OutboundResponse(status: 200, headers: given) }
        guard let range = headers["range"]?.dropFirst(6).split(separator: "-").compactMap({ Int($0) }), range.count == 2 else {
            return OutboundResponse(status: 200, headers: given, body: object.body)
        }
        guard range[0] < object.body.count else { return refused(416, "InvalidRange") }
        let end = min(range[1], object.body.count - 1)
        given["content-range"] = "bytes \(range[0])-\(end)/\(object.body.count)"
        given["content-length"] = "\(end - range[0] + 1)"
        return OutboundResponse(status: 206, headers: given, body: Data(object.body[range[0]...end]))
    }

    private func upload(
        _ request: OutboundRequest, _ sum: Data, _ key: String, _ query: [String: String], _ state: inout State
    ) -> OutboundResponse {
        guard let id = query["uploadId"], var upload = state.uploads[id], upload.key == key else { return refused(404, "NoSuchUpload") }
        switch request.method {
        case "PUT":
            guard let number = query["partNumber"].flatMap({ Int($0) }) else { return refused(400, "InvalidPart") }
            upload.parts[number] = (request.body, sum)
            state.uploads[id] = upload
            return OutboundResponse(status: 200, headers: ["etag": tag(sum)])
        case "DELETE":
            state.uploads[id] = nil
            return OutboundResponse(status: 204)
        default:
            guard let root = S3XML.read(request.body), root.name == "CompleteMultipartUpload" else { return refused(400, "MalformedXML") }
            var whole = Data()
            for (place, part) in root.all("Part").enumerated() {
                guard let number = part["PartNumber"].flatMap({ Int($0.text) }), number == place + 1, let kept = upload.parts[number],
                    part["ETag"]?.text == tag(kept.sum),
                    part["ChecksumSHA256"]?.text == kept.sum.base64EncodedString()
                    // As S3 does: 200, and then what went wrong.
                else { return xml("<Error><Code>InvalidPart</Code><Message>One \(secret)</Message></Error>") }
                whole += kept.body
            }
            state.objects[key] = Object(body: whole, headers: upload.headers)
            state.uploads[id] = nil
            return xml("<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult><Key>\(key)</Key></CompleteMultipartUploadResult>")
        }
    }

    private func list(_ query: [String: String]) -> OutboundResponse {
        state.withLock { state in
            let prefix = query["prefix"] ?? ""
            let after = query["start-after"] ?? ""
            let most = query["max-keys"].flatMap { Int($0) } ?? 1_000
            let found = (Array(state.objects.keys) + state.others).filter {
                $0.utf8.starts(with: prefix.utf8) && after.utf8.lexicographicallyPrecedes($0.utf8)
            }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            let entries = found.prefix(most).map {
                "<Contents><Key>\(S3XML.escaped($0))</Key><Size>\(state.objects[$0]?.body.count ?? 0)</Size></Contents>"
            }
            return xml(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>\(found.count > most)</IsTruncated><Owner/>\(entries.joined())</ListBucketResult>"
            )
        }
    }

    private func kept(_ headers: [String: String]) -> [String: String] {
        headers.filter { $0.key == "content-type" || $0.key.hasPrefix("x-amz-meta-") || $0.key == "x-amz-server-side-encryption" }
    }
    private func tag(_ sum: Data) -> String { "\"\(PluginDigest.hex(Array(sum)).prefix(32))\"" }
    private func xml(_ text: String) -> OutboundResponse {
        OutboundResponse(status: 200, headers: ["content-type": "application/xml"], body: Data(text.utf8))
    }
    private func refused(_ status: Int, _ code: String) -> OutboundResponse {
        OutboundResponse(status: status, body: Data("<Error><Code>\(code)</Code><Message>It was \(secret).</Message></Error>".utf8))
    }
}

/// The plugin over that bucket.
struct Bucket: FileStoreSubject {
    var settings: [String: JSONValue] = [:]
    var root = "/files"
    var secrets: [String] { ["paper/secret+key"] }
    static let start = Timestamp(microseconds: 1_795_253_400_000_000)

    static func bench(_ s3: PaperS3) throws -> PluginBench {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try PluginBench(manifest: package.appendingPathComponent("plugin.json"), at: start) { try s3.send($0) }
    }
    static func store(_ bench: PluginBench, _ s3: PaperS3, _ given: [String: JSONValue] = [:]) async throws -> any FileStore {
        let settings: [String: JSONValue] = ["endpoint": "https://s3.example.com", "bucket": "files"].merging(given) { $1 }
        let context = try bench.context(
            settings: settings, secrets: ["S3_ACCESS_KEY_ID": [PaperS3.accessKey], "S3_SECRET_ACCESS_KEY": [s3.secret]])
        guard let store = try await PluginBench.made(S3Files(), context).fileStore else { throw PluginRefusal("no store") }
        return store
    }

    func stage(_ situation: FileSituation, kept: [FileContent]) async throws -> FileStage? {
        let s3 = PaperS3(root: root, at: Self.start)
        let bench = try Self.bench(s3)
        let store = try await Self.store(bench, s3, settings)
        for file in kept { _ = try await store.put(file) }
        s3.state.withLock { $0.situation = situation }
        let before = settings["prefix"]?.string.map { $0 + "/" } ?? ""
        return FileStage(
            store: store,
            again: {
                s3.state.withLock { $0.situation = .works }
                return try await Self.store(bench, s3, settings)
            },
            held: { Dictionary(uniqueKeysWithValues: s3.held.map { (String($0.key.dropFirst(before.count)), $0.value) }) },
            uploads: { s3.state.withLock { $0.uploads.count } }, fetch: { try s3.send($0) },
            pass: { span in
                bench.clock.advance(by: span)
                s3.state.withLock { $0.now = $0.now + span }
            })
    }
}
