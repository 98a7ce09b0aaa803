import Foundation
import Glibc
import PluginKit

/// What a hostile or broken plugin tries in the middle of a charge. Each answers what came of it, where it lives to.
enum Hostility {
    static func act(_ request: CheckoutRequest, _ context: PluginContext) async throws -> String? {
        let target = request.successURL
        switch request.tier {
        case "spins_everywhere":
            for _ in 0..<64 { Task { while true {} } }
            while true {}
        case "writes_a_long_frame": return garbage([0xff, 0xff, 0xff, 0x7f, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
        case "answers_unasked": return garbage([0, 0, 0, 0, 2, 0, 0, 0, 99, 99, 0, 0, 0, 0, 0, 0])
        case "answers_twice":
            // Its own call's number is small: one of these is it.
            for number in UInt8(1)...60 { _ = garbage([0, 0, 0, 0, 2, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0]) }
            return "answered"
        case "asks_for_nothing_known": return garbage([0, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
        case "closes_the_socket": return "closed \(close(3))"
        case "floods_the_log":
            for number in 0..<20_000 { context.log.error("flood \(number)") }
        case "chatters":
            for number in 0..<1_000 { context.log.info("chatter \(number)") }
        case "floods_stderr":
            let line = Array("\(try context.secrets.one("MISBEHAVING_SECRET")) on the loose\n".utf8)
            for _ in 0..<2_000 { _ = Glibc.write(2, line, line.count) }
        case "asks_without_end":
            let space = context.space
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<5_000 { group.addTask { _ = try await space.get("x") } }
                try await group.waitForAll()
            }
        case "forks": return outcome("fork", Int(forked()))
        case "executes":
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/true"), nil]
            return outcome("exec", Int(execv("/bin/true", &arguments)))
        case "bombs":
            var made = 0
            for _ in 0..<10_000 {
                var thread = pthread_t()
                if pthread_create(&thread, nil, { _ in while true { pause() } }, nil) != 0 { break }
                made += 1
            }
            return made < 10_000 ? "bounded" : "unbounded"
        case "reads": return read(target)
        case "writes":
            let file = open(target, O_WRONLY | O_CREAT, 0o600)
            return outcome("write", Int(file))
        case "connects": return connected(target)
        case "signals": return outcome("kill", Int(kill(getppid(), SIGKILL)))
        case "traces": return outcome("ptrace", Int(ptraced(getppid())))
        case "descriptors": return (0..<256).filter { fcntl($0, F_GETFD) >= 0 }.map(String.init).joined(separator: "_")
        case "environment":
            var count = 0
            while environ[count] != nil { count += 1 }
            return "variables_\(count)"
        case "stalls_in_a_frame":
            // A head that promises 1,000 bytes, and 3 of them.
            _ = garbage([0xe8, 3, 0, 0, 5, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])
            while true { pause() }
        case "reads_its_environment": return read("/proc/self/environ")
        case "opens_sockets":
            let families = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK]
            let kinds = [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW].map { Int32($0.rawValue) }
            let opened = families.flatMap { family in kinds.filter { socket(family, $0, 0) >= 0 } }.count
            var pair: [Int32] = [0, 0]
            return "sockets_\(opened + (socketpair(AF_UNIX, kinds[0], 0, &pair) == 0 ? 1 : 0))"
        case "reads_its_parent":
            // Its own address is as good as any: the call is refused before it is looked at.
            var word = 0
            return withUnsafeMutablePointer(to: &word) { place in
                var part = iovec(iov_base: place, iov_len: 8)
                typealias Read = @convention(c) (Int32, UnsafeMutablePointer<iovec>, Int, UnsafeMutablePointer<iovec>, Int, Int) -> Int
                var other = part
                return outcome("memory", symbol("process_vm_readv", as: Read.self)?(getppid(), &part, 1, &other, 1, 0) ?? -1)
            }
        default:
            act(at: request.tier)
            return kinds.contains(request.tier) ? "lived" : nil
        }
        return "lived"
    }

    /// The ways to die or to fall silent, in whatever call.
    static let kinds: Set<String> = [
        "segfaults", "traps", "kills_itself", "aborts", "leaves", "spins", "hangs", "eats_memory", "writes_garbage",
    ]
    static func act(at word: String) {
        switch word {
        case "segfaults": UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
        case "traps": _ = [Int]()[word.utf8.count]
        case "kills_itself": raise(SIGKILL)
        case "aborts": abort()
        case "leaves": exit(0)
        case "spins": while true {}
        case "hangs": while true { pause() }
        case "eats_memory": _ = eaten(8_589_934_592)
        case "writes_garbage": _ = garbage([UInt8](repeating: 0xff, count: 4_096))
        default: break
        }
    }
    /// In the middle of a call that is no charge. Garbage on the wire is not heard before the next turn, so it waits for its end.
    static func act(_ word: String, _ context: PluginContext) async throws {
        act(at: word)
        if word == "writes_garbage" { try await context.clock.sleep(for: .hours(1)) }
    }

    private static func outcome(_ what: String, _ result: Int) -> String { result < 0 ? "\(what)_refused_\(errno)" : "\(what)_done" }

    private static func eaten(_ bytes: Int) -> Int {
        let place = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4_096)
        for offset in stride(from: 0, to: bytes, by: 4_096) { place.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self) }
        return bytes
    }
    private static func garbage(_ bytes: [UInt8]) -> String { "wrote_\(Glibc.write(3, bytes, bytes.count))" }
    private static func read(_ path: String) -> String {
        let file = open(path.replacing("PARENT", with: "\(getppid())"), O_RDONLY)
        guard file >= 0 else { return "read_refused_\(errno)" }
        defer { close(file) }
        var byte: UInt8 = 0
        return Glibc.read(file, &byte, 1) == 1 ? "read_done" : "read_nothing"
    }
    private static func connected(_ port: String) -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return "socket_refused_\(errno)" }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port) ?? 0).bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return outcome("connect", Int(status))
    }
    private static func forked() -> Int32 { symbol("fork", as: (@convention(c) () -> Int32).self)?() ?? -1 }
    private static func ptraced(_ process: Int32) -> Int {
        // PTRACE_ATTACH
        symbol("ptrace", as: (@convention(c) (Int, Int32, Int, Int) -> Int).self)?(16, process, 0, 0) ?? -1
    }
    /// Functions that Swift hides are still in the C library.
    private static func symbol<Function>(_ name: String, as _: Function.Type) -> Function? {
        dlsym(nil, name).map { unsafeBitCast($0, to: Function.self) }
    }
}
