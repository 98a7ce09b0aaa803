import KeyValue
import Synchronization
import Vocabulary

/// A Redis store of any shape: one server, a master named by sentinels, or a cluster.
package final class RedisClient: ScriptRunner {
    /// How often one command follows the servers' word that it belongs elsewhere.
    private static let mostTurns = 5
    private struct State {
        var nodes: [RedisPlace: RedisNode] = [:]
        /// Of a cluster: who has which slot.
        var slots: [RedisPlace?] = []
        var master: RedisPlace?
        var looking: Task<Void, any Error>?
        var digests: [Script: String] = [:]
    }
    package let options: RedisOptions
    private let entropy: any Entropy
    private let state = Mutex(State())

    package init(_ options: RedisOptions, entropy: any Entropy) {
        self.options = options
        self.entropy = entropy
    }

    /// Ends every connection; what is under way fails.
    package func close() {
        let nodes = state.withLock { state -> [RedisNode] in
            defer { state.nodes = [:] }
            return Array(state.nodes.values)
        }
        for node in nodes { node.drop("closed") }
    }

    // MARK: Scripts

    package func run(_ script: Script, keys: [String], _ arguments: [ScriptArgument]) async throws -> ScriptAnswer {
        do {
            return try await evaluate(script, keys: keys, arguments)
        } catch RedisFault.away, RedisFault.busy { throw KeyValueFault.away }
    }

    private func evaluate(_ script: Script, keys: [String], _ arguments: [ScriptArgument]) async throws -> ScriptAnswer {
        let rest = [.integer(Int64(keys.count))] + keys.map(ScriptArgument.text) + arguments
        let digest = try await digest(of: script, near: keys.first)
        var (reply, memory) = try await send([.text("EVALSHA"), .text(digest)] + rest, key: keys.first)
        // Forgotten by a restart or by SCRIPT FLUSH.
        if case .error(let text) = reply, text.hasPrefix("NOSCRIPT") {
            (reply, memory) = try await send([.text("EVAL"), .text(script.text)] + rest, key: keys.first)
        }
        return ScriptAnswer(value: try reply.scripted(), memory: memory)
    }

    private func digest(of script: Script, near key: String?) async throws -> String {
        if let known = state.withLock({ $0.digests[script] }) { return known }
        let reply = try await send([.text("SCRIPT"), .text("LOAD"), .text(script.text)], key: key).reply
        if case .error(let text) = reply { throw RedisFault.refused(text) }
        guard let digest = reply.string, digest.utf8.count == 40 else { throw RedisFault.malformed("no digest of a script") }
        state.withLock { $0.digests[script] = digest }
        return digest
    }

    // MARK: Commands

    /// One command to whoever has `key`. Follows a cluster's redirections; never asks twice what may have been done.
    package func send(_ command: [ScriptArgument], key: String?) async throws -> (reply: RedisReply, memory: String) {
        var asked: RedisPlace?
        for _ in 0..<Self.mostTurns {
            let node = if let asked { try node(at: asked) } else { try await route(key) }
            let answer: (reply: RedisReply, memory: String)
            do {
                answer = try await node.send(command, before: asked == nil ? nil : [.text("ASKING")])
            } catch {
                unreachable(node)
                throw error
            }
            asked = nil
            guard case .error(let text) = answer.reply else { return answer }
            let words = text.split(separator: " ")
            switch words.first {
            case "MOVED" where isCluster && words.count >= 3:
                guard let slot = Int(words[1]), (0..<RedisSlot.count).contains(slot), let place = Self.named(words[2], by: node.place)
                else {
                    throw RedisFault.malformed("MOVED")
                }
                state.withLock { if $0.slots.count == RedisSlot.count { $0.slots[slot] = place } }
            case "ASK" where isCluster && words.count >= 3:
                guard let place = Self.named(words[2], by: node.place) else { throw RedisFault.malformed("ASK") }
                asked = place
            case "TRYAGAIN", "CLUSTERDOWN", "LOADING", "BUSY": throw RedisFault.away(text)
            case "READONLY", "MASTERDOWN", "UNBLOCKED":
                node.drop(text)
                unreachable(node)
                throw RedisFault.away(text)
            default: return answer
            }
        }
        throw RedisFault.away("its slot moves without end")
    }

    private var isCluster: Bool { if case .cluster = options.shape { true } else { false } }

    /// A server may name another one without its host: then it is the same host.
    private static func named(_ text: Substring, by place: RedisPlace) -> RedisPlace? {
        if text.hasPrefix(":"), case .host(let name, _) = place { return RedisPlace(named: "\(name)\(text)") }
        return RedisPlace(named: text)
    }

    private func node(at place: RedisPlace) throws -> RedisNode {
        try state.withLock { state in
            if let node = state.nodes[place] { return node }
            guard state.nodes.count < 1_024 else { throw RedisFault.malformed("a cluster of more than 1,024 nodes") }
            let node = RedisNode(place, options, entropy)
            state.nodes[place] = node
            return node
        }
    }

    private func route(_ key: String?) async throws -> RedisNode {
        switch options.shape {
        case .single(let place): return try node(at: place)
        case .sentinel:
            if let master = state.withLock({ $0.master }) { return try node(at: master) }
            try await look()
            guard let master = state.withLock({ $0.master }) else { throw RedisFault.away("no sentinel names a master") }
            return try node(at: master)
        case .cluster:
            let slot = key.map(RedisSlot.of) ?? 0
            if let place = state.withLock({ $0.slots.isEmpty ? nil : $0.slots[slot] }) { return try node(at: place) }
            try await look()
            guard let place = state.withLock({ $0.slots.isEmpty ? nil : $0.slots[slot] }) else {
                throw RedisFault.away("nobody has slot \(slot)")
            }
            return try node(at: place)
        }
    }

    /// Asks again who is where, before the next command.
    private func unreachable(_ node: RedisNode) {
        state.withLock { state in
            if state.master == node.place { state.master = nil }
            if isCluster {
                state.slots = []
                state.nodes = state.nodes.filter { $0.key != node.place || $0.value !== node }
            }
        }
    }

    // MARK: Who is where

    /// One look for all who wait for it.
    private func look() async throws {
        let task = state.withLock { state -> Task<Void, any Error> in
            if let running = state.looking { return running }
            let task = Task {
                defer { lookIsOver() }
                switch options.shape {
                case .single: break
                case .sentinel(let sentinels, let master): try await askSentinels(sentinels, master)
                case .cluster(let seeds): try await askCluster(seeds)
                }
            }
            state.looking = task
            return task
        }
        try await task.value
    }
    private func lookIsOver() { state.withLock { $0.looking = nil } }

    private func askSentinels(_ sentinels: [RedisPlace], _ master: String) async throws {
        for place in sentinels {
            // A connection for each look: sentinels are asked only when the master is lost.
            let sentinel = RedisNode(place, options, entropy, use: .sentinel)
            defer { sentinel.drop("asked") }
            let command: [ScriptArgument] = [.text("SENTINEL"), .text("get-master-addr-by-name"), .text(master)]
            guard let reply = try? await sentinel.send(command).reply, let words = reply.members, words.count == 2,
                let name = words[0].string, let port = words[1].string.flatMap(Int.init), (1...65_535).contains(port),
                name.utf8.count <= 253
            else { continue }
            let found = RedisPlace.host(name, port: port)
            // One that was just demoted may still be named: its greeting shows it.
            guard (try? await node(at: found).connection()) != nil else { continue }
            state.withLock { $0.master = found }
            return
        }
    }

    private func askCluster(_ seeds: [RedisPlace]) async throws {
        let known = state.withLock { Array($0.nodes.keys) }
        for place in known + seeds.filter({ !known.contains($0) }) {
            let scout = RedisNode(place, options, entropy, use: .scout)
            defer { scout.drop("asked") }
            guard let reply = try? await scout.send([.text("CLUSTER"), .text("SLOTS")]).reply, let ranges = reply.members,
                ranges.count <= RedisSlot.count
            else { continue }
            var slots = [RedisPlace?](repeating: nil, count: RedisSlot.count)
            for range in ranges {
                guard let parts = range.members, parts.count >= 3, let first = parts[0].integer, let last = parts[1].integer,
                    first >= 0, first <= last, last < RedisSlot.count, let master = parts[2].members, master.count >= 2,
                    let port = master[1].integer
                else { throw RedisFault.malformed("CLUSTER SLOTS") }
                slots.replaceSubrange(
                    Int(first)...Int(last),
                    with: repeatElement(Self.named("\(master[0].string ?? ""):\(port)", by: place), count: Int(last - first) + 1))
            }
            guard slots.contains(where: { $0 != nil }) else { continue }
            let all = slots
            state.withLock { $0.slots = all }
            return
        }
    }
}

/// Which of a cluster's 16,384 slots a key belongs to: CRC-16 of what stands between its first braces, or of all of it.
package enum RedisSlot {
    package static let count = 16_384

    package static func of(_ key: String) -> Int {
        var bytes = Array(key.utf8)[...]
        if let open = bytes.firstIndex(of: UInt8(ascii: "{")),
            let close = bytes[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        {
            bytes = bytes[(open + 1)..<close]
        }
        // XMODEM: polynomial 0x1021, from 0.
        var crc: UInt16 = 0
        for byte in bytes {
            crc ^= UInt16(byte) << 8
            for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        }
        return Int(crc) % count
    }
}
