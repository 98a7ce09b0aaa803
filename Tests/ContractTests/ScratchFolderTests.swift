import Composition
import Foundation
import Testing

/// Where a command puts what it loads: on a machine with others, who may write in the same place.
@Suite struct ScratchFolderTests {
    @Test("each has a name of its own and lets nobody else in; one that is removed takes what is in it along")
    func isPrivate() throws {
        let folders = try (0..<3).map { _ in try ScratchFolder("test") }
        defer { for folder in folders { folder.remove() } }
        #expect(Set(folders.map(\.url)).count == 3)
        for folder in folders {
            let mode = try FileManager.default.attributesOfItem(atPath: folder.url.path)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o700)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
        }
        try Data("x".utf8).write(to: folders[0].url.appendingPathComponent("library.so"))
        folders[0].remove()
        #expect(!FileManager.default.fileExists(atPath: folders[0].url.path))
    }
}
