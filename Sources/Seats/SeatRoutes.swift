import Foundation
import HTTPEdge
import Licensing
import Store
import Vocabulary

extension Leases {
    package func routes() -> [Route] { clientRoutes() + operatorRoutes() }

    /// What a running copy of the product calls.
    private func clientRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/licenses/acquire", name: "licenses.acquire",
                summary: "Takes a seat for a device, or renews the one it holds. Policy is asked before the ledger decides.",
                access: .permission(SeatPermissions.acquire), request: Wire.acquireRequest,
                answers: [RouteAnswer(200, "The seat, signed", Wire.acquired)],
                problems: [
                    SeatProblems.exhausted, CommonProblems.policyDenied, SeatProblems.noLicense, LicenseProblems.suspended,
                    LicenseProblems.expired, LicenseProblems.revoked, CommonProblems.notFound, CommonProblems.unavailable,
                ], creates: true
            ) { call in
                let answer = try await acquire(try Wire.request(call), try call.caller(), call.act)
                return .json(value: [
                    "license_id": .string(answer.grant.license.description), "session_id": .string(answer.grant.session.description),
                    "seats_used": .int(Int64(answer.grant.seatsUsed)), "seats_total": .int(Int64(answer.grant.seatsTotal)),
                    "expires_at": .string(answer.grant.expiresAt.iso8601), "signature": .string(answer.signature),
                    "heartbeat_interval": .int(answer.heartbeatIntervalSeconds), "epoch": .int(answer.grant.epoch),
                ])
            },
            Route(
                .post, "/api/v1/licenses/heartbeat", name: "licenses.heartbeat",
                summary: "Renews a lease. Only its holder may; asks no policy.", access: .lease, request: Wire.beatRequest,
                answers: [RouteAnswer(200, "The lease lives on", Wire.beaten)], problems: Wire.leaseProblems + [SeatProblems.busy]
            ) { call in
                let beat = try await heartbeat(try Wire.session(call), epoch: call.json?["epoch"]?.int, try call.caller(), call.act)
                // Written by hand: this is the most frequent answer of all.
                let resurrected = beat.isResurrected ? ",\"resurrected\":true" : ""
                let text = "{\"epoch\":\(beat.epoch),\"expires_in\":\(beat.ttlSeconds)\(resurrected),\"status\":\"ok\"}"
                return Reply(status: 200, headers: Wire.headers, body: Data(text.utf8))
            },
            Route(
                .post, "/api/v1/licenses/release", name: "licenses.release", summary: "Gives a seat back. Releasing again is harmless.",
                access: .lease, request: Wire.releaseRequest, answers: [RouteAnswer(200, "The seat is free", Wire.released)],
                problems: [CommonProblems.notFound, SeatProblems.notHolder]
            ) { call in
                try await release(try Wire.session(call), try call.caller(), call.act)
                return .json(value: ["status": "released"])
            },
            Route(
                .get, "/api/v1/sessions/own", name: "sessions.own", summary: "The caller's own live leases.",
                access: .permission(SeatPermissions.acquire), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("sessions", of: Wire.lease))]
            ) { call in try await leases(call, user: try call.caller().user) },
        ]
    }

    /// What operators of the tenant call.
    private func operatorRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/sessions", name: "sessions.list", summary: "Who holds the tenant's seats.",
                access: .permission(SeatPermissions.read), query: QueryField.paging + [Wire.licenseFilter],
                answers: [RouteAnswer(200, "One page", .page("sessions", of: Wire.lease))]
            ) { call in try await leases(call, user: nil) },
            Route(
                .get, "/api/v1/sessions/history", name: "sessions.history", summary: "Leases that are over, for 90 days.",
                access: .permission(SeatPermissions.read), query: QueryField.paging + [Wire.licenseFilter],
                answers: [RouteAnswer(200, "One page", .page("sessions", of: Wire.endedLease))]
            ) { call in
                let page = try call.page()
                let found = try await history(Wire.query(call, page, try call.caller().tenant, user: nil))
                return call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "sessions", Wire.json)
            },
            Route(
                .post, "/api/v1/sessions/{id}/release", name: "sessions.release",
                summary: "Ends anybody's lease; the holder is told the reason at its next heartbeat.",
                access: .permission(SeatPermissions.release), request: Wire.forceRequest,
                answers: [RouteAnswer(200, "The seat is free", Wire.released)], problems: [CommonProblems.notFound]
            ) { call in
                let reason = call.json?["reason"]?.string ?? ""
                try await forceRelease(try call.id("id"), tenant: try call.caller().tenant, reason: reason, call.act)
                return .json(value: ["status": "released"])
            },
        ]
    }

    private func leases(_ call: Call, user: UserID?) async throws -> Reply {
        let page = try call.page()
        let found = try await list(Wire.query(call, page, try call.caller().tenant, user: user), now: call.act.now)
        return call.reply(Page(reading: found, limit: page.limit) { $0.lease.id.description }, named: "sessions", Wire.json)
    }
}

/// How the room's nouns look on the wire.
private enum Wire {
    // Bodies were read and checked by the edge.
    static func request(_ call: Call) throws(Problem) -> Leases.Request {
        guard let json = call.json, let hardwareID = json["hardware_id"]?.string else { throw CommonProblems.malformed }
        return Leases.Request(
            hardwareID: hardwareID, hostname: json["hostname"]?.string, os: json["os"]?.string, version: json["version"]?.string,
            license: json["license_id"]?.string.flatMap(LicenseID.init))
    }
    static func session(_ call: Call) throws(Problem) -> Lease.ID {
        guard let id = call.json?["session_id"]?.string.flatMap(Lease.ID.init) else { throw CommonProblems.malformed }
        return id
    }

    static let headers = [("content-type", "application/json")]
    /// One more than the page holds, so that it is seen whether there is another.
    static func query(_ call: Call, _ page: ListRequest, _ tenant: TenantID, user: UserID?) -> LeaseQuery {
        LeaseQuery(
            tenant: tenant, user: user, license: call.query["license_id"].flatMap(LicenseID.init), after: page.after.flatMap(Lease.ID.init),
            limit: page.limit + 1)
    }

    static func json(_ view: LeaseView) -> JSONValue {
        func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        return [
            "session_id": .string(view.lease.id.description), "license_id": .string(view.lease.license.description),
            "user_id": .string(view.lease.user.description), "hostname": text(view.hostname), "os": text(view.os),
            "version": text(view.version), "seat": .int(Int64(view.lease.slot)), "epoch": .int(view.lease.epoch),
            "resurrected": .bool(view.lease.isResurrected), "acquired_at": .string(view.lease.acquiredAt.iso8601),
            "last_heartbeat_at": .string(view.lastHeartbeatAt.iso8601), "expires_at": .string(view.expiresAt.iso8601),
        ]
    }
    static func json(_ ended: EndedLease) -> JSONValue {
        [
            "session_id": .string(ended.id.description), "license_id": .string(ended.license.description),
            "user_id": .string(ended.user.description), "epoch": .int(ended.epoch), "acquired_at": .string(ended.acquiredAt.iso8601),
            "ended_at": .string(ended.endedAt.iso8601), "end_reason": .string(ended.end.rawValue),
            "note": ended.note.map(JSONValue.string) ?? .null,
        ]
    }

    // MARK: Schemas

    static let leaseProblems = [
        CommonProblems.notFound, SeatProblems.notHolder, SeatProblems.released, SeatProblems.expired, SeatProblems.forced,
        SeatProblems.superseded, LicenseProblems.suspended, LicenseProblems.expired, LicenseProblems.revoked,
    ]
    private static let uuid = Schema.string(min: 36, max: 36, format: .uuid)
    private static let moment = Schema.string(max: 40, format: .dateTime)
    private static let figure = Schema.integer(0...10_001_000)
    private static let epoch = Schema.integer(1...Int64.max)

    static let acquireRequest = Schema.object([
        SchemaField("hardware_id", .string(min: 1, max: 256), "What identifies the device; opaque to the server"),
        SchemaField("hostname", .nullable(.string(max: 255)), "Shown to operators", optional: true),
        SchemaField("os", .nullable(.string(max: 64)), optional: true),
        SchemaField("version", .nullable(.string(max: 64)), "The client's version", optional: true),
        SchemaField("license_id", .nullable(uuid), "Only this licence; else the oldest with a free seat", optional: true),
    ])
    static let acquired = Schema.object([
        SchemaField("license_id", uuid), SchemaField("session_id", uuid), SchemaField("seats_used", figure),
        SchemaField("seats_total", figure), SchemaField("expires_at", moment, "The lease's end unless a heartbeat comes"),
        SchemaField("signature", .string(max: 1_024, format: .hex), "Over expires_at, license_id and session_id"),
        SchemaField("heartbeat_interval", .integer(1...86_400), "Seconds"),
        SchemaField("epoch", epoch, "Grows with each life of the lease"),
    ])
    static let beatRequest = Schema.object([
        SchemaField("session_id", uuid), SchemaField("epoch", epoch, "As acquire answered; an older one is superseded", optional: true),
    ])
    static let beaten = Schema.object([
        SchemaField("status", .choice(["ok"])), SchemaField("expires_in", .integer(1...86_400), "Seconds"), SchemaField("epoch", epoch),
        SchemaField("resurrected", .boolean, "The lease had expired and came back", optional: true),
    ])
    static let releaseRequest = Schema.object([SchemaField("session_id", uuid), SchemaField("epoch", epoch, optional: true)])
    static let released = Schema.object([SchemaField("status", .choice(["released"]))])
    static let forceRequest = Schema.object([SchemaField("reason", .string(min: 1, max: 200), "Told to the holder")])

    static let licenseFilter = QueryField("license_id", .string(min: 36, max: 36, format: .uuid), "Only of this licence")
    static let lease = Schema.named(
        "Lease",
        .object([
            SchemaField("session_id", uuid), SchemaField("license_id", uuid), SchemaField("user_id", uuid),
            SchemaField("hostname", .nullable(.string(max: 255))), SchemaField("os", .nullable(.string(max: 64))),
            SchemaField("version", .nullable(.string(max: 64))), SchemaField("seat", figure), SchemaField("epoch", epoch),
            SchemaField("resurrected", .boolean), SchemaField("acquired_at", moment), SchemaField("last_heartbeat_at", moment),
            SchemaField("expires_at", moment),
        ]))
    static let endedLease = Schema.named(
        "EndedLease",
        .object([
            SchemaField("session_id", uuid), SchemaField("license_id", uuid), SchemaField("user_id", uuid), SchemaField("epoch", epoch),
            SchemaField("acquired_at", moment), SchemaField("ended_at", moment),
            SchemaField("end_reason", .choice(LeaseEnd.allCases.map(\.rawValue))), SchemaField("note", .nullable(.string(max: 200))),
        ]))
}
