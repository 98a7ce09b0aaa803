import Foundation
import HTTPEdge
import LicenseFormat
import Licensing
import Vocabulary

/// How the room's nouns look on the wire.
enum Wire {
    // Bodies were read and checked by the edge.
    static func request(_ call: Call) throws(Problem) -> Leases.Request {
        guard let json = call.json, let hardwareID = json["hardware_id"]?.string else { throw CommonProblems.malformed }
        return Leases.Request(
            hardwareID: hardwareID, hostname: json["hostname"]?.string, os: json["os"]?.string, version: json["version"]?.string,
            license: json["license_id"]?.string.flatMap(LicenseID.init), waits: json["wait"]?.bool ?? false)
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

    static func json(_ answer: Leases.Answer) -> JSONValue {
        var members: [String: JSONValue] = [
            "license_id": .string(answer.grant.license.description), "session_id": .string(answer.grant.session.description),
            "seats_used": .int(Int64(answer.grant.count.used)), "seats_total": .int(Int64(answer.grant.count.total)),
            "expires_at": .string(answer.grant.expiresAt.iso8601), "signature": .string(answer.signature),
            "heartbeat_interval": .int(answer.heartbeatIntervalSeconds), "epoch": .int(answer.grant.epoch),
        ]
        if let receipt = answer.receipt { members["receipt"] = receipt.json }
        return .object(members)
    }
    static func json(_ waiter: Waiter) -> JSONValue {
        [
            "license_id": .string(waiter.license.description), "user_id": .string(waiter.user.description),
            "waited_seconds": .int(max(0, waiter.waited.wholeSeconds)),
        ]
    }
    static func json(_ view: ReservationView) -> JSONValue {
        [
            "name": .string(view.reservation.name), "license_id": .string(view.reservation.license.description),
            "seats": .int(Int64(view.reservation.seats)), "seats_used": .int(Int64(view.live)),
            "user_ids": .array(view.reservation.members.map { .string($0.description) }),
        ]
    }
    static func json(_ borrowing: Leases.Borrowing) -> JSONValue {
        var members: [String: JSONValue] = [
            "license_id": .string(borrowing.grant.license.description), "session_id": .string(borrowing.grant.session.description),
            "epoch": .int(borrowing.grant.epoch), "borrowed_until": .string(borrowing.grant.expiresAt.iso8601),
            "file": borrowing.file.json,
        ]
        if let receipt = borrowing.receipt { members["receipt"] = receipt.json }
        return .object(members)
    }
    static func json(_ view: LeaseView) -> JSONValue {
        func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        return [
            "session_id": .string(view.lease.id.description), "license_id": .string(view.lease.license.description),
            "user_id": .string(view.lease.user.description), "hostname": text(view.hostname), "os": text(view.os),
            "version": text(view.version), "seat": .int(Int64(view.lease.slot)), "epoch": .int(view.lease.epoch),
            "resurrected": .bool(view.lease.isResurrected), "acquired_at": .string(view.lease.acquiredAt.iso8601),
            "last_heartbeat_at": .string(view.lastHeartbeatAt.iso8601), "expires_at": .string(view.expiresAt.iso8601),
            "borrowed_until": text(view.lease.borrowedUntil?.iso8601),
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

    /// As an example for the reference.
    static let receiptShown: [String: JSONValue] = ["receipt": [:]]

    static let leaseProblems = [
        CommonProblems.notFound, SeatProblems.notHolder, SeatProblems.released, SeatProblems.expired,
        SeatProblems.forced.with(["receipt_sequence": 1]),
        SeatProblems.superseded, LicenseProblems.suspended, LicenseProblems.expired, LicenseProblems.revoked,
    ]
    static let uuid = Schema.string(min: 36, max: 36, format: .uuid)
    static let moment = Schema.string(max: 40, format: .dateTime)
    static let figure = Schema.integer(0...10_001_000)
    static let epoch = Schema.integer(1...Int64.max)

    static let acquireRequest = Schema.object([
        SchemaField("hardware_id", .string(min: 1, max: 256), "What identifies the device; opaque to the server"),
        SchemaField("hostname", .nullable(.string(max: 255)), "Shown to operators", optional: true),
        SchemaField("os", .nullable(.string(max: 64)), optional: true),
        SchemaField("version", .nullable(.string(max: 64)), "The client's version", optional: true),
        SchemaField("license_id", .nullable(uuid), "Only this licence; else the oldest with a free seat", optional: true),
        SchemaField("wait", .boolean, "Take a place in the queue where no seat is free", optional: true),
    ])
    static let acquired = Schema.object([
        SchemaField("license_id", uuid), SchemaField("session_id", uuid), SchemaField("seats_used", figure),
        SchemaField("seats_total", figure), SchemaField("expires_at", moment, "The lease's end unless a heartbeat comes"),
        SchemaField("signature", .string(max: 1_024, format: .hex), "Over expires_at, license_id and session_id"),
        SchemaField("heartbeat_interval", .integer(1...86_400), "Seconds"),
        SchemaField("epoch", epoch, "Grows with each life of the lease"),
        SchemaField("receipt", receipt, "Signed proof of the grant", optional: true),
    ])
    static let waiting = Schema.object([
        SchemaField("status", .choice(["waiting"])), SchemaField("license_id", uuid),
        SchemaField("position", .integer(1...10_001), "1: the next free seat is yours"),
        SchemaField("retry_after", .integer(1...86_400), "Seconds after which to ask again"),
        SchemaField("claim_seconds", .integer(1...3_600), "Who does not ask again for so long has left the queue"),
        SchemaField("seats_used", figure), SchemaField("seats_total", figure),
    ])
    static let waiter = Schema.object([
        SchemaField("license_id", uuid), SchemaField("user_id", uuid), SchemaField("waited_seconds", .integer(0...Int64.max)),
    ])
    static let receipt = Schema.named(
        "SignedDocument",
        .object([
            SchemaField("document", .any, "The members that are signed, in RFC 8785 form after `coditect:KIND` and NUL"),
            SchemaField(
                "signature",
                .object([
                    SchemaField("key_id", .string(max: 64)), SchemaField("algorithm", .string(max: 64)),
                    SchemaField("signature", .string(max: 1_024, format: .hex)),
                ])),
        ]))
    static let borrowRequest = Schema.object([
        SchemaField("session_id", uuid), SchemaField("hardware_id", .string(min: 1, max: 256), "As for acquire"),
        SchemaField("hours", .integer(1...168)),
    ])
    static let borrowing = Schema.object([
        SchemaField("license_id", uuid), SchemaField("session_id", uuid), SchemaField("epoch", epoch),
        SchemaField("borrowed_until", moment), SchemaField("file", receipt, "The signed seat, for the device's disk"),
        SchemaField("receipt", receipt, optional: true),
    ])
    static let reservationRequest = Schema.object([
        SchemaField("seats", .integer(1...10_000_000)),
        SchemaField("user_ids", .array(uuid, max: Reservation.mostMembers), "Whom the seats are kept for"),
    ])
    static let reservation = Schema.named(
        "Reservation",
        .object([
            SchemaField("name", .string(max: 64)), SchemaField("license_id", uuid), SchemaField("seats", figure),
            SchemaField("seats_used", figure), SchemaField("user_ids", .array(uuid, max: Reservation.mostMembers)),
        ]))
    static let beatRequest = Schema.object([
        SchemaField("session_id", uuid), SchemaField("epoch", epoch, "As acquire answered; an older one is superseded", optional: true),
    ])
    static let beaten = Schema.object([
        SchemaField("status", .choice(["ok"])), SchemaField("expires_in", .integer(1...86_400), "Seconds"), SchemaField("epoch", epoch),
        SchemaField("resurrected", .boolean, "The lease had expired and came back", optional: true),
        SchemaField("receipt", receipt, "Signed proof of the revival", optional: true),
    ])
    static let releaseRequest = Schema.object([SchemaField("session_id", uuid), SchemaField("epoch", epoch, optional: true)])
    static let released = Schema.object([SchemaField("status", .choice(["released"]))])
    static let forced = Schema.object([
        SchemaField("status", .choice(["released"])), SchemaField("receipt", receipt, "Signed proof of the end", optional: true),
    ])
    static let forceRequest = Schema.object([SchemaField("reason", .string(min: 1, max: 200), "Told to the holder")])

    static let licenseFilter = QueryField("license_id", .string(min: 36, max: 36, format: .uuid), "Only of this licence")
    static let lease = Schema.named(
        "Lease",
        .object([
            SchemaField("session_id", uuid), SchemaField("license_id", uuid), SchemaField("user_id", uuid),
            SchemaField("hostname", .nullable(.string(max: 255))), SchemaField("os", .nullable(.string(max: 64))),
            SchemaField("version", .nullable(.string(max: 64))), SchemaField("seat", figure), SchemaField("epoch", epoch),
            SchemaField("resurrected", .boolean), SchemaField("acquired_at", moment), SchemaField("last_heartbeat_at", moment),
            SchemaField("expires_at", moment), SchemaField("borrowed_until", .nullable(moment)),
        ]))
    static let endedLease = Schema.named(
        "EndedLease",
        .object([
            SchemaField("session_id", uuid), SchemaField("license_id", uuid), SchemaField("user_id", uuid), SchemaField("epoch", epoch),
            SchemaField("acquired_at", moment), SchemaField("ended_at", moment),
            SchemaField("end_reason", .choice(LeaseEnd.allCases.map(\.rawValue))), SchemaField("note", .nullable(.string(max: 200))),
        ]))
}
