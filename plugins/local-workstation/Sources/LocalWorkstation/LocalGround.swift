import Foundation
import PluginKit

/// What a workstation's keeper says of it.
enum LocalLife: Sendable, Hashable {
    case absent
    case starting
    case ready
    /// Why, in the keeper's words; empty: it was never there, or was ended itself.
    case ended(String)
}

/// This machine as the plugin uses it: folders, records, keepers. Everything throws `ProvisionerError`.
protocol LocalGround: Sendable {
    func record(_ key: WorkstationKey) throws -> LocalRecord?
    /// Of one tenant, or of all.
    func records(tenant: String?) throws -> [LocalRecord]
    func write(_ record: LocalRecord) throws
    func hasDisk(_ key: WorkstationKey) throws -> Bool
    func makeDisk(_ key: WorkstationKey) throws
    func isFree(port: Int) -> Bool
    func life(_ key: WorkstationKey) throws -> LocalLife
    /// Starts its keeper; nothing where one is there.
    func begin(_ record: LocalRecord, machine: MachineType, token: String) async throws
    /// Returns once nothing of it runs.
    func end(_ key: WorkstationKey) async throws
    /// The bytes on its disk, and whether they are more than it may hold.
    func used(_ record: LocalRecord) async throws -> (bytes: Int64, isOver: Bool)
    /// Takes all of it away, and what was left of others that were being taken away.
    func remove(_ key: WorkstationKey) async throws
    /// What was moved aside to be taken away, and is not away yet.
    func leaving() throws -> [WorkstationKey]
}

/// The real one. Every change is one that a crash leaves whole: a record is replaced in one step, and what goes is moved aside first.
final class DiskGround: LocalGround {
    private let plan: LocalPlan
    private let attendance = Attendance()

    init(_ plan: LocalPlan) { self.plan = plan }

    /// As long as this is held, keepers know that a server is there.
    func attend() throws {
        try makeFolder(plan.root)
        try attendance.begin(plan.server)
    }
    func leave() { attendance.end() }

    // MARK: Records

    private func path(_ key: WorkstationKey, _ name: String) -> String { "\(plan.place(key))/\(name)" }

    func record(_ key: WorkstationKey) throws -> LocalRecord? {
        guard let data = try read(path(key, "record.json")) else { return nil }
        guard let record = try? JSONDecoder().decode(LocalRecord.self, from: data), record.key == key, plan.ports.contains(record.port)
        else {
            throw ProvisionerError.refused("its record is none of ours")
        }
        return record
    }
    func records(tenant: String?) throws -> [LocalRecord] {
        var found: [LocalRecord] = []
        for tenant in try tenant.map({ [$0] }) ?? names(in: plan.root) {
            for name in try names(in: plan.home(tenant)) {
                guard let record = try record(WorkstationKey(tenant: tenant, name: name)) else { continue }
                guard found.count < ProvisionerLimits.maxListed else { throw ProvisionerError.unavailable("there are too many") }
                found.append(record)
            }
        }
        return found
    }
    func write(_ record: LocalRecord) throws {
        try attend()
        let place = plan.place(record.key)
        try makeFolder(plan.home(record.key.tenant))
        try makeFolder(place)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let data = try? encoder.encode(record) else { throw ProvisionerError.refused("it cannot be written down") }
        let draft = open("\(place)/record.part", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard draft >= 0 else { throw Self.fault("its record cannot be written") }
        let isWritten = data.withUnsafeBytes { Glibc.write(draft, $0.baseAddress, $0.count) } == data.count && fsync(draft) == 0
        close(draft)
        guard isWritten, rename("\(place)/record.part", "\(place)/record.json") == 0 else {
            throw Self.fault("its record cannot be written")
        }
        // From here on a reader sees it; only the disk may not have it yet.
        guard Self.flush(place), Self.flush(plan.home(record.key.tenant)), Self.flush(plan.root) else {
            throw ProvisionerError.unknown("the disk did not confirm its record")
        }
    }

    func hasDisk(_ key: WorkstationKey) throws -> Bool { Self.isFolder(path(key, "disk")) }
    func makeDisk(_ key: WorkstationKey) throws {
        try makeFolder(path(key, "disk"))
        guard Self.flush(plan.place(key)) else { throw ProvisionerError.unknown("the disk did not confirm its folder") }
    }

    /// At both of this machine's own addresses: browsers ask at `[::1]` first.
    func isFree(port: Int) -> Bool {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = in_port_t(port).bigEndian
        four.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = in_port_t(port).bigEndian
        six.sin6_addr = in6addr_loopback
        // The keeper takes the second as it is taken here: without SO_REUSEADDR.
        return Self.canBind(&four, AF_INET, reusing: true) == 0
            && ![EADDRINUSE, EACCES].contains(Self.canBind(&six, AF_INET6, reusing: false))
    }
    /// 0, or `errno`.
    private static func canBind<Address>(_ address: inout Address, _ family: Int32, reusing: Bool) -> Int32 {
        let door = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard door >= 0 else { return errno }
        defer { close(door) }
        var on: Int32 = 1
        if reusing { setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size)) }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(door, $0, socklen_t(MemoryLayout<Address>.size)) }
        }
        return code == 0 ? 0 : errno
    }

    // MARK: Keepers

    func life(_ key: WorkstationKey) throws -> LocalLife {
        let lock = open(path(key, "lock"), O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        guard lock >= 0 else {
            if errno == ENOENT { return .absent }
            throw Self.fault("its lock cannot be read")
        }
        // Asks only (F_OFD_GETLK): who took the lock to see it would hinder a keeper that begins.
        var held = flock()
        held.l_type = Int16(F_WRLCK)
        let isKnown = fcntl(lock, 36, &held) == 0
        close(lock)
        guard isKnown else { throw Self.fault("its lock cannot be read") }
        let isKept = held.l_type != Int16(F_UNLCK)
        let words = try read(path(key, "life")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard isKept else {
            return .ended(words.hasPrefix("ended") ? String(words.trimmingCharacters(in: .whitespacesAndNewlines).prefix(200)) : "")
        }
        return words == "ready\n" ? .ready : .starting
    }
    func begin(_ record: LocalRecord, machine: MachineType, token: String) async throws {
        try attend()
        let (key, size) = (record.key, record.size)
        let ended = try await keeper(
            [
                "begin", plan.place(key), plan.host(key, port: record.port), plan.command, plan.server, String(record.port),
                String(size.diskBytes), String(machine.memoryBytes), String((machine.cpuMillis + 999) / 1_000), String(plan.maxProcesses),
                String(plan.startSeconds), String(plan.outlivesSeconds), plan.connects ? "yes" : "no",
            ] + plan.reads, ["WORKSTATION_TOKEN=\(token)"])
        guard [0, 3].contains(ended.code) else { throw ProvisionerError.unavailable("it does not start: \(ended.said)") }
    }
    func end(_ key: WorkstationKey) async throws {
        guard Self.isFolder(plan.place(key)) else { return }
        let ended = try await keeper(["end", plan.place(key)])
        guard ended.code == 0 else { throw ProvisionerError.unavailable("it does not end: \(ended.said)") }
    }
    func used(_ record: LocalRecord) async throws -> (bytes: Int64, isOver: Bool) {
        let ended = try await keeper(["used", plan.place(record.key), String(record.size.diskBytes)])
        guard [0, 2].contains(ended.code), let bytes = Int64(ended.said) else {
            throw ProvisionerError.unavailable("its disk cannot be measured")
        }
        return (bytes, ended.code == 2)
    }
    func remove(_ key: WorkstationKey) async throws {
        guard Self.isFolder(plan.root) else { return }
        try makeFolder(plan.leaving)
        let place = plan.place(key)
        if Self.isFolder(place) {
            guard rename(place, "\(plan.leaving)/\(key.tenant)+\(key.name)+\(UUID().uuidString)") == 0 else {
                throw Self.fault("it cannot be taken away")
            }
        }
        // Only where it was the last one.
        if rmdir(plan.home(key.tenant)) != 0, ![ENOENT, ENOTEMPTY, EEXIST].contains(errno) { throw Self.fault("it cannot be taken away") }
        for name in try names(in: plan.leaving) {
            let ended = try await keeper(["remove", "\(plan.leaving)/\(name)"])
            guard ended.code == 0 else { throw ProvisionerError.unavailable("it is not all away: \(ended.said)") }
        }
        guard Self.flush(plan.leaving), Self.flush(plan.root) else {
            throw ProvisionerError.unknown("the disk did not confirm that it is away")
        }
    }
    func leaving() throws -> [WorkstationKey] {
        try names(in: plan.leaving).compactMap { name in
            let parts = name.split(separator: "+").map(String.init)
            return parts.count == 3 ? WorkstationKey(tenant: parts[0], name: parts[1]) : nil
        }
    }
    private func keeper(_ arguments: [String], _ variables: [String] = []) async throws -> KeeperCommand.Ended {
        let program = plan.keeper
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try KeeperCommand.run(program, arguments, variables) })
            }
        }
    }

    // MARK: Files

    private static func fault(_ what: String) -> ProvisionerError {
        let number = errno
        return number == ENOSPC || number == EDQUOT
            ? .full("\(what): the disk is full") : .unavailable("\(what): \(String(cString: strerror(number)))")
    }
    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
    private static func flush(_ folder: String) -> Bool {
        let held = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard held >= 0 else { return false }
        defer { close(held) }
        return fsync(held) == 0
    }
    private func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || (errno == EEXIST && Self.isFolder(path)) else { throw Self.fault("\(path) cannot be made") }
    }
    /// In order; what begins with a dot is the plugin's own, and what is no folder holds nothing.
    private func names(in folder: String) throws -> [String] {
        var status = stat()
        guard lstat(folder, &status) == 0 else {
            if errno == ENOENT { return [] }
            throw Self.fault("\(folder) cannot be read")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return [] }
        guard let all = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw ProvisionerError.unavailable("\(folder) cannot be read")
        }
        let isOwn = folder == plan.leaving
        return all.filter { isOwn || WorkstationKey(tenant: "t", name: $0).fault == nil }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
    private func read(_ path: String) throws -> Data? {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw Self.fault("\(path) cannot be read")
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw Self.fault("\(path) cannot be read") }
        return Data(bytes.prefix(count))
    }
}
