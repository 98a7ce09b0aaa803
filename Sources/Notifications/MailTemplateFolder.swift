import Foundation
import Vocabulary

/// The operator's own words: a file for each template that is said otherwise than built in, read at each mail, so that an edit is live at the next.
///
///     subject: Confirm your address
///
///     Welcome to {brand}. Please confirm that this is your address.
///
///     [Confirm your address](/verify?token={token})
package struct MailTemplateFolder: Sendable {
    private let folder: URL?
    private let note: @Sendable (String, [String: String]) -> Void

    package init(_ folder: URL?, note: @escaping @Sendable (String, [String: String]) -> Void = { _, _ in }) {
        self.folder = folder
        self.note = note
    }

    static let maxBytes = 16_384
    static let maxParagraphs = 30
    static let maxLinks = 5

    /// A file that is broken changes nothing: the built-in words are used, and the log says what is wrong.
    func template(_ name: String) -> MailTemplate {
        let builtIn = MailTemplate.named(name)
        guard MailTemplate.all[name] != nil, let file = folder?.appendingPathComponent("\(name).txt"),
            FileManager.default.fileExists(atPath: file.path)
        else { return builtIn }
        do { return try Self.read(file, name) } catch {
            note("A mail template is broken; the built-in one is used.", ["template": name, "why": "\(error)"])
            return builtIn
        }
    }

    /// What is wrong with the folder's files, each with its name.
    package func faults() -> [String] {
        guard let folder else { return [] }
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".txt") }.sorted()
        return names.compactMap { file in
            let name = String(file.dropLast(4))
            guard MailTemplate.all[name] != nil else { return "\(file): there is no template of this name" }
            do {
                _ = try Self.read(folder.appendingPathComponent(file), name)
                return nil
            } catch {
                return "\(file): \(error)"
            }
        }
    }
    package static var names: [String] { MailTemplate.all.keys.sorted() }

    struct Fault: Error, CustomStringConvertible { let description: String }

    static func read(_ file: URL, _ name: String) throws -> MailTemplate {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        let bytes = try handle.read(upToCount: maxBytes + 1) ?? Data()
        guard bytes.count <= maxBytes else { throw Fault(description: "it is longer than \(maxBytes) bytes") }
        guard let text = String(data: bytes, encoding: .utf8) else { throw Fault(description: "it is not UTF-8") }
        return try parse(text, for: name)
    }

    static func parse(_ text: String, for name: String) throws -> MailTemplate {
        let builtIn = MailTemplate.named(name)
        let blocks = text.replacing("\r\n", with: "\n").components(separatedBy: "\n\n").map {
            $0.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }.joined(separator: " ")
        }.filter { !$0.isEmpty }
        guard let first = blocks.first, first.hasPrefix("subject:") else { throw Fault(description: "it does not begin with subject: …") }
        let subject = first.dropFirst(8).trimmingCharacters(in: .whitespaces)
        guard (1...150).contains(subject.count) else { throw Fault(description: "its subject has not 1 to 150 characters") }
        var paragraphs: [String] = []
        var links: [(words: String, path: String)] = []
        for block in blocks.dropFirst() {
            if let link = try link(block) { links.append(link) } else { paragraphs.append(block) }
        }
        guard (1...maxParagraphs).contains(paragraphs.count), paragraphs.allSatisfy({ $0.count <= 2_000 }), links.count <= maxLinks else {
            throw Fault(
                description: "it has not 1 to \(maxParagraphs) paragraphs of at most 2000 characters, or more than \(maxLinks) links")
        }
        let template = MailTemplate(subject: subject, paragraphs: paragraphs, links: links)
        let known = builtIn.placeholders.union(["brand"])
        if let strange = template.placeholders.subtracting(known).sorted().first {
            throw Fault(
                description: "it names {\(strange)}; of this mail there are \(known.sorted().map { "{\($0)}" }.joined(separator: ", "))")
        }
        // A link that works once is what such a mail is for; in a subject or a paragraph it would be shown where it need not be.
        let secret = builtIn.links.filter { $0.path.contains("{token}") }.map(\.path)
        guard secret.allSatisfy({ path in links.contains { $0.path == path } }) else {
            throw Fault(description: "it lacks the link \(secret.joined(separator: ", ")), which this mail is for")
        }
        guard !(paragraphs + [subject] + links.map(\.words)).contains(where: { $0.contains("{token}") }) else {
            throw Fault(description: "{token} belongs into a link's path alone")
        }
        guard (paragraphs + [subject]).allSatisfy({ $0.unicodeScalars.allSatisfy(MailText.isVisible) }) else {
            throw Fault(description: "it has signs that cannot be seen")
        }
        return template
    }

    /// `[Words](/path)`, alone in its block; into our own pages only.
    private static func link(_ block: String) throws -> (words: String, path: String)? {
        guard block.hasPrefix("["), block.hasSuffix(")"), let middle = block.range(of: "](") else { return nil }
        let words = String(block[block.index(after: block.startIndex)..<middle.lowerBound])
        let path = String(block[middle.upperBound...].dropLast())
        guard (1...80).contains(words.count), path.hasPrefix("/"), !path.hasPrefix("//"), !path.hasPrefix("/\\"), path.utf8.count <= 300,
            path.utf8.allSatisfy({ $0 > 32 && $0 < 127 && !"<>\"'\\".utf8.contains($0) })
        else { throw Fault(description: "\(words.prefix(40)) does not lead to a page of our own: /path") }
        return (words, path)
    }
}

extension MailTemplate {
    /// Every `{name}` in it.
    var placeholders: Set<String> {
        var found: Set<String> = []
        for text in [subject] + paragraphs + links.flatMap({ [$0.words, $0.path] }) {
            var rest = text[...]
            while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
                found.insert(String(rest[rest.index(after: open)..<close]))
                rest = rest[rest.index(after: close)...]
            }
        }
        return found
    }
}
