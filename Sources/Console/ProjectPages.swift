import HTTPEdge
import Vocabulary

/// Projects, their files and with whom they are shared.
extension Console {
    private static let projects = "/projects"
    private static let name = FormField(name: "name", label: "Name", maxLength: 100)
    private static let summary = FormField(name: "summary", label: "What it is about", maxLength: 1_000, isOptional: true)
    var projectPages: [Route] { [projectsPage, projectPage, createProject] + projectActs + filePages }

    static func projectPath(_ call: Call) throws -> String {
        let id: Identifier<ProjectPageMark> = try call.id("id")
        return "\(projects)/\(id)"
    }
    private enum ProjectPageMark {}

    private var projectsPage: Route {
        route(.get, Self.projects, "projects", "The projects within the caller's reach.") { call in
            let withDeleted = call.query["deleted"] == "true"
            var query = call.query.filter { $0.key == "cursor" }
            if withDeleted { query["deleted"] = "true" }
            let found = try await ask("projects.list", call, query: query)
            var desk = Desk(
                heading: "Projects",
                tables: [
                    Desk.Table(
                        anchor: "projects", caption: "Projects", columns: ["Name", "State", "You may", "Changed"],
                        rows: found.list("projects").map { one in
                            Desk.Row(
                                cells: [one.text("name"), one.text("state"), one.text("reach"), one.moment("changed_at")],
                                ways: [Desk.Way(words: "Open", target: "\(Self.projects)/\(one.text("id"))", whom: one.text("name"))])
                        },
                        more: Self.more(found, Self.projects, keeping: withDeleted ? ["deleted": "true"] : [:])
                            + [
                                withDeleted
                                    ? ("Without deleted ones", Self.projects) : ("Deleted ones too", "\(Self.projects)?deleted=true")
                            ])
                ], elsewhere: Self.deskWays)
            if try await may(ask: "projects.create", of: call) {
                desk.forms.append(
                    Desk.Form(
                        anchor: "new", title: "A new project", action: "\(Self.projects)/create", fields: [Self.name, Self.summary],
                        button: "Make the project"))
            }
            return try self.desk(desk, call)
        }
    }

    private var createProject: Route {
        acting("\(Self.projects)/create", "project_create", "Make a project.") { call in
            let sent = try SentForm(call)
            let made = try await ask(
                "projects.create", call, body: ["name": .string(sent["name"]), "summary": .string(sent["summary"])])
            return .redirect(to: "\(Self.projects)/\(made.text("id"))")
        }
    }

    // MARK: One project

    private var projectPage: Route {
        route(.get, "\(Self.projects)/{id}", "project", "One project: its files, and with whom it is shared.") { call in
            let (path, here) = (try Self.projectPath(call), ["id": call.parameters["id"] ?? ""])
            let project = try await ask("projects.get", call, here)
            let (state, reach) = (project.text("state"), project.text("reach"))
            var desk = Desk(
                heading: project.text("name"), intro: [project.text("summary")].filter { !$0.isEmpty },
                facts: [("State", state), ("You may", reach), ("Changed", project.moment("changed_at"))],
                elsewhere: [("All projects", Self.projects)] + Self.deskWays)
            var origin: WebOrigin?
            if project["purge_at"]?.string != nil { desk.facts.append(("Deleted for good", project.moment("purge_at"))) }
            let writes = state == "active" && reach != "read"
            let cursor = call.query.filter { $0.key == "cursor" }
            if state != "deleted", let files = try await part("files.list", call, here, query: cursor) {
                desk.tables.append(Self.fileTable(files, path, writes: writes))
                if try await may(ask: "uploads.declare", of: call), writes, let terms = try await part("uploads.terms", call, here) {
                    (desk.upload, desk.uploadTerms) = (Self.uploadForm(path, terms), uploadTerms(path, terms))
                    origin = terms["origin"]?.string.flatMap { WebOrigin($0) }
                }
            }
            if reach == "full", try await may(ask: "projects.change", of: call) {
                if state == "active" { desk = try await sharing(desk, path, call) }
                desk.forms += Self.projectForms(project, path)
            }
            var reply = try self.desk(desk, call)
            // Small files go to the store itself, where it takes them.
            reply.connects = origin.map { [$0] } ?? []
            return reply
        }
    }

    private static func fileTable(_ files: JSONValue, _ path: String, writes: Bool) -> Desk.Table {
        Desk.Table(
            anchor: "files", caption: "Files", columns: ["Path", "Size", "Version", "Changed"],
            rows: files.list("files").map { one in
                let (here, name) = ("\(path)/files/\(one.text("id"))", one.text("path"))
                return Desk.Row(
                    cells: [name, one.bytes("size_bytes"), one.text("version"), one.moment("changed_at")],
                    ways: [Desk.Way(words: "Download", target: here, whom: name)],
                    acts: writes ? [Desk.Way(words: "Delete", target: "\(here)/delete", whom: name)] : [])
            }, more: more(files, path))
    }
    private static func projectForms(_ project: JSONValue, _ path: String) -> [Desk.Form] {
        func press(_ verb: String, _ title: String, _ button: String) -> Desk.Form {
            Desk.Form(anchor: verb, title: title, action: "\(path)/\(verb)", fields: [], button: button)
        }
        switch project.text("state") {
        case "active":
            return [
                Desk.Form(
                    anchor: "change", title: "Another name", action: "\(path)/change", fields: [Self.name, Self.summary],
                    values: ["name": project.text("name"), "summary": project.text("summary")], button: "Keep it"),
                press("archive", "Archive", "Archive it: nothing changes any more"),
                press("delete", "Delete", "Delete it, to be restored for some days"),
            ]
        case "archived":
            return [press("reopen", "Go on", "Go on with it"), press("delete", "Delete", "Delete it, to be restored for some days")]
        case "deleted": return [press("restore", "Bring it back", "Bring it back with its files")]
        default: return []
        }
    }

    /// With whom it is shared, by name, and with whom it could be.
    private func sharing(_ before: Desk, _ path: String, _ call: Call) async throws -> Desk {
        var desk = before
        guard let shares = try await part("projects.shares", call, ["id": call.parameters["id"] ?? ""]) else { return desk }
        let caller = try call.caller()
        var names = [("everyone", "Everybody in the organization")]
        names += try await part("teams.list", call)?.list("teams").map { ("team:\($0.text("id"))", "Team \($0.text("name"))") } ?? []
        names += try await services.people.members(caller.tenant, after: nil, limit: 200, now: call.act.now).map {
            ("member:\($0.membership.id)", "\($0.name), \($0.email)")
        }
        let known = Dictionary(names) { first, _ in first }
        desk.tables.append(
            Desk.Table(
                anchor: "shares", caption: "Shared with", columns: ["Whom", "May"],
                rows: shares.list("shares").map { one in
                    let (target, whom) = (one.text("target"), known[one.text("target")] ?? one.text("target"))
                    return Desk.Row(
                        cells: [whom, one.text("level")],
                        acts: [Desk.Way(words: "End", target: "\(path)/shares/\(Self.encoded(target))/end", whom: whom)])
                }))
        desk.forms.append(
            Desk.Form(
                anchor: "share", title: "Share it", action: "\(path)/shares",
                fields: [
                    FormField(name: "target", label: "With", options: names.map { .init(value: $0.0, words: $0.1) }),
                    FormField(
                        name: "level", label: "They may",
                        options: [.init(value: "read", words: "read"), .init(value: "write", words: "read and write")]),
                ], button: "Share it"))
        return desk
    }

    private var projectActs: [Route] {
        ["archive", "reopen", "delete", "restore"].map { verb in
            asking(
                "\(Self.projects)/{id}/\(verb)", "project_\(verb)", "\(verb.capitalized) a project.", "projects.\(verb)",
                on: { try verb == "delete" ? Self.projects : Self.projectPath($0) })
        } + [
            asking("\(Self.projects)/{id}/change", "project_change", "Rename a project.", "projects.change", on: Self.projectPath) { sent in
                ["name": .string(sent["name"]), "summary": .string(sent["summary"])]
            },
            acting("\(Self.projects)/{id}/files/{file}/delete", "file_delete", "Delete a file.") { call in
                _ = try await ask("files.delete", call, ["id": call.parameters["file"] ?? ""])
                return .redirect(to: try Self.projectPath(call))
            },
            acting("\(Self.projects)/{id}/shares", "project_share", "Share a project.") { call in
                let sent = try SentForm(call)
                let parameters = ["id": call.parameters["id"] ?? "", "target": sent["target"]]
                _ = try await ask("projects.share", call, parameters, body: ["level": .string(sent["level"])])
                return .redirect(to: try Self.projectPath(call))
            },
            asking(
                "\(Self.projects)/{id}/shares/{target}/end", "project_unshare", "End a share.", "projects.unshare", on: Self.projectPath),
        ]
    }
}
