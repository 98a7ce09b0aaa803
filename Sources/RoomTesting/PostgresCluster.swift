import Foundation
import Store
import StorePostgres
import Synchronization
import Vocabulary

/// A PostgreSQL server of this process's own, on a socket in a temporary folder; made when it is first asked for, gone with the process.
package final class PostgresCluster: Sendable {
    package struct Unusable: Error, CustomStringConvertible {
        package let description: String
    }
    /// The server's programs, as Debian lays them.
    private static let programs = ["17", "16", "15"].map { "/usr/lib/postgresql/\($0)/bin" }
    private static let shared = Mutex<Result<PostgresCluster, any Error>?>(nil)
    private let templates = Mutex<[[UInt8]: String]>([:])
    private let number = Mutex(0)
    private let owners = Mutex<[String: String]>([:])
    package let folder: String

    package static func running() throws -> PostgresCluster {
        try shared.withLock { cluster in
            if cluster == nil { cluster = Result { try PostgresCluster() } }
            return cluster
        }?.get() ?? { throw Unusable(description: "no cluster") }()
    }

    private static let wanted = ProcessInfo.processInfo.environment["CODITECT_TEST_DATABASE"]
    /// True where the suites of rooms are to run on PostgreSQL.
    package static var isWanted: Bool { wanted == "postgresql" || isPooled }
    /// True where whoever serves goes through a pooler.
    package static var isPooled: Bool { wanted == "pgbouncer" }

    private init() throws {
        guard let programs = Self.programs.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/postgres") }) else {
            throw Unusable(description: "PostgreSQL is missing: Scripts/install.sh test")
        }
        // A socket's path is short, and the server's own user must come to it.
        var template = Array("/tmp/coditect-pg-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Unusable(description: "no temporary folder") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if getuid() == 0 {
            guard let user = getpwnam("postgres") else { throw Unusable(description: "there is no user postgres") }
            chown(folder, user.pointee.pw_uid, user.pointee.pw_gid)
        }
        let made = try Self.command(
            "\(programs)/initdb", ["-D", "\(folder)/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        made.waitUntilExit()
        guard made.terminationStatus == 0 else { throw Unusable(description: "initdb failed: \(made.terminationStatus)") }
        let settings = [
            "listen_addresses=", "unix_socket_directories=\(folder)", "max_connections=1000", "fsync=off", "synchronous_commit=off",
            "full_page_writes=off", "shared_buffers=64MB", "max_locks_per_transaction=128",
        ]
        let server = try Self.command("\(programs)/postgres", ["-D", "\(folder)/data"] + settings.flatMap { ["-c", $0] })
        Self.ends(server.processIdentifier, folder)
        _ = PostgresAdmin.waitUntilReady(url("postgres", as: "postgres"))
        for text in PostgresRoles.clusterStatements { try admin("postgres", text) }
        if Self.isPooled { try startPooler() }
    }

    private static let ending = Mutex<(last: [(pid: Int32, signal: Int32)], folder: String)>(([], ""))
    /// The server ends with this process, after what stands before it, and its folder goes.
    static func ends(_ pid: Int32, by signal: Int32 = SIGQUIT, _ folder: String) {
        let isFirst = ending.withLock { ending in
            ending = ([(pid, signal)] + ending.last, folder)
            return ending.last.count == 1
        }
        guard isFirst else { return }
        atexit {
            let (last, folder) = PostgresCluster.ending.withLock { $0 }
            for (pid, signal) in last {
                kill(pid, signal)
                var status: Int32 = 0
                waitpid(pid, &status, 0)
            }
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    /// As the user postgres where we are root, whom the server refuses; ends when its parent does.
    static func command(_ program: String, _ arguments: [String], by signal: String = "SIGQUIT") throws -> Process {
        let process = Process()
        let identity = getuid() == 0 ? ["--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = identity + ["--pdeathsig=\(signal)", "--", program] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        // The signal comes when the thread that started it ends: one that never does.
        let started = DispatchSemaphore(value: 0)
        let failure = Mutex<(any Error)?>(nil)
        let box = UncheckedBox(process)
        Thread.detachNewThread {
            do { try box.value.run() } catch { failure.withLock { $0 = error } }
            started.signal()
            while true { sleep(86_400) }
        }
        started.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        return process
    }

    package func url(_ database: String, as role: String) -> String { "postgresql://\(role)@/\(database)?host=\(folder)" }

    /// Where a process that serves connects: through the pooler where there is one.
    package func served(_ database: String, as role: String = PostgresRoles.serve) -> String {
        url(database, as: role) + (Self.isPooled ? "&port=\(Self.poolerPort)" : "")
    }

    /// One statement as the cluster's superuser.
    package func admin(_ database: String, _ text: String) throws { _ = try PostgresAdmin.rows(url(database, as: "postgres"), text) }

    /// A database with these migrations, made as a copy of the first that had them.
    package func database(_ migrations: [Migration], seal: any Sealer) throws -> String {
        let hash = StoreDigest.sha256(migrations.flatMap { Array("\($0.path)\($0.sql)".utf8) } + seal.digest([1], purpose: "cluster"))
        return try templates.withLock { templates in
            if templates[hash] == nil {
                let template = "template_\(templates.count)"
                for text in PostgresRoles.databaseStatements(template) { try admin("postgres", text) }
                try PostgresAdmin.migrate(url(template, as: PostgresRoles.migrate), migrations, seal)
                templates[hash] = template
            }
            guard let template = templates[hash] else { throw Unusable(description: "no template") }
            return try made(from: template)
        }
    }
    private func made(from template: String) throws -> String {
        let name = number.withLock { number in
            number += 1
            return "room_\(number)"
        }
        try admin("postgres", "CREATE DATABASE \(name) TEMPLATE \(template) OWNER \(PostgresRoles.owner)")
        for text in PostgresRoles.databaseStatements(name).dropFirst() { try admin("postgres", text) }
        return name
    }

    /// Another database that begins as this one is now. Ends every connection to it.
    package func copy(_ database: String) throws -> String {
        try cut(database)
        return try made(from: database)
    }
    /// Ends every connection to it, as an administrator would.
    package func cut(_ database: String) throws {
        try admin("postgres", "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '\(database)'")
    }

    /// Where to migrate and where to serve a database of its own for `owner`; the same for the same owner.
    package func logins(for owner: String) throws -> (migrate: String, serve: String) {
        let (name, isNew) = owners.withLock { owners in
            if let known = owners[owner] { return (known, false) }
            let name = "platform_\(owners.count)"
            owners[owner] = name
            return (name, true)
        }
        if isNew { for text in PostgresRoles.databaseStatements(name) { try admin("postgres", text) } }
        return (url(name, as: PostgresRoles.migrate), served(name))
    }

    package func drop(_ database: String) { try? admin("postgres", "DROP DATABASE IF EXISTS \(database) WITH (FORCE)") }
}

private struct UncheckedBox<Value>: @unchecked Sendable {  // handed to one thread, which alone uses it
    let value: Value
    init(_ value: Value) { self.value = value }
}
