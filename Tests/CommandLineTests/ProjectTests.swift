import Foundation
import LicenseClient
import Synchronization
import Testing
import Vocabulary

@testable import coditect

struct ProjectTests {
    static func json(_ text: String) throws -> JSONValue { try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) }

    @Test("init makes a folder with a file that seat run obeys, and never touches one that is there")
    func makes() throws {
        let shell = try Shell()
        let place = shell.home.appendingPathComponent("work/engine").path
        let made = try shell.run("init", place, "--server", "https://example.com", "--on-loss", "stop", "--wait-seconds", "30")
        #expect(made.code == 0)
        #expect(made.out.hasPrefix("Made the project engine: \(place)/coditect.json\nNext:\n"))
        let project = try Project.read("\(place)/coditect.json")
        #expect(project == Project(name: "engine", server: "https://example.com", license: nil, onLoss: .stop, waitSeconds: 30))
        let again = try shell.run("init", place, "--json")
        #expect(again.code == 73)
        let error = try Self.json(again.err)
        #expect(error["error"] == "project_exists")
        #expect(error["exit_code"] == 73)
        #expect(try Project.read("\(place)/coditect.json") == project)
        try FileManager.default.createDirectory(atPath: "\(place)/deep/er", withIntermediateDirectories: true)
        #expect(try Project.find(from: "\(place)/deep/er")?.project == project)
        #expect(try Project.find(from: "/") == nil)
    }

    @Test("a project never sends anybody to another server than the one signed in to")
    func otherServer() throws {
        let platform = try SeatRunTests.platform()
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let place = shell.home.appendingPathComponent("p").path
        try shell.run("init", place, "--server", "https://elsewhere.example")
        let outcome = try shell.start(["seat", "run", "--", "true"], folder: place).wait()
        #expect(outcome.code == 78)
        #expect(outcome.err.contains("wants https://elsewhere.example, but you are signed in to \(platform.address)"))
        #expect(platform.requests.isEmpty)
    }

    @Test("the licence of a project is asked for")
    func license() throws {
        let platform = try SeatRunTests.platform()
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let place = shell.home.appendingPathComponent("p").path
        let id = "0197a5c0-0000-7000-8000-000000000001"
        #expect(try shell.run("init", place, "--license", id, "--json").code == 0)
        #expect(try shell.start(["seat", "run", "--", "true"], folder: place).wait().code == 0)
        #expect(platform.requests[0].body["license_id"] == .string(id))
    }

    @Test(
        "a project file with a mistake names it",
        arguments: [
            ("{", "not JSON"), ("[]", "not JSON"), (#"{"name": "a"}"#, "name and server are needed"),
            (#"{"name": "a", "server": "s", "onloss": "stop"}"#, "onloss is none of"),
            (#"{"name": "a", "server": "s", "on_loss": "panic"}"#, "on_loss is one of grace, stop, continue"),
            (#"{"name": "a", "server": "s", "wait_seconds": -1}"#, "wait_seconds is a number"),
            (#"{"name": "a", "server": "s", "license": "x"}"#, "license is the id"), (#"{"name": 1, "server": "s"}"#, "name and server"),
        ])
    func mistakes(_ text: String, _ reason: String) throws {
        let shell = try Shell()
        let path = shell.home.appendingPathComponent("coditect.json").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let failure = #expect(throws: Failure.self) { try Project.read(path) }
        #expect(failure?.message.contains(reason) == true, "\(failure?.message ?? "")")
        #expect(failure?.code == .notSetUp)
    }

    @Test("every command answers in JSON, errors included")
    func jsonEverywhere() throws {
        let platform = try FakePlatform { request in
            request.path.hasSuffix("login")
                ? (200, AccountTests.tokens(1))
                : request.path.hasSuffix("logout") ? (204, nil) : (404, ["error": "not_found", "message": "No."])
        }
        defer { platform.close() }
        let shell = try Shell()
        let login = try shell.run(
            "login", "--json", "--server", platform.address, "--email", "a@example.com", "--password-stdin", input: "x\n")
        #expect(try Self.json(login.out)["signed_in"] == true)
        #expect(try Self.json(try shell.run("logout", "--json").out) == ["signed_in": false, "ended_on_server": true])
        #expect(try Self.json(try shell.run("completion", "fish", "--json").out)["shell"] == "fish")
        let cases: [([String], String, Int64)] = [
            (["activate", "nonsense", "--json"], "license_key_malformed", 65), (["deactivate", "--json"], "not_activated", 78),
            (["status", "--json"], "not_activated", 78), (["license", "status", "--json"], "not_activated", 78),
            (["seat", "run", "--json", "--", "true"], "not_signed_in", 78),
            (["login", "--json", "--server", "http://127.0.0.1:1", "--email", "a", "--password-stdin"], "unreachable", 69),
        ]
        for (arguments, error, code) in cases {
            let outcome = try shell.start(arguments, input: "x\n").wait()
            #expect(outcome.out.isEmpty)
            let json = try Self.json(outcome.err)
            #expect(json["error"] == .string(error), "\(arguments)")
            #expect(json["exit_code"] == .int(code))
            #expect(outcome.code == Int32(code))
        }
    }

    @Test("bash completes commands, options and their values by the script that the command prints")
    func bash() throws {
        let shell = try Shell()
        let script = shell.home.appendingPathComponent("completion.bash")
        try shell.run("completion", "bash").out.write(to: script, atomically: true, encoding: .utf8)
        func complete(_ words: String...) throws -> Set<String> {
            let line = (["coditect"] + words).joined(separator: " ")
            let quoted = (["coditect"] + words).map { "'\($0)'" }.joined(separator: " ")
            let program = """
                source '\(script.path)'
                function=$(complete -p coditect | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')
                COMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count); COMP_LINE='\(line)'; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
                $function coditect '\(words.last ?? "")' '\(words.dropLast().last ?? "coditect")'
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = ["--norc", "--noprofile", "-c", program]
            process.environment = [
                "PATH": "\(Shell.program.deletingLastPathComponent().path):/usr/bin:/bin", "HOME": shell.home.path,
            ]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let out = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return Set(String(decoding: out, as: UTF8.self).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
        }
        #expect(try complete("lo") == ["login", "logout"])
        #expect(try complete("").isSuperset(of: ["activate", "deactivate", "status", "seat", "init", "completion"]))
        #expect(try complete("seat", "").contains("run"))
        #expect(try complete("seat", "run", "--on").contains("--on-loss"))
        #expect(try complete("seat", "run", "--on-loss", "") == ["grace", "stop", "continue"])
        #expect(try complete("completion", "z") == ["zsh"])
        #expect(try complete("login", "--pass") == ["--password-stdin"])
    }

    @Test("help says what a command does, with examples and every exit code")
    func help() throws {
        let shell = try Shell()
        let top = try shell.run("--help")
        #expect(top.code == 0)
        for code in Failure.Code.allCases where code != .interrupted { #expect(top.out.contains("\(code.rawValue) "), "\(code)") }
        for command in ["login", "logout", "activate", "deactivate", "status", "seat", "borrow", "return", "init", "completion"] {
            #expect(top.out.contains(command))
            #expect(try shell.run(command, "--help").out.contains("OVERVIEW:"))
        }
        #expect(try shell.run("seat", "run", "--help").out.contains("--on-loss"))
        #expect(try shell.run("nonsense").code == 64)
        #expect(try shell.run("--version").out == "coditect 1\n")
    }

    @Test("the reference names every exit code, every event of a seat, every choice on loss and every option of seat run")
    func reference() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference/coditect.md"), encoding: .utf8)
        for code in Failure.Code.allCases where code != .interrupted { #expect(page.contains("| \(code.rawValue) |"), "\(code)") }
        let error = LicenseClientError(.noSeat, "none", next: "wait")
        let notices: [SeatNotice] = [
            .held(used: 1, total: 1), .waiting(error, .zero), .unsure(error, left: .zero), .answered, .revived, .asking(error),
            .offline(error, until: .distantFuture), .borrowed(error, until: .distantFuture), .regained, .lost(error, grace: .zero),
        ]
        for notice in notices { #expect(page.contains("`\(notice.line.event)`"), "\(notice.line.event)") }
        for choice in OnLoss.allCases { #expect(page.contains("| `\(choice.rawValue)`")) }
        let help = try Shell().run("seat", "run", "--help").out
        for option in ["--wait", "--wait-seconds", "--on-loss", "--grace-seconds"] {
            #expect(page.contains("`\(option)") && help.contains(option), "\(option)")
        }
        for member in Project.CodingKeys.allCases { #expect(page.contains("| `\(member.rawValue)` |"), "\(member.rawValue)") }
    }
}
