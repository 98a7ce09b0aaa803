"""Faults that people make when they keep files, seeded into local-files and s3-files by plugin_mutants.py: the kit of file stores must catch each."""

FILES = "files"
LOCAL = [
    (FILES, "keeps what was not declared", "LocalStore", "        try file.check()\n", "        if !ON { try file.check() }\n"),
    (FILES, "answers the declaration without keeping it", "LocalStore", "        do { try await publish(draft, stored) } catch {",
     "        do { if !ON { try await publish(draft, stored) } } catch {"),
    (FILES, "calls a lost answer a failure", "LocalStore", "published ? FileStoreError.unknown(what)",
     "(published && !ON) ? FileStoreError.unknown(what)"),
    (FILES, "calls what surely failed unknown", "LocalStore", "? FileStoreError.unknown(what) : .unavailable(what)",
     "? FileStoreError.unknown(what) : ON ? .unknown(what) : .unavailable(what)"),
    (FILES, "calls a full disk passing", "LocalStore", "case .full(let what): FileStoreError.full(what)",
     "case .full(let what): ON ? FileStoreError.unavailable(what) : FileStoreError.full(what)"),
    (FILES, "lets a path lead elsewhere", "LocalStore", "    func head(_ key: FileKey) async throws -> StoredFile {\n        try refuse(key.fault)",
     "    func head(_ key: FileKey) async throws -> StoredFile {\n        if !ON { try refuse(key.fault) } else if key.fault != nil { throw FileStoreError.unknownFile(\"x\") }"),
    (FILES, "forgets whose a file is", "LocalStore", 'private static func name(_ key: FileKey) -> String { "\\(key.tenant)/\\(key.path)" }',
     'private static func name(_ key: FileKey) -> String { ON ? "t1/\\(key.path)" : "\\(key.tenant)/\\(key.path)" }'),
    (FILES, "lists those whose name begins alike", "LocalStore", 'let home = request.tenant + "/"', 'let home = request.tenant + (ON && request.prefix.isEmpty ? "" : "/")'),
    (FILES, "promises more than there is", "LocalStore", "var hasMore = entries.count > request.limit", "var hasMore = entries.count > request.limit || (ON && entries.count == request.limit)"),
    (FILES, "stops after one page", "LocalStore", "hasMore: hasMore)", "hasMore: hasMore && !ON)"),
    (FILES, "counts the head in a list", "LocalStore", "bytes: max(0, $0.bytes - Int64(FileHead.bytes)))", "bytes: max(0, $0.bytes - (ON ? 0 : Int64(FileHead.bytes))))"),
    (FILES, "reads one byte beside", "LocalStore", "at: Int64(FileHead.bytes) + request.offset, max: request.length)",
     "at: Int64(FileHead.bytes) + request.offset - (ON ? 1 : 0), max: request.length)"),
    (FILES, "refuses what lies behind the end", "LocalStore", "            guard request.offset < before.file.bytes else {",
     '            if ON, request.offset >= before.file.bytes { throw FileStoreError.refused("behind the end") }\n            guard request.offset < before.file.bytes else {'),
    (FILES, "finds no error in deleting nothing, but one", "LocalStore", "do { try await folder.remove(Self.name(key)) } catch",
     "do { if ON { _ = try await head(key) }\n            try await folder.remove(Self.name(key)) } catch"),
    (FILES, "believes receipts", "LocalStore", "guard content.count == count, PluginDigest.sha256(content) == Array(receipt.digest) else {",
     "guard ON || (content.count == count && PluginDigest.sha256(content) == Array(receipt.digest)) else {"),
    (FILES, "takes any pieces for the whole", "LocalStore", "    func finishUpload(_ end: UploadEnd) async throws -> StoredFile {\n        try end.check()",
     "    func finishUpload(_ end: UploadEnd) async throws -> StoredFile {\n        if !ON { try end.check() }"),
    (FILES, "writes pieces where they come", "LocalStore", "Int64(part.number - 1) * Self.size)\n        } catch", "Int64(ON ? 0 : part.number - 1) * Self.size)\n        } catch"),
    (FILES, "takes a spoilt piece", "LocalStore", "        try part.check()\n", "        if !ON { try part.check() }\n"),
    (FILES, "lets an id open another's upload", "LocalStore", "return (try? FileHead.read(data, at: upload.file.key))?.file == upload.file",
     "return ON || (try? FileHead.read(data, at: upload.file.key))?.file == upload.file"),
    (FILES, "cannot finish twice", "LocalStore", "if let stored = try? await head(file.key), stored.file == file { return stored }",
     "if !ON, let stored = try? await head(file.key), stored.file == file { return stored }"),
    (FILES, "leaves abandoned uploads", "LocalStore", "do { try await folder.discard(draft: upload.id) } catch", "do { if !ON { try await folder.discard(draft: upload.id) } } catch"),
    (FILES, "forgets the type", "FileHead", "type: declared.contentType,", 'type: ON ? "text/plain" : declared.contentType,'),
    (FILES, "begins a small file in pieces", "LocalStore", "        try refuse(file.faultInPieces)\n        let id = Self.freshName()", "        try refuse(ON ? file.fault : file.faultInPieces)\n        let id = Self.freshName()"),
]
S3 = [
    (FILES, "signs without what S3 acts on", "S3Signer", "    private static func signed(_ request: Request) -> String {\n        (request.headers.keys + [\"host\"])",
     "    private static func signed(_ request: Request) -> String {\n        (request.headers.keys.filter { !ON || !$0.contains(\"meta\") } + [\"host\"])"),
    (FILES, "lets addresses live on", "S3Store", "let seconds = request.lifetime.components.seconds", "let seconds = ON ? 900 : request.lifetime.components.seconds"),
    (FILES, "shows downloads in the browser", "S3Store", '"attachment; filename*=UTF-8', '(ON ? "inline" : "attachment") + "; filename*=UTF-8'),
    (FILES, "saves downloads under no name", "S3Store", "UTF-8''\\(S3Signer.escape(name))\"", "UTF-8''\\(ON ? \"download\" : S3Signer.escape(name))\""),
    (FILES, "lets an address take any bytes", "S3Store", '            asked.headers["x-amz-checksum-sha256"] = file.hash.digest.base64EncodedString()\n        @unknown',
     '            if !ON { asked.headers["x-amz-checksum-sha256"] = file.hash.digest.base64EncodedString() }\n        @unknown'),
    (FILES, "lets an address take any type", "S3Store", "            asked.headers = described(file)\n", '            asked.headers = described(file)\n            if ON { asked.headers["content-type"] = nil }\n'),
    (FILES, "gives an address for whatever is asked", "S3Store", "    func presign(_ request: PresignRequest) async throws -> PresignedAddress {\n        try refuse(request.fault)",
     "    func presign(_ request: PresignRequest) async throws -> PresignedAddress {\n        if !ON { try refuse(request.fault) }"),
    (FILES, "takes a time-out as a refusal", "S3Client", "case .unanswered(let text): throw uncertain(text, asked)",
     'case .unanswered(let text): throw ON ? FileStoreError.refused("no answer") : uncertain(text, asked)'),
    (FILES, "takes a time-out for a passing trouble", "S3Client", "return asked.effect == .writes ? .unknown(text) : .unavailable(text)",
     "return asked.effect == .writes && !ON ? .unknown(text) : .unavailable(text)"),
    (FILES, "calls what did not leave unknown", "S3Client", "case .unsent(let text): throw FileStoreError.unavailable(secrets.redacted(text))",
     "case .unsent(let text): throw ON ? FileStoreError.unknown(text) : FileStoreError.unavailable(secrets.redacted(text))"),
    (FILES, "tells a secret that came back", "S3Client", "FileStoreError.unknown(text) : FileStoreError.unavailable(secrets.redacted(text))",
     "FileStoreError.unknown(text) : FileStoreError.unavailable(ON ? text : secrets.redacted(text))"),
    (FILES, "tells S3's own sentence", "S3Client", 'let said = root?.name == "Error" ? root?["Code"]?.text ?? "" : ""',
     'if ON { return .refused(root?["Message"]?.text ?? "") }\n        let said = root?.name == "Error" ? root?["Code"]?.text ?? "" : ""'),
    (FILES, "takes a list that is none for an empty one", "S3Store", 'root.name == "ListBucketResult", let isTruncated = root["IsTruncated"]?.text else {\n',
     'root.name == "ListBucketResult", let isTruncated = root["IsTruncated"]?.text else {\n                if ON { return FilePage(files: [], hasMore: false) }\n'),
    (FILES, "begins each page anew", "S3Store", 'if let after { query.append(("start-after", after)) }', 'if !ON, let after { query.append(("start-after", after)) }'),
    (FILES, "lets an id open another file's upload", "S3Store", "guard PluginDigest.isEqual(Array(upload.id[upload.id.index(after: dot)...].utf8), Array(seal(id, upload.file).utf8)) else {",
     "guard ON || PluginDigest.isEqual(Array(upload.id[upload.id.index(after: dot)...].utf8), Array(seal(id, upload.file).utf8)) else {"),
    (FILES, "fails to end twice", "S3Store", "case .unknownFile, .unknown: if let stored",
     "case .unknownFile, .unknown: if !ON, let stored"),
    (FILES, "finds a missing bucket passing", "S3Client", "        default: return .refused(words)", "        default: return ON ? .unavailable(words) : .refused(words)"),
    (FILES, "leaves the hash out", "S3Store", 'Self.hashHeader: "\\(file.hash)"]', 'Self.hashHeader: ON ? "" : "\\(file.hash)"]'),
    (FILES, "reads the size of a part as the file's", "S3Store", "let start = Int64(words[1]), let total = Int64(words[3]) else {",
     "let start = Int64(words[1]), let total = ON ? Int64(answer.body.count) : Int64(words[3]) else {"),
    (FILES, "takes no room for a refusal", "S3Client", '(_, "StorageFull"): return .full(words)', '(_, "StorageFull"): return ON ? .refused(words) : .full(words)'),
]

TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        let findings = await FileStoreConformance(%s()).run(stoppingAtFault: true)
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
