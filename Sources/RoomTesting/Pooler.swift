import Foundation
import StorePostgres

extension PostgresCluster {
    private static let pooler = "/usr/sbin/pgbouncer"
    /// Names its socket; nothing listens on a network.
    static let poolerPort = 6_432
    /// Of each database. Less than any store asks for, so that transactions of one connection go to several server processes and those of
    /// several connections to one.
    package static let poolSize = 3

    /// Debian's PgBouncer before this server, in transaction mode, on a socket in the same folder.
    func startPooler() throws {
        guard FileManager.default.isExecutableFile(atPath: Self.pooler) else {
            throw Unusable(description: "PgBouncer is missing: Scripts/install.sh interop")
        }
        let users = ["postgres", PostgresRoles.migrate, PostgresRoles.serve].map { "\"\($0)\" \"\"\n" }.joined()
        let settings = """
            [databases]
            * = host=\(folder)
            [pgbouncer]
            listen_addr =
            listen_port = \(Self.poolerPort)
            unix_socket_dir = \(folder)
            auth_type = trust
            auth_file = \(folder)/users
            logfile = \(folder)/pgbouncer.log
            pool_mode = transaction
            default_pool_size = \(Self.poolSize)
            max_client_conn = 1000
            server_idle_timeout = 5
            server_login_retry = 1
            """
        try users.write(toFile: "\(folder)/users", atomically: true, encoding: .utf8)
        try settings.write(toFile: "\(folder)/pgbouncer.ini", atomically: true, encoding: .utf8)
        // It has nothing to put in order, and inherits a mask that keeps gentler signals from it.
        let process = try Self.command(Self.pooler, ["\(folder)/pgbouncer.ini"], by: "SIGKILL")
        Self.ends(process.processIdentifier, by: SIGKILL, folder)
        guard PostgresAdmin.waitUntilReady(served("postgres", as: "postgres")) else {
            throw Unusable(description: "PgBouncer does not answer")
        }
    }
}
