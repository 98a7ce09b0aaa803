import Composition
import Foundation
import Testing

/// Where a command puts what it loads and what it writes: on a machine with others, who may write in the same place.
@Suite struct OperatorFileTests {
    private static func mode(_ file: URL) throws -> Int? {
        try (FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? NSNumber)?.intValue
    }

    @Test("a scratch folder has a name of its own and lets nobody else in; removed, it takes what is in it along")
    func isPrivate() throws {
        let folders = try (0..<3).map { _ in try ScratchFolder("test") }
        defer { for folder in folders { folder.remove() } }
        #expect(Set(folders.map(\.url)).count == 3)
        for folder in folders {
            #expect(try Self.mode(folder.url) == 0o700)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
        }
        try Data("x".utf8).write(to: folders[0].url.appendingPathComponent("library.so"))
        folders[0].remove()
        #expect(!FileManager.default.fileExists(atPath: folders[0].url.path))
    }

    @Test("a file is replaced whole and is its owner's alone; a link or a pipe of that name is neither followed nor waited for")
    func files() throws {
        let folder = try ScratchFolder("test")
        defer { folder.remove() }
        let file = folder.url.appendingPathComponent("evidence.json")
        for (text, mode) in [("one, which is longer", mode_t(0o600)), ("two", 0o644), ("", 0o600)] {
            try OwnFile.write(Data(text.utf8), to: file, mode: mode)
            #expect(try String(contentsOf: file, encoding: .utf8) == text)
            #expect(try Self.mode(file) == Int(mode))
        }
        let other = folder.url.appendingPathComponent("other")
        try Data("precious".utf8).write(to: other)
        let (link, pipe) = (folder.url.appendingPathComponent("link"), folder.url.appendingPathComponent("pipe"))
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: other)
        try #require(mkfifo(pipe.path, 0o600) == 0)
        for place in [link, pipe, folder.url] {
            #expect(throws: OperatorProblem.self, "\(place.path)") { try OwnFile.write(Data("x".utf8), to: place) }
        }
        #expect(try String(contentsOf: other, encoding: .utf8) == "precious")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
        #expect(names.sorted() == ["evidence.json", "link", "other", "pipe"])
    }

    @Test("a data directory is made for its owner alone, and its lock follows no link")
    func data() throws {
        let folder = try ScratchFolder("test")
        defer { folder.remove() }
        let root = folder.url.appendingPathComponent("a/data")
        _ = try DataDirectory(root)
        #expect(try Self.mode(root) == 0o700)
        let (second, other) = (folder.url.appendingPathComponent("second"), folder.url.appendingPathComponent("other"))
        try FileManager.default.createDirectory(at: second, withIntermediateDirectories: false)
        try Data("precious".utf8).write(to: other)
        try FileManager.default.createSymbolicLink(at: second.appendingPathComponent(".lock"), withDestinationURL: other)
        #expect(throws: DataDirectory.Unusable.self) { _ = try DataDirectory(second) }
        #expect(try DataDirectory(second, isShared: true).holder == nil)
        #expect(try String(contentsOf: other, encoding: .utf8) == "precious")
        #expect(throws: DataDirectory.Unusable.self) { _ = try DataDirectory(other) }
    }

    @Test(
        "a folder that somebody else made where everybody may is no data directory", .enabled(if: geteuid() == 0, "only root can make one"))
    func foreignData() throws {
        let folder = try ScratchFolder("test")
        defer { folder.remove() }
        let table: [(above: mode_t, owner: uid_t, isTaken: Bool)] = [
            (0o1777, 65_534, false), (0o777, 65_534, false), (0o755, 65_534, true), (0o1777, 0, true),
        ]
        for (number, row) in table.enumerated() {
            let above = folder.url.appendingPathComponent("\(number)")
            let root = above.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
            try #require(chmod(above.path, row.above) == 0 && chown(root.path, row.owner, row.owner) == 0)
            #expect(((try? DataDirectory(root)) != nil) == row.isTaken, "\(row)")
            #expect(((try? DataDirectory(root, isShared: true)) != nil) == row.isTaken, "\(row)")
        }
        // His link to a folder of ours leads us where he likes.
        let link = folder.url.appendingPathComponent("0/link")
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: folder.url.appendingPathComponent("3/data"))
        #expect((try? DataDirectory(link)) != nil)
        try #require(lchown(link.path, 65_534, 65_534) == 0)
        #expect((try? DataDirectory(link)) == nil)
    }

    @Test("no password of the database stands in the arguments of PostgreSQL's tools, however its address is written")
    func passwords() throws {
        let table: [(String, url: String, password: String?)] = [
            ("postgresql://h/d", "postgresql://h/d", nil), ("postgresql://u@h/d", "postgresql://u@h/d", nil),
            ("postgresql://u:p%40w@h:5432/d?sslmode=require", "postgresql://u@h:5432/d?sslmode=require", "p@w"),
            ("postgres://u:a@b@h1,h2/d", "postgres://u@h1,h2/d", "a@b"),
            ("postgresql:///d?user=u&password=s%26t", "postgresql:///d?user=u", "s&t"),
            ("postgresql://h/d?password=one&sslmode=require", "postgresql://h/d?sslmode=require", "one"),
            ("postgresql://u:one@h?p%61ssword=two", "postgresql://u@h", "two"), ("postgresql://h/d?PassWord=x", "postgresql://h/d", "x"),
            ("postgresql://h/d?", "postgresql://h/d?", nil),
            ("postgresql://h/d?options=-c%20a%3Db", "postgresql://h/d?options=-c%20a%3Db", nil),
        ]
        for (text, url, password) in table {
            let address = try DatabaseAddress(text)
            #expect(address.url == url, "\(text)")
            #expect(address.environment == (password.map { ["PGPASSWORD": $0] } ?? [:]), "\(text)")
        }
        for text in ["postgresql://h/d?sslkey=k&sslpassword=x", "postgresql://h/d?ssl%70assword=x", "host=h password=x"] {
            #expect(throws: OperatorProblem.self, "\(text)") { _ = try DatabaseAddress(text) }
        }
    }
}
