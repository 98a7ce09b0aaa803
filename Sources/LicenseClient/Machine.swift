import Foundation

/// This machine as its own files tell it. What is read here never leaves it but as keyed digests (`DeviceIdentity`).
package struct Machine: Sendable {
    let root: String

    /// - Parameter root: below which `/etc`, `/proc` and `/sys` are read.
    package init(root: String = "/") { self.root = root.hasSuffix("/") ? root : root + "/" }

    /// The system's own id; nil where there is none.
    var id: String? {
        for path in ["etc/machine-id", "var/lib/dbus/machine-id"] {
            if let text = text(path), text.count >= 16 { return text }
        }
        return nil
    }

    /// What the machine is made of, as far as this user may read it: `machine`, `mac`, `board`, `disk`, `cpu`. Fillers are left out, and so
    /// is what says the same as another.
    var parts: [String: String] {
        var parts: [String: String] = [:]
        var seen: Set<String> = []
        for (name, value) in [("machine", id), ("mac", mac), ("board", board), ("disk", disk), ("cpu", processor)] {
            guard let value, !Self.isFiller(value), seen.insert(value.lowercased()).inserted else { continue }
            parts[name] = value
        }
        return parts
    }

    /// The lowest permanent address of the cards that are built in: neither virtual ones, which come and go, nor those on USB.
    private var mac: String? {
        names("sys/class/net").compactMap { name -> String? in
            guard let device = real("sys/class/net/\(name)/device"), !device.contains("/usb"),
                text("sys/class/net/\(name)/addr_assign_type") == "0",
                let address = text("sys/class/net/\(name)/address")?.lowercased(), address.utf8.count == 17
            else { return nil }
            return Self.isFiller(address) ? nil : address
        }.min()
    }

    private var board: String? {
        let paths = ["sys/class/dmi/id/product_uuid", "sys/class/dmi/id/board_serial", "sys/class/dmi/id/product_serial"]
        return (paths + ["proc/device-tree/serial-number"]).compactMap(text).first { !Self.isFiller($0) }
    }

    /// The serial of the first disk that is built in.
    private var disk: String? {
        for name in names("sys/block") {
            guard real("sys/block/\(name)/device").map({ !$0.contains("/usb") }) == true, text("sys/block/\(name)/removable") != "1" else {
                continue
            }
            let serial = ["serial", "device/serial", "device/cid", "wwid", "device/wwid"].lazy.compactMap {
                text("sys/block/\(name)/\($0)")
            }
            if let found = serial.first(where: { !Self.isFiller($0) }) { return found }
        }
        return nil
    }

    private var processor: String? {
        guard let text = text("proc/cpuinfo", most: 65_536) else { return nil }
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let sides = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if sides.count == 2, found[sides[0]] == nil { found[sides[0]] = sides[1] }
        }
        if let model = found["model name"] { return model }
        let arm = ["CPU implementer", "CPU variant", "CPU part"].compactMap { found[$0] }
        return arm.count == 3 ? arm.joined(separator: "/") : nil
    }

    // MARK: Reading

    private func text(_ path: String) -> String? { text(path, most: 512) }
    private func text(_ path: String, most: Int) -> String? {
        guard let file = FileHandle(forReadingAtPath: root + path) else { return nil }
        defer { try? file.close() }
        guard let data = try? file.read(upToCount: most) else { return nil }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines.union(.init(charactersIn: "\0")))
        return text.isEmpty ? nil : text
    }
    private func names(_ path: String) -> [String] { ((try? FileManager.default.contentsOfDirectory(atPath: root + path)) ?? []).sorted() }
    /// Where a link leads; nil if there is nothing.
    private func real(_ path: String) -> String? {
        guard FileManager.default.fileExists(atPath: root + path) else { return nil }
        return URL(fileURLWithPath: root + path).resolvingSymlinksInPath().path
    }

    private static let fillers: Set<String> = [
        "none", "unknown", "default string", "to be filled by o.e.m.", "to be filled by oem", "not specified", "not applicable",
        "not available", "system serial number", "base board serial number", "n/a", "na", "invalid", "empty", "0123456789",
    ]
    /// What makers write where they have nothing to say: it would make strangers one device.
    static func isFiller(_ value: String) -> Bool {
        let text = value.lowercased()
        let signs = Set(text.unicodeScalars.filter { CharacterSet.alphanumerics.contains($0) })
        return fillers.contains(text) || signs.count <= 1
    }
}
