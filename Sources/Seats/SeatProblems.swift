import Licensing
import Vocabulary

/// Every error that the room can raise.
package enum SeatProblems {
    package static let exhausted = Problem(
        "no_seats_available", status: 429, title: "No seat is free.",
        hint: "Release a seat, wait for retry_after seconds, or raise the tier.")
    package static let noLicense = Problem(
        "no_license", status: 403, title: "The tenant has no licence.",
        hint: "Choose a tier; the free one is granted when the mail address is verified.")
    package static let released = Problem(
        "lease_released", status: 409, title: "The lease was released.", hint: "Acquire a new one; a released lease never comes back.")
    package static let expired = Problem(
        "lease_expired", status: 409, title: "The lease expired and its seat cannot be given back.",
        hint: "Acquire again, and send heartbeats more often than the lease lives.")
    package static let forced = Problem(
        "lease_ended_by_operator", status: 409, title: "An operator of the tenant released the seat.",
        hint: "See reason; acquire again if it still applies to nobody else.")
    package static let superseded = Problem(
        "superseded", status: 409, title: "The device began a newer lease.", hint: "Only the newest session of a device may go on.")
    package static let notHolder = Problem(
        "not_lease_holder", status: 403, title: "The lease belongs to another user of the tenant.",
        hint: "Only its holder sends heartbeats and releases it; operators use the session's own release.")
    package static let busy = Problem(
        "ledger_busy", status: 503, title: "More heartbeats are waiting than can be taken.",
        hint: "Try again shortly; the lease still lives.")
    package static let borrowed = Problem(
        "lease_is_borrowed", status: 409, title: "The seat is in use without the network and cannot be called back.",
        hint: "It comes home by itself at borrowed_until, or earlier if its holder returns it.")
    package static let returnedBefore = Problem(
        "borrow_returned_before", status: 409, title: "This device returned a borrowed seat early once, and its file is still valid.",
        hint: "The seat comes home by itself at its end; another early return is possible after until.")
    package static let borrowLimit = Problem(
        "borrow_limit_reached", status: 409, title: "No more seats of this licence may leave the network.",
        hint: "Some seats always stay; wait until a borrowed one is back, or raise the tier.")
    package static let borrowRefused = Problem(
        "borrow_too_long", status: 422, title: "A seat is not lent for so long.", hint: "Ask for at most max_hours.")
    package static let otherDevice = Problem(
        "lease_of_other_device", status: 409, title: "The lease belongs to another device.",
        hint: "A seat is lent to the device that holds it: send the same hardware_id as for acquire.")
    package static let reservedTooMany = Problem(
        "reservation_limit_reached", status: 409, title: "The licence has not so many seats to reserve.",
        hint: "Lower another reservation, or raise the tier.")
    package static let all = [
        exhausted, noLicense, released, expired, forced, superseded, notHolder, busy, borrowed, returnedBefore, borrowLimit, borrowRefused,
        otherDevice, reservedTooMany,
    ]

    package static func problem(_ refusal: LeasePool.Refusal) -> Problem {
        switch refusal {
        case .unknown: CommonProblems.notFound
        case .notHolder: notHolder
        case .ended(let end, let note, let sequence):
            switch end {
            case .released: released
            case .expired: expired
            case .superseded: superseded
            case .forced:
                forced.with(["reason": .string(note ?? ""), "receipt_sequence": sequence.map(JSONValue.int) ?? .null])
            case .licenseSuspended: LicenseProblems.suspended
            case .licenseExpired: LicenseProblems.expired
            case .licenseRevoked: LicenseProblems.revoked
            }
        }
    }
}
