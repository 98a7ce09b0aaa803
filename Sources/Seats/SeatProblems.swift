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
    package static let all = [exhausted, noLicense, released, expired, forced, superseded, notHolder, busy]

    package static func problem(_ refusal: LeasePool.Refusal) -> Problem {
        switch refusal {
        case .unknown: CommonProblems.notFound
        case .notHolder: notHolder
        case .ended(let end, let note):
            switch end {
            case .released: released
            case .expired: expired
            case .superseded: superseded
            case .forced: forced.with(["reason": .string(note ?? "")])
            case .licenseSuspended: LicenseProblems.suspended
            case .licenseExpired: LicenseProblems.expired
            case .licenseRevoked: LicenseProblems.revoked
            }
        }
    }
}
