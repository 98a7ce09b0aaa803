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
    package static let claimTimeoutSeconds = Setting<Int>(
        "seats.claim_timeout_seconds", default: 30, in: 3...3_600,
        reason: "Who waits in the queue and does not ask again for so long has left it; a free seat is kept for the first so long.")
    package static let queueLimit = Setting<Int>(
        "seats.queue_limit", default: 1_000, in: 0...10_000, reason: "How many devices wait for one licence; 0: nobody waits.")
    package static let borrowHours = Setting<Int>(
        "seats.borrow_hours", default: 168, in: 0...168,
        reason: "The longest time for which a seat is lent for use without the network; 0: never. Policy can say less.")
    package static let borrowLowWaterPercent = Setting<Int>(
        "seats.borrow_low_water_percent", default: 10, in: 0...100,
        reason: "This part of a licence's seats, rounded down, is never lent, so that those on the network find some.")
    package static let receipts = Setting<Bool>(
        "seats.receipts", default: true, range: "true or false",
        reason: "Whether answers carry a signed receipt. Each costs one Ed25519 signature.")
    package static let all: [AnySetting] = [
        leaseTTLSeconds.erased, heartbeatIntervalSeconds.erased, reviveWindowSeconds.erased, signatureAlgorithm.erased,
        longestTickGapSeconds.erased, historyDays.erased, warningPercent.erased, claimTimeoutSeconds.erased,
        queueLimit.erased, borrowHours.erased, borrowLowWaterPercent.erased, receipts.erased,
    ]
}
