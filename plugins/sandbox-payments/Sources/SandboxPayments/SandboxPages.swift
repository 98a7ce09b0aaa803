import Foundation
import PluginKit

/// The provider's hosted pages: a checkout and a portal. A page's address holds an id that nobody can guess; who has it may use it.
struct SandboxPages: PluginPages {
    let shop: Shop
    let courier: Courier
    let delay: Duration

    func respond(to request: PageRequest) async throws -> PageResponse {
        guard request.method == "GET" || request.method == "POST" else {
            return problem(405, "This page can be read and sent, nothing else.")
        }
        if request.path == "style.css" { return .css(Style.sheet) }
        guard !shop.isClosed else { return problem(403, Shop.closedSentence) }
        if request.form.values.contains(where: Self.looksLikeCard) {
            return problem(422, "That looks like a card number. The sandbox never takes one: choose one of its test cards.")
        }
        let steps = request.path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        switch (steps.first, steps.count) {
        case ("checkout", 2): return try await checkout(request, steps[1])
        case ("portal", 3): return try await portal(request, steps[1], steps[2])
        default: return problem(404, "There is no such page.")
        }
    }

    // MARK: - Checkout

    private func checkout(_ request: PageRequest, _ id: String) async throws -> PageResponse {
        guard var (account, session) = try await shop.session(id) else { return problem(404, "There is no such checkout.") }
        let now = shop.clock.now()
        if session.status == .open, session.expiresAt <= now {
            account = try await shop.ledger.update(account.customer) { [delay] in $0.expire(id, delay: delay, now: now) }
            await courier.call(account.customer)
            session = account.sessions.first { $0.id == id } ?? session
        }
        guard session.status == .open else { return .html(CheckoutPage.finished(session)) }
        let choice = Choice(request.form, manner: account.manner, now: now)
        guard request.method == "POST" else {
            return .html(CheckoutPage.open(session, choice, delay: delay, token: request.formToken, fault: nil))
        }
        guard let method = choice.method else {
            return .html(
                CheckoutPage.open(session, choice, delay: delay, token: request.formToken, fault: "Choose how to pay."), status: 422)
        }
        do {
            try await shop.ledger.update(account.customer) { [delay] in
                try $0.pay(id, by: method, manner: choice.manner, delay: delay, now: now)
            }
        } catch let misstep as Misstep {
            return .html(CheckoutPage.open(session, choice, delay: delay, token: request.formToken, fault: misstep.sentence), status: 422)
        }
        await courier.call(account.customer)
        return .redirect(to: session.successURL)
    }

    /// What was chosen on the checkout page.
    struct Choice {
        var method: Method?
        var manner: Manner
        let now: Timestamp
        init(_ form: [String: String], manner: Manner, now: Timestamp) {
            self.now = now
            method = form["method"].flatMap { Method(rawValue: $0) }
            self.manner = form["webhooks"].flatMap { Manner(rawValue: $0) } ?? manner
        }
    }

    // MARK: - Portal

    private func portal(_ request: PageRequest, _ customer: String, _ token: String) async throws -> PageResponse {
        guard let (account, portal) = try await shop.portal(customer, token) else {
            return problem(404, "This page has run out. Open it again from your billing page.")
        }
        let view = PortalPage(
            account: account, portal: portal, token: request.formToken, address: "/plugins/sandbox/portal/\(customer)/\(token)")
        guard request.method == "POST" else { return .html(view.markup(fault: nil, done: request.query["done"])) }
        let now = shop.clock.now()
        do {
            if let manner = request.form["webhooks"].flatMap({ Manner(rawValue: $0) }) {
                try await shop.ledger.update(customer) { $0.manner = manner }
                return .redirect(to: view.address + "?done=webhooks")
            }
            guard let subscription = request.form["subscription"], let step = Self.step(request.form) else {
                throw Misstep("This form is not complete.")
            }
            try await shop.ledger.update(customer) { [delay] in try $0.take(step, on: subscription, delay: delay, now: now) }
        } catch let misstep as Misstep {
            return .html(view.markup(fault: misstep.sentence, done: nil), status: 422)
        }
        await courier.call(customer)
        return .redirect(to: view.address + "?done=\(request.form["step"] ?? "")")
    }

    private static func step(_ form: [String: String]) -> Account.Step? {
        switch form["step"] {
        case "cancel": .cancelAtPeriodEnd
        case "keep": .keep
        case "end": .endNow
        case "fail_next":
            form["decline"].flatMap { DeclineReason(rawValue: $0) }.map { .failNextPaymentBecause($0) } ?? .failNextPayment
        case "pass_next": .letNextPaymentPass
        case "renew": .renewNow
        case "pay_open": .payOpenInvoice
        case "refund": .refund
        case "dispute": .dispute
        case "quantity": form["quantity"].flatMap { Int($0) }.map { .quantity($0) }
        default: nil
        }
    }

    private func problem(_ status: Int, _ sentence: String) -> PageResponse {
        .html(Markup.page(title: "Sandbox payments", "<p class=\"alert\" role=\"alert\">\(Markup.escape(sentence))</p>"), status: status)
    }

    /// 13 to 19 digits, however they are grouped.
    static func looksLikeCard(_ text: String) -> Bool {
        let bare = text.unicodeScalars.filter { $0 != " " && $0 != "-" && $0 != "." }
        return (13...19).contains(bare.count) && bare.allSatisfy { $0.properties.numericType == .decimal }
    }
}
