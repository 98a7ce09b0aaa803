import Foundation

/// The little XML that S3 answers: elements and texts. No declarations of its own, no references but the five of XML and numbers; bounded.
struct S3XML {
    var name: String
    var text = ""
    var children: [S3XML] = []

    static let maxDepth = 16
    static let maxElements = 20_000

    subscript(name: String) -> S3XML? { children.first { $0.name == name } }
    func all(_ name: String) -> [S3XML] { children.filter { $0.name == name } }

    /// The root; nil where it is no such document.
    static func read(_ data: Data) -> S3XML? {
        guard let whole = String(bytes: data, encoding: .utf8) else { return nil }
        var rest = whole[...]
        var open: [S3XML] = []
        var count = 0
        if rest.first == "\u{feff}" { rest.removeFirst() }
        while let start = rest.firstIndex(of: "<") {
            let between = rest[..<start]
            if let last = open.indices.last {
                guard let text = unescaped(between) else { return nil }
                open[last].text += text
            } else if between.contains(where: { !$0.isWhitespace }) {
                return nil
            }
            guard let end = rest[start...].firstIndex(of: ">") else { return nil }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("?") { continue }
            guard !tag.hasPrefix("!") else { return nil }
            if tag.hasPrefix("/") {
                guard let done = open.popLast(),
                    tag.dropFirst().drop(while: \.isWhitespace).prefix(while: { !$0.isWhitespace }) == done.name[...]
                else {
                    return nil
                }
                if open.isEmpty { return rest.contains { !$0.isWhitespace } ? nil : done }
                open[open.count - 1].children.append(done)
                continue
            }
            let isEmpty = tag.hasSuffix("/")
            let name = String(tag.prefix { !$0.isWhitespace && $0 != "/" })
            count += 1
            guard !name.isEmpty, count <= maxElements, open.count < maxDepth else { return nil }
            guard isEmpty else {
                open.append(S3XML(name: name))
                continue
            }
            if open.isEmpty { return rest.contains { !$0.isWhitespace } ? nil : S3XML(name: name) }
            open[open.count - 1].children.append(S3XML(name: name))
        }
        return nil
    }

    private static func unescaped(_ text: Substring) -> String? {
        guard text.contains("&") else { return String(text) }
        var out = ""
        var rest = text
        while let start = rest.firstIndex(of: "&") {
            out += rest[..<start]
            guard let end = rest[start...].firstIndex(of: ";") else { return nil }
            let name = rest[rest.index(after: start)..<end]
            switch name {
            case "amp": out += "&"
            case "lt": out += "<"
            case "gt": out += ">"
            case "quot": out += "\""
            case "apos": out += "'"
            default:
                let number =
                    name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
                guard let scalar = number.flatMap(UnicodeScalar.init) else { return nil }
                out.unicodeScalars.append(scalar)
            }
            rest = rest[rest.index(after: end)...]
        }
        return out + rest
    }
    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
