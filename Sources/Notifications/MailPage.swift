/// The HTML of a mail: tables and inline styles, as mail programs want it; by day and by night; nothing is loaded from anywhere, so nobody learns
/// that it was read.
struct MailPage: Sendable {
    let brand: MailBrand
    let subject: String
    let greeting: String
    let paragraphs: [String]
    let links: [(words: String, target: String)]

    private static let font = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
    private static let table = "role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\""
    /// By night; programs that know no media queries keep the day, or turn it as they like: no text relies on its ground being untouched.
    private static let night = """
        :root { color-scheme: light dark; supported-color-schemes: light dark; }
        @media (prefers-color-scheme: dark) {
        .ground { background: #0f1318 !important; }
        .card { background: #181e26 !important; border-color: #38424e !important; }
        .ink { color: #e9edf2 !important; }
        .quiet { color: #aab4c0 !important; }
        .link { color: #8ab4f8 !important; }
        }
        """

    private func escape(_ text: String) -> String { MailWriter.escape(text) }

    var html: String {
        let head = [
            "<!doctype html>", "<html lang=\"en\">", "<head>", "<meta charset=\"utf-8\">",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
            "<meta name=\"color-scheme\" content=\"light dark\">",
            "<meta name=\"supported-color-schemes\" content=\"light dark\">", "<title>\(escape(subject))</title>",
            "<style>\(Self.night)</style>",
            "</head>",
        ]
        let body =
            [
                "<body class=\"ground\" style=\"margin: 0; padding: 0; background: #f1f3f6\">",
                "<table \(Self.table) width=\"100%\" class=\"ground\" style=\"background: #f1f3f6\"><tr><td align=\"center\" style=\"padding: 24px 12px\">",
                "<table \(Self.table) width=\"100%\" style=\"max-width: 560px\">",
                "<tr><td align=\"left\" style=\"padding: 0 4px 16px\">\(mark)</td></tr>",
                "<tr><td align=\"left\" class=\"card\" style=\"background: #ffffff; border: 1px solid #d9dee5; border-radius: 12px; padding: 28px 24px\">",
                "<h1 class=\"ink\" style=\"margin: 0 0 16px; font: 600 22px/1.3 \(Self.font); color: #10161f\">\(escape(subject))</h1>",
            ] + ([greeting] + paragraphs).map(paragraph) + buttons + ["</td></tr>"] + foot
            + ["</table>", "</td></tr></table>", "</body>", "</html>", ""]
        return (head + body).joined(separator: "\n")
    }

    /// The first letter on the brand's colour, and its name.
    private var mark: String {
        let letter = brand.name.first { $0.isLetter || $0.isNumber }.map { String($0).uppercased() } ?? "·"
        return
            "<table \(Self.table)><tr><td align=\"center\" width=\"36\" height=\"36\" style=\"background: \(brand.accent.hex); border-radius: 8px\(edge); "
            + "font: 700 18px/36px \(Self.font); color: \(brand.accent.ink.hex)\">\(escape(letter))</td>"
            + "<td class=\"ink\" style=\"padding-left: 10px; overflow-wrap: anywhere; font: 600 16px/1.4 \(Self.font); color: #10161f\">\(escape(brand.name))</td></tr></table>"
    }

    /// A colour that nearly is the ground by day or by night gets an edge, so that a button is seen as one.
    private var edge: String {
        let grounds = ["#ffffff", "#f1f3f6", "#181e26", "#0f1318"].compactMap { MailColour($0) }
        return grounds.contains { brand.accent.contrast(to: $0) < 1.5 } ? "; border: 1px solid #7b8694" : ""
    }

    private func paragraph(_ text: String) -> String {
        "<p class=\"ink\" style=\"margin: 0 0 14px; font: 16px/1.55 \(Self.font); color: #10161f; overflow-wrap: anywhere\">\(escape(text))</p>"
    }

    private var buttons: [String] {
        guard let first = links.first else { return [] }
        let button =
            "<table \(Self.table) style=\"margin: 8px 0 18px\"><tr><td style=\"background: \(brand.accent.hex); border-radius: 8px\(edge)\">"
            + "<a href=\"\(escape(first.target))\" style=\"display: inline-block; padding: 12px 22px; font: 600 16px/1.3 \(Self.font); "
            + "color: \(brand.accent.ink.hex); text-decoration: none\">\(escape(first.words))</a></td></tr></table>"
        let others = links.dropFirst().map {
            "<p style=\"margin: 0 0 14px; font: 16px/1.55 \(Self.font)\"><a class=\"link\" href=\"\(escape($0.target))\" style=\"color: #0b57d0\">"
                + "\(escape($0.words))</a></p>"
        }
        let copy =
            "<p class=\"quiet\" style=\"margin: 0; font: 14px/1.5 \(Self.font); color: #4a5563\">Or copy this address:<br>"
            + "<span style=\"word-break: break-all\">\(escape(first.target))</span></p>"
        return [button] + others + [copy]
    }

    private var foot: [String] {
        let lines = [brand.footer, brand.platform.map { "\(brand.name) uses \($0), which sent this mail." } ?? brand.name].filter {
            !$0.isEmpty
        }
        return lines.map {
            "<tr><td align=\"left\" class=\"quiet\" style=\"padding: 14px 4px 0; font: 14px/1.5 \(Self.font); color: #4a5563; "
                + "overflow-wrap: anywhere\">\(escape($0))</td></tr>"
        }
    }
}
