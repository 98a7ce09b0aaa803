import Foundation
import PluginHost
import PluginKit
import Synchronization

// What the boundary to a plugin costs: a call within the program, through the host in process, and through the host in a child process; beside
// it, messages of the same size echoed over a Unix socket by another process.
//
//   bench-boundary PLUGINS_FOLDER     with the fixture `misbehaving` in it; prints one JSON object a line

let calls = 20_000
let clock = ContinuousClock()

func measure(_ name: String, calls: Int, inFlight: Int, _ body: @escaping @Sendable () async throws -> Void) async throws {
    for _ in 0..<(calls / 10) { try await body() }
    let began = clock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<inFlight {
            group.addTask { for _ in 0..<(calls / inFlight) { try await body() } }
        }
        try await group.waitForAll()
    }
    let took = clock.now - began
    let nanoseconds = took.components.seconds * 1_000_000_000 + took.components.attoseconds / 1_000_000_000
    print("{\"name\": \"\(name)\", \"in_flight\": \(inFlight), \"nanoseconds\": \(nanoseconds / Int64(calls / inFlight * inFlight))}")
}

/// `cat` on the other end of a socket: one message there and back at a time.
func echo() async throws {
    var ends: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { throw PluginRefusal("no socket") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/cat")
    process.arguments = ["-u"]
    process.standardInput = FileHandle(fileDescriptor: ends[1])
    process.standardOutput = FileHandle(fileDescriptor: ends[1])
    try process.run()
    close(ends[1])
    let socket = ends[0]
    try await measure("echo over a Unix socket", calls: calls, inFlight: 1) {
        let message = [UInt8](repeating: 65, count: 100)
        var answer = [UInt8](repeating: 0, count: 100)
        guard write(socket, message, 100) == 100 else { throw PluginRefusal("the echo is gone") }
        var got = 0
        while got < 100 {
            let count = read(socket, &answer, 100 - got)
            guard count > 0 else { throw PluginRefusal("the echo is gone") }
            got += count
        }
    }
    close(socket)
    process.waitUntilExit()
}

func through(_ isolation: String, _ folder: URL, _ inFlight: [Int]) async throws {
    let copies = FileManager.default.temporaryDirectory.appendingPathComponent("bench-boundary-\(getpid())-\(isolation)")
    defer { try? FileManager.default.removeItem(at: copies) }
    let host = PluginHost(directory: folder, copies: copies, services: QuietServices(isolation: isolation))
    let report = await host.load()
    guard let provider = host.paymentProvider("misbehaving") else {
        throw PluginRefusal("the fixture is not at work: \(report.refused.map(\.sentence))")
    }
    for count in inFlight {
        let name = isolation == "process" ? "a plugin in a child process" : "a plugin in process"
        try await measure(name, calls: calls, inFlight: count) {
            _ = try await provider.openPortal(PortalRequest(customer: "cus_1", returnURL: "https://platform.test/back"))
        }
    }
    await host.stop()
}

guard CommandLine.arguments.count == 2 else {
    print("usage: bench-boundary PLUGINS_FOLDER")
    exit(64)
}
let folder = URL(fileURLWithPath: CommandLine.arguments[1])
let plain: any PaymentProvider = PlainProvider()
try await measure("a plain Swift call", calls: calls * 50, inFlight: 1) {
    _ = try await plain.openPortal(PortalRequest(customer: "cus_1", returnURL: "https://platform.test/back"))
}
try await through("in_process", folder, [1])
try await echo()
try await through("process", folder, [1, 16])
