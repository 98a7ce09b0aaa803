import Foundation

/// Debian's redis-cli.
package enum RedisTool {
    package struct Failed: Error { let said: String }

    @discardableResult
    package static func run(_ arguments: [String]) throws -> String {
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["redis-cli"] + arguments
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(said: said) }
        return said
    }

    /// Reads a channel's messages from the moment of its making, two minutes at the most: what has not come by then is missed, not waited for.
    package final class Watch {
        private let process = Process()
        private let file: FileHandle
        private var said = ""
        package init(port: Int, channel: String) throws {
            let pipe = Pipe()
            file = pipe.fileHandleForReading
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["timeout", "120", "stdbuf", "-o0", "redis-cli", "-p", "\(port)", "PSUBSCRIBE", channel]
            process.standardOutput = pipe
            process.standardInput = FileHandle.nullDevice
            try process.run()
            try wait(for: "psubscribe")
        }
        // Which passes it on.
        deinit { kill(process.processIdentifier, SIGTERM) }

        /// Returns when a message with `sign` has come.
        package func wait(for sign: String) throws {
            while !said.contains(sign) {
                let data = file.availableData
                guard !data.isEmpty else { throw Failed(said: said) }
                said += String(decoding: data, as: UTF8.self)
            }
        }
    }
}
