import Foundation
import Testing

/// The repository as text, as a stranger would read it.
struct House: Sendable {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    struct SourceFile: Sendable, CustomTestStringConvertible {
        var testDescription: String { path }
        /// Relative to the root: `Sources/Seats/Seats.swift`.
        let path: String
        let text: String
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
        /// `Seats` for `Sources/Seats/Seats.swift`.
        var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
        var name: String { path.split(separator: "/").last.map(String.init) ?? path }
        /// The modules named by import lines, without attributes and without declarations (`import struct X.Y`).
        var imports: Set<String> {
            var found: Set<String> = []
            for line in lines {
                var words = line.split(separator: " ").map(String.init)
                while let first = words.first, first.hasPrefix("@") || ["public", "package", "internal", "private"].contains(first) {
                    words.removeFirst()
                }
                guard words.first == "import", words.count >= 2 else { continue }
                let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
                let module = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
                found.insert(String(module.split(separator: ".")[0]))
            }
            return found
        }
    }

    /// Every file below `folder` with one of the endings, build folders left out.
    static func files(_ folder: String, endings: Set<String>) throws -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        guard let walker = FileManager.default.enumerator(at: base, includingPropertiesForKeys: [.isRegularFileKey]) else { return [] }
        var found: [SourceFile] = []
        for case let url as URL in walker {
            if url.lastPathComponent.hasPrefix(".build") {
                walker.skipDescendants()
                continue
            }
            guard endings.contains(url.pathExtension) else { continue }
            let path = String(url.standardizedFileURL.path.dropFirst(root.standardizedFileURL.path.count + 1))
            found.append(SourceFile(path: path, text: try String(contentsOf: url, encoding: .utf8)))
        }
        return found.sorted { $0.path < $1.path }
    }

    static func text(_ path: String) throws -> String { try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) }
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path) }
}
