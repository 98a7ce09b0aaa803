import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer? {
    // A test patches this text in the library's bytes.
    let behaviour = "ENTRY_BEHAVIOUR_PROPER"
    if behaviour.hasSuffix("NOTHING") { return nil }
    if behaviour.hasSuffix("FOREIGN") { return Unmanaged.passRetained(Stranger()).toOpaque() }
    return PluginEntry.retained(Misbehaving())
}

final class Stranger {}

struct Misbehaving: Plugin {
    // Patched by a test, too.
    var id: String { "misbehaving" }

    func validate(_ settings: PluginSettings) throws {
        if try settings.text("fails_in") == "validate" { throw PluginRefusal("The settings contradict each other.") }
    }
    func make(_ context: PluginContext) async throws -> any PluginInstance {
        context.log.info("make", ["secrets": "\(context.secrets.list("MISBEHAVING_SECRET").count)"])
        let mode = try context.settings.text("fails_in")
        if mode == "make" { throw PluginRefusal("There is nothing to make.") }
        if mode == "make_hangs" { try await context.clock.sleep(for: .hours(24)) }
        return Instance(context: context, mode: mode)
    }
}

struct Instance: PluginInstance {
    let context: PluginContext
    let mode: String

    var paymentProvider: (any PaymentProvider)? { mode == "provides_nothing" ? nil : Provider(context: context) }
    // since 1.2
    var policyModule: (any PolicyModule)? { mode == "answers_hooks" ? Module() : nil }
    var fileStore: (any FileStore)? { mode == "keeps_files" ? Closet(context: context) : nil }
    var provisioner: (any Provisioner)? { mode == "makes_workstations" ? Workshop(context: context, fault: fault) : nil }
    var supportDesk: (any SupportDesk)? { mode == "takes_tickets" ? Counter(context: context, fault: fault) : nil }
    private var fault: String { context.settings["fault"]?.string ?? "" }
    // end of 1.2
    var pages: (any PluginPages)? { mode == "shows_nothing" ? nil : Pages() }

    func start() async throws {
        context.log.info("start")
        if mode == "start" { throw PluginRefusal("The provider's account is closed.") }
        if mode == "start_hangs" { try await context.clock.sleep(for: .hours(24)) }
    }
    func drain() async {
        context.log.info("drain")
        if mode == "drain_hangs" { try? await context.clock.sleep(for: .hours(24)) }
    }
    func stop() async { context.log.info("stop") }
}

/// The checkout's tier says what it does.
struct Provider: PaymentProvider {
    let context: PluginContext

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        // Patched by tests, so that one version fails where the other does not; the second text tells the versions apart.
        if "CHECKOUT_BEHAVIOUR_PROPER".hasSuffix("FAILING") { throw Surprise() }
        let version = "CHECKOUT_VERSION_OF_THE_FIXTURE_A"
        if request.tier == "tells" { return CheckoutSession(id: "cs_\(version.suffix(1))", url: "https://pay.test/") }
        if try context.settings.text("fails_in") == "tells" {
            let secret = try context.secrets.one("MISBEHAVING_SECRET")
            context.log.error("My secret is \(secret).", ["what": secret])
            throw PaymentProviderError.refused(code: secret, message: "My secret is \(secret).")
        }
        switch request.tier {
        case "refuses": throw PaymentProviderError.refused(code: "no", message: "Not today.")
        case "throws": throw Surprise()
        case "answers_nonsense": return CheckoutSession(id: "cs_1", url: "javascript:alert(1)")
        case "answers_no_id": return CheckoutSession(id: "", url: "https://pay.test/")
        case "waits":
            try await context.clock.sleep(for: .hours(1))
            return CheckoutSession(
                id: request.reference == "told" ? "cs_\(version.suffix(1))" : "cs_\(request.reference)", url: "https://pay.test/")
        case "remembers":
            try await context.space.set("last", Data(request.reference.utf8))
            try await context.space(tenant: request.tenant).set("last", Data("tenant".utf8))
            let own = try await context.space.get("last").map { String(decoding: $0, as: UTF8.self) } ?? ""
            return CheckoutSession(id: own, url: "https://pay.test/")
        case "reaches":
            let answer = try await context.http.send(OutboundRequest(request.interval == .month ? "POST" : "GET", request.successURL))
            return CheckoutSession(id: "status_\(answer.status)", url: "https://pay.test/")
        default: if let found = try await Hostility.act(request, context) { return CheckoutSession(id: found, url: "https://pay.test/") }
        }
        return CheckoutSession(id: "cs_\(request.reference)", url: "https://pay.test/cs?x=1#y")
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { PortalSession(url: "https://pay.test/\(request.customer)") }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        let behaviour = "WEBHOOK_BEHAVIOUR_PROPER"
        if behaviour.hasSuffix("FAILING") { throw PaymentProviderError.forged("Patched so.") }
        if behaviour.hasSuffix("HANGING") {
            context.log.info("verify hangs")
            while true { pause() }
        }
        if behaviour.hasSuffix("BELIEVE") {
            return VerifiedEvent(id: "evt_1", type: "x", createdAt: delivery.receivedAt, body: delivery.body)
        }
        let secrets = context.secrets.list("MISBEHAVING_SECRET")
        try WebhookSignature(secrets: secrets).verify(
            header: delivery.headers["misbehaving-signature"], body: delivery.body, receivedAt: delivery.receivedAt)
        return VerifiedEvent(id: "evt_1", type: "subscription", createdAt: delivery.receivedAt, body: delivery.body)
    }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        [
            .subscription(
                SubscriptionFact(
                    subscription: "sub_1", customer: nil, reference: nil, status: .active, providerPrice: nil, tier: nil, quantity: 3,
                    periodStart: nil, periodEnd: event.createdAt + .days(30), asOf: event.createdAt))
        ]
    }
}

// since 1.1
/// The subscription's id says what it does.
extension Provider {
    var capabilities: Set<PaymentCapability> {
        [.subscriptionRead, .subscriptionChange, .refunds, .listSubscriptions, .invoicePDF, .invoices]
    }

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        if subscription == "throws" { throw Surprise() }
        if subscription == "limits" { throw PaymentProviderError.rateLimited(retryAfter: .seconds(9)) }
        return fact(subscription == "other" ? "sub_1" : subscription)
    }
    func refund(_ request: RefundRequest) async throws -> Refund {
        try await Hostility.act(request.payment, context)
        let given = Money(amountMinor: 7, currency: Currency("USD")!)
        let fact = RefundFact(
            refund: "re_1", payment: request.payment, customer: nil, subscription: nil, amount: given, reason: nil,
            asOf: context.clock.now())
        return Refund(fact: fact, status: .succeeded)
    }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        try await Hostility.act(change.subscription, context)
        return fact(change.subscription)
    }
    func invoicePDF(_ invoice: String) async throws -> String? { "javascript:alert(1)" }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice {
        let (usd, yen) = (Money(amountMinor: 7, currency: Currency("USD")!), Money(amountMinor: 7, currency: Currency("JPY")!))
        let line = InvoiceLine(summary: "", quantity: 1, amount: yen, periodStart: nil, periodEnd: nil, isProration: false)
        return ProviderInvoice(
            invoice: invoice, number: nil, customer: nil, subscription: nil, status: .paid, total: usd, due: usd,
            issuedAt: context.clock.now(), lines: invoice == "mixed" ? [line] : [])
    }
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        ProviderPage(items: (0..<3).map { fact("sub_\($0)") }, next: request.limit == 50 ? "with space" : nil)
    }
    private func fact(_ subscription: String) -> SubscriptionFact {
        SubscriptionFact(
            subscription: subscription, customer: nil, reference: nil, status: .active, providerPrice: nil, tier: nil, quantity: 3,
            periodStart: nil, periodEnd: nil, asOf: context.clock.now())
    }
}
// end of 1.1

// since 1.2
/// The device says what it does.
struct Module: PolicyModule {
    func answer(_ question: PolicyQuestion) throws -> PolicyReply {
        guard let device = question.input["device"]?["id"]?.string else { return .abstain }
        switch device {
        case "refused": return .deny(reason: "fixture", retryAfterSeconds: nil)
        case "throws": throw Surprise()
        default: Hostility.act(at: device)
        }
        return .abstain
    }
}
// end of 1.2

struct Surprise: Error {}

/// The path says what it answers.
struct Pages: PluginPages {
    func respond(to request: PageRequest) async throws -> PageResponse {
        switch request.path {
        case "split": PageResponse(status: 200, contentType: "text/html\r\nset-cookie: a=b", body: Data())
        case "away": PageResponse.redirect(to: "//evil.test")
        case "script": PageResponse(status: 200, contentType: "text/javascript", body: Data())
        case "huge": PageResponse(status: 200, contentType: "text/plain; charset=utf-8", body: Data(count: 3_000_000))
        default: PageResponse.html("<p>\(request.path)</p>")
        }
    }
}
