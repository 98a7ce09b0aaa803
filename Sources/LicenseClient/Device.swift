import Foundation
import Signing

/// What identifies this device to the platform.
package enum Device {
    /// The name given, else a hash of the machine's id, else a random id that is kept. The machine's own id never leaves it.
    package static func hardwareID(
        named name: String?, folder: StateFolder, sources: [String] = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
    ) throws -> String {
        if let name {
            guard (1...128).contains(name.utf8.count), name.unicodeScalars.allSatisfy({ $0.value > 32 && $0.value != 127 }) else {
                throw LicenseClientError(.badAddress, "a device's name has 1 to 128 signs and no spaces")
            }
            return name
        }
        for path in sources {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines),
                text.count >= 16
            else { continue }
            return "machine-" + Hex.encode(Digest.sha256(Array("coditect.device.v1:\(text)".utf8)))
        }
        struct Kept: Codable { let id: String }
        return try folder.locked("device") {
            if let kept = folder.read(Kept.self, "device.json") { return kept.id }
            let made = Kept(id: "device-" + Hex.encode((0..<32).map { _ in UInt8.random(in: .min ... .max) }))
            try folder.write(made, "device.json")
            return made.id
        }
    }

    package static var hostname: String { ProcessInfo.processInfo.hostName }
    package static var system: String {
        #if os(Linux)
            "linux"
        #else
            "other"
        #endif
    }
}
