import Foundation

/// A page's markup, read strictly enough to be judged: what our own templates write, not what the web may hold.
struct Markup {
    struct Element {
        let name: String
        let attributes: [String: String]
        /// Names of the open elements around it.
        let path: [String]
        /// The text inside, entities as they stand.
        var text = ""
    }
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    private(set) var elements: [Element] = []
    private static let void: Set<String> = ["meta", "link", "input", "br", "!doctype"]

    init(_ page: String) throws {
        var open: [Int] = []
        var rest = page[...]
        while let start = rest.firstIndex(of: "<") {
            let text = rest[..<start]
            for index in open { elements[index].text += text }
            guard let end = Self.end(of: rest[start...]) else { throw Broken(description: "a tag that does not end") }
            var tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("/") {
                tag = tag.dropFirst()
                guard let last = open.popLast(), elements[last].name == tag else { throw Broken(description: "</\(tag)> closes nothing") }
                continue
            }
            let (name, attributes) = try Self.read(tag)
            elements.append(Element(name: name, attributes: attributes, path: open.map { elements[$0].name }))
            if !Self.void.contains(name) { open.append(elements.count - 1) }
        }
        guard open.isEmpty else { throw Broken(description: "\(open.map { elements[$0].name }) stay open") }
    }

    subscript(name: String) -> [Element] { elements.filter { $0.name == name } }

    private static func end(of tag: Substring) -> Substring.Index? {
        var isQuoted = false
        for index in tag.indices {
            if tag[index] == "\"" { isQuoted.toggle() }
            if tag[index] == ">", !isQuoted { return index }
        }
        return nil
    }

    private static func read(_ tag: Substring) throws -> (String, [String: String]) {
        let name = tag.prefix { $0 != " " }
        var rest = tag.dropFirst(name.count).drop { $0 == " " }
        var attributes: [String: String] = [:]
        while !rest.isEmpty {
            let key = rest.prefix { $0 != " " && $0 != "=" }
            rest = rest.dropFirst(key.count)
            var value = ""
            if rest.hasPrefix("=\"") {
                rest = rest.dropFirst(2)
                value = String(rest.prefix { $0 != "\"" })
                rest = rest.dropFirst(value.count + 1)
            } else if rest.hasPrefix("=") {
                throw Broken(description: "\(key) of <\(name)> has an unquoted value")
            }
            guard attributes.updateValue(value, forKey: key.lowercased()) == nil else {
                throw Broken(description: "\(key) of <\(name)> twice")
            }
            rest = rest.drop { $0 == " " }
        }
        return (name.lowercased(), attributes)
    }

    /// What WCAG 2.2 and our own rules ask of every page, as far as markup shows it. Empty: nothing is wrong.
    var faults: [String] {
        var faults: [String] = []
        func require(_ condition: Bool, _ words: @autoclosure () -> String) { if !condition { faults.append(words()) } }
        require(self["html"].first?.attributes["lang"] == "en", "no language")
        require(self["title"].count == 1 && self["title"].first?.text.isEmpty == false, "no title")
        require(self["main"].count == 1 && self["header"].count == 1 && self["footer"].count == 1, "not one main, header, footer each")
        require(self["nav"].allSatisfy { $0.attributes["aria-label"] != nil }, "a navigation without a name")
        require(self["h1"].count == 1, "\(self["h1"].count) first headings")
        require(
            elements.contains {
                $0.attributes["class"] == "skip" && $0.attributes["href"] == "#\(self["main"].first?.attributes["id"] ?? "")"
            }, "no way past the header")
        let ids = elements.compactMap { $0.attributes["id"] }
        require(Set(ids).count == ids.count, "an id twice: \(ids)")
        var level = 1
        for heading in elements where heading.path.contains("main") && ["h1", "h2", "h3", "h4"].contains(heading.name) {
            // The summary of a problem stands before the page's own heading.
            let next = Int(heading.name.dropFirst()) ?? 0
            require(next <= level + 1, "heading \(heading.name) after h\(level)")
            level = next
            require(!heading.text.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty, "an empty \(heading.name)")
        }
        let labels = Set(self["label"].compactMap { $0.attributes["for"] })
        for input in self["input"] where input.attributes["type"] != "hidden" {
            require(input.attributes["id"].map(labels.contains) == true, "\(input.attributes["name"] ?? "?") has no label")
            require(
                input.attributes["type"] == "radio" || input.attributes["autocomplete"] != nil,
                "\(input.attributes["name"] ?? "?") says no autocomplete")
            for id in (input.attributes["aria-describedby"] ?? "").split(separator: " ") {
                require(ids.contains(String(id)), "\(id) describes nothing")
            }
            if input.attributes["aria-invalid"] != nil {
                require(input.attributes["aria-describedby"] != nil, "an invalid field without words")
            }
        }
        for label in labels { require(ids.contains(label), "the label of \(label) labels nothing") }
        for radio in self["input"] where radio.attributes["type"] == "radio" {
            require(radio.path.contains("fieldset"), "a choice without a legend")
        }
        require(self["fieldset"].count == self["legend"].count, "a fieldset without legend")
        for form in self["form"] {
            require(
                form.attributes["method"] == "post" && form.attributes["action"]?.hasPrefix("/") == true, "a form that does not post to us")
        }
        require(self["form"].count == self["input"].filter { $0.attributes["name"] == "csrf_token" }.count, "a form without its token")
        for button in self["button"] { require(button.attributes["type"] == "submit" && !button.text.isEmpty, "a button without words") }
        for link in self["a"] {
            require(link.attributes["href"]?.isEmpty == false, "a link to nowhere")
            require(!link.text.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty, "a link without words: \(link.attributes)")
            let target = link.attributes["href"] ?? ""
            if target.hasPrefix("#") { require(ids.contains(String(target.dropFirst())), "\(target) is not on the page") }
            require(["/", "#", "http://", "https://", "mailto:"].contains { target.hasPrefix($0) }, "a link of another scheme: \(target)")
        }
        for table in self["table"] { require(table.path.contains("main"), "a table outside") }
        require(self["table"].count == self["caption"].count, "a table without a caption")
        require(self["th"].allSatisfy { $0.attributes["scope"] != nil }, "a header cell without scope")
        for section in elements {
            if let id = section.attributes["aria-labelledby"] { require(ids.contains(id), "\(id) names nothing") }
        }
        // The content security policy lets nothing of this work.
        require(self["script"].isEmpty && self["style"].isEmpty && self["iframe"].isEmpty && self["img"].isEmpty, "script, style or frame")
        require(!elements.contains { $0.attributes.keys.contains { $0 == "style" || $0.hasPrefix("on") } }, "an inline style or handler")
        return faults
    }
}
