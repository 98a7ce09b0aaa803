import Foundation
import HTTPEdge
import Signing
import Vocabulary

/// Files of a project: fetched, and uploaded by a form, or in pieces by its script.
extension Console {
    private static let projects = "/projects"
    /// What the form takes at once; more goes in pieces, by the script or the API.
    private static let mostBytes = 1_000_000

    var filePages: [Route] {
        [
            filesPage, uploadFile, declareUpload, uploadStep("complete", "Prove what came and keep it as a file."),
            uploadStep("abandon", "Give an upload up."), uploadAddress,
            scriptRoute(
                renderer.uploadScriptPath, renderer.uploadScript, "upload_script", "The script of uploads; its name changes with its bytes."
            ),
        ]
    }

    static func uploadForm(_ path: String, _ terms: JSONValue) -> Desk.Form {
        let most = Spans.bytes(min(terms["max_bytes"]?.int ?? 0, terms["free_bytes"]?.int ?? .max))
        return Desk.Form(
            anchor: "upload", title: "Upload a file", action: "\(path)/upload",
            fields: [
                FormField(
                    name: "file", label: "File", type: "file",
                    hint: "Up to \(most); up to \(Spans.bytes(Int64(mostBytes))) without scripts."),
                FormField(
                    name: "folder", label: "Folder", hint: "Such as notes/2027. A file of the same path gets a further version.",
                    maxLength: 500, isOptional: true),
            ], button: "Upload it")
    }
    func uploadTerms(_ path: String, _ terms: JSONValue) -> Desk.UploadTerms {
        Desk.UploadTerms(
            script: renderer.uploadScriptPath, target: "\(path)/uploads", pieceBytes: terms["piece_bytes"]?.int ?? 0,
            mostBytes: terms["max_bytes"]?.int ?? 0, back: path)
    }

    private var filesPage: Route {
        route(.get, "\(Self.projects)/{id}/files/{file}", "file", "The content of a file, to be saved.") { call in
            try await services.operations.ask("files.content", call, ["id": call.parameters["file"] ?? ""])
        }
    }

    // MARK: By the form

    /// The bytes come with the form; they are declared and sent as the API has it, in one piece, through this server.
    private var uploadFile: Route {
        Route(
            .post, "\(Self.projects)/{id}/upload", name: "pages.file_upload", summary: "Upload a file.", access: .page,
            proof: RouteProof(isForDelegates: true, back: Self.projects),
            answers: [RouteAnswer(303, "On to the project.")], maxBodyBytes: Self.mostBytes + 16_384, takesFiles: true,
            handler: answering(back: Self.projects) { call in try await upload(call) })
    }
    private func upload(_ call: Call) async throws -> Reply {
        let path = try Self.projectPath(call)
        let form = try call.multipart()
        guard let part = form["file"], let name = part.fileName?.split(whereSeparator: { "/\\".contains($0) }).last, !name.isEmpty else {
            throw CommonProblems.invalid("file", "must be chosen")
        }
        guard part.content.count <= Self.mostBytes else {
            throw CommonProblems.invalid("file", "must not be larger than what is said there")
        }
        let folder = (form.text("folder") ?? "").trimmingCharacters(in: CharacterSet(charactersIn: "/ "))
        let declared: JSONValue = [
            "path": .string(folder.isEmpty ? String(name) : "\(folder)/\(name)"), "size_bytes": .int(Int64(part.content.count)),
            "content_type": .string(part.contentType?.lowercased() ?? "application/octet-stream"),
            "hash": .string(Hex.encode(Digest.sha256(part.content))), "direct": false,
        ]
        let upload = try await ask("uploads.declare", call, ["id": call.parameters["id"] ?? ""], body: declared)
        guard let parts = upload["address"].flatMap({ URLComponents(string: $0.text("url")) }) else { throw CommonProblems.internal }
        let query = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { first, _ in first }
        do {
            _ = try await services.operations.ask(
                "blobs.put", call, ["id": parts.path.split(separator: "/").last.map(String.init) ?? ""], query: query, raw: part.content)
        } catch {
            _ = try? await ask("uploads.abandon", call, ["id": upload.text("id")])
            throw error
        }
        return .redirect(to: path)
    }

    // MARK: By the script

    /// What a script of ours asks for: answered as the API answers, and so are its problems.
    private func scripted(
        _ method: HTTPEdge.Method, _ path: String, _ name: String, _ summary: String,
        handler: @escaping @Sendable (Call) async throws -> Reply
    ) -> Route {
        Route(
            method, path, name: "pages.\(name)", summary: summary, access: .page, proof: RouteProof(isForDelegates: true),
            answers: [RouteAnswer(200, "As the API answers it.")],
            handler: { call in
                do { return try await handler(call) } catch let problem as Problem {
                    var said: [String: JSONValue] = ["message": .string(problem.title), "hint": .string(problem.hint)]
                    said["error"] = .string(problem.code)
                    said["reason"] = problem.fields["reason"]
                    return .json(value: .object(said), status: problem.status)
                }
            })
    }

    private var declareUpload: Route {
        scripted(.post, "\(Self.projects)/{id}/uploads", "upload_declare", "Declare a file before its bytes come.") { call in
            let sent = try SentForm(call)
            guard let bytes = Int64(sent["size_bytes"]) else { throw CommonProblems.invalid("size_bytes", "must be a whole number") }
            let declared: JSONValue = [
                "path": .string(sent["path"]), "size_bytes": .int(bytes), "content_type": .string(sent["content_type"]),
                "hash": .string(sent["hash"]),
            ]
            let upload = try await ask("uploads.declare", call, ["id": call.parameters["id"] ?? ""], body: declared)
            return .json(value: Self.shown(upload, call))
        }
    }
    private var uploadAddress: Route {
        scripted(.get, "\(Self.projects)/{id}/uploads/{upload}", "upload_address", "An upload, with a fresh address.") { call in
            .json(value: Self.shown(try await ask("uploads.get", call, ["id": call.parameters["upload"] ?? ""]), call))
        }
    }
    private func uploadStep(_ verb: String, _ summary: String) -> Route {
        scripted(.post, "\(Self.projects)/{id}/uploads/{upload}/\(verb)", "upload_\(verb)", summary) { call in
            let done = try await ask("uploads.\(verb)", call, ["id": call.parameters["upload"] ?? ""])
            return .json(value: done.isNull ? [:] : Self.shown(done, call))
        }
    }

    /// The address of this server's own as a path: the page may stand under another name of the server than the address was made for.
    private static func shown(_ upload: JSONValue, _ call: Call) -> JSONValue {
        var shown: [String: JSONValue] = ["id": upload["id"] ?? .null, "address": .null]
        if let address = upload["address"]?.object, let url = address["url"]?.string {
            let path = url.hasPrefix("\(call.origin)/") ? String(url.dropFirst(call.origin.utf8.count)) : url
            shown["address"] = ["url": .string(path), "headers": address["headers"] ?? [:]]
        }
        return .object(shown)
    }
}
