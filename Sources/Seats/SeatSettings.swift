import Vocabulary

/// Every setting of the room.
package enum SeatSettings {
    package static let leaseTTLSeconds = Setting<Int>(
        "seats.lease_ttl_seconds", default: 360, in: 60...86_400,
        reason: "How long a lease lives without a heartbeat: one heartbeat and a minute to spare. A policy can say otherwise.")
    package static let heartbeatIntervalSeconds = Setting<Int>(
        "seats.heartbeat_interval_seconds", default: 300, in: 10...86_400,
        reason: "How often clients are told to send heartbeats; never more than five sixths of the lease's life.")
    package static let reviveWindowSeconds = Setting<Int>(
        "seats.revive_window_seconds", default: 300, in: 0...86_400,
        reason: "How late a heartbeat may come and still get its lease back, if a seat is free: one missed heartbeat.")
    package static let signatureAlgorithm = Setting<String>(
        "seats.signature_algorithm", default: "rsa", range: "rsa, ed25519", accepts: { ["rsa", "ed25519"].contains($0) },
        reason:
            "How answers of acquire are signed. Clients in the field verify RSA-4096; Ed25519 costs a hundredth, for clients that know it.")
    package static let longestTickGapSeconds = Setting<Int>(
        "seats.longest_tick_gap_seconds", default: 5, in: 1...3_600,
        reason: "How much of a gap in which the process did not run counts as time: the rest is given back to the leases.")
    package static let historyDays = Setting<Int>(
        "seats.history_days", default: 90, in: 1...3_650, reason: "How long leases that are over are remembered.")
    package static let warningPercent = Setting<Int>(
        "seats.warning_percent", default: 90, in: 1...100,
        reason: "From which use on the owners get a mail, once a day and licence, where a licence has two seats or more.")
    package static let all: [AnySetting] = [
        leaseTTLSeconds.erased, heartbeatIntervalSeconds.erased, reviveWindowSeconds.erased, signatureAlgorithm.erased,
        longestTickGapSeconds.erased, historyDays.erased, warningPercent.erased,
    ]
}
