import Foundation
import HTTPEdge
import Licensing
import Store
import Vocabulary

extension Leases {
    package func routes() -> [Route] { clientRoutes() + borrowRoutes() + operatorRoutes() + reservationRoutes() }

    /// What a running copy of the product calls.
    private func clientRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/licenses/acquire", name: "licenses.acquire",
                summary: "Takes a seat for a device, or renews the one it holds. Policy is asked before the ledger decides.",
                access: .permission(SeatPermissions.acquire), request: Wire.acquireRequest,
                answers: [
                    RouteAnswer(200, "The seat, signed", Wire.acquired),
                    RouteAnswer(202, "No seat is free: a place in the queue, kept as long as the caller asks again in time", Wire.waiting),
                ],
                problems: [
                    SeatProblems.exhausted.with(Wire.receiptShown), CommonProblems.policyDenied.with(Wire.receiptShown),
                    SeatProblems.noLicense, LicenseProblems.suspended,
                    LicenseProblems.expired, LicenseProblems.revoked, CommonProblems.notFound, CommonProblems.unavailable,
                ], creates: true
            ) { call in
                switch try await acquire(try Wire.request(call), try call.caller(), call.act) {
                case .granted(let answer): return .json(value: Wire.json(answer))
                case .waiting(let place, let count, let license):
                    var reply = Reply.json(
                        value: [
                            "status": "waiting", "license_id": .string(license.description), "position": .int(Int64(place.position)),
                            "retry_after": .int(place.retryAfterSeconds), "claim_seconds": .int(place.claimSeconds),
                            "seats_used": .int(Int64(count.used)), "seats_total": .int(Int64(count.total)),
                        ], status: 202)
                    reply.headers.append(("retry-after", String(place.retryAfterSeconds)))
                    return reply
                }
            },
            Route(
                .post, "/api/v1/licenses/heartbeat", name: "licenses.heartbeat",
                summary: "Renews a lease. Only its holder may; asks no policy.", access: .lease, request: Wire.beatRequest,
                answers: [RouteAnswer(200, "The lease lives on", Wire.beaten)], problems: Wire.leaseProblems + [SeatProblems.busy]
            ) { call in
                let beat = try await heartbeat(try Wire.session(call), epoch: call.json?["epoch"]?.int, try call.caller(), call.act)
                if let receipt = beat.receipt {
                    return .json(value: [
                        "epoch": .int(beat.epoch), "expires_in": .int(beat.ttlSeconds), "receipt": receipt.json, "resurrected": true,
                        "status": "ok",
                    ])
                }
                // Written by hand: this is the most frequent answer of all.
                let resurrected = beat.isResurrected ? ",\"resurrected\":true" : ""
                let text = "{\"epoch\":\(beat.epoch),\"expires_in\":\(beat.ttlSeconds)\(resurrected),\"status\":\"ok\"}"
                return Reply(status: 200, headers: Wire.headers, body: Data(text.utf8))
            },
            Route(
                .post, "/api/v1/licenses/release", name: "licenses.release", summary: "Gives a seat back. Releasing again is harmless.",
                access: .lease, request: Wire.releaseRequest,
                answers: [RouteAnswer(200, "The seat is free, or lingers for the device", Wire.released)],
                problems: [
                    CommonProblems.notFound, SeatProblems.notHolder, SeatProblems.returnedBefore.with(["until": "2027-01-15T08:00:00Z"]),
                ]
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
                answers: [RouteAnswer(200, "The seat is free", Wire.forced)],
                problems: [CommonProblems.notFound, SeatProblems.borrowed.with(["borrowed_until": "2027-01-15T08:00:00Z"])]
            ) { call in
                let reason = call.json?["reason"]?.string ?? ""
                let receipt = try await forceRelease(try call.id("id"), tenant: try call.caller().tenant, reason: reason, call.act)
                return .json(value: receipt.map { ["status": "released", "receipt": $0.json] } ?? ["status": "released"])
            },
            Route(
                .get, "/api/v1/sessions/waiting", name: "sessions.waiting", summary: "Who waits for a seat, by licence and turn.",
                access: .permission(SeatPermissions.read), query: [Wire.licenseFilter],
                answers: [RouteAnswer(200, "Up to 200, the first first", .object([SchemaField("waiting", .array(Wire.waiter, max: 200))]))]
            ) { call in
                let page = LeaseQuery(
                    tenant: try call.caller().tenant, license: call.query["license_id"].flatMap(LicenseID.init), limit: 200)
                return .json(value: ["waiting": .array(try await ledger.queue(page).map(Wire.json))])
            },
        ]
    }

    private func leases(_ call: Call, user: UserID?) async throws -> Reply {
        let page = try call.page()
        let found = try await list(Wire.query(call, page, try call.caller().tenant, user: user), now: call.act.now)
        return call.reply(Page(reading: found, limit: page.limit) { $0.lease.id.description }, named: "sessions", Wire.json)
    }
}
