import HTTPEdge
import Tenancy
import Vocabulary

extension Offboarding {
    private static let exportsPath = "/api/v1/exports"
    static let exportSchema = Schema.named(
        "TenantExport",
        .object([
            SchemaField("id", uuid), SchemaField("cause", .choice(TenantExport.Cause.allCases.map(\.rawValue))),
            SchemaField("state", .choice(TenantExport.State.allCases.map(\.rawValue)), "over: fetched no more"),
            SchemaField("asked_at", time), SchemaField("made_at", .nullable(time)),
            SchemaField("expires_at", .nullable(time), "Until then it can be fetched"),
            SchemaField("size_bytes", .integer(0...Int64.max), "So far, while it is made"),
            SchemaField("files", .integer(0...Int64.max)),
            SchemaField("url", .nullable(.string(max: 2_000)), "The archive, for whoever has the address; once it is ready"),
        ]))

    func exportRoutes() -> [Route] {
        [
            Route(
                .post, Self.exportsPath, name: "exports.ask",
                summary: "Asks for a copy of everything that is known of the organisation; its owners get a mail when it is ready.",
                access: .permission(OffboardingPermissions.export), answers: [RouteAnswer(202, "It is being made", Self.exportSchema)],
                problems: [OffboardingProblems.exportAtWork, OffboardingProblems.exportsUsedUp.with(["per_day": 1])], creates: true
            ) { call in
                let caller = try call.caller()
                let export = try await askExport(tenant: caller.tenant, by: caller.user, call.act)
                return .json(value: json(export, caller.tenant, call), status: 202)
            },
            Route(
                .get, Self.exportsPath, name: "exports.list", summary: "The organisation's exports.",
                access: .permission(OffboardingPermissions.export),
                answers: [
                    RouteAnswer(
                        200, "The newest first, at most 100", .object([SchemaField("exports", .array(Self.exportSchema, max: 100))]))
                ]
            ) { call in
                let tenant = try call.caller().tenant
                return .json(value: ["exports": .array(try await exports(of: tenant).map { json($0, tenant, call) })])
            },
            Route(
                .get, "\(Self.exportsPath)/{id}", name: "exports.get", summary: "One export: how far it is, and where it can be fetched.",
                access: .permission(OffboardingPermissions.export), answers: [RouteAnswer(200, "The export", Self.exportSchema)],
                problems: [CommonProblems.notFound]
            ) { call in
                let tenant = try call.caller().tenant
                return .json(value: json(try await export(try call.id("id"), of: tenant), tenant, call))
            },
            Route(
                .get, Self.archivePath, name: "exports.archive",
                summary: "The archive (ZIP), by its link, also for owners of an organisation that has left; one range, if asked.",
                access: .proof,
                query: [QueryField("token", .string(min: 1, max: 100), "Of the link")],
                answers: [
                    RouteAnswer(200, "The archive", contentType: "application/zip"),
                    RouteAnswer(206, "The range asked for", contentType: "application/zip"),
                ], problems: [OffboardingProblems.noExport, OffboardingProblems.exportRange.with(["size_bytes": 1])]
            ) { call in Self.reply(try await fetch(link: call.query["token"] ?? "", range: call.header("range"), call.act)) },
        ]
    }

    private static func reply(_ found: Fetched) -> Reply {
        let range = found.range
        var headers = [
            ("content-type", "application/zip"), ("content-disposition", "attachment; filename=\"export-\(found.export.id).zip\""),
            ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"), ("accept-ranges", "bytes"),
            ("etag", "\"\(found.export.id)\""), ("cross-origin-resource-policy", "same-origin"), ("referrer-policy", "no-referrer"),
        ]
        if !found.isWhole { headers.append(("content-range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(found.export.bytes)")) }
        return Reply(
            status: found.isWhole ? 200 : 206, headers: headers,
            stream: ReplyStream(length: Int64(range.count)) { try await found.read(range.lowerBound + $0) })
    }

    func json(_ export: TenantExport, _ tenant: TenantID, _ call: Call) -> JSONValue {
        // The archive is gone with its time, whether or not its job has come round.
        let isOver = export.state == .ready && !export.isReady(at: call.act.now)
        return [
            "id": .string(export.id.description), "cause": .string(export.cause.rawValue),
            "state": .string((isOver ? TenantExport.State.over : export.state).rawValue), "asked_at": .string(export.askedAt.iso8601),
            "made_at": export.madeAt.map { .string($0.iso8601) } ?? .null,
            "expires_at": export.expiresAt.map { .string($0.iso8601) } ?? .null, "size_bytes": .int(export.bytes),
            "files": .int(Int64(export.files)),
            "url": address(of: export, tenant: tenant, now: call.act.now).map { .string(call.origin + $0) } ?? .null,
        ]
    }
}
