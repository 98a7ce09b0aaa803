import Foundation
import PluginKit

/// Where a person plays the rest of a paying life by hand: cancel, keep, fail, renew, change, refund, dispute.
struct PortalPage {
    let account: Account
    let portal: Account.Portal
    let token: [String: String]
    let address: String

    /// What the page says after a step.
    static let done: [String: String] = [
        "cancel": "The subscription will end with its period.", "keep": "The subscription goes on.", "end": "The subscription has ended.",
        "fail_next": "The next payment will fail.", "pass_next": "The next payment will pass.", "renew": "The next period has begun.",
        "pay_open": "The open invoice is paid.", "refund": "The last payment was refunded.", "dispute": "The last payment is disputed.",
        "quantity": "The quantity was changed.", "webhooks": "The webhooks' manner was changed.",
    ]

    func markup(fault: String?, done: String?) -> String {
        let note =
            fault.map { "<p class=\"alert\" role=\"alert\">\(Markup.escape($0))</p>" }
            ?? done.flatMap { Self.done[$0] }.map { "<p class=\"note\" role=\"status\">\($0)</p>" } ?? ""
        let subscriptions =
            account.subscriptions.isEmpty ? "<p>This customer has no subscription.</p>" : account.subscriptions.map(section).joined()
        return Markup.page(
            title: "Billing portal",
            """
            \(note)
            \(subscriptions)
            \(invoices)
            \(webhooks)
            <p class="actions"><a class="button" href="\(Markup.escape(portal.returnURL))">Back to your account</a></p>
            """)
    }

    private func section(_ it: Account.Subscription) -> String {
        let hasEnded = it.status == .cancelled
        let isOpen = account.invoices.contains { $0.subscription == it.id && !$0.isPaid }
        let total = Money(amountMinor: it.unitPrice.amountMinor * Int64(it.quantity), currency: it.unitPrice.currency)
        var rows = [
            Markup.row("Status", Markup.escape(it.status.rawValue.replacing("_", with: " "))), Markup.row("Quantity", "\(it.quantity)"),
            Markup.row("Price", "\(Markup.escape(Markup.money(total))) every \(it.interval.rawValue)"),
            Markup.row("Period", "\(Markup.date(it.periodStart)) to \(Markup.date(it.periodEnd))"),
        ]
        if let trialEnd = it.trialEnd { rows.append(Markup.row("Trial until", Markup.date(trialEnd))) }
        if let cancelsAt = it.cancelsAt, !hasEnded { rows.append(Markup.row("Ends on", Markup.date(cancelsAt))) }
        if let endedAt = it.endedAt { rows.append(Markup.row("Ended on", Markup.date(endedAt))) }
        if it.nextPaymentFails, !hasEnded { rows.append(Markup.row("Next payment", "will fail\(Self.because(it.nextDecline))")) }
        var steps: [String] = []
        if !hasEnded {
            steps.append(it.cancelsAt == nil ? step("cancel", "Cancel at period end", it) : step("keep", "Do not cancel", it))
            steps.append(step("renew", "Renew now", it))
            steps.append(
                it.nextPaymentFails ? step("pass_next", "Let the next payment pass", it) : failing(it))
            if isOpen { steps.append(step("pay_open", "Pay the open invoice", it)) }
            steps.append(step("refund", "Refund the last payment", it))
            steps.append(step("dispute", "Dispute the last payment", it))
            steps.append(step("end", "End now", it))
        }
        return """
            <section aria-labelledby="\(it.id)">
            <h2 id="\(it.id)">\(Markup.escape(it.productName))</h2>
            <dl>
            \(rows.joined(separator: "\n"))
            </dl>
            \(hasEnded ? "" : quantity(it))
            <div class="steps">
            \(steps.joined(separator: "\n"))
            </div>
            </section>
            """
    }

    private func step(_ name: String, _ label: String, _ it: Account.Subscription) -> String {
        """
        <form method="post" action="\(address)">
        \(Markup.hidden(token))
        \(Markup.hidden(["step": name, "subscription": it.id]))
        <button type="submit"\(name == "end" ? " class=\"danger\"" : " class=\"plain\"")>\(Markup.escape(label))<span class="hidden"> for \(Markup.escape(it.productName))</span></button>
        </form>
        """
    }

    private static func because(_ reason: DeclineReason?) -> String { reason.map { ": \(words($0))" } ?? "" }
    private static func words(_ reason: DeclineReason) -> String { reason.rawValue.replacing("_", with: " ") }

    private func failing(_ it: Account.Subscription) -> String {
        let reasons = DeclineReason.allCases.map { "<option value=\"\($0.rawValue)\">\(Self.words($0))</option>" }.joined()
        return """
            <form method="post" action="\(address)" class="line">
            \(Markup.hidden(token))
            \(Markup.hidden(["step": "fail_next", "subscription": it.id]))
            <button type="submit" class="plain">Fail the next payment<span class="hidden"> for \(Markup.escape(it.productName))</span></button>
            <label for="decline-\(it.id)">because</label>
            <select id="decline-\(it.id)" name="decline"><option value="">the provider does not say</option>\(reasons)</select>
            </form>
            """
    }

    private func quantity(_ it: Account.Subscription) -> String {
        """
        <form method="post" action="\(address)" class="line">
        \(Markup.hidden(token))
        \(Markup.hidden(["step": "quantity", "subscription": it.id]))
        <label for="quantity-\(it.id)">Quantity</label>
        <input id="quantity-\(it.id)" name="quantity" type="number" min="1" max="1000" required value="\(it.quantity)">
        <button type="submit" class="plain">Change</button>
        </form>
        """
    }

    private var invoices: String {
        guard !account.invoices.isEmpty else { return "" }
        let rows = account.invoices.reversed().map { it in
            let state =
                it.isDisputed
                ? "disputed"
                : it.isRefunded ? "refunded" : it.isPaid ? "paid" : it.hasFailed ? "failed\(Self.because(it.declineReason))" : "open"
            return "<tr><td>\(Markup.date(it.periodStart))</td><td>\(Markup.date(it.periodEnd))</td>"
                + "<td>\(Markup.escape(Markup.money(it.amount)))</td><td>\(state)</td></tr>"
        }
        return """
            <section aria-labelledby="invoices">
            <h2 id="invoices">Invoices</h2>
            <div class="scroll" role="region" aria-label="Table of invoices" tabindex="0">
            <table>
            <thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Amount</th><th scope="col">State</th></tr></thead>
            <tbody>
            \(rows.joined(separator: "\n"))
            </tbody>
            </table>
            </div>
            </section>
            """
    }

    private var webhooks: String {
        let options = Manner.allCases.map { (value: $0.rawValue, label: $0.label) }
        let waiting = account.pending.isEmpty ? "All webhooks are delivered." : "\(account.pending.count) webhooks wait for delivery."
        return """
            <section aria-labelledby="webhooks">
            <h2 id="webhooks">Webhooks</h2>
            <p>\(waiting)</p>
            <form method="post" action="\(address)">
            \(Markup.hidden(token))
            \(Markup.choices("From now on they arrive", name: "webhooks", options, chosen: account.manner.rawValue))
            <p><button type="submit" class="plain">Change</button></p>
            </form>
            </section>
            """
    }
}

enum Style {
    /// Contrast of text and controls is at least 4.5:1 in light and in dark.
    static let sheet = """
        :root { color-scheme: light dark; --ground: #f6f6f4; --card: #ffffff; --ink: #1c1c1a; --soft: #5a5a55; --line: #c9c9c2; --lead: #0b5c4a;
          --on-lead: #ffffff; --alert: #a11616; --alert-ground: #fdecec; --note: #0b5c4a; --note-ground: #e6f4f0; --banner: #fff3cd; --on-banner: #4d3b00; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #161615; --card: #21211f; --ink: #efefe9; --soft: #b4b4ab; --line: #4a4a45; --lead: #6fd6bd; --on-lead: #06251d;
            --alert: #ffb3ad; --alert-ground: #421515; --note: #9be8d3; --note-ground: #0f332a; --banner: #453806; --on-banner: #ffe9a6; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
        main { max-width: 36rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.6rem; margin: 1rem 0; }
        h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
        .banner p { margin: 0; }
        .banner { padding: .6rem 1rem; background: var(--banner); color: var(--on-banner); text-align: center; }
        section, form:not(.steps form):not(.line) { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem;
          margin: 0 0 1rem; }
        section form:not(.steps form):not(.line) { border: 0; padding: 0; margin: 0; }
        dl { margin: 0; }
        dl div { display: flex; justify-content: space-between; gap: 1rem; padding: .25rem 0; }
        dt { color: var(--soft); }
        dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
        .total { border-top: 1px solid var(--line); font-weight: 600; }
        .total dt { color: inherit; }
        fieldset { border: 0; padding: 0; margin: 0 0 1rem; }
        legend { font-weight: 600; padding: 0; margin-bottom: .25rem; }
        .choice { display: flex; align-items: center; gap: .6rem; padding: .6rem .7rem; border: 1px solid var(--line); border-radius: .4rem;
          margin: .35rem 0; cursor: pointer; min-height: 2.75rem; }
        .choice:has(input:checked) { border-color: var(--lead); outline: 1px solid var(--lead); }
        input[type=radio] { width: 1.15rem; height: 1.15rem; accent-color: var(--lead); margin: 0; flex: none; }
        input[type=number] { font: inherit; width: 6rem; padding: .45rem; border: 1px solid var(--soft); border-radius: .4rem; background: var(--card);
          color: inherit; }
        details { margin: 0 0 1rem; }
        summary { cursor: pointer; padding: .4rem 0; color: var(--soft); }
        button, .button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1rem; border-radius: .4rem; border: 1px solid var(--lead);
          background: var(--lead); color: var(--on-lead); cursor: pointer; display: inline-flex; align-items: center; text-decoration: none; }
        button.plain { background: transparent; color: var(--lead); }
        button.danger { background: transparent; color: var(--alert); border-color: var(--alert); }
        a { color: var(--lead); }
        .actions { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; margin: 0; }
        .steps { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .75rem; }
        .line { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-top: .75rem; }
        .alert, .note { padding: .7rem 1rem; border-radius: .4rem; border: 1px solid currentColor; margin: 0 0 1rem; }
        .alert { color: var(--alert); background: var(--alert-ground); }
        .note { color: var(--note); background: var(--note-ground); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; padding: .4rem .5rem .4rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
        .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        :focus-visible { outline: 3px solid var(--lead); outline-offset: 2px; }
        """
}
