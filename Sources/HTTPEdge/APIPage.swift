import Vocabulary

/// The routes as a page to browse: rendered here, without a script, readable in light and dark.
enum APIPage {
    static func html(_ routes: [Route], title: String, version: String) -> String {
        let groups = Dictionary(grouping: routes.filter { $0.access != .page }) { String($0.name.split(separator: ".").first ?? "api") }
        var out = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(text(title))</title>
            <link rel="stylesheet" href="/docs/api.css">
            </head>
            <body>
            <a class="skip" href="#routes">Skip to the routes</a>
            <header><h1>\(text(title))</h1>
            <p>Version \(text(version)). JSON in UTF-8, snake_case, times in ISO 8601 UTC. For tools: <a href="/openapi.json">openapi.json</a>.</p>
            <p>An error is one object: <code>error</code> (a stable code), <code>message</code>, <code>hint</code>, <code>request_id</code>,
            and what the code says beside.</p></header>
            <nav aria-label="Groups"><ul>

            """
        for group in groups.keys.sorted() { out += "<li><a href=\"#\(text(group))\">\(text(group))</a></li>\n" }
        out += "</ul></nav>\n<main id=\"routes\">\n"
        for group in groups.keys.sorted() {
            out += "<section aria-labelledby=\"\(text(group))\"><h2 id=\"\(text(group))\">\(text(group))</h2>\n"
            for route in (groups[group] ?? []).sorted(by: { ($0.path, $0.method.rawValue) < ($1.path, $1.method.rawValue) }) {
                out += entry(route)
            }
            out += "</section>\n"
        }
        return out + "</main>\n</body>\n</html>\n"
    }

    private static func entry(_ route: Route) -> String {
        var out = """
            <article id="\(text(route.name))"><h3><span class="method">\(route.method.rawValue)</span> <code>\(text(route.path))</code></h3>
            <p>\(text(route.summary))</p><p class="who">\(text(OpenAPI.description(route)))</p>

            """
        if !route.query.isEmpty {
            let fields = route.query.map { SchemaField($0.name, $0.schema, $0.summary, optional: true) }
            out += table("Query", fields)
        }
        if let request = route.request { out += shape("Body", request) }
        for answer in route.answers {
            let title = "\(answer.status) \(answer.summary)"
            out += answer.schema.map { shape(title, $0) } ?? "<p><strong>\(text(title))</strong> (\(text(answer.contentType)))</p>\n"
        }
        if !route.problems.isEmpty {
            out += "<details><summary>Problems</summary><dl>\n"
            for problem in route.problems {
                out +=
                    "<dt><code>\(text(problem.code))</code> \(problem.status)</dt><dd>\(text(problem.title)) \(text(problem.hint))</dd>\n"
            }
            out += "</dl></details>\n"
        }
        return out + "</article>\n"
    }

    private static func shape(_ title: String, _ schema: Schema) -> String {
        switch schema {
        case .named(_, let inner): return shape(title, inner)
        case .object(let fields) where !fields.isEmpty: return table(title, rows(fields, under: ""))
        default: return "<p><strong>\(text(title))</strong>: \(text(words(schema)))</p>\n"
        }
    }
    private static func table(_ title: String, _ fields: [SchemaField]) -> String {
        var out = "<details open><summary>\(text(title))</summary><table><thead><tr><th scope=\"col\">Field</th>"
        out += "<th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead><tbody>\n"
        for field in fields {
            out += "<tr><th scope=\"row\"><code>\(text(field.name))</code>\(field.isRequired ? "" : " <small>optional</small>")</th>"
            out += "<td>\(text(words(field.schema)))</td><td>\(text(field.summary))</td></tr>\n"
        }
        return out + "</tbody></table></details>\n"
    }
    /// The fields of an object and of the objects in it, by dotted names.
    private static func rows(_ fields: [SchemaField], under prefix: String) -> [SchemaField] {
        fields.flatMap { field -> [SchemaField] in
            let own = SchemaField(prefix + field.name, field.schema, field.summary, optional: !field.isRequired)
            guard let (inner, mark) = members(field.schema), prefix.utf8.count < 80 else { return [own] }
            return [own] + rows(inner, under: prefix + field.name + mark)
        }
    }
    private static func members(_ schema: Schema) -> ([SchemaField], String)? {
        switch schema {
        case .object(let fields): (fields, ".")
        case .named(_, let inner), .nullable(let inner): members(inner)
        case .array(let element, _): members(element).map { ($0.0, "[]" + $0.1) }
        default: nil
        }
    }
    private static func words(_ schema: Schema) -> String {
        switch schema {
        case .string(let min, let max, let format, _): "text\(format.map { ", \($0.rawValue)" } ?? ""), \(min) to \(max) characters"
        case .choice(let names): names.joined(separator: " | ")
        case .integer(let range):
            range.upperBound == .max ? "whole number from \(range.lowerBound)" : "whole number, \(range.lowerBound) to \(range.upperBound)"
        case .boolean: "true or false"
        case .array(let element, let max): "list of up to \(max): \(words(element))"
        case .object: "object"
        case .map(let value): "object of \(words(value))"
        case .nullable(let inner): words(inner) + ", or null"
        case .named(let name, let inner): members(inner) == nil ? words(inner) : name
        case .any: "any JSON"
        }
    }
    private static func text(_ text: String) -> String { ProblemPage.escaped(text) }

    static let style = """
        :root { color-scheme: light dark; --ink: #1b1d21; --page: #ffffff; --line: #d4d7dd; --soft: #f3f4f7; --link: #0b57b0; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e6e8ec; --page: #14161a; --line: #3a3f48; --soft: #1e2127; --link: #8ab8ff; }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; font: 1rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); }
        a { color: var(--link); }
        a:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
        .skip { position: absolute; left: -100rem; }
        .skip:focus { left: 1rem; top: 1rem; background: var(--page); padding: .5rem; }
        nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
        article { border-top: 1px solid var(--line); padding: .75rem 0; }
        h3 { margin: .25rem 0; font-size: 1.05rem; overflow-wrap: anywhere; }
        .method { font-weight: 700; }
        .who { font-size: .9rem; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; table-layout: fixed; }
        thead th { width: 28%; }
        thead th:last-child { width: 44%; }
        th, td { border: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
        thead th { background: var(--soft); }
        tbody th { font-weight: 400; }
        summary { cursor: pointer; padding: .25rem 0; }
        @media (max-width: 40rem) { table, thead, tbody, tr, th, td { display: block; } thead { display: none; } tr { border-bottom: 2px solid var(--line); } }

        """
}
