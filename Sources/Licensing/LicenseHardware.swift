import Catalog
import Store
import Vocabulary

/// What a device says of itself.
package struct Hardware: Sendable, Hashable {
    package let id: String
    /// `cpu`, `board`, `disk`, `mac` or whatever the client names, each with its value: none, or 2 to 8.
    package let components: [String: String]

    package static let countOfComponents = 2...8
    package static let longestName = 32
    package static let longestValue = 256

    /// Without components the id alone tells devices apart.
    package init(id: String) {
        self.id = id
        components = [:]
    }

    /// Refuses what would let two devices pass for one: blank values, and a filler (`unknown`, `0000`) that stands for several.
    package init(id: String, components: [String: String]) throws(Problem) {
        func refuse(_ name: String?, _ rule: String) -> Problem {
            CommonProblems.invalid(name.map { "hardware.\($0.prefix(Self.longestName))" } ?? "hardware", rule)
        }
        guard Self.countOfComponents.contains(components.count) else {
            throw refuse(nil, "must name 2 to 8 components; leave it out where fewer can be read")
        }
        var seen: Set<String> = []
        for (name, value) in components.sorted(by: { $0.key < $1.key }) {
            guard Self.isName(name) else {
                throw refuse(name, "must be called by at most 32 lower-case letters, digits and _, starting with a letter")
            }
            guard value.unicodeScalars.count <= Self.longestValue else { throw refuse(name, "must have at most 256 characters") }
            guard value.unicodeScalars.contains(where: Self.isVisible) else {
                throw refuse(name, "must not be blank; leave out what cannot be read")
            }
            // `Unknown` and `unknown` are the same filler.
            guard seen.insert(value.lowercased()).inserted else {
                throw refuse(name, "says the same as another component; leave out what cannot be read")
            }
        }
        self.id = id
        self.components = components
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        !scalar.properties.isWhitespace && ![.control, .format].contains(scalar.properties.generalCategory)
    }
    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, (97...122).contains(first), name.utf8.count <= longestName else { return false }
        return name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    }
}

/// A device as the tables know it: keyed digests, comparable within one tenant.
struct DeviceMark: Sendable, Hashable {
    let handle: DeviceHandle
    let parts: Set<[UInt8]>
}

/// A device that shares some of its parts with the one that asks.
struct SharingDevice: Sendable, Hashable {
    let device: DeviceHandle
    let equal: Int
    let known: Int

    /// Which of these is the device that asks; nil: none. Of several the one that shares the most, then the one that named the
    /// fewest, then always the same one.
    static func best(of found: [SharingDevice], told: Int, _ match: HardwareMatch) -> SharingDevice? {
        found.filter { match.isSame(equal: $0.equal, known: $0.known, told: told) }.min { left, right in
            if left.equal != right.equal { return left.equal > right.equal }
            if left.known != right.known { return left.known < right.known }
            return left.device.bytes.lexicographicallyPrecedes(right.device.bytes)
        }
    }
}

extension Licenses {
    func mark(_ hardware: Hardware, tenant: TenantID) -> DeviceMark {
        DeviceMark(
            handle: device(hardware.id, tenant: tenant),
            // A name has no `=`, so no two components have the same bytes.
            parts: Set(
                hardware.components.map { sealer.digest(Array("\(tenant)/\($0.key)=\($0.value)".utf8), purpose: "licensing.hardware") }))
    }

    /// The activation of this device: by its id, or else by its parts.
    func activation(of license: License, _ mark: DeviceMark, in db: any TenantScope) throws -> Activation? {
        func read(_ device: DeviceHandle) throws -> Activation? {
            try db.row(LicenseTable.activation, license.id, device.bytes).map { try activation($0, license: license.id) }
        }
        if let activation = try read(mark.handle) { return activation }
        guard !mark.parts.isEmpty else { return nil }
        var arguments: [any SQLBindable] = [license.id]
        arguments += mark.parts.map { $0 as any SQLBindable }
        while arguments.count < 1 + Hardware.countOfComponents.upperBound { arguments.append([UInt8]()) }
        let found = try db.rows(LicenseTable.sharing, arguments).map {
            SharingDevice(device: DeviceHandle(try $0.blob(2)), equal: try $0.int(0), known: try $0.int(1))
        }
        return try SharingDevice.best(of: found, told: mark.parts.count, license.grant.hardwareMatch ?? .standard)
            .flatMap { try read($0.device) }
    }

    /// The activation with the id and the components that its device has now. Place, id and time of the activation stay.
    func keepUp(_ activation: Activation, with mark: DeviceMark, in db: any TenantScope, _ act: Act) throws -> Activation {
        let (license, old) = (activation.license, activation.device)
        let known = Set(try db.rows(LicenseTable.parts, license, old.bytes).map { try $0.blob(0) })
        // A client that names no components says nothing of them.
        let parts = mark.parts.isEmpty ? known : mark.parts
        guard old != mark.handle || parts != known else { return activation }
        if old == mark.handle {
            try db.run(LicenseTable.deleteParts, license, old.bytes)
        } else {
            guard let row = try db.row(LicenseTable.place, license, old.bytes) else { throw CommonProblems.notFound }
            // The parts go with their device.
            try db.run(LicenseTable.deactivate, license, old.bytes)
            try db.run(
                LicenseTable.activate, db.tenant, license, mark.handle.bytes, activation.id, try row.int(0), try row.int(1),
                try row.optional(2, row.blob), activation.activatedAt)
        }
        try keep(parts, of: mark.handle, license, in: db)
        try db.journal(
            JournalEntry(
                "device.changed", subject: "license:\(license)",
                details: [
                    "activation": .string(activation.id.description), "id_changed": .bool(old != mark.handle),
                    "components_known": .int(Int64(known.intersection(parts).count)), "components": .int(Int64(parts.count)),
                ]), act)
        return Activation(
            id: activation.id, license: license, device: mark.handle, machineName: activation.machineName,
            activatedAt: activation.activatedAt)
    }

    func keep(_ parts: Set<[UInt8]>, of device: DeviceHandle, _ license: License.ID, in db: any TenantScope) throws {
        for part in parts { try db.run(LicenseTable.insertPart, db.tenant, license, part, device.bytes, parts.count) }
    }
}
