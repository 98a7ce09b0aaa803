import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(DeviceDenylist()) }

/// Refuses seats to devices on a list that is too long for Lua: 16 bytes a device, found by halving.
struct DeviceDenylist: Plugin {
    let id = "device-denylist"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let path = try context.settings.text("list")
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw PluginRefusal("The list \(path) cannot be read. Give the setting list the path of a file that the server may read.")
        }
        let table = try DeviceTable(bytes)
        context.log.info("The list was read.", ["devices": "\(table.count)"])
        return Instance(module: Module(table: table, retryAfterSeconds: Int64(try context.settings.integer("retry_after_seconds"))))
    }

    private struct Instance: PluginInstance {
        let module: Module
        var policyModule: (any PolicyModule)? { module }
    }
}

struct Module: PolicyModule {
    let table: DeviceTable
    let retryAfterSeconds: Int64

    func answer(_ question: PolicyQuestion) throws -> PolicyReply {
        guard question.hook == "on_seat_request", let device = question.input["device"]?["id"]?.string else { return .abstain }
        return table.contains(device) ? .deny(reason: "device_listed", retryAfterSeconds: retryAfterSeconds) : .abstain
    }
}

/// Handles by the first 128 bits of their SHA-256, in order: two that agree there are not to be found.
struct DeviceTable: Sendable {
    private struct Mark: Comparable {
        let high: UInt64
        let low: UInt64
        static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }
    }
    private let marks: [Mark]
    var count: Int { marks.count }

    static let mostLineBytes = 256
    static let mostDevices = 10_000_000

    /// Throws where a line is too long, or where there are too many of them.
    init(_ file: Data) throws {
        var found: [Mark] = []
        for (index, line) in file.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            let text = line.last == 13 ? line.dropLast() : line
            guard let first = text.first, first != UInt8(ascii: "#") else { continue }
            guard text.count <= Self.mostLineBytes else {
                throw PluginRefusal("Line \(index + 1) of the list is longer than \(Self.mostLineBytes) bytes; a line holds one handle.")
            }
            found.append(Self.mark(Data(text)))
            guard found.count <= Self.mostDevices else { throw PluginRefusal("The list has more than \(Self.mostDevices) devices.") }
        }
        marks = found.sorted()
    }

    func contains(_ device: String) -> Bool {
        let wanted = Self.mark(Data(device.utf8))
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return low < marks.count && marks[low] == wanted
    }

    private static func mark(_ bytes: Data) -> Mark {
        let digest = PluginDigest.sha256(bytes)
        func word(_ from: Int) -> UInt64 { digest[from..<(from + 8)].reduce(0) { $0 << 8 | UInt64($1) } }
        return Mark(high: word(0), low: word(8))
    }
}
