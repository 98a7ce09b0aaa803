import Foundation
import PluginKit
import RoomTesting
import Vocabulary

@testable import Billing

/// A payment provider in a few lines: its events are the facts themselves, its signature a word.
final class FakeProvider: PaymentProvider {
    enum Step: Sendable {
        case answer
        /// The session is opened, the answer lost.
        case lose
        case refuse(String)
        case unreachable
        case limited(seconds: Int64)
    }
    private struct State {
        var steps: [Step] = []
        var requests: [CheckoutRequest] = []
        var sessions: [String: CheckoutSession] = [:]
        var portals: [PortalRequest] = []
        var readings: [String: Int] = [:]
        var prefix = "cs_"
    }
    private let state = Guarded(State())
    /// What it can do beyond kit 1.0.
    let desk = FakeDesk()

    func script(_ steps: Step...) { state.with { $0.steps = steps } }
    /// Names the next sessions `name`, so that a life's facts fit.
    func nameSessions(_ prefix: String) { state.with { $0.prefix = prefix } }
    /// The next session is called like the first one.
    func forgetSessions() { state.with { $0.sessions = [:] } }
    var requests: [CheckoutRequest] { state.with { $0.requests } }
    var sessions: [String: CheckoutSession] { state.with { $0.sessions } }
    var portals: [PortalRequest] { state.with { $0.portals } }

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        try state.with { state in
            state.requests.append(request)
            let step = state.steps.isEmpty ? .answer : state.steps.removeFirst()
            switch step {
            case .refuse(let code): throw PaymentProviderError.refused(code: code, message: "no")
            case .unreachable: throw PaymentProviderError.unreachable("connection reset")
            case .limited(let seconds): throw PaymentProviderError.rateLimited(retryAfter: .seconds(seconds))
            case .answer, .lose:
                // As providers do: one session for one key.
                let session =
                    state.sessions[request.idempotencyKey]
                    ?? CheckoutSession(
                        id: "\(state.prefix)\(state.sessions.count + 1)", url: "https://pay.example/\(state.sessions.count + 1)")
                state.sessions[request.idempotencyKey] = session
                if case .lose = step { throw PaymentProviderError.unreachable("timed out") }
                return session
            }
        }
    }

    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        state.with { $0.portals.append(request) }
        return PortalSession(url: "https://pay.example/portal/\(request.customer)")
    }

    struct Body: Codable {
        var id: String
        var type: String
        var at: Timestamp
        var facts: [PaymentFact]
    }

    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        switch delivery.headers["fake-signature"] {
        case "valid": break
        case "stale": throw PaymentProviderError.stale("300 s")
        default: throw PaymentProviderError.forged("no signature")
        }
        guard let body = try? JSONDecoder().decode(Body.self, from: delivery.body) else { throw PaymentProviderError.malformed("json") }
        return VerifiedEvent(id: body.id, type: body.type, createdAt: body.at, body: delivery.body)
    }

    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        let body = try JSONDecoder().decode(Body.self, from: event.body)
        switch body.type {
        case "broken": throw PaymentProviderError.malformed("shape")
        case "down": throw PaymentProviderError.unreachable("child process ended")
        default: return body.facts
        }
    }
}

/// `fake` in service, `broken` there but refused, nothing else.
struct FakeProviders: PaymentProviders {
    let fake: FakeProvider
    /// A second one, `rival`, in service beside it.
    let rival = FakeProvider()
    let isDown = Guarded(false)
    var defaultName: String { "fake" }
    func names() async -> [String] { isDown.with { $0 } ? [] : ["fake"] }
    func provider(_ name: String) async -> (any PaymentProvider)? {
        if name == "rival" { return rival }
        return name == "fake" && !isDown.with { $0 } ? fake : nil
    }
    func isRefused(_ name: String) async -> Bool { name == "broken" || name == "fake" }
}

struct FakeAddresses: AddressBook {
    func address(of user: UserID) async throws -> MailAddress? { MailAddress(email: "buyer@example.com", name: "Buyer") }
    func owners(of tenant: TenantID) async throws -> [UserID] { [] }
    func members(of tenant: TenantID) async throws -> [UserID] { [] }
    func staff() async throws -> [UserID] { [] }
}

/// What the rooms to the right would say: set by a test, or fed by the events as Licensing is.
final class FakeAccess: LiveAccess {
    let shown = Guarded<[SubscriptionID: ShownLicense]>([:])
    let seats = Guarded(0)
    func seatsUsed(_ tenant: TenantID, now: Timestamp) async throws -> Int { seats.with { $0 } }
    /// Events for licences get lost while it is true.
    let isDeaf = Guarded(false)
    func licenses(_ tenant: TenantID) async throws -> [SubscriptionID: ShownLicense] { shown.with { $0 } }
    /// Of everybody, in order.
    let paid = Guarded<[PaidLicense]>([])
    func paid(after place: PaidLicense?, limit: Int) async throws -> [PaidLicense] {
        let all = paid.with { $0 }
        let from = place.flatMap { all.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
        return Array(all[from...].prefix(limit))
    }
    func hear(_ event: StandingChanged) {
        guard !isDeaf.with({ $0 }) else { return }
        shown.with { shown in
            guard event.version > shown[event.subscription]?.version ?? -1 else { return }
            shown[event.subscription] = ShownLicense(
                version: event.version, standing: event.standing, tier: event.tier, quantity: event.quantity, periodEnd: event.periodEnd,
                isRevoked: false)
        }
    }
}
