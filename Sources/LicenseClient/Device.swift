import Foundation
import Signing

/// What identifies this device to the platform: an id, and what the device is made of, by which it is known again when its id changed.
package struct DeviceIdentity: Sendable {
    package let id: String
    /// The user named it: then its name alone counts, on whatever machine.
    package let isNamed: Bool
    /// By name, as read: they leave the machine salted alone.
    let parts: [String: String]

    /// The name given, else a hash of the machine's id, else a random id that is kept.
    /// - Parameter hardware: instead of what is read.
    package static func find(
        named name: String?, folder: StateFolder, machine: Machine = Machine(), hardware: [String: String]? = nil
    ) throws -> DeviceIdentity {
        if let name {
            guard (1...128).contains(name.utf8.count), name.unicodeScalars.allSatisfy({ $0.value > 32 && $0.value != 127 }) else {
                throw LicenseClientError(
                    .badAddress, "a device's name has 1 to 128 signs and no spaces", next: "give another name, or none")
            }
            return DeviceIdentity(id: name, isNamed: true, parts: [:])
        }
        let parts = hardware ?? machine.parts
        if let text = machine.id {
            return DeviceIdentity(
                id: "machine-" + Hex.encode(Digest.sha256(Array("coditect.device.v1:\(text)".utf8))), isNamed: false, parts: parts)
        }
        return DeviceIdentity(id: try kept(parts, folder), isNamed: false, parts: parts)
    }

    /// The device that was activated: this one, or the name that was given then.
    package static func of(_ held: HeldLicense, folder: StateFolder, machine: Machine = Machine()) throws -> DeviceIdentity {
        try find(named: held.hardwareID.flatMap { isMade($0) ? nil : $0 }, folder: folder, machine: machine)
    }
    /// The device that borrowed a seat: as above.
    package static func of(_ seat: HeldSeat, folder: StateFolder, machine: Machine = Machine()) throws -> DeviceIdentity {
        try find(named: seat.device, folder: folder, machine: machine)
    }

    /// An id that `find` makes, as none that a person would give.
    static func isMade(_ id: String) -> Bool {
        ["machine-", "device-"].contains {
            id.hasPrefix($0) && id.dropFirst($0.count).count == 64 && id.dropFirst($0.count).allSatisfy(\.isHexDigit)
        }
    }

    /// What the platform and the folder are told of the parts: keyed digests, other ones under another secret. Nothing where fewer than
    /// two can be read.
    func components(_ secret: String) -> [String: String] {
        guard parts.count >= 2 else { return [:] }
        let chosen = parts.sorted { $0.key < $1.key }.prefix(8)
        return Dictionary(
            uniqueKeysWithValues: chosen.map { name, value in
                (name, Hex.encode(HMAC.sha256(Array("coditect.hardware.v1\0\(name)\0\(value)".utf8), key: Array(secret.utf8))))
            })
    }

    /// Whether two lists may be of one machine: more than half of them are equal, or there is too little to tell.
    static func mayBeOne(_ known: [String: String], _ told: [String: String]) -> Bool {
        guard known.count >= 2, told.count >= 2 else { return true }
        return 2 * known.filter { told[$0.key] == $0.value }.count > max(known.count, told.count)
    }

    /// A random id, kept together with what the machine was made of: a folder that was copied to another machine gets another id there.
    private static func kept(_ parts: [String: String], _ folder: StateFolder) throws -> String {
        struct Kept: Codable {
            let id: String
            let hardware: [String: String]?
        }
        func components(_ id: String) -> [String: String] { DeviceIdentity(id: id, isNamed: false, parts: parts).components(id) }
        return try folder.locked("device") {
            if let kept = folder.read(Kept.self, "device.json"), mayBeOne(kept.hardware ?? [:], components(kept.id)) { return kept.id }
            let id = "device-" + Hex.encode((0..<32).map { _ in UInt8.random(in: .min ... .max) })
            try folder.write(Kept(id: id, hardware: components(id)), "device.json")
            return id
        }
    }
}

package enum Device {
    package static var hostname: String { ProcessInfo.processInfo.hostName }
    package static var system: String {
        #if os(Linux)
            "linux"
        #else
            "other"
        #endif
    }
}
