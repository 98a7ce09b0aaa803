import Foundation
import Testing

/// What the README says and its tour (Tests/Interop/tour.py) does not try: each command stands in one of the two.
@Suite("The README")
struct ReadmeTests {
    struct Block {
        let language: String
        let isInTour: Bool
        var lines: [String] = []
    }
    private static func blocks() throws -> [Block] {
        var found: [Block] = []
        var open: Block?
        var isInTour = false
        for line in try House.text("README.md").split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line == "<!-- tour -->" || line == "<!-- /tour -->" { isInTour = line == "<!-- tour -->" }
            if line.hasPrefix("```") {
                if let block = open { found.append(block) }
                open = open == nil ? Block(language: String(line.dropFirst(3)), isInTour: isInTour) : nil
            } else {
                open?.lines.append(line)
            }
        }
        return found
    }

    /// What `make TARGET` would do, by make's own reading.
    private static func recipe(_ target: String) throws -> String {
        let make = Process()
        make.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        make.arguments = ["make", "--no-print-directory", "--dry-run", target]
        make.currentDirectoryURL = House.root
        let own: Set<String> = ["DATA", "HOST", "PORT", "POLICIES", "CONFIGURATION", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"]
        make.environment = ProcessInfo.processInfo.environment.filter { !own.contains($0.key) }
        let pipe = Pipe()
        make.standardOutput = pipe
        make.standardError = pipe
        try make.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        make.waitUntilExit()
        #expect(make.terminationStatus == 0, "make \(target): \(said)")
        return said
    }

    @Test("every block of it is tried: by the tour, by the first two commands' test, or by the tree's")
    func covered() throws {
        let blocks = try Self.blocks()
        #expect(blocks.count >= 8)
        for block in blocks where block.isInTour { #expect(block.language.hasPrefix("console"), "the tour does not run \(block.lines)") }
        let plain = blocks.filter { !$0.isInTour }
        #expect(plain.map(\.language) == ["", ""], "a block that nothing tries")
        let words = try #require(plain.first).lines.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
        #expect(words == ["make run", "make test"])
        #expect(plain.last?.lines.first?.hasPrefix("Sources/") == true)
        // Commands in running text, beside those two, are make's: each has its target.
        for found in try House.text("README.md").matches(of: /\bmake ([a-z-]+)\b/) { #expect(try !Self.recipe(String(found.1)).isEmpty) }
    }

    @Test("make run installs, builds and serves where it says; make test installs and runs every test of the tree")
    func commands() throws {
        let lines = try #require(try Self.blocks().first { !$0.isInTour }).lines
        #expect(lines[0].contains("http://127.0.0.1:8080"))
        let run = try Self.recipe("run").split(separator: "\n").map(String.init)
        #expect(run.count == 3 && run[0] == "Scripts/install.sh run" && run[1] == "Scripts/build.sh debug", "\(run)")
        #expect(run[2].hasPrefix("exec .build/debug/coditectd serve ") && run[2].contains("--host 127.0.0.1 --port 8080"), "\(run)")
        #expect(try Self.recipe("test") == "Scripts/install.sh test\nScripts/test.sh\n")

        let tests = try House.text("Scripts/test.sh")
        #expect(tests.contains("for folder in Tests/*Tests; do") && tests.contains("Scripts/test-plugins.sh"))
        let package = try House.text("Package.swift")
        let names = try FileManager.default.contentsOfDirectory(atPath: House.root.appendingPathComponent("Tests").path).sorted()
        for name in names where name.hasSuffix("Tests") {
            #expect(package.contains("tests(\"\(name)\",") || package.contains("tests(\n        \"\(name)\","), "\(name) is never built")
        }
        #expect(
            Set(names.filter { !$0.hasSuffix("Tests") && !$0.hasPrefix(".") })
                == ["Fixtures", "Fuzz", "Interop", "LuaPeer", "PolicyJudge", "SeatDesk", "Stress"],
            "a folder that nothing runs")
        // A peer's program is a test or what tests stand on; each test is run by `make test` or, as it says, by `make interop`.
        let heavy = try House.text("Scripts/interop.sh")
        let programs = try House.files("Tests/Interop", endings: ["py"]).filter { $0.text.contains("__main__") }
        #expect(programs.count >= 7)
        for program in programs { #expect(tests.contains(program.path) || heavy.contains(program.path), "nothing runs \(program.path)") }
        #expect(lines[1].contains("(make interop)"))
    }

    @Test("every link leads somewhere, and the tree it draws is there")
    func places() throws {
        let text = try House.text("README.md")
        let links = text.matches(of: /\]\(([^)#]+)\)/).map { String($0.1) }.filter { !$0.contains("://") }
        #expect(links.count >= 8)
        for link in links { #expect(House.exists(link), "\(link) is not there") }
        let tree = try #require(try Self.blocks().last).lines.joined(separator: "\n")
        for folder in tree.matches(of: /\b([A-Za-z]+)\//) { #expect(House.exists(String(folder.1)), "\(folder.1)/ is not there") }
        let floor = try #require(tree.firstMatch(of: /the floor \(([^)]+)\)/)).1
        for target in floor.split(separator: ", ") { #expect(House.exists("Sources/\(target)"), "\(target)") }
        for part in ["reference", "explanation", "decisions"] { #expect(tree.contains(part) && House.exists("docs/\(part)"), "\(part)") }
    }
}
