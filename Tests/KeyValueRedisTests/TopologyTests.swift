import Foundation
import KeyValue
import RedisTesting
import Testing
import Vocabulary

@testable import KeyValueRedis

@Suite("Redis of several servers")
struct TopologyTests {
    @Test("after a fail-over the sentinels' new master is asked, and its memory has another name")
    func sentinel() async throws {
        let ports = [RedisServer.freePort(), RedisServer.freePort(), RedisServer.freePort()]
        let master = try await RedisServer.start(port: ports[0], ["--repl-diskless-sync-delay", "0"])
        let replica = try await RedisServer.start(
            port: ports[1], until: "sync: Finished with success", ["--replicaof", "127.0.0.1 \(ports[0])"])
        let sentinel = try await RedisServer.start(
            port: ports[2], isSentinel: true,
            ["sentinel monitor prime 127.0.0.1 \(ports[0]) 1", "sentinel down-after-milliseconds prime 60000"])
        let watch = try RedisTool.Watch(port: ports[2], channel: "*")
        let client = try client("redis+sentinel://127.0.0.1:\(ports[2])/prime") { $0.bounds.longestPause = .milliseconds(1) }
        let before = try await client.send([.text("SET"), .text("a"), .text("1")], key: "a").memory
        // A sentinel promotes nobody whom it has not heard yet; its refusal is an answer, too.
        struct NotYet: Error {}
        try await eventually {
            guard try RedisTool.run(["-p", "\(ports[2])", "SENTINEL", "FAILOVER", "prime"]).contains("OK") else { throw NotYet() }
        }
        try watch.wait(for: "+switch-master")
        master.kill()
        let after = try await eventually { try await client.send([.text("SET"), .text("a"), .text("2")], key: "a") }
        #expect(after.reply == .status("OK"))
        #expect(after.memory != before)
        #expect(try RedisTool.run(["-p", "\(ports[1])", "GET", "a"]).contains("2"))
        withExtendedLifetime((replica, sentinel)) {}
    }

    @Test("a cluster of three: every key finds its node, while a slot moves and after it moved")
    func cluster() async throws {
        var servers: [RedisServer] = []
        for _ in 0..<3 {
            servers.append(
                try await RedisServer.start(port: RedisServer.freePort(isOfCluster: true), ["--cluster-enabled", "yes"]))
        }
        let places = servers.map { "127.0.0.1:\($0.port)" }
        try RedisTool.run(["--cluster", "create"] + places + ["--cluster-yes"])
        let client = try client("redis+cluster://\(places[2])")
        let script = Script("pair", "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return ARGV[1]")
        // Each node learns in its own time that all slots have somebody.
        for number in 0..<60 {
            _ = try await eventually { try await client.run(script, keys: ["{\(number)}a", "{\(number)}b"], [.integer(0)]) }
        }
        var memories: Set<String> = []
        for number in 0..<60 {
            memories.insert(try await client.run(script, keys: ["{\(number)}a", "{\(number)}b"], [.integer(Int64(number))]).memory)
        }
        #expect(memories.count == 3)

        // One slot on its way: its keys are at the one and at the other.
        let slot = RedisSlot.of("{7}")
        func ids() throws -> [String] {
            try places.map {
                try RedisTool.run(["-p", "\($0.split(separator: ":")[1])", "CLUSTER", "MYID"]).trimmingCharacters(in: .newlines)
            }
        }
        func ports() -> [String] { servers.map { "\($0.port)" } }
        let names = try ids()
        let owner = try places.indices.first {
            try !RedisTool.run(["-p", ports()[$0], "GET", "{7}a"]).contains("MOVED")
        }
        let from = try #require(owner)
        let to = (from + 1) % 3
        try RedisTool.run(["-p", ports()[to], "CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", names[from]])
        try RedisTool.run(["-p", ports()[from], "CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", names[to]])
        try RedisTool.run(["-p", ports()[from], "MIGRATE", "127.0.0.1", ports()[to], "{7}a", "0", "1000"])
        #expect(try await client.ask("GET", "{7}a") == .text([55]))
        #expect(try await client.ask("GET", "{7}b") == .text([55]))
        try RedisTool.run(["-p", ports()[from], "MIGRATE", "127.0.0.1", ports()[to], "{7}b", "0", "1000"])
        for place in [to, from] { try RedisTool.run(["-p", ports()[place], "CLUSTER", "SETSLOT", "\(slot)", "NODE", names[to]]) }
        #expect(try await client.ask("GET", "{7}b") == .text([55]))
        #expect(try await client.ask("GET", "{7}a") == .text([55]))
    }
}
