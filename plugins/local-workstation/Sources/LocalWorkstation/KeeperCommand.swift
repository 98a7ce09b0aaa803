import Foundation
import PluginKit
import Synchronization

/// One run of the keeper's program; each is over within half a minute.
enum KeeperCommand {
    struct Ended: Sendable {
        let code: Int32
        let said: String
    }

    static func run(_ program: String, _ arguments: [String], _ variables: [String]) throws -> Ended {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw ProvisionerError.unavailable("there is no pipe") }
        defer { close(ends[0]) }
        // Whom the server starts in between closes what it was not given.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var child: pid_t = 0
        let words = ([program] + arguments).map { strdup($0) } + [nil]
        let environment = variables.map { strdup($0) } + [nil]
        defer { for text in words + environment { free(text) } }
        let fault = posix_spawn(&child, program, &actions, &attributes, words, environment)
        close(ends[1])
        guard fault == 0 else {
            throw ProvisionerError.unavailable("\(LocalPlan.keeperName) cannot be started: \(String(cString: strerror(fault)))")
        }
        var said: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1_024)
        while true {
            let count = read(ends[0], &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            if said.count < 1_024 { said += piece.prefix(count) }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return Ended(code: status & 0x7f == 0 ? (status >> 8) & 0xff : -1, said: String(decoding: said.prefix(300), as: UTF8.self))
    }
}

/// Tells keepers that a server is there, by a lock that goes with the process.
final class Attendance: Sendable {
    private let held = Mutex<Int32>(-1)

    func begin(_ path: String) throws {
        try held.withLock { held in
            guard held < 0 else { return }
            let file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw ProvisionerError.unavailable("\(path) cannot be made") }
            var whole = flock()
            whole.l_type = Int16(F_RDLCK)
            // F_OFD_SETLK: of this opening, not of the process; two versions of the plugin hold one each.
            guard fcntl(file, 37, &whole) == 0 else {
                close(file)
                throw ProvisionerError.unavailable("\(path) cannot be locked")
            }
            held = file
        }
    }
    func end() {
        held.withLock { held in
            if held >= 0 { close(held) }
            held = -1
        }
    }
    deinit { end() }
}
