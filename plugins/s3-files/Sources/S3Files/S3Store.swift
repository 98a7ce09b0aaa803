import Foundation
import PluginKit

/// Files as objects of one bucket: type and size as S3 keeps them, the hash in `x-amz-meta-coditect-hash`.
struct S3Store: FileStore {
    let client: S3Client
    var presigns: Bool { true }

    static let hashHeader = "x-amz-meta-coditect-hash"

    func put(_ file: FileContent) async throws -> StoredFile {
        try file.check()
        var headers = described(file.file)
        headers["x-amz-checksum-sha256"] = file.file.hash.digest.base64EncodedString()
        let asked = S3Client.Asked(
            method: "PUT", path: client.place.path(file.file.key), headers: headers, body: file.content, digest: file.file.hash.digest,
            effect: .writes, what: "\(file.file.key)")
        let answer = try await client.send(asked)
        // Something on the way may say "fine" to everything.
        guard answer.headers["etag"]?.isEmpty == false else { throw client.uncertain("the answer names no ETag", asked) }
        return StoredFile(file: file.file, storedAt: client.clock.now())
    }

    func head(_ key: FileKey) async throws -> StoredFile {
        try refuse(key.fault)
        let answer = try await client.send(S3Client.Asked(method: "HEAD", path: client.place.path(key), what: "\(key)"))
        guard let bytes = answer.headers["content-length"].flatMap({ Int64($0) }) else {
            throw FileStoreError.unavailable("the answer names no size")
        }
        return try stored(key, bytes, answer)
    }

    func read(_ request: FileReading) async throws -> FilePart {
        try refuse(request.key.fault)
        guard request.offset >= 0, (1...FileStoreLimits.partBytes).contains(request.length) else {
            throw FileStoreError.refused("1 to \(FileStoreLimits.partBytes) bytes are read at once, from 0 on")
        }
        let end = request.offset.addingReportingOverflow(Int64(request.length) - 1)
        guard !end.overflow else { return FilePart(file: try await head(request.key), content: Data()) }
        let asked = S3Client.Asked(
            method: "GET", path: client.place.path(request.key), headers: ["range": "bytes=\(request.offset)-\(end.partialValue)"],
            maxAnswerBytes: request.length + 65_536, what: "\(request.key)")
        let answer: OutboundResponse
        do { answer = try await client.send(asked) } catch FileStoreError.refused(let words) where words.contains("S3 answers 416") {
            // Nothing lies there: behind the end, or the file is empty.
            let file = try await head(request.key)
            guard request.offset >= file.file.bytes else { throw FileStoreError.unavailable(words) }
            return FilePart(file: file, content: Data())
        }
        let (start, total) = try range(answer, asked)
        let file = try stored(request.key, total, answer)
        let content = start == request.offset ? answer.body : answer.body.dropFirst(Int(min(request.offset, Int64(answer.body.count))))
        let wanted = max(0, min(Int64(request.length), total - request.offset))
        guard start == request.offset || start == 0, Int64(content.prefix(Int(wanted)).count) == wanted else {
            throw FileStoreError.unavailable("S3 answered another part than was asked for")
        }
        return FilePart(file: file, content: Data(content.prefix(Int(wanted))))
    }
    /// Where the bytes of an answer begin, and how many the file has.
    private func range(_ answer: OutboundResponse, _ asked: S3Client.Asked) throws -> (start: Int64, total: Int64) {
        guard answer.status == 206 else { return (0, Int64(answer.body.count)) }
        let words = (answer.headers["content-range"] ?? "").split(whereSeparator: { " -/".contains($0) })
        guard words.count == 4, words[0] == "bytes", let start = Int64(words[1]), let total = Int64(words[3]) else {
            throw client.uncertain("the answer does not say which part it is", asked)
        }
        return (start, total)
    }

    func delete(_ key: FileKey) async throws {
        try refuse(key.fault)
        try await remove(S3Client.Asked(method: "DELETE", path: client.place.path(key), effect: .writes, what: "\(key)"))
    }
    private func remove(_ asked: S3Client.Asked) async throws {
        do {
            let answer = try await client.send(asked)
            guard answer.status == 204 || answer.body.isEmpty else { throw client.uncertain("the answer is none of S3's", asked) }
        } catch FileStoreError.unknownFile {
            return
        }
    }

    func list(_ request: FileListing) async throws -> FilePage {
        try refuse(request.fault)
        let home = "\(client.place.prefix)\(request.tenant)/"
        var after = request.after.map { home + $0 }
        // Others may keep what is no file of ours beside them; it is passed over, and so are pages of nothing else.
        for _ in 0..<16 {
            var query = [("list-type", "2"), ("max-keys", "\(request.limit)"), ("prefix", home + request.prefix)]
            if let after { query.append(("start-after", after)) }
            let asked = S3Client.Asked(
                method: "GET", path: client.place.bucketPath, query: query, maxAnswerBytes: 8_388_608, what: request.tenant)
            let answer = try await client.send(asked)
            guard let root = S3XML.read(answer.body), root.name == "ListBucketResult", let isTruncated = root["IsTruncated"]?.text else {
                throw client.uncertain("the answer is no list", asked)
            }
            let entries = root.all("Contents").map { ($0["Key"]?.text ?? "", Int64($0["Size"]?.text ?? "")) }
            guard entries.allSatisfy({ $0.0.utf8.starts(with: (home + request.prefix).utf8) && $0.1 != nil }) else {
                throw client.uncertain("the list holds what was not asked for", asked)
            }
            let files = entries.map { ListedFile(path: String($0.0.dropFirst(home.count)), bytes: $0.1 ?? 0) }
                .filter { FileKey.fault(inPath: $0.path) == nil }
            let hasMore = isTruncated == "true"
            guard files.isEmpty, hasMore, let last = entries.last?.0 else { return FilePage(files: files, hasMore: hasMore) }
            after = last
        }
        throw FileStoreError.unavailable("too much lies there that is no file of ours")
    }

    // MARK: - In pieces

    func beginUpload(_ file: FileDeclaration) async throws -> String {
        try refuse(file.faultInPieces)
        var headers = described(file)
        headers["x-amz-checksum-algorithm"] = "SHA256"
        let asked = S3Client.Asked(
            method: "POST", path: client.place.path(file.key), query: [("uploads", "")], headers: headers, effect: .writes,
            what: "\(file.key)")
        let root = S3XML.read(try await client.send(asked).body)
        guard root?.name == "InitiateMultipartUploadResult", let id = root?["UploadId"]?.text, !id.isEmpty, id.utf8.count <= 900 else {
            throw client.uncertain("the answer names no upload", asked)
        }
        return "\(id).\(seal(id, file))"
    }

    func putPart(_ part: FilePiece) async throws -> PieceReceipt {
        try part.check()
        let asked = S3Client.Asked(
            method: "PUT", path: client.place.path(part.upload.file.key),
            query: [("partNumber", "\(part.number)"), ("uploadId", try id(part.upload))],
            headers: ["x-amz-checksum-sha256": part.digest.base64EncodedString()], body: part.content,
            digest: part.digest, effect: .writes, what: "upload")
        guard let tag = try await client.send(asked).headers["etag"], (1...200).contains(tag.utf8.count) else {
            throw client.uncertain("the answer names no ETag", asked)
        }
        return PieceReceipt(
            number: part.number, digest: part.digest, token: "\(tag).\(try seal(tag, part.number, part.digest, part.upload))")
    }

    func finishUpload(_ end: UploadEnd) async throws -> StoredFile {
        try end.check()
        let file = end.upload.file
        let parts = try end.receipts.map { receipt in
            // Not every bucket compares the hash of a piece with what it keeps.
            guard let dot = receipt.token.lastIndex(of: "."), case let tag = String(receipt.token[..<dot]),
                "\(tag).\(try seal(tag, receipt.number, receipt.digest, end.upload))" == receipt.token
            else { throw FileStoreError.mismatch("the receipt of piece \(receipt.number) is another's") }
            return "<Part><PartNumber>\(receipt.number)</PartNumber><ETag>\(S3XML.escaped(tag))</ETag>"
                + "<ChecksumSHA256>\(receipt.digest.base64EncodedString())</ChecksumSHA256></Part>"
        }
        let body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(parts.joined())</CompleteMultipartUpload>"
        let asked = S3Client.Asked(
            method: "POST", path: client.place.path(file.key), query: [("uploadId", try id(end.upload))],
            headers: ["content-type": "application/xml"], body: Data(body.utf8), effect: .writes, what: "upload")
        do {
            let answer = try await client.send(asked)
            // S3 answers 200 before it knows how it ends.
            let root = S3XML.read(answer.body)
            guard root?.name == "CompleteMultipartUploadResult" else {
                guard root?.name == "Error" else { throw client.uncertain("the answer is none of S3's", asked) }
                var failed = answer
                failed.status = root?["Code"]?.text == "InternalError" ? 500 : 400
                throw client.failure(failed, asked)
            }
            return StoredFile(file: file, storedAt: client.clock.now())
        } catch let error as FileStoreError {
            // An answer that got lost is asked for again.
            switch error {
            case .unknownFile, .unknown: if let stored = try? await head(file.key), stored.file == file { return stored }
            default: break
            }
            throw error
        }
    }

    func abandonUpload(_ upload: FileUpload) async throws {
        try refuse(upload.file.faultInPieces)
        guard let id = try? id(upload) else { return }
        try await remove(
            S3Client.Asked(
                method: "DELETE", path: client.place.path(upload.file.key), query: [("uploadId", id)], effect: .writes, what: "upload"))
    }

    /// An upload's id with a seal over what was declared at its beginning: it opens nothing else.
    private func id(_ upload: FileUpload) throws -> String {
        guard let dot = upload.id.lastIndex(of: ".") else { throw FileStoreError.unknownFile("upload") }
        let id = String(upload.id[..<dot])
        guard PluginDigest.isEqual(Array(upload.id[upload.id.index(after: dot)...].utf8), Array(seal(id, upload.file).utf8)) else {
            throw FileStoreError.unknownFile("upload")
        }
        return id
    }
    private func seal(_ id: String, _ file: FileDeclaration) -> String {
        seal(["coditect:s3-upload:1", id, "\(file.key)", file.contentType, "\(file.bytes)", "\(file.hash)"])
    }
    private func seal(_ tag: String, _ number: Int, _ digest: Data, _ upload: FileUpload) throws -> String {
        seal(["coditect:s3-piece:1", try id(upload), "\(number)", PluginDigest.hex(Array(digest)), tag])
    }
    private func seal(_ lines: [String]) -> String {
        let text = Data(lines.joined(separator: "\n").utf8)
        return String(PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(client.signer.secretKey.utf8), text)).prefix(32))
    }

    // MARK: - Addresses

    func presign(_ request: PresignRequest) async throws -> PresignedAddress {
        try refuse(request.fault)
        let now = client.clock.now()
        let seconds = request.lifetime.components.seconds
        var asked = S3Signer.Request(method: "GET", host: client.place.host, path: client.place.path(request.key))
        switch request.purpose {
        case .read(let name):
            asked.query = [("response-content-disposition", "attachment; filename*=UTF-8''\(S3Signer.escape(name))")]
        case .write(let file):
            asked.method = "PUT"
            asked.headers = described(file)
            asked.headers["content-length"] = "\(file.bytes)"
            asked.headers["x-amz-checksum-sha256"] = file.hash.digest.base64EncodedString()
        @unknown default: throw FileStoreError.notSupported
        }
        let query = client.signer.presigned(asked, seconds: seconds, at: now)
        return PresignedAddress(
            url: "\(client.place.origin)\(asked.path)?\(query)", method: asked.method, headers: asked.headers,
            expiresAt: Timestamp(seconds: now.microseconds / 1_000_000 + seconds))
    }

    // MARK: - What all use

    private func described(_ file: FileDeclaration) -> [String: String] {
        var headers = ["content-type": file.contentType, Self.hashHeader: "\(file.hash)"]
        headers["x-amz-server-side-encryption"] = client.place.encryption
        return headers
    }
    private func stored(_ key: FileKey, _ bytes: Int64, _ answer: OutboundResponse) throws -> StoredFile {
        guard let hash = answer.headers[Self.hashHeader].flatMap({ ContentHash($0) }) else {
            throw FileStoreError.damaged("what lies at \(key) was not written here")
        }
        let file = FileDeclaration(key: key, contentType: answer.headers["content-type"] ?? "", bytes: bytes, hash: hash)
        guard file.fault == nil else { throw FileStoreError.damaged("what lies at \(key) is no file of ours") }
        let since = answer.headers["last-modified"].flatMap(HTTPTime.read)
        return StoredFile(file: file, storedAt: since ?? client.clock.now())
    }
    private func refuse(_ fault: String?) throws { if let fault { throw FileStoreError.refused(fault) } }
}

/// `Sat, 21 Nov 2026 18:30:00 GMT` (RFC 9110, 5.6.7).
enum HTTPTime {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    static func read(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: String(words[2])) else { return nil }
        let number = month + 1
        return Timestamp(iso8601: "\(words[3])-\(number < 10 ? "0" : "")\(number)-\(words[1])T\(words[4])Z")
    }
}
