import Foundation
import PluginKit

/// The frame of every page, and what several of them print.
enum Markup {
    static func page(title: String, _ content: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="robots" content="noindex">
        <meta name="color-scheme" content="light dark">
        <title>\(escape(title))</title>
        <link rel="stylesheet" href="/plugins/sandbox/style.css">
        </head>
        <body>
        <header class="banner"><p><strong>Sandbox.</strong> Pretend money: nothing is charged.</p></header>
        <main>
        <h1>\(escape(title))</h1>
        \(content)
        </main>
        </body>
        </html>

        """
    }

    static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    static func hidden(_ fields: [String: String]) -> String {
        fields.sorted { $0.key < $1.key }
            .map { "<input type=\"hidden\" name=\"\(escape($0.key))\" value=\"\(escape($0.value))\">" }.joined(separator: "\n")
    }

    /// A group of radio buttons with its legend.
    static func choices(_ legend: String, name: String, _ options: [(value: String, label: String)], chosen: String?, extra: String = "")
        -> String
    {
        let rows = options.enumerated().map { index, option in
            let mark = option.value == chosen ? " checked" : ""
            // The first of a group carries `required`: a browser then asks for any of them.
            let required = index == 0 ? " required" : ""
            return "<label class=\"choice\"><input type=\"radio\" name=\"\(name)\" value=\"\(option.value)\"\(mark)\(required)> "
                + "<span>\(escape(option.label))</span></label>"
        }
        return "<fieldset\(extra)>\n<legend>\(escape(legend))</legend>\n\(rows.joined(separator: "\n"))\n</fieldset>"
    }

    /// `USD 1,234.50`
    static func money(_ money: Money) -> String {
        let decimals = money.currency.minorDigits
        let scale = (0..<decimals).reduce(Int64(1)) { value, _ in value * 10 }
        let whole = String(money.amountMinor.magnitude / scale.magnitude)
        var grouped = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { grouped.append(",") }
            grouped.append(digit)
        }
        let fraction = String(money.amountMinor.magnitude % scale.magnitude)
        let padded = String(repeating: "0", count: max(0, decimals - fraction.count)) + fraction
        return "\(money.currency.code) \(money.amountMinor < 0 ? "-" : "")\(grouped)\(decimals == 0 ? "" : "." + padded)"
    }

    static func date(_ moment: Timestamp) -> String { "<time datetime=\"\(moment.iso8601)\">\(moment.iso8601.prefix(10))</time>" }

    static func row(_ name: String, _ value: String) -> String { "<div><dt>\(escape(name))</dt><dd>\(value)</dd></div>" }
}

enum CheckoutPage {
    static func open(
        _ session: Account.Session, _ choice: SandboxPages.Choice, delay: Duration, token: [String: String], fault: String?
    ) -> String {
        let total = session.due(choice.now)
        let isTrial = session.trialDays > 0
        let every = "every \(session.interval.rawValue)"
        let alert = fault.map { "<p class=\"alert\" role=\"alert\" id=\"fault\">\(Markup.escape($0))</p>" } ?? ""
        let described = fault == nil ? "" : " aria-describedby=\"fault\""
        let methods = Method.allCases.map { (value: $0.rawValue, label: $0.label(delay: delay)) }
        let manners = Manner.allCases.map {
            (value: $0.rawValue, label: $0 == .late ? "\(delay.wholeSeconds) seconds late" : $0.label)
        }
        return Markup.page(
            title: "Checkout",
            """
            \(alert)
            <section aria-labelledby="order">
            <h2 id="order">What you buy</h2>
            <dl>
            \(Markup.row("Plan", Markup.escape(session.productName)))
            \(Markup.row("Quantity", "\(session.quantity)"))
            \(Markup.row("Price", "\(Markup.escape(Markup.money(session.unitPrice))) each, \(every)"))
            \(session.coupon.map { Markup.row("Coupon", Markup.escape("\($0.code): \($0.name ?? $0.id)")) } ?? "")
            \(isTrial ? Markup.row("Trial", "\(session.trialDays) days free") : "")
            <div class="total"><dt>\(isTrial ? "Today" : "Total")</dt><dd>\(Markup.escape(Markup.money(isTrial ? Money(amountMinor: 0, currency: total.currency) : total)))</dd></div>
            \(isTrial ? Markup.row("Then", "\(Markup.escape(Markup.money(total))) \(every)") : "")
            </dl>
            </section>
            <form method="post" action="/plugins/sandbox/checkout/\(session.id)">
            \(Markup.hidden(token))
            \(Markup.choices("How to pay", name: "method", methods, chosen: (choice.method ?? .cardSucceeds).rawValue, extra: described))
            <details>
            <summary>How its webhooks arrive: <span>\(Markup.escape(choice.manner.label.lowercased()))</span></summary>
            \(Markup.choices("Webhooks arrive", name: "webhooks", manners, chosen: choice.manner.rawValue))
            </details>
            <p class="actions"><button type="submit">Pay \(Markup.escape(Markup.money(isTrial ? Money(amountMinor: 0, currency: total.currency) : total)))\(isTrial ? " and start the trial" : "")</button>
            <a href="\(Markup.escape(session.cancelURL))">Cancel and go back</a></p>
            </form>
            """)
    }

    static func finished(_ session: Account.Session) -> String {
        let (sentence, target) =
            session.status == .expired
            ? ("This checkout has run out. Start a new one.", session.cancelURL)
            : session.hasFailed
                ? ("The bank transfer failed. Nothing was bought.", session.cancelURL)
                : session.isPaid
                    ? ("This checkout is paid.", session.successURL)
                    : ("This checkout is complete; the bank transfer is on its way.", session.successURL)
        return Markup.page(
            title: "Checkout",
            "<p role=\"status\">\(sentence)</p>\n<p class=\"actions\"><a class=\"button\" href=\"\(Markup.escape(target))\">Go on</a></p>")
    }
}
