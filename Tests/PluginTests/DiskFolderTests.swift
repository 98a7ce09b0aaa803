import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import PluginHost

/// Folders on a real disk.
@Suite struct DiskFolderTests {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent("coditect-folder-\(UUID().uuidString)")
    private let clock = ManualPluginClock(Timestamp(seconds: 1_800_000_000))

    private func folder(_ maxBytes: Int64 = 1_000_000, _ name: String = "p") -> DiskFolder {
        DiskFolder(root.appendingPathComponent(name), maxBytes: maxBytes, now: { [clock] in clock.now() })
    }
    private func lay(_ content: String, _ name: String, _ folder: DiskFolder) async throws {
        try await folder.write(Data(content.utf8), toDraft: "d", at: 0)
        try await folder.publish(draft: "d", as: name)
    }
    private func text(_ name: String, _ folder: DiskFolder) async throws -> String {
        String(decoding: try await folder.read(name, at: 0, max: 1_000), as: UTF8.self)
    }
    private func failure(_ work: () async throws -> Void) async -> String {
        do { try await work() } catch let failure as PluginFolderFailure {
            return "\(failure)".split(separator: "(").first.map(String.init) ?? ""
        } catch { return "\(error)" }
        return "done"
    }

    @Test("a file is there in one step, for its owner alone, also for the next who opens the folder")
    func published() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = folder()
        try await lay("one", "t/a", folder)
        try await folder.write(Data("two, longer".utf8), toDraft: "x", at: 0)
        #expect(try await text("t/a", folder) == "one")
        try await folder.publish(draft: "x", as: "t/a")
        for opened in [folder, self.folder()] {
            #expect(try await text("t/a", opened) == "two, longer")
            #expect(try await opened.used() == 11)
        }
        let file = root.appendingPathComponent("p/files/t+/a").path
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
        #expect(try FileManager.default.attributesOfItem(atPath: root.path + "/p/files")[.posixPermissions] as? Int == 0o700)
        #expect(await failure { try await folder.publish(draft: "x", as: "t/b") } == "missing")
    }

    @Test("a and a/b are two files, listed in the order of their bytes however the list is cut")
    func ordered() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = folder()
        let names = ["a", "a/b", "a-b", "a.b", "a/b/c", "a0", "B", "b/x", "a/b.c", "_/_"]
        for name in names { try await lay(name, name, folder) }
        let ordered = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for limit in 1...4 {
            var found: [PluginFolderEntry] = []
            while true {
                let page = try await folder.entries(prefix: "", after: found.last?.name, limit: limit)
                guard !page.isEmpty else { break }
                found += page
            }
            #expect(found == ordered.map { PluginFolderEntry(name: $0, bytes: Int64($0.utf8.count)) })
        }
        for prefix in ["a", "a/", "a/b", "b/", "z"] {
            #expect(try await folder.entries(prefix: prefix, after: nil, limit: 100).map(\.name) == ordered.filter { $0.hasPrefix(prefix) })
        }
        try await folder.remove("a/b/c")
        try await folder.remove("a/b/c")
        try await folder.remove("a")
        #expect(try await text("a/b", folder) == "a/b")
        #expect(!FileManager.default.fileExists(atPath: root.path + "/p/files/a+/b+"), "an empty directory goes with its last file")
    }

    @Test("no name leads out of the folder, and nothing that lies there is followed")
    func hostile() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = folder()
        let outside = root.appendingPathComponent("outside")
        try await lay("x", "t/a", folder)
        try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
        try Data("secret".utf8).write(to: outside.appendingPathComponent("f"))
        let bad = [
            "", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "a\0b", "a+", "a+/b", ".a", "a b",
            String(repeating: "x", count: 101),
        ]
        for name in bad {
            #expect(await failure { _ = try await folder.read(name, at: 0, max: 1) } == "invalid", "\(name)")
            #expect(await failure { try await folder.remove(name) } == "invalid", "\(name)")
            #expect(await failure { try await folder.write(Data(), toDraft: name, at: 0) } == "invalid", "\(name)")
            #expect(await failure { try await folder.publish(draft: "d", as: name) } == "invalid", "\(name)")
        }
        #expect(await failure { try await folder.write(Data(), toDraft: "a/b", at: 0) } == "invalid", "a draft is one segment")
        // Somebody with the server's rights laid links and a pipe there.
        let files = root.path + "/p/files"
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: files + "/linked+", withDestinationPath: outside.path)
        try manager.createSymbolicLink(atPath: files + "/link", withDestinationPath: outside.path + "/f")
        try manager.createSymbolicLink(atPath: root.path + "/p/drafts/draft", withDestinationPath: outside.path + "/f")
        #expect(mkfifo(files + "/pipe", 0o600) == 0)
        for name in ["linked/f", "link", "pipe"] {
            #expect(await failure { _ = try await folder.read(name, at: 0, max: 10) } == "unavailable", "\(name)")
        }
        #expect(await failure { try await folder.remove("linked/f") } == "unavailable")
        #expect(await failure { try await lay("y", "linked/g", folder) } == "unavailable")
        #expect(await failure { try await folder.write(Data("z".utf8), toDraft: "draft", at: 0) } == "unavailable")
        #expect(try await folder.entries(prefix: "", after: nil, limit: 10).map(\.name) == ["t/a"])
        #expect(try String(contentsOf: outside.appendingPathComponent("f"), encoding: .utf8) == "secret")
        #expect(try manager.contentsOfDirectory(atPath: outside.path) == ["f"])
    }

    @Test("the quota counts files, drafts and gaps, and what goes gives its room back")
    func bounded() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = folder(100)
        try await lay(String(repeating: "x", count: 60), "a", folder)
        #expect(await failure { try await folder.write(Data(count: 41), toDraft: "e", at: 0) } == "full")
        #expect(await failure { try await folder.write(Data(count: 1), toDraft: "e", at: 40) } == "full", "a gap counts")
        try await folder.write(Data(count: 40), toDraft: "e", at: 0)
        try await folder.write(Data(count: 40), toDraft: "e", at: 0)
        #expect(await failure { try await folder.write(Data(count: 2), toDraft: "e", at: 39) } == "full")
        try await folder.publish(draft: "e", as: "a")
        #expect(try await folder.used() == 40)
        try await folder.write(Data(count: 60), toDraft: "f", at: 0)
        try await folder.discard(draft: "f")
        try await folder.discard(draft: "f")
        try await folder.remove("a")
        #expect(try await folder.used() == 0)
        for offset in [-1, Int64.max, Int64.max - 1] {
            #expect(await failure { try await folder.write(Data(count: 2), toDraft: "g", at: offset) } == "invalid")
            #expect(await failure { _ = try await folder.read("a", at: -1, max: 1) } == "invalid")
        }
        #expect(
            await failure { try await folder.write(Data(count: PluginFolderLimits.maxPieceBytes + 1), toDraft: "g", at: 0) } == "invalid")
        let same = DiskFolders(root, now: { [clock] in clock.now() })
        #expect(same.folder(of: "p", maxBytes: 5) === same.folder(of: "p", maxBytes: 7) && same.folder(of: "p", maxBytes: 9).maxBytes == 9)
    }

    @Test("drafts that nobody touched for a week go when the folder is opened, others stay")
    func stale() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = folder()
        try await folder.write(Data("old".utf8), toDraft: "old", at: 0)
        clock.advance(by: .days(5))
        try await folder.write(Data("new".utf8), toDraft: "new", at: 0)
        clock.advance(by: .days(3))
        let next = self.folder()
        #expect(await failure { _ = try await next.readDraft("old", at: 0, max: 3) } == "missing")
        #expect(try await next.readDraft("new", at: 1, max: 10) == Data("ew".utf8))
    }

    @Test("many who write and remove at once leave whole files and a right count")
    func raced() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = folder()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<64 {
                group.addTask {
                    let name = "t/\(number % 4)/f"
                    try? await folder.write(Data(repeating: UInt8(number), count: 100 + number), toDraft: "d\(number)", at: 0)
                    try? await folder.publish(draft: "d\(number)", as: name)
                    if number % 3 == 0 { try? await folder.remove(name) }
                }
            }
        }
        let entries = try await folder.entries(prefix: "", after: nil, limit: 100)
        for entry in entries {
            let content = try await folder.read(entry.name, at: 0, max: 1_000)
            #expect(Set(content).count == 1 && content.count == 100 + Int(content[0]))
        }
        #expect(try await folder.used() == entries.map(\.bytes).reduce(0, +))
    }
}
