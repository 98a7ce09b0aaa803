import Foundation
import PluginHost
import PluginKit
import Testing

/// A plugin in a child process: what it cannot reach, and what its death costs.
@Suite(.serialized, .timeLimit(.minutes(5))) struct IsolationTests {
    private func working(_ bench: Bench) async throws -> (PluginHost, any PaymentProvider) {
        try bench.place()
        let host = bench.host()
        let report = await host.load()
        #expect(report.refused == [])
        return (host, try #require(host.paymentProvider("misbehaving")))
    }
    private func outcome(_ call: () async throws -> Void) async -> PaymentOutcome? {
        do {
            try await call()
            return nil
        } catch { return (error as? PaymentProviderError)?.outcome }
    }

    @Test(
        "a child that dies or breaks the protocol in the middle of a charge leaves the outcome unknown, and is at work again",
        arguments: [
            "segfaults", "traps", "kills_itself", "aborts", "leaves", "eats_memory", "writes_garbage", "writes_a_long_frame",
            "answers_unasked", "answers_twice", "asks_for_nothing_known", "closes_the_socket", "floods_the_log",
        ])
    func dies(_ way: String) async throws {
        let bench = try Bench(.process)
        let (host, provider) = try await working(bench)
        let before = try #require(host.children.first?.process)
        async let neighbour = outcome { _ = try await provider.startCheckout(checkout("waits")) }
        await bench.clock.sleepers(2)
        #expect(await outcome { _ = try await provider.startCheckout(checkout(way)) } == .unknown)
        #expect(await neighbour == .unknown, "what was under way beside it is unknown too")
        await bench.revived(host, deaths: 1)
        #expect(try await provider.startCheckout(checkout("pro")).id == "cs_ref_1")
        let refund = RefundRequest(payment: "pi_1", amount: nil, reason: .duplicate, idempotencyKey: "k")
        #expect(try await provider.refund(refund).fact.refund == "re_1")
        #expect(host.children.first?.process != before && kill(pid_t(before), 0) != 0, "the old one is reaped")
        #expect(bench.lines.contains { $0.contains("A plugin's process died") && $0.contains("breaker=closed") })
        await host.stop()
        #expect(host.children == [])
    }

    @Test("a child killed from outside costs the calls under way, nothing more")
    func killed() async throws {
        let bench = try Bench(.process)
        let (host, provider) = try await working(bench)
        async let charge = outcome { _ = try await provider.startCheckout(checkout("waits")) }
        await bench.clock.sleepers(2)
        let process = try #require(host.children.first?.process)
        #expect(host.standings().map { $0.child?.process } == [process], "the list says where it runs")
        #expect(kill(pid_t(process), SIGKILL) == 0)
        #expect(await charge == .unknown)
        await bench.revived(host, deaths: 1)
        #expect(host.children.first?.lastEnd?.hasSuffix("signal 9") == true)
        #expect(try await provider.startCheckout(checkout("pro")).id == "cs_ref_1")
        await host.stop()
    }

    @Test(
        "a call that does not come back ends the child after its time",
        arguments: ["hangs", "spins", "spins_everywhere", "stalls_in_a_frame"])
    func hangs(_ way: String) async throws {
        let bench = try Bench(.process)
        bench.set("isolation_call_seconds", 5)
        let (host, provider) = try await working(bench)
        async let charge = outcome { _ = try await provider.startCheckout(checkout(way)) }
        while host.children.first?.deaths != 1 {
            bench.clock.advance(by: .seconds(1))
            await Task.yield()
        }
        #expect(await charge == .unknown)
        #expect(host.children.first?.lastEnd?.contains("did not come back within 5 s") == true, "\(host.children)")
        await bench.revived(host, deaths: 1)
        #expect(try await provider.startCheckout(checkout("pro")).id == "cs_ref_1")
        await host.stop()
    }

    @Test("a call that burns its processor time without coming back ends the child")
    func burns() async throws {
        let bench = try Bench(.process)
        bench.set("isolation_call_seconds", 3_600)
        bench.set("isolation_cpu_seconds", 1)
        let (host, provider) = try await working(bench)
        async let charge = outcome { _ = try await provider.startCheckout(checkout("spins")) }
        // Between two seconds of the clock the child gets real ones.
        while host.children.first?.deaths != 1 {
            bench.clock.advance(by: .seconds(1))
            for _ in 0..<5_000 { await Task.yield() }
        }
        #expect(await charge == .unknown)
        #expect(host.children.first?.lastEnd?.contains("processor time") == true, "\(host.children)")
        await host.stop()
    }

    @Test("a child that hangs while a webhook is proved answers the unknown")
    func webhooks() async throws {
        let bench = try Bench(.process)
        let (host, provider) = try await working(bench)
        let process = try #require(host.children.first?.process)
        #expect(kill(pid_t(process), SIGKILL) == 0)
        while host.children.first?.deaths == 0 { await Task.yield() }
        let delivery = WebhookDelivery(headers: [:], body: Data("{}".utf8), receivedAt: bench.clock.now())
        do {
            _ = try provider.verify(delivery)
            Issue.record("nobody could have proved it")
        } catch { #expect((error as? PaymentProviderError)?.outcome == .unknown) }
        await bench.revived(host, deaths: 1)
        #expect(throws: PaymentProviderError.forged("The signature header is missing.")) { _ = try provider.verify(delivery) }
        await host.stop()
    }

    @Test("a child starts no process, opens no file of the server, no socket, and touches no other process")
    func walls() async throws {
        let bench = try Bench(.process)
        // Descriptors that a careless library left open for whoever comes next.
        let careless = (0..<40).map { _ in open("/etc/passwd", O_RDONLY) }
        defer { for descriptor in careless { close(descriptor) } }
        let database = bench.root.appendingPathComponent("coditect.sqlite")
        try Data("rows".utf8).write(to: database)
        setenv("SECRET_OF_THE_SERVER", "seal", 1)
        let (host, provider) = try await working(bench)
        func tried(_ what: String, _ target: String = "https://x.test/") async throws -> String {
            try await provider.startCheckout(checkout(what, successURL: target)).id
        }
        for path in [
            database.path, "/etc/passwd", "/etc/shadow", "/proc/PARENT/environ", "/proc/PARENT/mem", "/proc/PARENT/maps", "/proc/self/mem",
            "/sys/kernel/notes", "/dev/sda", "/root/.profile",
        ] {
            #expect(try await tried("reads", path).hasPrefix("read_refused"), "\(path)")
        }
        for path in [database.path, bench.root.path + "/new", "/tmp/of-a-plugin", "/usr/lib/of-a-plugin"] {
            #expect(try await tried("writes", path).hasPrefix("write_refused"), "\(path)")
        }
        #expect(try await tried("forks") == "fork_refused_\(EPERM)")
        #expect(try await tried("executes") == "exec_refused_\(EPERM)")
        #expect(try await tried("connects", "8080") == "socket_refused_\(EPERM)")
        #expect(try await tried("signals") == "kill_refused_\(EPERM)")
        #expect(try await tried("traces") == "ptrace_refused_\(EPERM)")
        #expect(try await tried("environment") == "variables_0")
        #expect(try await tried("reads_its_environment") == "read_refused_\(EACCES)")
        #expect(try await tried("opens_sockets") == "sockets_0")
        #expect(try await tried("reads_its_parent") == "memory_refused_\(EPERM)")
        let descriptors = try await tried("descriptors").split(separator: "_")
        #expect(descriptors.prefix(4) == ["0", "1", "2", "3"] && descriptors.count < 20, "\(descriptors)")
        #expect(host.children.first?.deaths == 0)
        #expect(try await tried("bombs") == "bounded")
        await host.stop()
    }

    @Test("a child reads the file that the operator named in a setting which opens it, no folder and nothing beside it")
    func opened() async throws {
        let bench = try Bench(.process)
        let (list, beside) = (bench.root.appendingPathComponent("list"), bench.root.appendingPathComponent("beside"))
        for file in [list, beside] { try Data("rows".utf8).write(to: file) }
        func tried(_ path: String, naming named: URL) async throws -> String {
            bench.set("list", .string(named.path))
            try bench.place { members in
                let list: JSONValue = ["name": "list", "type": "text", "max": 4_096, "opens_file": true, "summary": "A list."]
                members["settings"] = .array((members["settings"]?.array ?? []) + [list])
            }
            let host = bench.host()
            #expect(await host.load().refused == [])
            let found = try await #require(host.paymentProvider("misbehaving")).startCheckout(checkout("reads", successURL: path)).id
            await host.stop()
            return found
        }
        #expect(try await tried(list.path, naming: list) == "read_done")
        #expect(try await tried(beside.path, naming: list) == "read_refused_\(EACCES)")
        #expect(try await tried(list.path, naming: bench.root) == "read_refused_\(EACCES)", "a folder is no file")
    }

    @Test("what a child may log and ask for at a time is bounded, and its standard error tells no secrets")
    func floods() async throws {
        let bench = try Bench(.process)
        bench.state.withLock { $0.environment["MISBEHAVING_SECRET"] = "first-secret,second-secret" }
        let (host, provider) = try await working(bench)
        #expect(try await provider.startCheckout(checkout("floods_stderr")).id == "lived")
        #expect(try await provider.startCheckout(checkout("chatters")).id == "lived")
        #expect(bench.lines.count < 300 && bench.lines.contains("misbehaving: stderr: [secret] on the loose"))
        #expect(!bench.lines.contains { $0.contains("first-secret") })
        bench.clock.advance(by: .seconds(1))
        while !bench.lines.contains(where: { $0.contains("lines_left_out=") }) { await Task.yield() }
        let asked = await outcome { _ = try await provider.startCheckout(checkout("asks_without_end")) }
        #expect(asked == nil || asked == .unknown, "an error or none, but no death")
        #expect(host.children.first?.deaths == 0)
        await host.stop()
    }

    @Test("a child that cannot be started is refused with the reason")
    func missing() async throws {
        let bench = try Bench(.process)
        try bench.place()
        let prison = PluginPrison(program: bench.root.appendingPathComponent("nothing"))
        let host = PluginHost(directory: bench.directory, copies: bench.copies, services: bench, prison: prison)
        let report = await host.load()
        #expect(report.refused.map(\.code) == [.childFailed] && report.refused.first?.reason.contains("is not there") == true)
        let other = PluginHost(
            directory: bench.directory, copies: bench.copies, services: bench,
            prison: PluginPrison(program: URL(fileURLWithPath: "/bin/true")))
        #expect(await other.load().refused.map(\.code) == [.childFailed])
    }

    @Test("the isolation of a plugin is the operator's to say, and said wrongly it is refused")
    func settings() async throws {
        let bench = try Bench(.process)
        bench.set("isolation", "chroot")
        try bench.place()
        #expect(await bench.host().load().refused.first?.reason == "The setting isolation must be one of in_process, process.")
        bench.set("isolation", "in_process")
        bench.set("isolation_memory_bytes", 5)
        #expect(await bench.host().load().refused.map(\.code) == [.settingsInvalid])
        bench.set("isolation_memory_bytes", 1_073_741_824)
        bench.state.withLock { $0.environment["CODITECT_PLUGINS_MISBEHAVING_ISOLATION"] = "process" }
        let host = bench.host()
        #expect(await host.load().loaded.map(\.isolation) == [.process])
        #expect(bench.lines.contains { $0.contains("isolation=process: no files but libraries (Landlock") })
        #expect(host.children.map(\.state) == [.working])
        await host.stop()
    }
}
