import Foundation
import PluginKit

/// Asks the bucket, and says truly what became of a request.
struct S3Client: Sendable {
    let place: S3Place
    let signer: S3Signer
    let http: any OutboundHTTP
    let clock: any PluginClock
    let secrets: PluginSecrets
    let timeout: Duration

    enum Effect { case reads, writes }
    struct Asked {
        var method: String
        var path: String
        var query: [(String, String)] = []
        var headers: [String: String] = [:]
        var body = Data()
        /// SHA-256 of the body, where it is known already.
        var digest: Data?
        var effect = Effect.reads
        var maxAnswerBytes = 2_097_152
        /// What an error names.
        var what = ""
    }

    /// An answer of 200 to 299; throws `FileStoreError`.
    func send(_ asked: Asked) async throws -> OutboundResponse {
        let payload = asked.digest.map { PluginDigest.hex(Array($0)) } ?? S3Signer.hash(asked.body)
        let signed = signer.headers(
            for: S3Signer.Request(
                method: asked.method, host: place.host, path: asked.path, query: asked.query, headers: asked.headers), payload: payload,
            at: clock.now())
        let query = asked.query.isEmpty ? "" : "?" + S3Signer.canonical(asked.query)
        let answer: OutboundResponse
        do {
            answer = try await http.send(
                OutboundRequest(
                    asked.method, place.origin + asked.path + query, headers: signed, body: asked.body, timeout: timeout,
                    maxAnswerBytes: asked.maxAnswerBytes))
        } catch let failure as OutboundFailure {
            switch failure {
            case .forbidden(let text): throw FileStoreError.refused(secrets.redacted(text))
            case .unsent(let text): throw FileStoreError.unavailable(secrets.redacted(text))
            case .unanswered(let text): throw uncertain(text, asked)
            @unknown default: throw uncertain("\(failure)", asked)
            }
        }
        guard (200..<300).contains(answer.status) else { throw failure(answer, asked) }
        return answer
    }

    /// No answer that could be read: a write may have been carried out.
    func uncertain(_ text: String, _ asked: Asked) -> FileStoreError {
        let text = secrets.redacted(text)
        return asked.effect == .writes ? .unknown(text) : .unavailable(text)
    }

    /// What an answer that is no success means. S3's own sentences may quote what was sent, so only its code is told.
    func failure(_ answer: OutboundResponse, _ asked: Asked) -> FileStoreError {
        let root = S3XML.read(answer.body)
        let said = root?.name == "Error" ? root?["Code"]?.text ?? "" : ""
        let code = secrets.redacted(String(said.prefix(60).filter { $0.isASCII && ($0.isLetter || $0.isNumber) }))
        let words = "S3 answers \(answer.status)\(code.isEmpty ? "" : " \(code)")"
        switch (answer.status, code) {
        case (404, "NoSuchBucket"): return .refused("\(words): there is no such bucket")
        // HEAD has no body, hence no code.
        case (404, "NoSuchKey"), (404, "NoSuchUpload"), (404, "NoSuchVersion"): return .unknownFile(asked.what)
        case (404, "") where asked.method == "HEAD": return .unknownFile(asked.what)
        case (_, "BadDigest"), (_, "XAmzContentSHA256Mismatch"), (_, "InvalidDigest"), (_, "InvalidPart"), (_, "InvalidPartOrder"),
            (_, "EntityTooSmall"), (_, "IncompleteBody"):
            return .mismatch(words)
        case (_, "EntityTooLarge"): return .tooLarge(limit: FileStoreLimits.maxFileBytes)
        case (507, _), (_, "QuotaExceeded"), (_, "XMinioStorageFull"), (_, "StorageFull"): return .full(words)
        case (429, _), (503, "SlowDown"), (503, "ServiceUnavailable"), (400, "RequestTimeout"): return .unavailable(words)
        case (500..., _): return uncertain(words, asked)
        case (300..<400, _):
            let region = answer.headers["x-amz-bucket-region"].map { ", its region is \($0.prefix(40))" } ?? ""
            return .refused("\(words): the bucket is elsewhere\(secrets.redacted(region))")
        default: return .refused(words)
        }
    }
}
