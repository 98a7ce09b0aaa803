import Foundation
import Testing

struct BudgetTests {
    static let sources = try! House.files("Sources", endings: ["swift"]) + House.files("plugins", endings: ["swift"])  // the tree is there

    @Test("a file has at most 400 lines", arguments: sources)
    func fileIsShort(_ file: House.SourceFile) {
        #expect(file.lines.count <= 401, "\(file.path) has \(file.lines.count) lines: split it by concept")
    }

    /// Records carry facts, not dependencies: their memberwise initialisers may be long.
    static let records: Set<String> = ["Vocabulary", "PluginKit"]

    @Test("a service's initialiser takes at most seven parameters")
    func initialisersAreNarrow() throws {
        let services = try Regex(#"(?s)\n(?:package |public )?(?:final )?(?:class|actor) \w+.*"#)
        for file in Self.sources where !Self.records.contains(file.target) && file.text.contains(services) {
            for parameters in Self.initialisers(of: file.text) {
                #expect(parameters <= 7, "\(file.path): an initialiser takes \(parameters) parameters")
            }
        }
    }

    /// Counts the parameters of each `init(` that stands in a class or an actor.
    static func initialisers(of text: String) -> [Int] {
        var counts: [Int] = []
        var inReference = false
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        while let line = lines.popFirst() {
            if !line.hasPrefix(" "), !line.hasPrefix("}"), !line.isEmpty, !line.hasPrefix("/"), !line.hasPrefix("@") {
                inReference = line.contains("class ") || line.contains("actor ")
            }
            guard inReference, line.hasPrefix("    "), line.contains(" init("), !line.contains("///"), !line.contains(".init(") else {
                continue
            }
            var head = String(line)
            while !head.contains("{"), let next = lines.popFirst() { head += next }
            var depth = 0
            var colons = 0
            scan: for character in head[(head.range(of: "init(")?.upperBound ?? head.startIndex)...] {
                switch character {
                case "(", "[", "<": depth += 1
                case ")", "]", ">":
                    if character == ")" && depth == 0 { break scan }
                    if depth > 0 { depth -= 1 }
                case ":" where depth == 0: colons += 1
                default: break
                }
            }
            counts.append(colons)
        }
        return counts
    }

    @Test("names say what a thing is, not that somebody needed a place for it")
    func namesAreNouns() throws {
        let vague = ["Utils", "Util", "Helpers", "Helper", "Manager", "Common", "New", "Misc"]
        for file in Self.sources {
            let name = file.name.replacingOccurrences(of: ".swift", with: "")
            #expect(!vague.contains(where: { name == $0 || name.hasSuffix($0) }), "\(file.path)")
            for part in file.path.split(separator: "/").dropLast() { #expect(!vague.contains(String(part)), "\(file.path)") }
        }
    }

    @Test("nothing is left for later")
    func nothingUnfinished() {
        for file in Self.sources {
            for (number, line) in file.lines.enumerated() {
                let unfinished = ["TO" + "DO", "FIX" + "ME", "X" + "XX:", "not implemented", "for " + "now,"].first { line.contains($0) }
                #expect(unfinished == nil, "\(file.path):\(number + 1): \(line)")
            }
        }
    }

    @Test("a crash or an escape from the concurrency checker says why on its line")
    func escapesAreExplained() {
        let marks = [
            "try!", "fatalError(", "preconditionFailure(", "as! ", "@unchecked Sendable", "nonisolated(unsafe)", "@preconcurrency",
        ]
        for file in Self.sources {
            for (number, line) in file.lines.enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                guard let mark = marks.first(where: { line.contains($0) }), line.contains("// ") == false else { continue }
                let before = number > 0 ? file.lines[number - 1] : ""
                #expect(before.drop(while: { $0 == " " }).hasPrefix("//"), "\(file.path):\(number + 1): \(mark) without its reason")
            }
        }
    }

    @Test("every room has its furniture")
    func roomsAreFurnished() {
        for (room, _) in ImportGraphTests.features {
            for piece in ["README.md", "Migrations"] { #expect(House.exists("Sources/\(room)/\(piece)"), "Sources/\(room)/\(piece)") }
        }
        for room in ["Identity", "Billing", "Licensing", "Seats"] {
            for piece in ["Routes", "Hooks", "Problems", "Settings", "Table"] where !(room == "Licensing" && piece == "Hooks") {
                let found =
                    (try? House.files("Sources/\(room)", endings: ["swift"]))?.contains { $0.name.hasSuffix("\(piece).swift") } ?? false
                #expect(found, "Sources/\(room)/…\(piece).swift")
            }
        }
    }
}
