import ArgumentParser
import Composition
import Foundation
import Vocabulary

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Take a backup beside a running server: database, files, policies and, apart, the sealed keys.",
        discussion: """
            Makes FOLDER/TIME and FOLDER/keys/TIME, each whole or not at all; of the keys only the newest stay. The master key is in neither: \
            keep it elsewhere. On PostgreSQL DATABASE_URL names a login that reads everything; see docs/how-to/backup-and-restore.md.
            """)
    @OptionGroup var places: Places
    @Option(help: "The folder of backups, on another disk than the data.") var to: String
    @Option(help: "The file of a key of 32 bytes, hexadecimal or base64, under which the backup is sealed.") var key: String?

    func run() async throws {
        let path = try await operatorWork {
            let desk = try BackupDesk(try await places.options(), key: key) { warn($0) }
            return try await desk.take(into: URL(fileURLWithPath: to))
        }
        say(path)
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a backup into a new data directory, and into an empty database on PostgreSQL.",
        discussion: """
            All or nothing, and called good only after every journal in it was checked. Every session ends. Ends with 65 where the backup is \
            refused: damaged, cut, sealed, of another platform or a newer program.
            """)
    @OptionGroup var places: Places
    @Argument(help: "A backup's folder, as 'backup' said it.") var backup: String
    @Option(help: "The folder of the keys; default: the newest in 'keys' beside the backup.") var keys: String?
    @Option(help: "The file of the master key, copied into the data directory; default: CODITECT_MASTER_KEY or signing.master_key_file.")
    var masterKey: String?
    @Option(help: "The file of the key under which the backup is sealed.") var key: String?

    func run() async throws {
        let lines = try await operatorWork {
            let desk = try RestoreDesk(try await places.options(), masterKey: masterKey, key: key) { warn($0) }
            return try await desk.put(URL(fileURLWithPath: backup), keys: keys.map { URL(fileURLWithPath: $0) })
        }
        for line in lines { say(line) }
    }
}

/// Ends with 65 where what was given is refused, with 75 where it may work later.
private func operatorWork<Value>(_ work: () async throws -> Value) async throws -> Value {
    do { return try await told(work) } catch let problem as OperatorProblem where problem.kind == .refused {
        warn("Error: \(problem)")
        throw Exit.data
    }
}
