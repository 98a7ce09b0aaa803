import HookEngine
import Vocabulary

/// The room's hook points.
package enum SeatHooks {
    package static let all: [HookDefinition] = [SeatRequestHook.definition]
}

/// Asked at each acquire, before the ledger decides: may this user have a seat for this device, and on what terms.
package enum SeatRequestHook: DecideHook {
    package struct Input: Sendable {
        package var user: String
        package var role: String
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
            user: String, role: String, device: String, hostname: String?, os: String?, version: String?, license: String, tier: String,
            status: String, seats: Int, seatsUsed: Int
        ) {
            self.user = user
            self.role = role
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
    }

    package static let definition = HookDefinition(
        "on_seat_request", kind: .decide, summary: "Whether a user may have a seat for a device, and on what terms.",
        input: [
            HookField(
                "user",
                .object([HookField("id", .string, "Handle of the user."), HookField("role", .string, "The user's role in the tenant.")]),
                "Who asks."),
            HookField(
                "device",
                .object([
                    HookField("id", .string, "Handle of the hardware id: comparable, not readable."),
                    HookField("hostname", .string, "As the client says.", optional: true),
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
        ], whenAllAbstain: .allow)

    package static func encode(_ input: Input) -> HookValue {
        func optional(_ text: String?) -> HookValue { text.map(HookValue.string) ?? .null }
        return .object([
            ("user", .object([("id", .string(input.user)), ("role", .string(input.role))])),
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
            leaseTTL: value["lease_ttl_seconds"]?.int.map { .seconds(min(max($0, 60), 86_400)) })
    }
}
