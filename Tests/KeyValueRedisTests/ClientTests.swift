import Foundation
import KeyValue
import NIOCore
import RedisTesting
import Testing
import Vocabulary

@testable import KeyValueRedis

func client(_ url: String, _ change: (inout RedisOptions) -> Void = { _ in }) throws -> RedisClient {
    var options = try RedisOptions(url: url)
    change(&options)
    return RedisClient(options, entropy: SystemEntropy())
}
extension RedisClient {
    func ask(_ words: String...) async throws -> RedisReply {
        try await send(words.map(ScriptArgument.text), key: words.count > 1 ? words[1] : nil).reply
    }
}

@Suite("The client of Redis, on a real server")
struct ClientTests {
    @Test("what a thousand tasks ask at once is answered each its own, over one connection")
    func pipelined() async throws {
        let server = try await RedisServer.start()
        let client = try client(server.url)
        let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<1_000 {
                group.addTask { try await client.ask("ECHO", "\(number)") != .text(Array("\(number)".utf8)) }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wrong == 0)
        let clients = try await client.ask("CLIENT", "LIST").string ?? ""
        #expect(clients.split(separator: "\n").count == 1)
    }

    @Test("more than may be under way is refused at once, and what was under way is answered")
    func bounded() async throws {
        let server = try await RedisServer.start()
        let client = try client(server.url) { $0.bounds.inFlight = 10 }
        _ = try await client.ask("PING")
        server.freeze()
        let outcomes = await withTaskGroup(of: String.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    do { return "\(try await client.ask("PING"))" } catch RedisFault.busy {
                        return "busy"
                    } catch { return "away" }
                }
            }
            var outcomes: [String: Int] = [:]
            for await outcome in group {
                outcomes[outcome, default: 0] += 1
                // Those refused come back first, and only then does the server go on.
                if outcomes["busy"] == 40 { server.thaw() }
            }
            return outcomes
        }
        #expect(outcomes["busy"] == 40)
        #expect(outcomes.values.reduce(0, +) == 50)
    }

    @Test("a script that the server forgot is sent again")
    func noScript() async throws {
        let server = try await RedisServer.start()
        let client = try client(server.url)
        let script = Script("test", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
        #expect(try await client.run(script, keys: ["k"], [.integer(3)]).value == .integer(3))
        _ = try await client.ask("SCRIPT", "FLUSH")
        #expect(try await client.run(script, keys: ["k"], [.integer(4)]).value == .integer(7))
        await #expect(throws: RedisFault.self) { try await client.run(Script("bad", "return redis.call('NO')"), keys: ["k"], []) }
    }

    @Test("a user of the server's access list, a database by its number; another password is refused")
    func access() async throws {
        let server = try await RedisServer.start([
            "--user", "kernel", "on", ">se/cret", "~*", "+@all", "--user", "default", "off",
        ])
        let url = "redis+unix://\(server.socket)?db=3"
        let client = try client(url) { ($0.user, $0.password) = ("kernel", "se/cret") }
        _ = try await client.ask("SET", "a", "1")
        #expect((try await client.ask("CLIENT", "INFO").string ?? "").contains("db=3"))
        let stranger = try self.stranger(url)
        await #expect(throws: RedisFault.self) { try await stranger.ask("PING") }
    }
    private func stranger(_ url: String) throws -> RedisClient {
        try client(url) { ($0.user, $0.password) = ("kernel", "other") }
    }

    @Test("a killed server is away at once, and back with another memory after its restart, with and without what it held")
    func restarts() async throws {
        for isLasting in [false, true] {
            let server = try await RedisServer.start(isLasting: isLasting)
            let client = try client(server.url) { $0.bounds.longestPause = .milliseconds(1) }
            let first = try await client.send([.text("SET"), .text("a"), .text("1")], key: "a").memory
            server.kill()
            await #expect(throws: RedisFault.self) { while true { _ = try await client.ask("PING") } }
            try await server.restart()
            let second = try await eventually { try await client.send([.text("GET"), .text("a")], key: "a") }
            #expect(second.reply == (isLasting ? .text(Array("1".utf8)) : RedisReply.none))
            #expect(second.memory != first)
        }
    }

    @Test("a frozen server costs one time-out; until the pause is over everybody is told at once")
    func frozen() async throws {
        let server = try await RedisServer.start()
        let client = try client(server.url) {
            $0.bounds.timeout = .milliseconds(500)
            ($0.bounds.shortestPause, $0.bounds.longestPause) = (.hours(1), .hours(1))
        }
        _ = try await client.ask("PING")
        server.freeze()
        await #expect(throws: RedisFault.away("no answer in time")) { try await client.ask("PING") }
        // The next tries anew, in vain, and after it nobody does.
        await #expect(throws: RedisFault.self) { try await client.ask("PING") }
        await #expect(throws: RedisFault.away("\(server.socket) was away a moment ago")) { try await client.ask("PING") }
        server.thaw()
    }

    @Test("over TLS with an authority of one's own; without it the server is not believed")
    func secure() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (key, certificate) = (folder.appendingPathComponent("k.pem").path, folder.appendingPathComponent("c.pem").path)
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let port = RedisServer.freePort()
        let server = try await RedisServer.start([
            "--tls-port", "\(port)", "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate,
            "--tls-auth-clients", "no",
        ])
        let client = try client("rediss://localhost:\(port)?ca=\(certificate)")
        #expect(try await client.ask("PING") == .status("PONG"))
        let doubter = try self.doubter(port)
        await #expect(throws: RedisFault.self) { try await doubter.ask("PING") }
        withExtendedLifetime(server) {}
    }
    private func doubter(_ port: Int) throws -> RedisClient { try client("rediss://localhost:\(port)") }
}

/// What `body` gives once it no longer throws: a connection that is made again takes its turns of the loop, and a test has no clock to move.
func eventually<Value>(_ body: () async throws -> Value) async throws -> Value {
    for _ in 0..<100_000 {
        if let value = try? await body() { return value }
        await Task.yield()
    }
    return try await body()
}

@Suite("What a hostile server says")
struct HostileAnswerTests {
    private func read(_ text: String, _ change: (inout RedisBounds) -> Void = { _ in }) throws -> [RedisReply] {
        var bounds = RedisBounds()
        change(&bounds)
        var buffer = ByteBuffer(string: text)
        return try RedisReader(bounds).read(&buffer)
    }

    @Test("answers of every kind, whole and in pieces")
    func kinds() throws {
        let text = "+OK\r\n:-7\r\n$3\r\na\0b\r\n$-1\r\n*-1\r\n*3\r\n:1\r\n*2\r\n$0\r\n\r\n-ERR x\r\n$1\r\nz\r\n*0\r\n"
        let expected: [RedisReply] = [
            .status("OK"), .integer(-7), .text([97, 0, 98]), .none, .none,
            .list([.integer(1), .list([.text([]), .error("ERR x")]), .text([122])]), .list([]),
        ]
        #expect(try read(text) == expected)
        let reader = try RedisReader(RedisBounds())
        var replies: [RedisReply] = []
        for byte in text.utf8 {
            var buffer = ByteBuffer(bytes: [byte])
            replies += try reader.read(&buffer)
        }
        #expect(replies == expected)
    }

    @Test(
        "what is no answer, too deep, too long or too many ends the connection and costs no memory",
        arguments: [
            "hello\r\n", "*2147483647\r\n", "*9999999999999\r\n", "$99999999999999999999\r\n", "$-2\r\n", ":12a\r\n",
            String(repeating: "*1\r\n", count: 9) + ":1\r\n", "*3\r\n*60000\r\n", "$\r\n", "*\r\n", "\u{0}\u{0}\r\n",
        ])
    func refused(_ text: String) {
        #expect(throws: RedisFault.self) { _ = try read(text) { $0.answerParts = 1_000 } }
    }

    @Test("an answer that never ends is given up at its bound")
    func endless() throws {
        let reader = try RedisReader(
            {
                var bounds = RedisBounds()
                bounds.answerBytes = 100_000
                return bounds
            }())
        var fed = 0
        #expect(throws: RedisFault.self) {
            var first = ByteBuffer(string: "$90000000\r\n")
            _ = try reader.read(&first)
            while fed < 1_000_000 {
                var buffer = ByteBuffer(repeating: 120, count: 10_000)
                _ = try reader.read(&buffer)
                fed += 10_000
            }
        }
        #expect(fed <= 100_000)
    }

    @Test("addresses that name no server are refused with the reason, and passwords are in no text")
    func addresses() throws {
        for text in [
            "", "redis", "http://a", "redis://", "redis://a:0", "redis://a:x", "redis://a/x", "redis://a?x=1", "redis+sentinel://a:1",
            "redis+cluster://a:1?db=2", "redis://a?timeout_ms=1", "redis://%zz@a", String(repeating: "a", count: 3_000),
        ] { #expect(throws: RedisFault.self) { _ = try RedisOptions(url: text) } }
        let options = try RedisOptions(url: "redis+sentinel://u%40x:p%2Fw@a:1,[::1]:2/prime?db=4&tls=1")
        #expect(options.shape == .sentinel([.host("a", port: 1), .host("::1", port: 2)], master: "prime"))
        #expect(options.user == "u@x" && options.password == "p/w" && options.database == 4 && options.isSecure)
        #expect(!options.told.contains("p/w"))
    }

    @Test("slots are Redis' own", arguments: [("123456789", 12_739), ("foo{bar}baz", 5_061), ("bar", 5_061)])
    func slots(_ key: String, _ slot: Int) { #expect(RedisSlot.of(key) == slot) }
}
