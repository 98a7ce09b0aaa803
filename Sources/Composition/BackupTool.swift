import Foundation
import Synchronization
import Vocabulary

/// Programs of others that a backup stands on: tar, and PostgreSQL's own. Each call blocks its thread.
enum BackupTool {
    /// Runs `program` with what `feed` writes, and hands on what it says, a piece at a time. Throws its last words where it fails.
    /// - Parameter fine: exit statuses that are no failure.
    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], fine: Set<Int32> = [0],
        feed: ((_ write: ([UInt8]) throws -> Void) throws -> Void)? = nil, take: ([UInt8]) throws -> Void = { _ in }
    ) throws {
        // Who reads no longer is told by EPIPE; the signal would end us.
        signal(SIGPIPE, SIG_IGN)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, given in given }
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = feed == nil ? FileHandle.nullDevice : input
        process.standardOutput = output
        process.standardError = errors
        do { try process.run() } catch { throw OperatorProblem("\(program) cannot be started: \(error.localizedDescription)") }
        let words = Words(errors.fileHandleForReading)
        var failure: (any Error)?
        do {
            if let feed {
                let descriptor = input.fileHandleForWriting.fileDescriptor
                // What it says while it is fed is not read: it must be quiet.
                try feed { try Self.put($0, descriptor, program) }
                try input.fileHandleForWriting.close()
            }
            while let some = try output.fileHandleForReading.read(upToCount: 1 << 20), !some.isEmpty { try take(Array(some)) }
        } catch {
            failure = error
            try? input.fileHandleForWriting.close()
            process.terminate()
        }
        process.waitUntilExit()
        let said = words.last()
        if process.terminationReason == .exit, process.terminationStatus == 127 {
            throw OperatorProblem("\(program) is missing: install it, or put it on PATH")
        }
        // What the program said explains why we could not write to it.
        let isFine = process.terminationReason == .exit && fine.contains(process.terminationStatus)
        if let failure, failure as? Broken == nil { throw failure }
        guard isFine, failure == nil else { throw OperatorProblem("\(program) failed (\(process.terminationStatus)): \(said)") }
    }

    /// The program ended before it had read everything.
    private struct Broken: Error {}

    private static func put(_ bytes: [UInt8], _ descriptor: Int32, _ program: String) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Broken() }
            written += count
        }
    }

    /// The end of what a program says on standard error.
    private final class Words: Sendable {
        private let kept = Mutex<[UInt8]>([])
        private let done = DispatchSemaphore(value: 0)
        init(_ handle: FileHandle) {
            let descriptor = dup(handle.fileDescriptor)
            Thread.detachNewThread { [self] in
                var some = [UInt8](repeating: 0, count: 4_096)
                while true {
                    let count = read(descriptor, &some, some.count)
                    if count <= 0 { break }
                    kept.withLock { $0 = ($0 + some[..<count]).suffix(2_000) }
                }
                close(descriptor)
                done.signal()
            }
        }
        func last() -> String {
            done.wait()
            return String(decoding: kept.withLock { $0 }, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    // MARK: - tar

    /// What comes and goes while it is read is no failure: the database's instant is what counts.
    static func pack(_ folder: URL, leaving out: [String], to take: ([UInt8]) throws -> Void) throws {
        let arguments =
            ["--create", "--format=posix", "--numeric-owner", "--sort=name", "--anchored", "--warning=no-file-changed"]
            + ["--warning=no-file-removed", "--warning=no-file-ignored", "--file=-"] + out.map { "--exclude=\($0)" }
            + ["--directory=\(folder.path)", "."]
        try run("tar", arguments, fine: [0, 1], take: take)
    }
    static func unpack(into folder: URL, feed: @escaping (_ write: ([UInt8]) throws -> Void) throws -> Void) throws {
        // As root too: files become ours, and no bit beyond the owner's is set by an archive.
        try run(
            "tar", ["--extract", "--no-same-owner", "--keep-old-files", "--file=-", "--directory=\(folder.path)"], feed: feed)
    }
}

/// A libpq address with its passwords apart, wherever they stand in it: arguments are seen by everybody on the machine.
package struct DatabaseAddress: Equatable {
    package let url: String
    package let environment: [String: String]

    /// Throws where it holds a secret that the programs of PostgreSQL take from nowhere but their arguments.
    package init(_ text: String) throws {
        guard let scheme = text.range(of: "://") else { throw OperatorProblem("the database's address is no URI") }
        let rest = text[scheme.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        var (shown, path) = (String(authority), String(rest[authority.endIndex...]))
        var password: String?
        if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
            password = String(authority[authority.index(after: colon)..<at])
            shown = String(authority[..<colon]) + String(authority[at...])
        }
        if let question = path.firstIndex(of: "?") {
            var kept: [Substring] = []
            for item in path[path.index(after: question)...].split(separator: "&", omittingEmptySubsequences: false) {
                let sides = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                switch Self.plain(sides[0]).lowercased() {
                case "password": password = sides.count == 2 ? String(sides[1]) : ""
                case "sslpassword":
                    throw OperatorProblem(
                        "the address of the database holds sslpassword, and all would see it: use a key without a password")
                default: kept.append(item)
                }
            }
            path = String(path[..<question]) + (kept.isEmpty ? "" : "?" + kept.joined(separator: "&"))
        }
        url = String(text[..<scheme.upperBound]) + shown + path
        environment = password.map { ["PGPASSWORD": Self.plain($0[...])] } ?? [:]
    }
    private static func plain(_ text: Substring) -> String { text.removingPercentEncoding ?? String(text) }
}
