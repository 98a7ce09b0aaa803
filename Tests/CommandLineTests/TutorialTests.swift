import Foundation
import Testing

/// The tutorial is run as it is read: files are written, commands run in order, and what they show is compared.
///
/// Not among the tests that hold many platforms at once: Foundation's `Process` lists this process's descriptors as it starts a child, and
/// reads past the end of that list, now and then into nothing, where there are more than about 1,300 (swift-corelibs-foundation of Swift 6.3,
/// a copy of each whole `dirent`).
@Suite("the tutorial works as it is written")
struct TutorialTests {
    private enum Piece {
        case file(path: String, text: String)
        case command(String, shows: [String])
    }

    private static func pieces(_ page: String) -> [Piece] {
        var found: [Piece] = []
        var fence: (head: String, lines: [String])?
        for line in page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            guard line.hasPrefix("```") else {
                fence?.lines.append(line)
                continue
            }
            guard let open = fence else {
                fence = (String(line.dropFirst(3)), [])
                continue
            }
            let words = open.head.split(separator: " ").map(String.init)
            if words.first == "lua", words.count == 2 {
                found.append(.file(path: words[1], text: open.lines.joined(separator: "\n") + "\n"))
            } else if words.first == "console" {
                for shown in open.lines {
                    if shown.hasPrefix("$ ") {
                        found.append(.command(String(shown.dropFirst(2)), shows: []))
                    } else if case .command(let command, let shows)? = found.last {
                        found[found.count - 1] = .command(command, shows: shows + [shown])
                    }
                }
            }
            fence = nil
        }
        return found
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What both streams gave.
    private static func run(_ command: String, in folder: URL) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command]
        process.currentDirectoryURL = folder
        let programs = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
        process.environment = ["PATH": "\(programs):/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": folder.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    /// `…` stands for anything.
    private static func matches(_ line: Substring, _ pattern: String) -> Bool {
        var rest = line
        let parts = pattern.components(separatedBy: "…")
        for (index, part) in parts.enumerated() {
            guard
                let found = part.isEmpty
                    ? rest.startIndex..<rest.startIndex : rest.range(of: part.trimmingTrailingSpaces(index < parts.count - 1)),
                index > 0 || found.lowerBound == rest.startIndex
            else { return false }
            rest = rest[found.upperBound...]
        }
        return parts.last?.isEmpty == true || rest.isEmpty
    }

    @Test("every command shows what the page says")
    func firstPolicy() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/tutorials/first-policy.md"), encoding: .utf8)
        let folder = FileManager.default.temporaryDirectory.appending(path: "tutorial-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(at: Self.root.appending(path: "policies"), to: folder.appending(path: "policies"))
        var commands = 0
        for piece in Self.pieces(page) {
            switch piece {
            case .file(let path, let text): try Data(text.utf8).write(to: folder.appending(path: path))
            case .command(let command, let shows):
                commands += 1
                let output = try Self.run(command, in: folder)
                var lines = output.split(separator: "\n", omittingEmptySubsequences: false)[...]
                for pattern in shows where pattern != "…" {
                    guard let index = lines.firstIndex(where: { Self.matches($0, pattern) }) else {
                        Issue.record("\(command)\ndid not show: \(pattern)\nbut:\n\(output)")
                        continue
                    }
                    lines = lines[(index + 1)...]
                }
                if shows.isEmpty, command.hasPrefix("sed") || command.hasPrefix("cp") { #expect(output.isEmpty, "\(command): \(output)") }
            }
        }
        #expect(commands > 15)
    }
}

extension String {
    /// A blank before `…` is part of what may be left out.
    fileprivate func trimmingTrailingSpaces(_ isBeforeGap: Bool) -> String {
        var text = self
        while isBeforeGap, text.hasSuffix(" ") { text.removeLast() }
        return text
    }
}
