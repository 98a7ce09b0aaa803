import Foundation
import Simulation
import Testing
import Vocabulary

@Suite("what is left of those who were deleted")
struct RemainsTests {
    static let word = "grace@weaver.example"

    @Test(
        "a word is found however it is written",
        arguments: [
            "so grace@weaver.example it is", "GRACE@WEAVER.EXAMPLE", "to=grace%40weaver%2Eexample",
            Data("grace@weaver.example".utf8).map { String($0, radix: 16) }.joined(),
            Data("a grace@weaver.example".utf8).base64EncodedString(), Data("grace@weaver.example, too".utf8).base64EncodedString(),
            Data("12345 grace@weaver.example!".utf8).base64EncodedString(), Data("xgrace@weaver.examplex".utf8).base64EncodedString(),
        ])
    func forms(_ text: String) {
        #expect(Remains(words: [Self.word]).find(in: text) == [Self.word], "\(text)")
    }

    @Test("what only resembles it is not, nor a word too short to mean anything")
    func others() {
        let remains = Remains(words: [Self.word, "ada"])
        for text in ["", "grace", "grace@weaver.exampl", "grace@weaver,example", "ada", "Grace at weaver.example"] {
            #expect(remains.find(in: text).isEmpty, "\(text)")
        }
    }

    @Test(
        "of a customer who leaves, comes back, leaves again and is deleted nothing can be read; a file in which something stands is found")
    func leaving() async throws {
        let data = FileManager.default.temporaryDirectory.appendingPathComponent("leaving-\(UUID().uuidString)")
        let folder = data.appendingPathComponent("files/forgotten")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("a line about grace@weaver.example\n".utf8).write(to: folder.appendingPathComponent("notes.txt"))
        let script = try LifeTests.example("leaving.yaml")
        let run = try SimulationRun(script, over: try LifeTests.desk.options(script, data: data, environment: [:]))
        let timeline = try await run.live()
        #expect(timeline.findings.count == 3, "\(timeline.findings)")
        #expect(
            timeline.findings.contains {
                $0.hasSuffix("weaver: grace@weaver.example was deleted and can be read in the data: files/forgotten/notes.txt")
            })
        // Both backups took it along.
        #expect(timeline.findings.filter { $0.contains("can be read in a backup: ") && $0.hasSuffix("files.tar") }.count == 2)
        #expect(
            timeline.entries.contains { $0.what.hasPrefix("asks for the proof of deletion: purged, ") && $0.what.hasSuffix(", signed") })
    }
}
