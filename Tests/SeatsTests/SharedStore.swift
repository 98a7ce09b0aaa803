import Foundation
import KeyValue
import KeyValueRedis
import NIOCore
import RedisTesting
import RoomTesting
import Vocabulary

/// A real Redis for the houses of a run: with CODITECT_SEAT_LEDGER=redis every test of the room runs on the shared ledger.
enum SharedStore {
    private static let server = Guarded<Task<RedisServer, any Error>?>(nil)
    private static let number = Guarded(0)

    static let isOfThisRun = ProcessInfo.processInfo.environment["CODITECT_SEAT_LEDGER"] == "redis"
    static func ofThisRun() async throws -> (any ScriptRunner)? {
        guard isOfThisRun else { return nil }
        let task = server.with { server -> Task<RedisServer, any Error> in
            if let running = server { return running }
            let task = Task {
                let server = try await RedisServer.start()
                atexit { SharedStore.end() }
                started.with { $0 = server }
                return server
            }
            server = task
            return task
        }
        return try runner(try await task.value)
    }
    private static let started = Guarded<RedisServer?>(nil)
    private static func end() { started.with { $0?.kill() } }

    /// Keys of its own, since houses of one seed have the same tenants.
    static func runner(_ server: RedisServer, timeout: TimeAmount = .seconds(3)) throws -> any ScriptRunner {
        var options = try RedisOptions(url: server.url)
        options.bounds.longestPause = .milliseconds(1)
        options.bounds.timeout = timeout
        let mine = number.with { number -> Int in
            number += 1
            return number
        }
        return ApartRunner(client: RedisClient(options, entropy: SystemEntropy()), prefix: "\(mine):")
    }
}

/// Keys under a prefix, so that many houses share a server.
struct ApartRunner: ScriptRunner {
    let client: RedisClient
    let prefix: String
    func run(_ script: Script, keys: [String], _ arguments: [ScriptArgument]) async throws -> ScriptAnswer {
        try await client.run(script, keys: keys.map { prefix + $0 }, arguments)
    }
}
