import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import S3Files

@Suite("Files in S3")
struct S3FilesTests {
    private static let key = FileKey(tenant: "t1", path: "a/b")
    private func file(_ content: String = "hello") -> FileContent { FileContent(Self.key, "text/plain", Data(content.utf8)) }
    private func said(_ work: () async throws -> Void) async -> String {
        do { try await work() } catch { return "\(error)" }
        return "done"
    }
    private func made(_ given: [String: JSONValue] = [:], root: String = "/files") async throws -> (PaperS3, any FileStore) {
        let s3 = PaperS3(root: root, at: Bucket.start)
        return (s3, try await Bucket.store(try Bucket.bench(s3), s3, given))
    }

    @Test("the store passes every clause of the kit, by path and by the bucket's own address")
    func conformance() async {
        let own: [String: JSONValue] = [
            "endpoint": "https://files.s3.example.com", "addressing": "virtual_host", "prefix": "kernel/one", "region": "eu-central-1",
        ]
        for subject in [Bucket(), Bucket(settings: own, root: "")] {
            let findings = await FileStoreConformance(subject).run()
            #expect(findings.count >= 24 && !findings.contains(where: \.isSkipped))
            for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
        }
    }

    // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and sigv4-query-string-auth.html
    @Test("signatures are those of the examples that Amazon prints")
    func examples() {
        let signer = S3Signer(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", sessionToken: nil, region: "us-east-1"
        )
        let moment = Timestamp(seconds: 1_369_353_600)
        let host = "examplebucket.s3.amazonaws.com"
        let empty = S3Signer.hash(Data())
        func signature(_ request: S3Signer.Request, _ payload: String) -> String {
            signer.headers(for: request, payload: payload, at: moment)["authorization"]?.split(separator: "=").last.map(String.init) ?? ""
        }
        #expect(
            signature(S3Signer.Request(method: "GET", host: host, path: "/test.txt", headers: ["range": "bytes=0-9"]), empty)
                == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(
            signature(S3Signer.Request(method: "GET", host: host, path: "/", query: [("lifecycle", "")]), empty)
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(
            signature(S3Signer.Request(method: "GET", host: host, path: "/", query: [("max-keys", "2"), ("prefix", "J")]), empty)
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
        #expect(
            signer.presigned(S3Signer.Request(method: "GET", host: host, path: "/test.txt"), seconds: 86_400, at: moment)
                .hasSuffix("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"))
    }

    @Test("what the bucket answers is told truly: later, never, perhaps")
    func answers() async throws {
        let cases: [(Int, String, String, String)] = [
            (503, "SlowDown", "unavailable", "unavailable"), (500, "InternalError", "unknown", "unavailable"),
            (502, "", "unknown", "unavailable"),
            (403, "AccessDenied", "refused", "refused"), (404, "NoSuchBucket", "refused", "refused"),
            (301, "PermanentRedirect", "refused", "refused"),
            (400, "BadDigest", "mismatch", "mismatch"), (507, "", "full", "full"), (429, "", "unavailable", "unavailable"),
            (400, "RequestTimeout", "unavailable", "unavailable"), (403, "RequestTimeTooSkewed", "refused", "refused"),
            (600, "", "unknown", "unavailable"),
        ]
        let (s3, store) = try await made()
        for (status, code, writing, reading) in cases {
            let answer = OutboundResponse(status: status, body: code.isEmpty ? Data() : Data("<Error><Code>\(code)</Code></Error>".utf8))
            s3.state.withLock { $0.next = answer }
            #expect(await said { _ = try await store.put(file()) }.hasPrefix(writing), "\(status) \(code)")
            s3.state.withLock { $0.next = answer }
            #expect(await said { _ = try await store.list(FileListing(tenant: "t1")) }.hasPrefix(reading), "\(status) \(code)")
        }
        s3.state.withLock { $0.next = OutboundResponse(status: 200, body: Data("<html>Welcome to the hotel</html>".utf8)) }
        #expect(await said { _ = try await store.put(file()) }.hasPrefix("unknown"))
        #expect(s3.held.isEmpty)
    }

    @Test("an upload's end that is answered 200 with an error in it has failed")
    func failedEnd() async throws {
        let (s3, store) = try await made()
        let content = Data(count: FileStoreLimits.partBytes + 1)
        let pieces = [Data(content.dropLast()), Data(content.suffix(1))]
        let digests = pieces.map { Data(PluginDigest.sha256($0)) }
        let file = FileDeclaration(
            key: Self.key, contentType: "text/plain", bytes: Int64(content.count), hash: ContentHash(ofPieces: digests))
        let upload = FileUpload(file: file, id: try await store.beginUpload(file))
        var receipts: [PieceReceipt] = []
        for number in 1...2 {
            let piece = FilePiece(upload: upload, number: number, content: pieces[number - 1], digest: digests[number - 1])
            receipts.append(try await store.putPart(piece))
        }
        let end = UploadEnd(upload: upload, receipts: receipts)
        for (code, words) in [("InvalidPart", "mismatch"), ("InternalError", "unknown"), ("AccessDenied", "refused")] {
            let answer = Data("<?xml version=\"1.0\"?><Error><Code>\(code)</Code></Error>".utf8)
            s3.state.withLock { $0.next = OutboundResponse(status: 200, body: answer) }
            #expect(await said { _ = try await store.finishUpload(end) }.hasPrefix(words), "\(code)")
        }
        #expect(try await store.finishUpload(end).file == file)
    }

    @Test("what others keep in the bucket is passed over, and is no file")
    func others() async throws {
        let (s3, store) = try await made()
        _ = try await store.put(file())
        s3.state.withLock { state in
            state.others = (0..<25).map { "t1/0 not ours \($0)" } + ["t1/z//x", "t1/é&<b>"]
            state.objects["t1/foreign"] = PaperS3.Object(body: Data("x".utf8), headers: ["content-type": "text/plain"])
        }
        let page = try await store.list(FileListing(tenant: "t1", limit: 2))
        let rest = try await store.list(FileListing(tenant: "t1", after: page.files.last?.path, limit: 2))
        #expect(page.files.map(\.path) == ["a/b"] && page.hasMore && rest.files.map(\.path) == ["foreign"])
        let foreign = FileKey(tenant: "t1", path: "foreign")
        #expect(await said { _ = try await store.head(foreign) }.hasPrefix("damaged"))
        #expect(await said { _ = try await store.read(FileReading(key: foreign)) }.hasPrefix("damaged"))
    }

    @Test("settings that would send files in the clear, or cannot be meant, are refused in a sentence")
    func settings() async throws {
        let cases: [([String: JSONValue], String)] = [
            (["endpoint": "http://s3.example.com"], "in the clear"), (["endpoint": "https://s3.example.com/files"], "without a path"),
            (["addressing": "virtual_host"], "begins with files"), (["bucket": "Files"], "lower-case"), (["bucket": "a/b"], "lower-case"),
            (["region": "EU west"], "lower-case"), (["prefix": "../x"], "prefix"), (["prefix": "a/"], "prefix"),
        ]
        for (given, words) in cases {
            let text = await said { _ = try await made(given) }
            #expect(text.contains(words), "\(given): \(text)")
        }
        #expect(await said { _ = try await made(["endpoint": "http://127.0.0.1:9000"]) } == "done")
    }

    @Test("temporary credentials and encryption are part of what is signed")
    func more() async throws {
        let s3 = PaperS3(at: Bucket.start)
        let bench = try Bucket.bench(s3)
        let context = try bench.context(
            settings: ["endpoint": "https://s3.example.com:443", "bucket": "files", "encryption": "AES256"],
            secrets: ["S3_ACCESS_KEY_ID": [PaperS3.accessKey], "S3_SECRET_ACCESS_KEY": [s3.secret], "S3_SESSION_TOKEN": ["session/1=="]])
        let store = try #require(try await S3Files().make(context).fileStore)
        _ = try await store.put(file())
        let sent = try #require(s3.requests.last)
        #expect(sent.headers["x-amz-security-token"] == "session/1==" && sent.headers["x-amz-server-side-encryption"] == "AES256")
        #expect(sent.headers["authorization"]?.contains("x-amz-security-token;x-amz-server-side-encryption,") == true)
        #expect(sent.url == "https://s3.example.com/files/t1/a/b")
        let given = try await store.presign(PresignRequest(key: Self.key, purpose: .read(downloadName: "x"), lifetime: .seconds(9)))
        #expect(
            try s3.send(OutboundRequest("GET", given.url)).status == 200 && given.url.contains("X-Amz-Security-Token=session%2F1%3D%3D"))
    }

    @Test("XML that is none, is too deep or declares things of its own is no answer")
    func xml() {
        let good = S3XML.read(Data("<?xml version=\"1.0\"?>\n<a x=\"1\"><b>1 &lt; 2 &#x41;&#66;</b><c/><b>&amp;</b></a>\n".utf8))
        #expect(good?.name == "a" && good?["b"]?.text == "1 < 2 AB" && good?.all("b").last?.text == "&" && good?["c"]?.text == "")
        let bad = [
            "", "a", "<a>", "<a></b>", "<a/><b/>", "x<a/>", "<a/>x", "<!DOCTYPE a><a/>", "<a>&x;</a>", "<a>&#xD800;</a>", "<a>&lt</a>",
            "<a", "<>",
            "<!-- a --><a/>", "<a><![CDATA[x]]></a>", String(repeating: "<a>", count: 17) + String(repeating: "</a>", count: 17),
            "<a>" + String(repeating: "<b/>", count: 20_001) + "</a>",
        ]
        for text in bad { #expect(S3XML.read(Data(text.utf8)) == nil, "\(text.prefix(30))") }
        #expect(S3XML.read(Data([0x3c, 0x61, 0xff, 0x3e])) == nil)
        #expect(HTTPTime.read("Sat, 21 Nov 2026 09:30:00 GMT") == Bucket.start && HTTPTime.read("yesterday") == nil)
    }
}
