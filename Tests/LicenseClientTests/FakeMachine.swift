import Foundation

@testable import LicenseClient

/// A machine of files: what `/etc`, `/proc` and `/sys` would say.
final class FakeMachine: Sendable {
    let root: URL
    var machine: Machine { Machine(root: root.path) }

    /// A laptop with everything that can be read; `number` makes it another one.
    init(_ number: Int = 1) throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("machine-\(UUID().uuidString)")
        try write("etc/machine-id", "\(number)0123456789abcdef0123456789abcde\n")
        try write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Ryzen 9\nprocessor\t: 1\nmodel name\t: Ryzen 9\n")
        try write("sys/class/dmi/id/product_uuid", "uuid-\(number)\n")
        try card("eth0", "02:00:5e:00:53:0\(number)")
        try disk("nvme0n1", "serial-\(number)")
    }
    deinit { try? FileManager.default.removeItem(at: root) }

    func write(_ path: String, _ text: String) throws {
        let file = root.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }
    func remove(_ path: String) throws { try FileManager.default.removeItem(at: root.appendingPathComponent(path)) }

    func card(_ name: String, _ address: String, isBuiltIn: Bool = true, isPermanent: Bool = true, bus: String = "pci0") throws {
        try write("sys/class/net/\(name)/address", "\(address)\n")
        try write("sys/class/net/\(name)/addr_assign_type", isPermanent ? "0\n" : "3\n")
        if isBuiltIn { try link("sys/class/net/\(name)/device", to: "sys/devices/\(bus)/\(name)") }
    }
    func disk(_ name: String, _ serial: String, isRemovable: Bool = false, bus: String = "pci0") throws {
        try write("sys/block/\(name)/serial", "\(serial)\n")
        try write("sys/block/\(name)/removable", isRemovable ? "1\n" : "0\n")
        try link("sys/block/\(name)/device", to: "sys/devices/\(bus)/\(name)")
    }
    private func link(_ path: String, to target: String) throws {
        let folder = root.appendingPathComponent(target)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(at: root.appendingPathComponent(path), withDestinationURL: folder)
    }
}
