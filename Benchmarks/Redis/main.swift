import Foundation
import KeyValue
import KeyValueRedis
import Seats
import Vocabulary

// bench-redis URL LEASES TASKS BEATS
//
// Writes LEASES leases of one tenant into the Redis at URL by the ledger's own scripts and beats them BEATS times from TASKS tasks over
// one connection. Tells what redis-benchmark needs for the same script, then the beats a second.

let words = CommandLine.arguments
guard words.count == 5, let leases = Int(words[2]), let tasks = Int(words[3]), let beats = Int(words[4]), leases > 0, tasks > 0 else {
    FileHandle.standardError.write(Data("bench-redis URL LEASES TASKS BEATS\n".utf8))
    exit(64)
}
let client = RedisClient(try RedisOptions(url: words[1]), entropy: SystemEntropy())
let keys = ["live", "held", "dead"].map { "seat:{bench}:\($0)" }
let marker = "1:1"
func ask(_ script: Script, _ rest: [ScriptArgument]) async throws {
    let answer = try await client.run(script, keys: keys, [.text(marker), .integer(1_000_000)] + rest)
    guard answer.value.list?.first == .integer(1) else { fatalError("\(script.name): \(answer.value)") }
}
try await ask(LeaseMemory.open, [.integer(1)])
let sessions = (0..<leases).map { _ in UUID().uuidString.lowercased() }
for session in sessions {
    try await ask(LeaseMemory.enter, [.text(session), .integer(1 << 61), .integer(360_000_000), .integer(361_000_000)])
}
try await ask(LeaseMemory.beat, [.text(sessions[0])])
let digest = try await client.send([.text("SCRIPT"), .text("LOAD"), .text(LeaseMemory.beat.text)], key: keys[0]).reply
guard case .text(let name) = digest else { fatalError("no digest") }
print("evalsha \(String(decoding: name, as: UTF8.self)) 3 \(keys.joined(separator: " ")) \(marker) 1000000 \(sessions[0])")

let clock = ContinuousClock()
let span = try await clock.measure {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<tasks {
            group.addTask {
                for beat in 0..<(beats / tasks) { try await ask(LeaseMemory.beat, [.text(sessions[(beat * tasks + task) % leases])]) }
            }
        }
        try await group.waitForAll()
    }
}
let seconds = Double(span.components.seconds) + Double(span.components.attoseconds) / 1e18
print("beats_per_second \(Int(Double(beats / tasks * tasks) / seconds))")
