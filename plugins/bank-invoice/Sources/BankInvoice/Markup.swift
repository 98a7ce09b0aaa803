import PluginKit

/// The frame of every page, and what several of them print.
enum Markup {
    static func page(title: String, isWide: Bool = false, _ content: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="robots" content="noindex">
        <meta name="referrer" content="no-referrer">
        <meta name="color-scheme" content="light dark">
        <title>\(escape(title))</title>
        <link rel="stylesheet" href="/plugins/bank-invoice/style.css">
        </head>
        <body>
        <main\(isWide ? " class=\"wide\"" : "")>
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
    static func alert(_ fault: String?) -> String {
        fault.map { "<p class=\"alert\" role=\"alert\" id=\"fault\">\(escape($0))</p>" } ?? ""
    }
    static func note(_ sentence: String) -> String { "<p class=\"note\" role=\"status\">\(escape(sentence))</p>" }
    static func row(_ name: String, _ value: String) -> String { "<div><dt>\(escape(name))</dt><dd>\(value)</dd></div>" }
    static func text(_ name: String, _ value: String?) -> String { value.map { row(name, escape($0)) } ?? "" }

    /// A labelled field of one line.
    static func field(
        _ label: String, name: String, value: String = "", kind: String = "text", complete: String = "off", most: Int = 100,
        isRequired: Bool = true, hint: String? = nil, id: String? = nil
    ) -> String {
        let id = id ?? name
        let described = hint.map { _ in " aria-describedby=\"\(id)-hint\"" } ?? ""
        return """
            <p class="field"><label for="\(id)">\(escape(label))\(isRequired ? "" : " <span>(optional)</span>")</label>
            <input id="\(id)" name="\(name)" type="\(kind)" value="\(escape(value))" autocomplete="\(complete)" maxlength="\(most)"\(isRequired ? " required" : "")\(described)>
            \(hint.map { "<span class=\"hint\" id=\"\(id)-hint\">\(escape($0))</span>" } ?? "")</p>
            """
    }

    static func table(_ label: String, _ headings: [String], _ rows: [[String]]) -> String {
        let head = headings.map { "<th scope=\"col\">\(escape($0))</th>" }.joined()
        let body = rows.map { "<tr>\($0.map { "<td>\($0)</td>" }.joined())</tr>" }.joined(separator: "\n")
        return """
            <div class="scroll" role="region" aria-label="\(escape(label))" tabindex="0">
            <table><thead><tr>\(head)</tr></thead>
            <tbody>
            \(body)
            </tbody></table>
            </div>
            """
    }
}

enum Style {
    /// Contrast of text and controls is at least 4.5:1 in light and in dark; on paper there is the document alone.
    static let sheet = """
        :root { color-scheme: light dark; --ground: #f6f6f4; --card: #ffffff; --ink: #1c1c1a; --soft: #5a5a55; --line: #c9c9c2; --lead: #0b5c4a;
          --on-lead: #ffffff; --alert: #a11616; --alert-ground: #fdecec; --note: #0b5c4a; --note-ground: #e6f4f0; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #161615; --card: #21211f; --ink: #efefe9; --soft: #b4b4ab; --line: #4a4a45; --lead: #6fd6bd; --on-lead: #06251d;
            --alert: #ffb3ad; --alert-ground: #421515; --note: #9be8d3; --note-ground: #0f332a; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
        main { max-width: 38rem; margin: 0 auto; padding: 1rem; }
        main.wide { max-width: 60rem; }
        h1 { font-size: 1.6rem; margin: 1rem 0; }
        h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 0 0 1rem; }
        dl { margin: 0; }
        dl div { display: flex; justify-content: space-between; gap: 1rem; padding: .25rem 0; }
        dt { color: var(--soft); }
        dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
        .total { border-top: 1px solid var(--line); font-weight: 600; }
        .total dt { color: inherit; }
        .field { margin: 0 0 .8rem; }
        .field label { display: block; font-weight: 600; }
        .field label span, .hint { font-weight: 400; color: var(--soft); }
        .hint { display: block; font-size: .9rem; }
        input[type=text], input[type=email], input[type=password], textarea { font: inherit; width: 100%; padding: .5rem; min-height: 2.75rem;
          border: 1px solid var(--soft); border-radius: .4rem; background: var(--card); color: inherit; }
        textarea { font-family: ui-monospace, monospace; font-size: .9rem; min-height: 12rem; }
        button, .button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1rem; border-radius: .4rem; border: 1px solid var(--lead);
          background: var(--lead); color: var(--on-lead); cursor: pointer; display: inline-flex; align-items: center; text-decoration: none; }
        button.plain { background: transparent; color: var(--lead); }
        a { color: var(--lead); }
        .actions { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; margin: 0; }
        .line { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
        .line .field { margin: 0; min-width: 9rem; }
        .alert, .note { padding: .7rem 1rem; border-radius: .4rem; border: 1px solid currentColor; margin: 0 0 1rem; }
        .alert { color: var(--alert); background: var(--alert-ground); }
        .note { color: var(--note); background: var(--note-ground); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; vertical-align: top; padding: .4rem .5rem .4rem 0; border-bottom: 1px solid var(--line); }
        td.amount, th.amount { text-align: right; white-space: nowrap; }
        .sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
        address { font-style: normal; }
        .reference { font: 600 1.1rem ui-monospace, monospace; }
        .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        :focus-visible { outline: 3px solid var(--lead); outline-offset: 2px; }
        @media print {
          :root { --ground: #fff; --card: #fff; --ink: #000; --soft: #333; --line: #999; --lead: #000; }
          body { font-size: 10.5pt; }
          main, main.wide { max-width: none; padding: 0; }
          section { border: 0; padding: 0; break-inside: avoid; }
          .screen { display: none; }
        }
        """
}
