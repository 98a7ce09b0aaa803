import Foundation
import LicenseFormat
import Signing
import Store
import Vocabulary

/// What a key is worth on a device, as `validate` answers it. Declared in the order in which they are looked for: the first that holds is told.
package enum ValidationCode: String, Sendable, CaseIterable, Codable {
    case malformedKey = "malformed_key"
    case unknownKey = "unknown_key"
    /// Good or not: the tenant lets nobody use its keys from this network.
    case addressNotAllowed = "address_not_allowed"
    case revoked, suspended, expired
    /// Not active on this device, and no room for it.
    case activationLimitReached = "activation_limit_reached"
    /// Good, and not yet active on this device: activate it to get a file.
    case notActivated = "not_activated"
    /// Good and active on this device, while a payment is outstanding.
    case inGrace = "in_grace"
    case valid

    /// Whether this device may use the licence.
    package var isValid: Bool { self == .valid || self == .inGrace || self == .notActivated }

    /// The pure rule.
    package static func judge(_ status: LicenseStatus, isActivated: Bool, activations: Int, limit: Int?) -> ValidationCode {
        switch status {
        case .revoked: .revoked
        case .suspended: .suspended
        case .expired: .expired
        case .active, .grace:
            if isActivated {
                status == .grace ? .inGrace : .valid
            } else if let limit, activations >= limit {
                .activationLimitReached
            } else {
                .notActivated
            }
        }
    }
}

/// A licence as its key's holder sees it.
package struct ProvenLicense: Sendable {
    package let license: License
    package let status: LicenseStatus
    package let activations: Int
    package let expiresAt: Timestamp?
    package let offlineUntil: Timestamp
}

package struct Validation: Sendable {
    package let code: ValidationCode
    package let license: ProvenLicense?
    /// Bound to the hardware id that asked, also where another one was activated.
    package let file: SignedLicenseFile?
}

/// The outcome of `activate` and `deactivate`.
package struct ActivationChange: Sendable {
    package let activation: Activation
    package let deactivatedAt: Timestamp?
    package let license: ProvenLicense
    /// Nil after a deactivation.
    package let file: SignedLicenseFile?
}

extension Licenses {
    private static let proveReason = KernelReason("licensing.prove_key")

    private struct Found: Sendable {
        let license: License
        let activation: Activation?
        let activations: Int
    }

    package func validate(key: String, hardwareID: String, now: Timestamp) async throws -> Validation {
        try await validate(key: key, Hardware(id: hardwareID), now: now)
    }
    package func activate(key: String, hardwareID: String, machineName: String?, _ act: Act) async throws -> ActivationChange {
        try await activate(key: key, Hardware(id: hardwareID), machineName: machineName, act)
    }
    package func deactivate(key: String, hardwareID: String, _ act: Act) async throws -> ActivationChange {
        try await deactivate(key: key, Hardware(id: hardwareID), act)
    }

    /// Never throws for a key that is not good: says why instead. Reads only.
    package func validate(key: String, _ hardware: Hardware, from address: String? = nil, now: Timestamp) async throws -> Validation {
        guard let digest = digest(of: key) else { return Validation(code: .malformedKey, license: nil, file: nil) }
        let found = try await store.kernelRead(Self.proveReason) { db in
            guard let (tenant, id) = try route(digest, in: db) else { return nil as Found? }
            return try db.within(tenant) { db in try find(id, mark(hardware, tenant: tenant), in: db) }
        }
        guard let found else { return Validation(code: .unknownKey, license: nil, file: nil) }
        guard try await admits(found.license.tenant, address, now) else {
            return Validation(code: .addressNotAllowed, license: nil, file: nil)
        }
        let status = found.license.status(at: now)
        let code = ValidationCode.judge(
            status, isActivated: found.activation != nil, activations: found.activations, limit: found.license.grant.devices)
        let proven = proven(found.license, activations: found.activations, now: now)
        guard code.isValid, let activation = found.activation else { return Validation(code: code, license: proven, file: nil) }
        return Validation(
            code: code, license: proven, file: try await file(found.license, activation, hardwareID: hardware.id, now: now))
    }

    /// Binds the licence to the device. The same device again keeps its place, is known by what it says of itself now, and gets a
    /// fresh file.
    package func activate(key: String, _ hardware: Hardware, machineName: String?, _ act: Act) async throws -> ActivationChange {
        let (tenant, id) = try await holder(of: key)
        guard try await admits(tenant, act.address, act.now) else { throw CommonProblems.addressNotAllowed }
        let device = mark(hardware, tenant: tenant)
        let act = proved(act, id)
        let found = try await store.tenant(tenant) { db in
            _ = try db.once(act) { try activate(id, device, machineName: machineName, in: db, act) }
            // Told as it is now, also to a caller who repeats himself: the device may have been taken off since.
            guard let found = try find(id, device, in: db) else { throw CommonProblems.notFound }
            return found
        }
        guard let activation = found.activation else { throw LicenseProblems.notActivated }
        return ActivationChange(
            activation: activation, deactivatedAt: nil, license: proven(found.license, activations: found.activations, now: act.now),
            file: try await file(found.license, activation, hardwareID: hardware.id, now: act.now))
    }

    private func activate(
        _ id: License.ID, _ device: DeviceMark, machineName: String?, in db: any TenantScope, _ act: Act
    ) throws -> Activation {
        guard let found = try find(id, device, in: db) else { throw CommonProblems.notFound }
        if let refusal = LicenseProblems.refusal(found.license.status(at: act.now)) { throw refusal }
        if let activation = found.activation { return try keepUp(activation, with: device, in: db, act) }
        let limit = found.license.grant.devices
        if let limit, found.activations >= limit {
            throw LicenseProblems.activationLimit.with([
                "activations": .int(Int64(found.activations)), "max_activations": .int(Int64(limit)),
            ])
        }
        let highest = try db.row(LicenseTable.activationCount, id)?.int(1) ?? 0
        var place = highest + 1
        if let limit, place > limit { place = try db.row(LicenseTable.freePlace, id)?.int(0) ?? place }
        let activation = Activation(
            id: entropy.id(act.now), license: id, device: device.handle, machineName: machineName, activatedAt: act.now)
        let name = try machineName.map { try sealer.seal(Array($0.utf8), context: Self.nameContext(activation.id)) }
        try db.run(
            LicenseTable.activate, db.tenant, id, device.handle.bytes, activation.id, place, limit ?? Int(Int32.max), name, act.now)
        try keep(device.parts, of: device.handle, id, in: db)
        try db.journal(
            JournalEntry("device.activated", subject: "license:\(id)", details: ["activation": .string(activation.id.description)]), act)
        return activation
    }

    /// Frees the device's place. A licence that is suspended or expired can still be taken off a device.
    package func deactivate(key: String, _ hardware: Hardware, _ act: Act) async throws -> ActivationChange {
        let (tenant, id) = try await holder(of: key)
        guard try await admits(tenant, act.address, act.now) else { throw CommonProblems.addressNotAllowed }
        let device = mark(hardware, tenant: tenant)
        let act = proved(act, id)
        let (activation, found) = try await store.tenant(tenant) { db in
            let activation = try db.once(act) {
                guard let activation = try find(id, device, in: db)?.activation else { throw LicenseProblems.notActivated }
                try db.run(LicenseTable.deactivate, id, activation.device.bytes)
                try db.journal(
                    JournalEntry(
                        "device.deactivated", subject: "license:\(id)", details: ["activation": .string(activation.id.description)]), act)
                return activation
            }
            guard let found = try find(id, device, in: db) else { throw CommonProblems.notFound }
            return (activation, found)
        }
        return ActivationChange(
            activation: activation, deactivatedAt: act.now, license: proven(found.license, activations: found.activations, now: act.now),
            file: nil)
    }

    /// Whether the key was given out here, or is none at all: for another region's question.
    package func knows(key: String) async throws -> Bool {
        guard let digest = digest(of: key) else { return true }
        return try await store.kernelRead(Self.proveReason) { db in try route(digest, in: db) } != nil
    }

    // MARK: Steps

    private func digest(of key: String) -> [UInt8]? {
        (try? LicenseKey.canonical(key)).map { sealer.digest(Array($0.utf8), purpose: Self.keyPurpose) }
    }

    private func route(_ digest: [UInt8], in db: any KernelScope) throws -> (TenantID, License.ID)? {
        try db.row(LicenseTable.findKey, digest).map { (try $0.id(0), try $0.id(1)) }
    }

    private func holder(of key: String) async throws -> (TenantID, License.ID) {
        guard let digest = digest(of: key) else { throw LicenseProblems.keyMalformed }
        guard let route = try await store.kernelRead(Self.proveReason, { db in try route(digest, in: db) }) else {
            throw LicenseProblems.keyUnknown
        }
        return route
    }

    /// The key proved who acts.
    private func proved(_ act: Act, _ id: License.ID) -> Act {
        guard act.actor == .anonymous else { return act }
        return Act(actor: .license(id), requestID: act.requestID, now: act.now, address: act.address, idempotency: act.idempotency)
    }

    private func find(_ id: License.ID, _ device: DeviceMark, in db: any TenantScope) throws -> Found? {
        guard let license = try license(id, in: db) else { return nil }
        return Found(
            license: license, activation: try activation(of: license, device, in: db),
            activations: try db.row(LicenseTable.activationCount, id)?.int(0) ?? 0)
    }

    private func proven(_ license: License, activations: Int, now: Timestamp) -> ProvenLicense {
        ProvenLicense(
            license: license, status: license.status(at: now), activations: activations, expiresAt: license.expiresAt(at: now),
            offlineUntil: offlineUntil(license, now: now))
    }

    /// How long the licence may go without asking: the offline grace, but not past its own end.
    private func offlineUntil(_ license: License, now: Timestamp) -> Timestamp {
        guard license.status(at: now).isUsable else { return now }
        let grace = Timestamp(seconds: now.seconds) + .seconds(Int64(settings[LicenseSettings.offlineGraceSeconds]))
        return license.expiresAt(at: now).map { min($0, grace) } ?? grace
    }

    /// Signs off the store's threads, after the transaction.
    private func file(_ license: License, _ activation: Activation, hardwareID: String, now: Timestamp) async throws -> SignedLicenseFile {
        let file = LicenseFile(
            license: license.id, activation: activation.id.description, hardwareHash: LicenseFile.hash(hardwareID: hardwareID),
            tier: license.tier, tierName: license.grant.tierName, status: license.status(at: now).rawValue,
            issuedAt: Timestamp(seconds: now.seconds), expiresAt: license.expiresAt(at: now), offlineUntil: offlineUntil(license, now: now),
            seats: license.grant.seats, maxActivations: license.grant.devices, features: license.grant.features,
            limits: license.grant.limits)
        let message = try file.message()
        var marks: [SignedLicenseFile.Mark] = []
        for name in settings[LicenseSettings.fileSignatures] {
            let purpose: KeyPurpose = name == "rsa" ? .licenseRSA : .license
            let signature = try await signer.sign(message, purpose)
            marks.append(.init(keyID: signature.keyID, algorithm: purpose.algorithm.rawValue, bytes: signature.bytes))
        }
        return SignedLicenseFile(license: file.json, signatures: marks)
    }
}
