import Foundation
import LicenseTesting
import Synchronization
import Testing
import Vocabulary

struct SeatRunTests {
    /// A platform with one seat's answers; `beat` says what a heartbeat meets.
    static func platform(
        interval: Int64 = 300, term: Int64? = nil, beat: @escaping @Sendable () -> (Int, JSONValue) = { (200, ["status": "ok"]) }
    ) throws
        -> FakePlatform
    {
        try FakePlatform { request in
            switch request.path {
            case "/api/v1/licenses/acquire":
                (
                    200,
                    [
                        "license_id": "l", "session_id": "s-1", "seats_used": 1, "seats_total": 1,
                        "expires_at": .string(term.map { (SystemClock().now() + .seconds($0)).iso8601 } ?? "2999-01-15T08:06:00Z"),
                        "signature": "00", "heartbeat_interval": .int(interval), "epoch": 1,
                    ]
                )
            case "/api/v1/licenses/heartbeat": beat()
            case "/api/v1/licenses/release": (200, ["status": "released"])
            default: (404, ["error": "not_found", "message": "There is no such object."])
            }
        }
    }

    @Test("the command runs under a seat, its exit code is passed on, and the seat is given back")
    func exitCode() throws {
        let platform = try Self.platform()
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let outcome = try shell.run("seat", "run", "--device", "demo", "--", "sh", "-c", "echo \"$0 $1\"; exit 7", "a b", "--device")
        #expect(outcome.code == 7)
        #expect(outcome.out == "a b --device\n")
        #expect(platform.requests.map(\.path) == ["/api/v1/licenses/acquire", "/api/v1/licenses/release"])
        #expect(platform.requests[0].body["hardware_id"] == "demo")
        #expect(platform.requests[1].body == ["session_id": "s-1"])
        #expect(try shell.run("seat", "run", "--", "no-such-command-here").code == 127)
        #expect(platform.count("/release") == 2)
        #expect(try shell.run("seat", "run", "--", "/etc/passwd").code == 126)
        #expect(try shell.run("seat", "run").code == 64)
    }

    @Test("a refusal says why and when to try again, and the command does not run")
    func refused() throws {
        let answers = Mutex<[(Int, JSONValue)]>([
            (429, ["error": "no_seats_available", "message": "No seat is free.", "seats_used": 1, "seats_total": 1, "retry_after": 312]),
            (403, ["error": "policy_denied", "message": "A policy refused this.", "reason": "outside_hours", "retry_after": 3_600]),
            (403, ["error": "policy_denied", "message": "A policy refused this.", "reason": "not_here"]),
            (403, ["error": "license_suspended", "message": "The licence is suspended."]),
        ])
        let platform = try FakePlatform { _ in answers.withLock { $0.removeFirst() } }
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let expected: [(Int32, String)] = [
            (75, "no seat free: 1 of 1 in use; try again in 5 min 12 s"), (75, "refused by policy: outside_hours; try again in 1 h"),
            (77, "refused by policy: not_here; ask your administrator"),
            (77, "the licence is suspended; settle the payment: \(platform.address)/licence"),
        ]
        for (code, message) in expected {
            let outcome = try shell.run("seat", "run", "--", "echo", "ran")
            #expect(outcome.code == code)
            #expect(outcome.err == "coditect: \(message)\n")
            #expect(outcome.out.isEmpty)
        }
    }

    @Test("two processes of one device share a lease, and only the last one gives it back")
    func shared() throws {
        let platform = try Self.platform()
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let mark = shell.home.appendingPathComponent("go").path
        let first = try shell.start(["seat", "run", "--", "sh", "-c", "until [ -e \(mark) ]; do sleep 0.05; done"])
        #expect(platform.waits(for: "/acquire"))
        #expect(try shell.run("seat", "run", "--", "true").code == 0)
        #expect(platform.count("/release") == 0)
        _ = FileManager.default.createFile(atPath: mark, contents: nil)
        #expect(first.wait().code == 0)
        #expect(platform.count("/release") == 1)
    }

    @Test("a holder that was killed is not counted")
    func killed() throws {
        let platform = try Self.platform()
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let whistle = try Whistle(in: shell.home)
        let first = try shell.start(["seat", "run", "--", "sh", "-c", "echo $$ > \(whistle.path); exec sleep 600"])
        let command = try #require(whistle.heard().flatMap { Int32($0) })
        kill(first.process.processIdentifier, SIGKILL)
        kill(command, SIGKILL)
        _ = first.wait()
        #expect(try shell.run("seat", "run", "--", "true").code == 0)
        #expect(platform.count("/release") == 1)
    }

    @Test("a signal from another process reaches the command, and the seat is given back")
    func signals() throws {
        let platform = try Self.platform()
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let whistle = try Whistle(in: shell.home)
        let command = "trap 'echo asked to end; exit 9' TERM; echo ready > \(whistle.path); while :; do sleep 0.05; done"
        let run = try shell.start(["seat", "run", "--", "sh", "-c", command])
        #expect(whistle.heard() == "ready")
        kill(run.process.processIdentifier, SIGTERM)
        let outcome = run.wait()
        #expect(outcome.code == 9)
        #expect(outcome.out == "asked to end\n")
        #expect(platform.count("/release") == 1)
    }

    @Test("heartbeats go out while the command runs; a seat that is taken away stops it, with the operator's reason")
    func lost() throws {
        let beats = Mutex(0)
        let platform = try Self.platform(interval: 1) {
            let count = beats.withLock { beats in
                beats += 1
                return beats
            }
            return count < 2
                ? (200, ["status": "ok"])
                : (409, ["error": "lease_ended_by_operator", "message": "An operator of the tenant released the seat.", "reason": "demo"])
        }
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let outcome = try shell.run("seat", "run", "--on-loss", "stop", "--", "sleep", "600")
        #expect(outcome.code == 75)
        #expect(
            outcome.err
                == "coditect: the seat is gone: an operator released the seat: demo; ask your administrator; stopping the command\n")
        #expect(beats.withLock { $0 } == 2)
    }

    @Test("a lost seat stops the command at the end of its lease's last term, says so at once, and 75 tells a script why")
    func graceOfTheLease() throws {
        let platform = try Self.platform(interval: 1, term: 4) {
            (409, ["error": "lease_ended_by_operator", "message": "Released.", "reason": "demo"])
        }
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let outcome = try shell.run(
            "seat", "run", "--grace-seconds", "1", "--", "sh", "-c", "trap 'echo saved; exit 0' TERM; while :; do sleep 0.05; done")
        #expect(outcome.code == 75)
        #expect(outcome.out == "saved\n")
        let told = "coditect: the seat is gone: an operator released the seat: demo; ask your administrator; the command is stopped in "
        #expect(outcome.err.hasPrefix(told))
        #expect(outcome.err.hasSuffix("save your work\n"))
    }

    @Test("with --on-loss continue the command ends by itself, with its own exit code")
    func goesOn() throws {
        let told = Mutex(false)
        let shell = try Shell()
        let mark = shell.home.appendingPathComponent("lost").path
        let platform = try Self.platform(interval: 1) {
            let isSecond = told.withLock { told in
                defer { told = true }
                return told
            }
            if isSecond { _ = FileManager.default.createFile(atPath: mark, contents: nil) }
            return (403, ["error": "license_suspended", "message": "The licence is suspended."])
        }
        defer { platform.close() }
        try shell.signIn(platform)
        let run = try shell.start(
            [
                "seat", "run", "--json", "--on-loss", "continue", "--", "sh", "-c",
                "while [ $(wc -c < \(mark)x) = 0 ]; do sleep 0.05; done; exit 5",
            ])
        _ = FileManager.default.createFile(atPath: "\(mark)x", contents: nil)
        #expect(platform.waits(for: "/heartbeat"))
        try "go".write(toFile: "\(mark)x", atomically: false, encoding: .utf8)
        let outcome = run.wait()
        #expect(outcome.code == 5)
        let events = outcome.err.split(separator: "\n").compactMap { try? JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
        #expect(events.first?["event"] == "held")
        for event in events where event["event"] == "lost" { #expect(event["stops_in_seconds"] == .null) }
    }

    @Test("--wait asks until a seat is free; --wait-seconds gives up; a signal ends the waiting")
    func waits() throws {
        let asked = Mutex(0)
        let platform = try FakePlatform { request in
            guard request.path == "/api/v1/licenses/acquire" else { return (200, ["status": "released"]) }
            let count = asked.withLock { asked in
                asked += 1
                return asked
            }
            if count % 3 == 0 {
                return (
                    200,
                    [
                        "license_id": "l", "session_id": "s-1", "seats_used": 1, "seats_total": 1, "expires_at": "2999-01-15T08:06:00Z",
                        "signature": "00", "heartbeat_interval": 300, "epoch": 1,
                    ]
                )
            }
            return (429, ["error": "no_seats_available", "seats_used": 1, "seats_total": 1, "retry_after": 1])
        }
        defer { platform.close() }
        let shell = try Shell()
        try shell.signIn(platform)
        let waited = try shell.run("seat", "run", "--wait", "--", "echo", "ran")
        #expect(waited.code == 0)
        #expect(waited.out == "ran\n")
        #expect(waited.err == String(repeating: "coditect: no seat free: 1 of 1 in use; asking again in 1 s\n", count: 2))
        let impatient = try shell.run("seat", "run", "--wait-seconds", "0", "--", "echo", "ran")
        #expect(impatient.code == 75)
        let run = try shell.start(["seat", "run", "--wait-seconds", "600", "--", "echo", "ran"])
        #expect(platform.waits(for: "/acquire", beyond: platform.count("/acquire")))
        kill(run.process.processIdentifier, SIGTERM)
        let ended = run.wait()
        #expect([143, 0].contains(ended.code))
    }

    @Test("a lease that expired while the machine slept is asked for again, and the command goes on")
    func slept() throws {
        let shell = try Shell()
        let mark = shell.home.appendingPathComponent("beaten-again").path
        let beats = Mutex(0)
        let platform = try Self.platform(interval: 1) {
            let count = beats.withLock { beats in
                beats += 1
                return beats
            }
            if count > 1 { _ = FileManager.default.createFile(atPath: mark, contents: nil) }
            return count == 1 ? (409, ["error": "lease_expired", "message": "The lease expired."]) : (200, ["status": "ok"])
        }
        defer { platform.close() }
        try shell.signIn(platform)
        let outcome = try shell.run("seat", "run", "--", "sh", "-c", "until [ -e \(mark) ]; do sleep 0.05; done; exit 4")
        #expect(outcome.code == 4)
        #expect(platform.count("/acquire") == 2)
    }

    @Test("without the server, the signed file of this device stands in for the seat; without a file nothing runs")
    func offline() async throws {
        let maker = try await FileMaker()
        let platform = try Self.platform()
        let shell = try Shell()
        try shell.signIn(platform)
        platform.close()
        let without = try shell.run("seat", "run", "--device", "demo", "--", "echo", "ran")
        #expect(without.code == 69)
        #expect(without.out.isEmpty)

        let signed = maker.file("demo")
        let held: JSONValue = [
            "server": .string(platform.address), "key": "k", "hardware_id": "demo", "license_id": .string(maker.license.description),
            "file": signed, "public_keys": maker.ring.licenseKeysDocument(), "latest_seen": 0,
        ]
        try JSONEncoder().encode(held).write(to: shell.file("license.json"))
        let with = try shell.run("seat", "run", "--device", "demo", "--", "echo", "ran")
        #expect(with.code == 0)
        #expect(with.out == "ran\n")
        #expect(with.err.contains("running under the offline licence"))
        #expect(try shell.run("seat", "run", "--device", "other", "--", "echo", "ran").code == 65)
    }
}
