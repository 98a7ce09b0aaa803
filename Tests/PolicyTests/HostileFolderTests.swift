import Foundation
import HookEngine
import Testing

@testable import PolicyHost

/// Whoever may write into the folder of policies, or give an input, gains nothing beyond what a policy may do.
@Suite("hostile folders, names and inputs")
struct HostileFolderTests {
    private static let good = "return { id = \"x.y\", api = 1, on_seat_request = function(request) return allow{} end }"
    private static func folder() throws -> PolicyFolder { try PolicyFolder.single(good) }
    private static func link(_ place: URL, to target: String) throws {
        try? FileManager.default.removeItem(at: place)
        try FileManager.default.createSymbolicLink(atPath: place.path, withDestinationPath: target)
    }

    @Test(
        "a pipe, a device and a file without end are refused at once: nobody waits for a writer, nothing is read to its end",
        .timeLimit(.minutes(5)))
    func pipes() throws {
        let folder = try Self.folder()
        let place = folder.url.appending(path: "x/y/policy.lua")
        try FileManager.default.removeItem(at: place)
        #expect(mkfifo(place.path, 0o600) == 0)
        #expect(folder.findings() == ["policies/x/y/policy.lua: is no plain file"])
        try Self.link(place, to: "/dev/zero")
        #expect(folder.findings() == ["policies/x/y/policy.lua: is a link that leads out of the folder; put the file itself here"])
        try FileManager.default.removeItem(at: place)
        let sparse = open(place.path, O_CREAT | O_WRONLY, 0o600)
        #expect(ftruncate(sparse, 1 << 40) == 0)
        close(sparse)
        #expect(folder.findings() == ["policies/x/y/policy.lua: is longer than 262144 bytes; a policy file is at most that long"])
    }

    @Test("a link out of the folder is refused, and shows nothing of what it leads to; one within it is a file like any other")
    func links() throws {
        let folder = try Self.folder()
        let place = folder.url.appending(path: "x/y/policy.lua")
        let secret = folder.url.deletingLastPathComponent().appending(path: "secret.lua")
        try Data("hunter2 is the word".utf8).write(to: secret)
        try Self.link(place, to: "../../../secret.lua")
        let found = folder.findings()
        #expect(found == ["policies/x/y/policy.lua: is a link that leads out of the folder; put the file itself here"])
        try Self.link(folder.url.appending(path: "x/out"), to: "../..")
        #expect(!folder.findings().joined().contains("hunter2"))
        try FileManager.default.removeItem(at: folder.url.appending(path: "x/out"))
        try folder.write(".held/policy.lua", Self.good)
        try Self.link(place, to: "../../.held/policy.lua")
        #expect(folder.findings() == [])
    }

    @Test("folders that lead back into themselves are gone through once", .timeLimit(.minutes(5)))
    func loops() throws {
        let folder = try Self.folder()
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"] {
            try Self.link(folder.url.appending(path: name), to: ".")
            try Self.link(folder.url.appending(path: "x/\(name)"), to: "..")
        }
        #expect(Fingerprint(folder.url).entries.map(\.path) == ["init.lua", "x/y/policy.lua"])
        #expect(folder.findings() == [])
    }

    @Test("names of files are plain: no sign that steers a terminal, and no two names that only look alike")
    func names() throws {
        let folder = try Self.folder()
        try folder.write("x/\u{1B}[2J/policy.lua", Self.good)
        try folder.write("x/e\u{301}/policy.lua", Self.good)
        try folder.write("x/\u{E9}/policy.lua", Self.good)
        let found = folder.findings()
        #expect(found.count == 3)
        for line in found {
            #expect(line.hasSuffix("a file of policies is called by ASCII letters, digits, -, _ and ."))
            #expect(!line.unicodeScalars.contains { $0.value < 32 })
        }
    }

    @Test("what a policy says of itself cannot steer a terminal, add a line to a list, or fill the screen")
    func escapes() throws {
        let evil = "\\27]0;pwned\\7\\npolicies/init.lua:1: all is well\\u{202E}"
        let body = "error('\(evil)' .. ('x'):rep(100000))"
        let found = try PolicyFolder.single(body).findings()
        #expect(found.count == 1)
        #expect(found[0].hasPrefix("policies/x/y/policy.lua:1: \\u001b]0;pwned\\u0007\\u000apolicies/init.lua:1: all is well\\u202exxx"))
        #expect(found[0].count < 1_700)
        let plan = PolicyRuling(.plan([PlannedAction("notify_staff", .object([("reason", .string("a\u{1B}[2J\nb\u{9B}"))]))]))
        #expect(plan.description == "plan notify_staff{reason=a\\u001b[2J\\u000ab\\u009b}")
        #expect(PolicyRuling(.failed("\u{1B}c")).description == "failed: \\u001bc")
        #expect(Shown.lines("one\n\ttwo\u{1B}\r") == "one\n\ttwo\\u001b\\u000d")
        #expect(Shown.line("größer … ✓") == "größer … ✓")
    }

    @Test("settings without end are refused in a line of bounded length")
    func settings() throws {
        let body = """
            local values = {}
            for index = 1, 9000 do values[index] = ("v"):rep(20) .. index end
            return { id = "x.y", api = 1, settings = { mode = { type = "choice", values = values, default = "none" } },
              on_seat_request = function() end }
            """
        let found = try PolicyFolder.single(body).findings()
        #expect(found.count == 1 && found[0].count < 1_700 && found[0].contains("setting mode: default is \"none\"; accepted is one of"))
        let many =
            "return { platform = { { 'x/y', settings = { "
            + (0..<2_000).map { "s\($0) = \($0)" }.joined(separator: ", ") + " } } } }"
        #expect(try PolicyFolder.single(Self.good, order: many).findings().count <= 100)
    }

    @Test("a name that is given twice in an input is refused: nobody can say which one was meant")
    func twice() throws {
        let folder = try Self.folder()
        let bench = try PolicyWorkbench(directory: folder.url, definitions: Hooked.all)
        let text =
            #"{"user":{"id":"u","role":"owner","role":"viewer"},"device":{"id":"d"},"license":{"id":"l","tier":"t","status":"s","seats":1,"seats_used":0}}"#
        var bytes = Array(text.utf8)
        let input = try bytes.withUnsafeMutableBytes { try HookValueReader.read(UnsafeRawBufferPointer($0)) }
        #expect(bench.issues("on_seat_request", input).map(\.description) == ["user.role: is given twice"])
    }

    // MARK: Promotion

    private static func promotion(_ live: PolicyFolder, _ archive: PolicyArchive) -> PolicyPromotion {
        PolicyPromotion(directory: live.url, archive: archive, definitions: Hooked.all, data: [])
    }

    @Test("a kept set that was edited is not given to whoever asks for its hash")
    func tampered() throws {
        let live = try Self.folder()
        let archive = PolicyArchive(directory: live.url.deletingLastPathComponent().appending(path: "kept"))
        let engine = live.engine()
        engine.keep(in: archive)
        let first = try engine.load()
        try live.write("x/y/policy.lua", Self.good + " -- two")
        let second = try engine.load()
        let kept = try #require(archive.folder(first.hex))
        try Data((Self.good + " -- evil").utf8).write(to: kept.appending(path: "x/y/policy.lua"))
        #expect {
            try Self.promotion(live, archive).promote(kept, replacing: second.hex)
        } throws: { error in
            "\(error)".hasPrefix("policies: the kept set \(first.short) was edited: it holds ")
        }
        #expect(try engine.load() == second)
    }

    @Test("a link in the folder does not lead what is promoted out of it")
    func promotedThroughLink() throws {
        let live = try Self.folder()
        let outside = live.url.deletingLastPathComponent().appending(path: "outside")
        try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
        try Self.link(live.url.appending(path: "z"), to: "../outside")
        let archive = PolicyArchive(directory: live.url.deletingLastPathComponent().appending(path: "kept"))
        let now = try live.engine().load()
        let candidate = try PolicyFolder([
            "init.lua": "return { platform = { 'x/y' } }", "x/y/policy.lua": Self.good,
            "z/w/policy.lua": "return { id = 'z.w', api = 1, on_seat_request = function() end }",
        ])
        _ = try Self.promotion(live, archive).promote(candidate.url, replacing: now.hex)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path) == [])
        #expect(FileManager.default.fileExists(atPath: live.url.appending(path: "z/w/policy.lua").path))
    }

    @Test("two ways to write one letter are two texts: what is promoted is what was tested, byte for byte")
    func normalised() throws {
        let live = try PolicyFolder.single(Self.good + " -- e\u{301}")
        let archive = PolicyArchive(directory: live.url.deletingLastPathComponent().appending(path: "kept"))
        let now = try live.engine().load()
        let candidate = try PolicyFolder.single(Self.good + " -- \u{E9}")
        let done = try Self.promotion(live, archive).promote(candidate.url, replacing: now.hex)
        #expect(done.after != done.before)
        #expect(try live.engine().load() == done.after)
    }

    @Test("the beginning of a hash is hexadecimal: nothing in it leads out of the archive")
    func paths() throws {
        let archive = PolicyArchive(directory: try Self.folder().url.appending(path: "kept"))
        for name in ["../x", "....", "/etc", "", "*", "0000/../../", "\u{0}\u{0}\u{0}\u{0}"] { #expect(archive.folder(name) == nil) }
    }
}
