import HookEngine
import Vocabulary

/// The room's hook points.
package enum SeatHooks {
    package static let all: [HookDefinition] = [SeatRequestHook.definition]
}

/// Asked at each acquire, before the ledger decides: may this user have a seat for this device, and on what terms.
package enum SeatRequestHook: DecideHook {
    package struct Input: Sendable {
        /// To run now, or to take the seat out of the house.
        package enum Purpose: String, Sendable { case acquire, borrow }
        package var purpose: Purpose
        /// For how long; nil unless the seat is to be borrowed.
        package var borrowHours: Int?
        package var user: String
        package var role: String
        package var recentDevices: Int
        package var device: String
        package var hostname: String?
        package var os: String?
        package var version: String?
        package var license: String
        package var tier: String
        package var status: String
        package var seats: Int
        package var seatsUsed: Int

        package init(
            purpose: Purpose = .acquire, borrowHours: Int? = nil, user: String, role: String, recentDevices: Int = 0, device: String,
            hostname: String?, os: String?, version: String?, license: String, tier: String, status: String, seats: Int, seatsUsed: Int
        ) {
            self.purpose = purpose
            self.borrowHours = borrowHours
            self.user = user
            self.role = role
            self.recentDevices = recentDevices
            self.device = device
            self.hostname = hostname
            self.os = os
            self.version = version
            self.license = license
            self.tier = tier
            self.status = status
            self.seats = seats
            self.seatsUsed = seatsUsed
        }
    }

    package struct Terms: Sendable {
        /// Leases beyond the licence's seats; nil: none.
        package var overdraftSeats: Int?
        /// Nil: `seats.lease_ttl_seconds`.
        package var leaseTTL: Duration?
        /// For how long the seat stays the device's after its release; nil: not at all.
        package var linger: Duration?
        /// Before which the seat goes to no other device, however soon it is released; nil: at once.
        package var minimumHold: Duration?
        /// Nil: `seats.borrow_hours`.
        package var borrowHours: Int?
    }

    package static let definition = HookDefinition(
        "on_seat_request", kind: .decide, summary: "Whether a user may have a seat for a device, and on what terms.",
        input: [
            HookField("purpose", .string, "`acquire` or `borrow`: to run now, or to take the seat away from the network.", optional: true),
            HookField("borrow_hours", .integer, "For how long the seat is to be borrowed.", optional: true),
            HookField(
                "user",
                .object([
                    HookField("id", .string, "Handle of the user."), HookField("role", .string, "The user's role in the tenant."),
                    HookField(
                        "recent_devices", .integer, "Other devices on which the user began a lease in the last 24 hours, up to 200.",
                        optional: true),
                ]),
                "Who asks."),
            HookField(
                "device",
                .object([
                    HookField("id", .string, "Handle of the hardware id: comparable, not readable."),
                    HookField("hostname", .string, "Handle of the machine's name: comparable, not readable.", optional: true),
                    HookField("os", .string, "As the client says.", optional: true),
                    HookField("version", .string, "The client's version, as it says.", optional: true),
                ]), "For which device."),
            HookField(
                "license",
                .object([
                    HookField("id", .string, "The licence."), HookField("tier", .string, "Its tier."),
                    HookField("status", .string, "`active` or `grace`."), HookField("seats", .integer, "Seats of the licence."),
                    HookField("seats_used", .integer, "Leases that live now; the ledger counts again."),
                ]), "Under which licence."),
        ],
        terms: [
            HookField(
                "overdraft_seats", .integer, "Leases allowed beyond the licence's seats.", optional: true, tight: .lowest, range: 0...1_000),
            HookField(
                "lease_ttl_seconds", .integer, "How long a lease lives without a heartbeat.", optional: true, tight: .lowest,
                range: 60...86_400),
            HookField(
                "linger_seconds", .integer, "How long the seat stays the device's after its release.", optional: true, tight: .lowest,
                range: 0...86_400),
            HookField(
                "minimum_hold_seconds", .integer, "Before which the seat goes to no other device, however soon it is released.",
                optional: true, tight: .highest, range: 0...86_400),
            HookField("borrow_hours", .integer, "The longest time to lend a seat for.", optional: true, tight: .lowest, range: 0...168),
        ], whenAllAbstain: .allow, isOpenToTenants: true)

    package static func encode(_ input: Input) -> HookValue {
        func optional(_ text: String?) -> HookValue { text.map(HookValue.string) ?? .null }
        return .object([
            ("purpose", .string(input.purpose.rawValue)), ("borrow_hours", input.borrowHours.map { .int(Int64($0)) } ?? .null),
            (
                "user",
                .object([
                    ("id", .string(input.user)), ("role", .string(input.role)), ("recent_devices", .int(Int64(input.recentDevices))),
                ])
            ),
            (
                "device",
                .object([
                    ("id", .string(input.device)), ("hostname", optional(input.hostname)), ("os", optional(input.os)),
                    ("version", optional(input.version)),
                ])
            ),
            (
                "license",
                .object([
                    ("id", .string(input.license)), ("tier", .string(input.tier)), ("status", .string(input.status)),
                    ("seats", .int(Int64(input.seats))), ("seats_used", .int(Int64(input.seatsUsed))),
                ])
            ),
        ])
    }

    package static func terms(_ value: HookValue) -> Terms {
        Terms(
            overdraftSeats: value["overdraft_seats"]?.int.map { Int(min(max($0, 0), 1_000)) },
            leaseTTL: value["lease_ttl_seconds"]?.int.map { .seconds(min(max($0, 60), 86_400)) },
            linger: value["linger_seconds"]?.int.map { .seconds(min(max($0, 0), 86_400)) },
            minimumHold: value["minimum_hold_seconds"]?.int.map { .seconds(min(max($0, 0), 86_400)) },
            borrowHours: value["borrow_hours"]?.int.map { Int(min(max($0, 0), 168)) })
    }
}
