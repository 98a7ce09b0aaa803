import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import LocalWorkstation

@Suite("Workstations on this machine")
struct LocalWorkstationTests {
    private static let key = WorkstationKey(tenant: "018f3a00-0000-7000-8000-000000000001", name: "018f3a00-0000-7000-8000-00000000000a")
    private static let size = WorkstationSize(machine: "standard-2", diskBytes: 1 << 20, idleStop: .hours(1))

    private func all(_ task: WorkstationTask, _ machine: Machine, _ key: WorkstationKey = key) async throws {
        let shop = machine.shop()
        for name in try await shop.steps(for: task) {
            while true {
                guard case .underWay = try await shop.carryOut(WorkstationStep(key: key, task: task, name: name)) else { break }
                await machine.settle()
            }
        }
    }
    private func said(_ work: () async throws -> Void) async -> String {
        do { try await work() } catch { return "\(error)" }
        return "done"
    }
    private func program(_ text: String, in machine: Machine) throws -> String {
        try FileManager.default.createDirectory(at: machine.root, withIntermediateDirectories: true)
        let file = machine.root.appendingPathComponent("program")
        try Data("#!/bin/sh\n\(text)\n".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        return file.path
    }
    /// Waits until its keeper has said its last words.
    private func end(_ machine: Machine, _ key: WorkstationKey = key) async throws -> String {
        while true {
            if case .ended(let why) = try machine.real.life(key) { return why }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
    private func keeper(_ machine: Machine) throws -> pid_t {
        let text = try String(contentsOfFile: machine.plan.place(Self.key) + "/lock", encoding: .utf8)
        return try #require(text.split(separator: " ").first.flatMap { pid_t($0) })
    }
    private func processes(_ machine: Machine) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.filter { pid in
            guard let text = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else { return false }
            return String(decoding: text, as: UTF8.self).contains("CODITECT_WORKSTATION=\(machine.root.path)/")
        }
    }

    @Test("it passes every clause of the kit, with real keepers and processes")
    func conformance() async {
        let findings = await ProvisionerConformance(LocalSubject()).run()
        #expect(findings.count >= 17 && !findings.contains(where: \.isSkipped))
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
    }

    @Test("what writes more than its quota is stopped, and does not start until it has more room")
    func quota() async throws {
        let first = try Machine()
        let text = "head -c 3000000 /dev/zero | split -b 400000 - \"$HOME/part-\"; sleep 3600"
        let machine = try Machine(["command": .string(try program(text, in: first)), "reads": .string(first.root.path)])
        try await #expect(throws: ProvisionerError.self) { try await all(.create(Self.size), machine) }
        #expect(try await end(machine) == "ended: its disk holds more than 1048576 bytes")
        let again = await said { try await all(.create(Self.size), machine) }
        #expect(again.hasPrefix("full: its disk holds") && again.hasSuffix("and may hold 1048576"), "\(again)")
        #expect(try processes(machine).isEmpty)
        try await all(.delete, machine)
        #expect(try await machine.things.isEmpty)
    }

    @Test("what listens to other machines, never listens, or ends by itself is told so, and nothing of it stays")
    func failures() async throws {
        for (text, why) in [
            ("exec python3 -m http.server \"$WORKSTATION_PORT\"", "it listens to other machines"),
            ("sleep 3600", "it did not listen within 1 s"), ("echo no; exit 7", "by itself with code 7"),
            ("setsid sleep 3600 & kill -9 $$", "by itself with signal 9"),
        ] {
            let place = try Machine()
            let machine = try Machine(["command": .string(try program(text, in: place)), "start_seconds": why.contains("1 s") ? 1 : 60])
            let told = await said { try await all(.create(Self.size), machine) }
            #expect(told.hasPrefix("unavailable: it does not start: ended") && told.hasSuffix(why), "\(told)")
            #expect(try processes(machine).isEmpty)
            #expect(try await machine.shop().observe(Self.key).state == .provisioning)
        }
    }

    /// Takes `port` at `[::1]` as another program would, listening; nil where it cannot.
    private func squat(_ port: Int) -> Int32? {
        let door = socket(AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var (on, own) = (Int32(1), sockaddr_in6())
        setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        (own.sin6_family, own.sin6_port, own.sin6_addr) = (sa_family_t(AF_INET6), in_port_t(port).bigEndian, in6addr_loopback)
        let isTaken = withUnsafePointer(to: &own) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(door, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0 && listen(door, 1) == 0
            }
        }
        if isTaken { return door }
        close(door)
        return nil
    }

    @Test("a port that another program has at [::1], where browsers ask first, is not given; while a workstation runs nobody gets it there")
    func otherDoor() async throws {
        // Below those that the system gives to whoever connects, and beside those of the other tests.
        let probe = try Machine()
        let port = try #require((20_000..<20_900).first { probe.isFree(port: $0) })
        let squatter = try #require(squat(port))
        let machine = try Machine(["first_port": .int(Int64(port)), "last_port": .int(Int64(port))])
        let told = await said { try await all(.create(Self.size), machine) }
        #expect(told.hasPrefix("full: "), "\(told)")
        close(squatter)
        try await all(.create(Self.size), machine)
        #expect(try machine.record(Self.key)?.port == port)
        #expect(squat(port) == nil)
        try await all(.delete, machine)
        close(try #require(squat(port)))
    }

    @Test("a program sees its disk and the system's programs; neither files, ports nor processes of others")
    func walls() async throws {
        let place = try Machine()
        let look = """
            cd "$HOME"
            ls / >root 2>&1; cat \(place.root.path)/program >beside 2>&1; echo x >"$HOME/../record.json" 2>record
            kill -0 $(cut -d' ' -f1 ../lock) 2>signal; cat /proc/$PPID/environ >environ 2>&1
            python3 -c 'import socket; socket.create_connection(("127.0.0.1", 9))' 2>connect
            python3 -c 'import socket; socket.socket().bind(("127.0.0.1", 20999))' 2>bind
            grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status >status; env | cut -d= -f1 | grep -v OLDPWD | sort | tr '\\n' ' ' >names
            """
        let machine = try Machine(["command": .string(try program(look, in: place))])
        _ = await said { try await all(.create(Self.size), machine) }
        func seen(_ name: String) -> String {
            FileManager.default.contents(atPath: machine.plan.place(Self.key) + "/disk/\(name)").map { String(decoding: $0, as: UTF8.self) }
                ?? ""
        }
        for name in ["root", "environ"] { #expect(seen(name).contains("ermission denied"), "\(name): \(seen(name))") }
        let linux = ProcessInfo.processInfo.operatingSystemVersion
        // What a kernel's Landlock knows: TCP since 6.7, signals since 6.12.
        if (linux.majorVersion, linux.minorVersion) >= (6, 7) {
            for name in ["connect", "bind"] { #expect(seen(name).contains("PermissionError"), "\(name): \(seen(name))") }
        }
        if (linux.majorVersion, linux.minorVersion) >= (6, 12) { #expect(!seen("signal").isEmpty) }
        #expect(try machine.record(Self.key) != nil)
        #expect(seen("status").contains("NoNewPrivs:\t1") && seen("status").contains("CapEff:\t0000000000000000"), "\(seen("status"))")
        #expect(
            seen("names")
                == "CODITECT_WORKSTATION HOME LANG PATH PWD TMPDIR WORKSTATION_CONNECTS WORKSTATION_HOST WORKSTATION_PORT WORKSTATION_TOKEN "
        )
    }

    @Test("each start has another token, which only a visitor with it gets past")
    func tokens() async throws {
        let machine = try Machine()
        try await all(.create(Self.size), machine)
        let place = "\(Self.key.tenant)/\(LocalPlan.secretPlace(Self.key))"
        let first = try #require(try await machine.bench.space.get(place))
        let port = try #require(try machine.record(Self.key)).port
        func status(_ token: Data) throws -> String {
            let ended = try KeeperCommand.run(
                "/usr/bin/python3",
                [
                    "-c",
                    "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', \(port)); c.request('GET', '/?token=' + sys.argv[1]); print(c.getresponse().status)",
                    String(decoding: token, as: UTF8.self),
                ], [])
            return ended.said.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        #expect(first.count == 64)
        #expect(try status(first) == "200")
        #expect(try status(Data()) == "403")
        #expect(try status(first + Data("0".utf8)) == "403")
        try await all(.stop, machine)
        try await all(.start, machine)
        let second = try #require(try await machine.bench.space.get(place))
        #expect(try status(first) == "403")
        #expect(try status(second) == "200")
    }

    @Test("a keeper that was killed is found out: its workstation has stopped, what it left is ended, and one runs after a start")
    func killed() async throws {
        let place = try Machine()
        let text = "setsid sleep 3600 & exec python3 -m http.server --bind 127.0.0.1 \"$WORKSTATION_PORT\""
        let machine = try Machine(["command": .string(try program(text, in: place))])
        try await all(.create(Self.size), machine)
        #expect(try processes(machine).count == 2)
        kill(try keeper(machine), SIGKILL)
        _ = try await end(machine)
        let shown = try await machine.shop().observe(Self.key)
        #expect(shown.state == .stopped && shown.address == nil && !shown.note.isEmpty)
        try await all(.start, machine)
        #expect(try processes(machine).count == 2)
        #expect(try await machine.shop().observe(Self.key).state == .running)
        kill(try keeper(machine), SIGKILL)
        _ = try await end(machine)
        try await all(.delete, machine)
        #expect(try processes(machine).isEmpty)
        #expect(try await machine.things.isEmpty)
    }

    @Test("a server that died between writing down that it is off and ending it, or in the midst of taking it away, is found out")
    func halfWay() async throws {
        let machine = try Machine()
        try await all(.create(Self.size), machine)
        for (state, task) in [(WorkstationState.stopped, WorkstationTask.stop), (.suspended, .suspend)] {
            var record = try #require(try machine.record(Self.key))
            record.state = state
            try machine.write(record)
            #expect(try await machine.shop().observe(Self.key).state == .running)
            #expect(await said { try await all(.resize(Self.size), machine) }.hasPrefix(state == .stopped ? "done" : "conflict"))
            try await all(task, machine)
            #expect(try await machine.shop().observe(Self.key).state == state)
            #expect(try processes(machine).isEmpty)
            if state == .stopped { try await all(.start, machine) }
        }
        let aside = "\(machine.plan.leaving)/\(Self.key.tenant)+\(Self.key.name)+x"
        try FileManager.default.createDirectory(atPath: machine.plan.leaving, withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: machine.plan.place(Self.key), toPath: aside)
        #expect(try await machine.shop().observe(Self.key).state == .deleting)
        #expect(try await machine.shop().list(tenant: Self.key.tenant).map(\.state) == [.deleting])
        try await all(.delete, machine)
        #expect(try await machine.shop().observe(Self.key).state == .absent)
        #expect(try await machine.things.isEmpty)
    }

    @Test("another server finds it at work, and without one it ends by itself")
    func servers() async throws {
        let machine = try Machine(["outlives_seconds": 0])
        try await all(.create(Self.size), machine)
        let keeper = try keeper(machine)
        let next = DiskGround(machine.plan)
        try next.attend()
        machine.real.leave()
        #expect(try next.life(Self.key) == .ready)
        #expect(try self.keeper(machine) == keeper)
        next.leave()
        #expect(try await end(machine) == "ended: no server was there for 0 s")
        #expect(try await machine.shop().observe(Self.key).state == .stopped)
    }

    @Test("a tree of any depth, without rights and full of links, is taken away and leads nowhere")
    func trees() async throws {
        let machine = try Machine()
        try await all(.create(Self.size), machine)
        try await all(.stop, machine)
        let beside = machine.root.appendingPathComponent("beside")
        try Data("kept".utf8).write(to: beside)
        let text = """
            import os
            os.chdir('\(machine.plan.place(Self.key))/disk')
            os.symlink('\(machine.root.path)', 'link'); os.mkfifo('pipe'); os.mkdir('closed'); os.mkdir('closed/in'); os.chmod('closed', 0)
            for _ in range(3000):
                os.mkdir('d' * 100); os.chdir('d' * 100)
            """
        #expect(try KeeperCommand.run("/usr/bin/python3", ["-c", text], []).code == 0)
        #expect(await said { try await all(.start, machine) }.hasPrefix("full"))
        try await all(.delete, machine)
        #expect(try await machine.things.isEmpty)
        #expect(try String(contentsOf: beside, encoding: .utf8) == "kept")
    }

    @Test("settings that lead out of a folder, or name no address, are refused")
    func settings() throws {
        for (name, value) in [
            ("root", "workstations"), ("root", "/var/../etc"), ("command", "jupyter lab"), ("reads", "/opt:opt"),
            ("address", "javascript:{name}"),
            ("address", "http://{name}/?x"), ("last_port", ""),
        ] {
            #expect(throws: (any Error).self, "\(name) \(value)") { _ = try Machine([name: name == "last_port" ? 1_025 : .string(value)]) }
        }
        let texts = ["a", "A", "a.b", "a_b", "x-1", "-a", "a-", String(repeating: "a", count: 41)]
        #expect(Set(texts.map(LocalPlan.label)).count == texts.count)
    }
}
