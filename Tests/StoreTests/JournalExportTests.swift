import Foundation
import Store
import Testing
import Vocabulary

@Suite struct JournalExportTests {
    static let python = "/usr/bin/python3"

    /// The dozen lines of Python in docs/explanation/storage.md.
    static func program() throws -> String {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/explanation/storage.md")
        let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```python\n")
        return try #require(parts.last?.components(separatedBy: "```").first)
    }
    static func judge(_ lines: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments = ["-c", try program()]
        let input = Pipe()
        process.standardInput = input
        process.standardError = FileHandle.nullDevice
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(lines.joined(separator: "\n").utf8))
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        return process.terminationStatus
    }

    @Test(
        "the program printed in the documentation accepts an export and refuses an edited one",
        .enabled(if: FileManager.default.isExecutableFile(atPath: python)))
    func documented() async throws {
        let book = try await JournalTests.Book()
        var lines = try await book.lines()
        #expect(try JournalExportTests.judge(lines) == 0)
        lines[5] = lines[5].replacing("note.added", with: "note.kept_")
        #expect(try JournalExportTests.judge(lines) != 0)
        lines = try await book.lines()
        lines.remove(at: 4)
        #expect(try JournalExportTests.judge(lines) != 0)
        await book.bench.close()
    }

    @Test(
        "it accepts an export whose front was dropped under a checkpoint, and none whose front is merely missing",
        .enabled(if: FileManager.default.isExecutableFile(atPath: python)))
    func dropped() async throws {
        let years = try await JournalRetentionTests.Years()
        #expect(try await years.drop() == 1)
        var lines: [String] = []
        try await years.keeper.export(years.owner) { lines.append($0) }
        #expect(lines.count == 3 + 3 && lines[2].contains("\"dropped\":["))
        #expect(try JournalExportTests.judge(lines) == 0)
        lines.remove(at: 2)
        #expect(try JournalExportTests.judge(lines) != 0)
        await years.bench.close()
    }
}
