import Foundation
import FoundationNetworking
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import S3Files

/// Against somebody else's S3, and for somebody else's signer: Tests/Interop/test_s3_files.py starts both and says where.
private let peer = ProcessInfo.processInfo.environment["CODITECT_S3_PEER"]

private func sent(_ request: OutboundRequest) async throws -> OutboundResponse {
    guard let url = URL(string: request.url) else { throw OutboundFailure.forbidden("no address") }
    var outgoing = URLRequest(url: url)
    outgoing.httpMethod = request.method
    for (name, value) in request.headers { outgoing.setValue(value, forHTTPHeaderField: name) }
    if !request.body.isEmpty { outgoing.httpBody = request.body }
    let (body, answer) = try await URLSession.shared.data(for: outgoing)
    guard let answer = answer as? HTTPURLResponse else { throw OutboundFailure.unanswered("no answer of HTTP") }
    let headers = answer.allHeaderFields.map { ("\($0.key)".lowercased(), "\($0.value)") }
    return OutboundResponse(status: answer.statusCode, headers: Dictionary(headers) { $1 }, body: body)
}

/// The bucket `coditect` of the peer; each stage has a prefix of its own.
private struct PeerBucket: FileStoreSubject {
    let endpoint: String
    var secrets: [String] { ["testing-secret"] }
    static let count = Mutex(0)

    private func store(_ prefix: String, _ bench: PluginBench) async throws -> any FileStore {
        let context = try bench.context(
            settings: ["endpoint": .string(endpoint), "bucket": "coditect", "prefix": .string(prefix)],
            secrets: ["S3_ACCESS_KEY_ID": ["testing"], "S3_SECRET_ACCESS_KEY": ["testing-secret"]])
        guard let store = try await PluginBench.made(S3Files(), context).fileStore else { throw PluginRefusal("no store") }
        return store
    }

    func stage(_ situation: FileSituation, kept: [FileContent]) async throws -> FileStage? {
        // The peer looks at no signature.
        if situation == .wrongSecret { return nil }
        let prefix = Self.count.withLock { count in
            count += 1
            return "stage-\(count)"
        }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let manifest = package.appendingPathComponent("plugin.json")
        // The peer is a process of its own and dates what it keeps by the real clock.
        let now = Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
        let well = try PluginBench(manifest: manifest, at: now) { try await sent($0) }
        let proper = try await store(prefix, well)
        for file in kept { _ = try await proper.put(file) }
        let broken = try PluginBench(manifest: manifest, at: now) { request in
            let writes = !["GET", "HEAD"].contains(request.method)
            switch situation {
            case .away: throw OutboundFailure.unsent("away")
            case .losesRequests where writes: throw OutboundFailure.unsent("lost")
            case .losesAnswers where writes:
                _ = try await sent(request)
                throw OutboundFailure.unanswered("lost")
            case .answersNonsense: return OutboundResponse(status: 200, body: Data("<html></html>".utf8))
            case .full where writes: return OutboundResponse(status: 507)
            default: return try await sent(request)
            }
        }
        return FileStage(
            store: try await store(prefix, broken), again: { proper },
            held: {
                var held: [String: Data] = [:]
                for tenant in ["t1", "t2", "t10", "t1-b", "T1"] {
                    for file in try await proper.list(FileListing(tenant: tenant)).files {
                        let key = FileKey(tenant: tenant, path: file.path)
                        var content = Data()
                        while content.count < file.bytes {
                            content += try await proper.read(FileReading(key: key, offset: Int64(content.count))).content
                        }
                        held["\(key)"] = content
                    }
                }
                return held
            },
            uploads: {
                let answer = try await sent(OutboundRequest("GET", "\(endpoint)/coditect?uploads&prefix=\(prefix)/"))
                return S3XML.read(answer.body)?.all("Upload").count ?? -1
            }, fetch: { try await sent($0) })
    }
}

@Suite("Beside others", .enabled(if: peer != nil))
struct PeerTests {
    @Test("the store passes the kit over a bucket of somebody else's")
    func peers() async throws {
        let findings = await FileStoreConformance(PeerBucket(endpoint: try #require(peer))).run()
        // The peer looks at no signature, so what strangers alter is the paper bucket's to see; and for an upload that is gone it
        // answers 500 where S3 says NoSuchUpload.
        for finding in findings where !finding.check.contains("address") && !finding.check.contains("abandoned") {
            #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)")
        }
        print("peer|\(findings.filter { $0.holds && !$0.isSkipped }.count) clauses hold")
    }

    @Test("signed requests and addresses, written down for another signer")
    func written() async throws {
        let place = try #require(ProcessInfo.processInfo.environment["CODITECT_S3_NOTES"])
        let endpoint = try #require(peer)
        let moment = Timestamp(seconds: 1_795_253_400)
        var notes: [JSONValue] = []
        for (number, token) in [nil, "token/1+2=="].enumerated() {
            let signer = S3Signer(accessKey: "testing", secretKey: "testing-secret", sessionToken: token, region: "eu-central-1")
            for host in ["s3.example.com", "files.s3.example.com", "127.0.0.1:9000"] {
                let requests: [S3Signer.Request] = [
                    .init(method: "GET", host: host, path: "/files/t1/a.b_c-d/e"),
                    .init(
                        method: "GET", host: host, path: "/", query: [("list-type", "2"), ("prefix", "t1/a b&c=d+é~"), ("max-keys", "9")]),
                    .init(
                        method: "POST", host: host, path: "/files/k", query: [("uploads", "")],
                        headers: ["content-type": "a/b", "x-amz-meta-coditect-hash": "00-2"]),
                    .init(
                        method: "PUT", host: host, path: "/files/k", query: [("partNumber", "10"), ("uploadId", "a.b~c/d+e=")],
                        headers: ["x-amz-checksum-sha256": "aGVsbG8="]),
                    .init(method: "DELETE", host: host, path: "/files/k", query: [("uploadId", "x"), ("Upload", "X")]),
                ]
                for request in requests {
                    let payload = S3Signer.hash(Data("body \(number)".utf8))
                    let headers = signer.headers(for: request, payload: payload, at: moment)
                    let query = signer.presigned(request, seconds: 4_711, at: moment)
                    notes.append([
                        "method": .string(request.method), "host": .string(host), "path": .string(request.path),
                        "token": token.map { .string($0) } ?? .null,
                        "query": .array(request.query.map { .array([.string($0.0), .string($0.1)]) }), "payload": .string(payload),
                        "given": .object(request.headers.mapValues { .string($0) }), "headers": .object(headers.mapValues { .string($0) }),
                        "presigned": .string(query),
                    ])
                }
            }
        }
        let stage = try #require(try await PeerBucket(endpoint: endpoint).stage(.works, kept: []))
        let key = FileKey(tenant: "t9", path: "given/away")
        let file = FileContent(key, "text/html", Data("<b>from outside</b>".utf8))
        let writing = try await stage.store.presign(PresignRequest(key: key, purpose: .write(file.file), lifetime: .seconds(300)))
        let reading = try await stage.store.presign(
            PresignRequest(key: key, purpose: .read(downloadName: "Größe.html"), lifetime: .seconds(300)))
        let document: JSONValue = [
            "signed": .array(notes), "put": .string(writing.url), "put_headers": .object(writing.headers.mapValues { .string($0) }),
            "get": .string(reading.url),
            "body": .string(String(decoding: file.content, as: UTF8.self)), "hash": .string("\(file.file.hash)"),
        ]
        try document.encoded().write(to: URL(fileURLWithPath: place))
    }
}
