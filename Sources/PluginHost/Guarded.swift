import Foundation
import PluginKit

/// A payment provider as the house sees it: what the plugin answers is checked like any other input from outside, calls are
/// counted for draining, and an error that is none of the kit's becomes "outcome unknown", never a refusal.
struct GuardedPaymentProvider: PaymentProvider {
    let plugin: String
    let provider: any PaymentProvider
    let gate: WorkGate
    /// What must not stand in an error: a provider's answer may quote what was sent to it.
    let secrets: PluginSecrets

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        try await entered {
            let session = try await provider.startCheckout(request)
            guard isID(session.id) else {
                throw PaymentProviderError.malformed("\(plugin) answered a checkout session without a usable id.")
            }
            guard isAddress(session.url) else {
                throw PaymentProviderError.malformed("\(plugin) answered a checkout without a usable address.")
            }
            return session
        }
    }

    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        try await entered {
            let session = try await provider.openPortal(request)
            guard isAddress(session.url) else {
                throw PaymentProviderError.malformed("\(plugin) answered a portal without a usable address.")
            }
            return session
        }
    }

    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        try entered {
            try checked(try provider.verify(delivery), delivery)
        }
    }

    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        try entered {
            try checked(try provider.interpret(event))
        }
    }

    func checked(_ event: VerifiedEvent, _ delivery: WebhookDelivery) throws -> VerifiedEvent {
        guard isID(event.id), isID(event.type) else {
            throw PaymentProviderError.malformed("\(plugin) named an event without a usable id and type.")
        }
        guard event.body == delivery.body else { throw PaymentProviderError.malformed("\(plugin) changed the body that it verified.") }
        return event
    }
    func checked(_ facts: [PaymentFact]) throws -> [PaymentFact] {
        guard facts.count <= 100 else { throw PaymentProviderError.malformed("\(plugin) stated more than 100 facts for one event.") }
        return facts
    }

    func entered<Value>(_ work: () throws -> Value) throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        do { return try work() } catch { throw cleaned(error) }
    }
    func entered<Value>(_ work: () async throws -> Value) async throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        do { return try await work() } catch let error as CancellationError { throw error } catch { throw cleaned(error) }
    }

    private func cleaned(_ error: any Error) -> PaymentProviderError {
        switch error as? PaymentProviderError {
        case .forged(let text): .forged(secrets.redacted(text))
        case .stale(let text): .stale(secrets.redacted(text))
        case .malformed(let text): .malformed(secrets.redacted(text))
        case .refused(let code, let message): .refused(code: secrets.redacted(code), message: secrets.redacted(message))
        case .unreachable(let text): .unreachable(secrets.redacted(text))
        case let plain?: plain
        case nil: .unreachable(secrets.redacted("\(plugin) failed: \(error)"))
        }
    }

    func isID(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count) && text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value < 127 }
    }
    func isAddress(_ text: String) -> Bool {
        // A provider's hosted page may carry its state in query and fragment.
        WebOrigin(text, allowingQuery: true) != nil
    }
}

/// A plugin's pages as the house sees them: bounded answers, no header of the plugin's own making.
struct GuardedPages: PluginPages {
    let plugin: String
    let pages: any PluginPages
    let gate: WorkGate

    static let contentTypes: Set<String> = [
        "text/html; charset=utf-8", "text/css; charset=utf-8", "text/plain; charset=utf-8", "image/svg+xml", "image/png",
    ]
    static let maxBytes = 2_097_152

    func respond(to request: PageRequest) async throws -> PageResponse {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        let page = try await pages.respond(to: request)
        guard [200, 303, 400, 403, 404, 405, 409, 410, 422, 429, 503].contains(page.status), Self.contentTypes.contains(page.contentType),
            page.body.count <= Self.maxBytes, (page.status == 303) == (page.location != nil)
        else { throw PluginRefusal("\(plugin) answered a page with a status, content type, size or target that is not allowed.") }
        if let target = page.location {
            let isLocal = target.hasPrefix("/") && !target.hasPrefix("//") && target.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != 92 }
            guard isLocal || WebOrigin(target, allowingQuery: true) != nil else {
                throw PluginRefusal("\(plugin) answered a redirect to no address.")
            }
        }
        return page
    }
}
