import Foundation
import HTTPEdge
import Vocabulary

/// Files and uploads, and the addresses that this server serves itself.
extension Projects {
    private static let files = "/api/v1/files"
    private static let uploads = "/api/v1/uploads"
    private static let versionField = QueryField("version", .integer(1...1_000_000_000), "The newest where not said")
    private static let contentFields = [
        SchemaField("content_type", .string(max: 100), "As it was declared"), SchemaField("size_bytes", .integer(0...Int64.max)),
        SchemaField("hash", .string(max: 80), "SHA-256: HEX, or HEX-PIECES over those of its pieces of 5 MiB"),
    ]
    private static let fileFields =
        [
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("project_id", .string(max: 36, format: .uuid)),
            SchemaField("path", .string(max: 1_024)), SchemaField("version", .integer(1...Int64.max)),
        ] + contentFields + [SchemaField("created_at", time), SchemaField("changed_at", time)]
    private static let file = Schema.named("File", .object(fileFields))
    private static let version = Schema.object(
        [SchemaField("version", .integer(1...Int64.max))] + contentFields
            + [SchemaField("made_by", .string(max: 36, format: .uuid)), SchemaField("made_at", time)])
    private static let way = Schema.named(
        "FileAddress",
        .object([
            SchemaField("method", .choice(["GET", "PUT"])), SchemaField("url", .string(max: 8_192), "Opens by itself: keep it to yourself"),
            SchemaField("headers", .map(.string(max: 1_000)), "Send these with it"), SchemaField("expires_at", time),
        ]))
    private static let upload = Schema.named(
        "Upload",
        .object(
            [
                SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("project_id", .string(max: 36, format: .uuid)),
                SchemaField("path", .string(max: 1_024)), SchemaField("state", .choice(FileObjectState.allCases.map(\.rawValue))),
            ] + contentFields + [
                SchemaField("pieces", .integer(1...1_024), "Each has 5 MiB but the last; send them under the address with piece=NUMBER"),
                SchemaField("came", .array(.integer(1...1_024), max: 1_024), "Pieces that are here, of more than one"),
                SchemaField("address", .nullable(way), "Where the bytes go; null once it is complete"),
                SchemaField("file", .nullable(file), "What it became"),
            ]))
    private static let changing = [ProjectProblems.readOnly, ProjectProblems.notActive]
    private static let storing = [
        ProjectProblems.store, ProjectProblems.mismatch, ProjectProblems.content.with(["reason": "it is a ZIP as well"]),
    ]

    func fileRoutes() -> [Route] {
        [
            Route(
                .get, "\(Self.path)/{id}/files", name: "files.list", summary: "The files of a project by path, without their contents.",
                access: .permission(ProjectPermissions.read),
                query: QueryField.paging + [QueryField("prefix", .string(max: 1_024), "Only paths that begin so; `folder/` for a folder")],
                answers: [RouteAnswer(200, "A page of files", .page("files", of: Self.file))],
                problems: [ProjectProblems.path.with(["reason": "a segment is empty"])]
            ) { call in
                let page = try call.page()
                let found = try await files(
                    in: try call.id("id"), prefix: call.query["prefix"] ?? "", after: page.after, limit: page.limit + 1, try call.caller(),
                    call.act)
                return call.reply(Page(reading: found, limit: page.limit) { $0.content.pathKey }, named: "files", Self.json)
            },
            Route(
                .get, "\(Self.files)/{id}", name: "files.get", summary: "A file and its versions.",
                access: .permission(ProjectPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "The file",
                        .object([SchemaField("file", Self.file), SchemaField("versions", .array(Self.version, max: Self.mostVersions))]))
                ]
            ) { call in
                let (file, versions) = try await file(try call.id("id"), try call.caller(), call.act)
                return .json(value: ["file": Self.json(file), "versions": .array(versions.map(Self.json))])
            },
            Route(
                .get, "\(Self.files)/{id}/content", name: "files.content",
                summary: "The content of a file, to be saved; one range, if asked.",
                access: .permission(ProjectPermissions.readFiles), query: [Self.versionField],
                answers: [
                    RouteAnswer(200, "The bytes", contentType: "*/*"), RouteAnswer(206, "The range asked for", contentType: "*/*"),
                ], problems: [ProjectProblems.store, ProjectProblems.range.with(["size_bytes": 1])]
            ) { call in
                let found = try await download(
                    try call.id("id"), version: call.query["version"].flatMap { Int($0) }, range: call.header("range"), try call.caller(),
                    call.act)
                return Self.reply(found)
            },
            Route(
                .post, "\(Self.files)/{id}/address", name: "files.address",
                summary: "An address that gives the content to whoever has it, for a while.",
                access: .permission(ProjectPermissions.readFiles), query: [Self.versionField],
                answers: [RouteAnswer(200, "The address", Self.way)], problems: [ProjectProblems.store]
            ) { call in
                let way = try await address(
                    of: try call.id("id"), version: call.query["version"].flatMap { Int($0) }, try call.caller(), call.act)
                return .json(value: Self.json(way, call.origin))
            },
            Route(
                .delete, "\(Self.files)/{id}", name: "files.delete", summary: "Removes a file with all its versions.",
                access: .permission(ProjectPermissions.writeFiles), answers: [RouteAnswer(204, "It is gone")], problems: Self.changing
            ) { call in
                try await remove(try call.id("id"), try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    func uploadRoutes() -> [Route] {
        [
            Route(
                .post, "\(Self.path)/{id}/uploads", name: "uploads.declare",
                summary: "Declares a file before its bytes come, and answers where they go. A file of that path gets a further version.",
                access: .permission(ProjectPermissions.writeFiles),
                request: .object([
                    SchemaField("path", .string(min: 1, max: 1_024), "A name, with folders in it if you like"),
                    SchemaField("content_type", .string(min: 3, max: 100), "application/octet-stream for what has no type of its own"),
                    SchemaField("size_bytes", .integer(0...FileStoreLimits.maxFileBytes)),
                    SchemaField(
                        "hash", .string(min: 64, max: 72), "SHA-256 in hexadecimal; above 5 MiB that of its pieces' SHA-256, then -PIECES"),
                    SchemaField(
                        "direct", .boolean, "false: the bytes come to this server, also where the store takes them itself", optional: true),
                ]), answers: [RouteAnswer(201, "The upload", Self.upload)],
                problems: Self.changing + [
                    ProjectProblems.path.with(["reason": "a segment is empty"]), ProjectProblems.declaration.with(["reason": "…"]),
                    ProjectProblems.bytesFull.with(["limit_bytes": 1, "used_bytes": 1]), ProjectProblems.tooManyUploads,
                    ProjectProblems.closed,
                    ProjectProblems.store,
                ], creates: true
            ) { call in
                let new = NewUpload(
                    path: call.json?["path"]?.string ?? "", contentType: call.json?["content_type"]?.string ?? "",
                    bytes: call.json?["size_bytes"]?.int ?? -1, hash: call.json?["hash"]?.string ?? "",
                    isDirect: call.json?["direct"]?.bool ?? true)
                return .json(
                    value: Self.json(try await declare(new, in: try call.id("id"), try call.caller(), call.act), call.origin), status: 201)
            },
            Route(
                .get, "\(Self.path)/{id}/uploads", name: "uploads.terms",
                summary: "What an upload into the project keeps to, and where else than here its bytes may go.",
                access: .permission(ProjectPermissions.writeFiles),
                answers: [
                    RouteAnswer(
                        200, "The terms",
                        .object([
                            SchemaField("max_bytes", .integer(1...FileStoreLimits.maxFileBytes), "Of one file"),
                            SchemaField(
                                "piece_bytes", .integer(1...FileStoreLimits.maxFileBytes), "What comes at once; more comes in pieces"),
                            SchemaField("free_bytes", .nullable(.integer(0...Int64.max)), "What the tier leaves; null: without limit"),
                            SchemaField(
                                "origin", .nullable(.string(max: 300)),
                                "Scheme, host and port of the store's own addresses, for files of one piece; null: all come here"),
                        ]))
                ], problems: [ProjectProblems.readOnly, ProjectProblems.store]
            ) { call in
                let terms = try await terms(in: try call.id("id"), try call.caller(), call.act)
                return .json(value: [
                    "max_bytes": .int(terms.mostBytes), "piece_bytes": .int(Int64(terms.pieceBytes)),
                    "free_bytes": terms.freeBytes.map { .int($0) } ?? .null, "origin": terms.origin.map { .string($0) } ?? .null,
                ])
            },
            Route(
                .get, "\(Self.uploads)/{id}", name: "uploads.get",
                summary: "An upload: what has come, a fresh address, or the file that it became.",
                access: .permission(ProjectPermissions.writeFiles), answers: [RouteAnswer(200, "The upload", Self.upload)],
                problems: [ProjectProblems.readOnly, ProjectProblems.store]
            ) { call in .json(value: Self.json(try await upload(try call.id("id"), try call.caller(), call.act), call.origin)) },
            Route(
                .post, "\(Self.uploads)/{id}/complete", name: "uploads.complete",
                summary: "Proves what came and makes it the file's newest version. Done already: the same answer.",
                access: .permission(ProjectPermissions.writeFiles), answers: [RouteAnswer(200, "The upload with its file", Self.upload)],
                problems: Self.changing + Self.storing + [ProjectProblems.incomplete.with(["missing": [1]])]
            ) { call in .json(value: Self.json(try await complete(try call.id("id"), try call.caller(), call.act), call.origin)) },
            Route(
                .delete, "\(Self.uploads)/{id}", name: "uploads.abandon", summary: "Gives an upload up; what came of it is removed.",
                access: .permission(ProjectPermissions.writeFiles), answers: [RouteAnswer(204, "It is gone")],
                problems: [ProjectProblems.readOnly]
            ) { call in
                try await abandon(try call.id("id"), try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    /// Served where the store makes no addresses of its own. Method, object, person, size and end are signed, and read before the body is.
    func blobRoutes() -> [Route] {
        let signed = [
            QueryField("tenant", .string(max: 36), "Signed"), QueryField("user", .string(max: 36), "Signed"),
            QueryField("bytes", .string(max: 13), "Signed"), QueryField("expires", .string(max: 13), "Signed"),
            QueryField("signature", .string(max: 64), "Over method, object and the four before"),
        ]
        let refusals = [ProjectProblems.address, ProjectProblems.readOnly, ProjectProblems.store]
        return [
            Route(
                .put, "\(FileAddress.path)/{id}", name: "blobs.put", summary: "Takes the bytes of an upload, or one piece of them.",
                access: .proof, limit: .unlimited,
                query: signed + [QueryField("piece", .integer(1...1_024), "Of a file above 5 MiB; 1 where not said")],
                answers: [RouteAnswer(200, "The upload", Self.upload)], problems: refusals + Self.changing.suffix(1) + Self.storing,
                admits: { [sealer] parameters, query, now throws(Problem) in
                    guard
                        let address = FileAddress(.write, object: parameters["id"] ?? "", query: query, sealer: sealer, now: now),
                        let bytes = FileAddress.pieceBytes(query["piece"].flatMap { Int($0) } ?? 1, of: address.bytes)
                    else { throw ProjectProblems.address }
                    return Int(bytes)
                }, clue: .tenant("tenant")
            ) { call in
                let address = try address(.write, call)
                let piece = call.query["piece"].flatMap { Int($0) } ?? 1
                let act = Self.act(call, address)
                return .json(value: Self.json(try await take(call.body, piece: piece, under: address, act), call.origin))
            },
            Route(
                .get, "\(FileAddress.path)/{id}", name: "blobs.get", summary: "Gives the content that the address is for, to be saved.",
                access: .proof, query: signed,
                answers: [
                    RouteAnswer(200, "The bytes", contentType: "*/*"), RouteAnswer(206, "The range asked for", contentType: "*/*"),
                ], problems: refusals + [ProjectProblems.range.with(["size_bytes": 1])],
                admits: { [sealer] parameters, query, now throws(Problem) in
                    guard FileAddress(.read, object: parameters["id"] ?? "", query: query, sealer: sealer, now: now) != nil else {
                        throw ProjectProblems.address
                    }
                    return 0
                }, clue: .tenant("tenant")
            ) { call in
                let address = try address(.read, call)
                return Self.reply(try await download(under: address, range: call.header("range"), Self.act(call, address)))
            },
        ]
    }

    private func address(_ purpose: FileAddress.Purpose, _ call: Call) throws(Problem) -> FileAddress {
        guard
            let address = FileAddress(purpose, object: call.parameters["id"] ?? "", query: call.query, sealer: sealer, now: call.act.now)
        else { throw ProjectProblems.address }
        return address
    }
    /// Who has the address acts for whom it was made.
    private static func act(_ call: Call, _ address: FileAddress) -> Act {
        Act(
            actor: .delegate("file-address", for: address.user), requestID: call.act.requestID, now: call.act.now, address: call.act.address
        )
    }

    // MARK: On the wire

    private static func reply(_ found: FileDownload) -> Reply {
        let object = found.object
        var headers = [
            ("content-type", ContentRule.servedType(object.contentType)), ("content-disposition", ContentRule.disposition(object.name)),
            ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"), ("accept-ranges", "bytes"),
            ("etag", "\"\(object.hash)\""), ("x-file-hash", object.hash.description), ("cross-origin-resource-policy", "same-origin"),
        ]
        if object.hash.pieces == 1 { headers.append(("repr-digest", "sha-256=:\(object.hash.digest.base64EncodedString()):")) }
        let range = found.range
        if !found.isWhole {
            headers.append(("content-range", "bytes \(range.offset)-\(range.offset + range.count - 1)/\(object.bytes)"))
        }
        return Reply(
            status: found.isWhole ? 200 : 206, headers: headers,
            stream: ReplyStream(length: range.count) { try await found.read(range.offset + $0) })
    }

    private static func content(_ object: FileObject) -> [String: JSONValue] {
        [
            "content_type": .string(object.contentType), "size_bytes": .int(object.bytes), "hash": .string(object.hash.description),
        ]
    }
    private static func json(_ file: ProjectFile) -> JSONValue {
        .object(
            content(file.content).merging([
                "id": .string("\(file.id)"), "project_id": .string("\(file.content.project)"), "path": .string(file.path),
                "version": .int(Int64(file.version)), "created_at": .string(file.createdAt.iso8601),
                "changed_at": .string(file.changedAt.iso8601),
            ]) { own, _ in own })
    }
    private static func json(_ object: FileObject) -> JSONValue {
        .object(
            content(object).merging([
                "version": .int(Int64(object.version ?? 1)), "made_by": .string("\(object.madeBy)"),
                "made_at": .string(object.madeAt.iso8601),
            ]) { own, _ in own })
    }
    private static func json(_ way: FileWay, _ origin: String) -> JSONValue {
        [
            "method": .string(way.method), "url": .string(way.url.hasPrefix("/") ? origin + way.url : way.url),
            "headers": .object(way.headers.mapValues { .string($0) }), "expires_at": .string(way.expiresAt.iso8601),
        ]
    }
    private static func json(_ seen: UploadSeen, _ origin: String) -> JSONValue {
        let object = seen.object
        return .object(
            content(object).merging([
                "id": .string("\(object.id)"), "project_id": .string("\(object.project)"), "path": .string(object.path),
                "state": .string(object.state.rawValue), "pieces": .int(Int64(object.pieces)),
                "came": .array(seen.came.map { .int(Int64($0)) }), "address": seen.way.map { json($0, origin) } ?? .null,
                "file": seen.file.map { json($0) } ?? .null,
            ]) { own, _ in own })
    }
}
