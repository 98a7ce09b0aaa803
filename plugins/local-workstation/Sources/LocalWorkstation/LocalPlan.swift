import Foundation
import PluginKit

/// What the operator said, and what follows from it. Pure.
struct LocalPlan: Sendable {
    let root: String
    let keeper: String
    let command: String
    let reads: [String]
    let connects: Bool
    let address: String
    let ports: ClosedRange<Int>
    let maxWorkstations: Int
    let maxDiskBytes: Int64
    let maxProcesses: Int
    let startSeconds: Int
    let outlivesSeconds: Int

    /// The same names as the shipped tiers'.
    static let machines = [
        MachineType(name: "standard-2", cpuMillis: 2_000, memoryBytes: 8 << 30),
        MachineType(name: "standard-4", cpuMillis: 4_000, memoryBytes: 16 << 30),
        MachineType(name: "standard-8", cpuMillis: 8_000, memoryBytes: 32 << 30),
    ]
    static let keeperName = "coditect-workstation"

    init(_ settings: PluginSettings) throws {
        root = try settings.text("root")
        command = try settings.text("command")
        reads = try settings.text("reads").split(separator: ":").map(String.init)
        for path in [root] + (command.isEmpty ? [] : [command]) + reads where !Self.isPlain(path) {
            throw PluginRefusal("\(path) is no whole path: it begins with / and has no .. in it.")
        }
        guard reads.count <= 20 else { throw PluginRefusal("reads names more than 20 folders.") }
        connects = try settings.flag("connects")
        let (first, last) = (try settings.integer("first_port"), try settings.integer("last_port"))
        guard first <= last else { throw PluginRefusal("first_port lies behind last_port.") }
        ports = first...last
        maxWorkstations = try settings.integer("max_workstations")
        maxDiskBytes = Int64(try settings.integer("max_disk_gigabytes")) << 30
        maxProcesses = try settings.integer("max_processes")
        startSeconds = try settings.integer("start_seconds")
        outlivesSeconds = try settings.integer("outlives_seconds")
        let named = try settings.text("keeper")
        keeper = named.isEmpty ? Self.besideTheServer : named
        address = try settings.text("address")
        guard let shown = URLComponents(string: reach(WorkstationKey(tenant: "t", name: "n"), port: first)),
            ["http", "https"].contains(shown.scheme), shown.host?.isEmpty == false, shown.query == nil, shown.fragment == nil,
            shown.user == nil
        else { throw PluginRefusal("address is http:// or https:// and a host, with {name}, {tenant} and {port} where they belong.") }
    }

    private static func isPlain(_ path: String) -> Bool {
        path.hasPrefix("/") && !path.split(separator: "/").contains("..") && path.utf8.allSatisfy { $0 >= 32 && $0 != 127 }
    }
    private static var besideTheServer: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/"
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(keeperName).path
    }

    // MARK: Names

    func home(_ tenant: String) -> String { "\(root)/\(tenant)" }
    func place(_ key: WorkstationKey) -> String { "\(root)/\(key.tenant)/\(key.name)" }
    /// What is being taken away.
    var leaving: String { "\(root)/.leaving" }
    /// Locked while a server is there.
    var server: String { "\(root)/.server" }

    static func secretPlace(_ key: WorkstationKey) -> String { "token/\(label(key.name))" }
    /// A name for a host: as it is where it can be one, else its hash.
    static func label(_ text: String) -> String {
        let isLabel =
            text.utf8.count <= 40 && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
            && text.first != "-" && text.last != "-" && !text.hasPrefix("x-")
        return isLabel ? text : "x-" + PluginDigest.hex(PluginDigest.sha256(Data(text.utf8))).prefix(38)
    }
    func reach(_ key: WorkstationKey, port: Int) -> String {
        address.replacing("{name}", with: Self.label(key.name)).replacing("{tenant}", with: Self.label(key.tenant))
            .replacing("{port}", with: String(port))
    }
    func host(_ key: WorkstationKey, port: Int) -> String { URLComponents(string: reach(key, port: port))?.host ?? "localhost" }

    /// Where the search for a free port begins: another one for each, so that servers side by side seldom meet.
    func firstPort(_ key: WorkstationKey) -> Int {
        let digest = PluginDigest.sha256(Data("\(root)/\(key)".utf8)).prefix(4).reduce(0) { $0 << 8 | Int($1) }
        return ports.lowerBound + digest % ports.count
    }
}

/// What is written down of a workstation; what runs is asked.
struct LocalRecord: Sendable, Hashable, Codable {
    var key: WorkstationKey
    var state: WorkstationState
    var size: WorkstationSize
    var port: Int
    /// Its keeper was asked to begin, and it was not seen ready yet.
    var isStarting = false
}
