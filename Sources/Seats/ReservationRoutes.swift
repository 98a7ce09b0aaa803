import Foundation
import HTTPEdge
import Licensing
import Vocabulary

/// Seats that leave the network, and seats that are kept for some.
extension Leases {
    func borrowRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/licenses/borrow", name: "licenses.borrow",
                summary: "Lends the caller's seat for use without the network, up to 168 hours. Release it to bring it home early.",
                access: .permission(SeatPermissions.acquire), request: Wire.borrowRequest,
                answers: [RouteAnswer(200, "The signed seat", Wire.borrowing)],
                problems: Wire.leaseProblems + [
                    SeatProblems.borrowLimit.with(["borrowed": 9, "borrow_limit": 9]), SeatProblems.borrowRefused.with(["max_hours": 168]),
                    SeatProblems.otherDevice, CommonProblems.policyDenied,
                ], creates: true
            ) { call in
                let hours = Int(call.json?["hours"]?.int ?? 0)
                let hardwareID = call.json?["hardware_id"]?.string ?? ""
                return .json(
                    value: Wire.json(
                        try await borrow(try Wire.session(call), hardwareID: hardwareID, hours: hours, try call.caller(), call.act)))
            }
        ]
    }

    func reservationRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/licenses/{id}/reservations", name: "reservations.list", summary: "Seats kept for some users.",
                access: .permission(SeatPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "All of the licence",
                        .object([SchemaField("reservations", .array(Wire.reservation, max: Reservation.mostPerLicense))]))
                ], problems: [CommonProblems.notFound]
            ) { call in
                let found = try await ledger.reservations(try call.id("id"), tenant: try call.caller().tenant)
                return .json(value: ["reservations": .array(found.map(Wire.json))])
            },
            Route(
                .put, "/api/v1/licenses/{id}/reservations/{name}", name: "reservations.put",
                summary: "Keeps seats for some users, or changes what is kept. Live leases stay as they are.",
                access: .permission(SeatPermissions.reserve), request: Wire.reservationRequest,
                answers: [RouteAnswer(200, "Kept", .object([SchemaField("status", .choice(["reserved"]))]))],
                problems: [CommonProblems.notFound, SeatProblems.reservedTooMany.with(["reserved": 3])]
            ) { call in
                let members = (call.json?["user_ids"]?.array ?? []).compactMap { $0.string.flatMap(UserID.init) }
                try await ledger.reserve(
                    try call.id("id"), name: try Self.name(call), seats: Int(call.json?["seats"]?.int ?? 0), members: members,
                    tenant: try call.caller().tenant, call.act)
                return .json(value: ["status": "reserved"])
            },
            Route(
                .delete, "/api/v1/licenses/{id}/reservations/{name}", name: "reservations.delete", summary: "Keeps the seats no longer.",
                access: .permission(SeatPermissions.reserve),
                answers: [RouteAnswer(200, "The seats are everybody's", .object([SchemaField("status", .choice(["removed"]))]))],
                problems: [CommonProblems.notFound]
            ) { call in
                try await ledger.dropReservation(
                    try call.id("id"), name: try Self.name(call), tenant: try call.caller().tenant, call.act)
                return .json(value: ["status": "removed"])
            },
        ]
    }

    /// Names stand in addresses: letters, digits, `-`, `_` and `.`, at most 64.
    private static func name(_ call: Call) throws(Problem) -> String {
        let name = call.parameters["name"] ?? ""
        let isName =
            (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46 || $0 == 95
            }
        guard isName else { throw CommonProblems.notFound }
        return name
    }
}
