import Foundation

/// Programs that others wrote, to check ours against.
enum Peers {
    static let python = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")
    static let pythonCryptography = python && (try? Peers.python("import cryptography", input: Data())) != nil
    static let openssl = FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl")

    struct Failed: Error { let status: Int32, output: String }

    static func python(_ program: String, input: Data, _ arguments: String...) throws -> String {
        try run("/usr/bin/python3", ["-c", program] + arguments, input: input)
    }

    static func run(_ path: String, _ arguments: [String], input: Data = Data()) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try input.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(status: process.terminationStatus, output: text) }
        return text
    }
}

/// A folder of its own for each test, gone with it.
final class Folder: Sendable {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("signing-\(UUID().uuidString)")
    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    deinit { try? FileManager.default.removeItem(at: url) }
}
