import Catalog
import Vocabulary

/// The signed right to use the product under a tier.
package struct License: Sendable, Hashable {
    package typealias ID = LicenseID

    /// Where the right comes from. One licence for each origin, for ever.
    package enum Origin: Sendable, Hashable {
        /// The tier that a verified tenant holds without paying.
        case free
        case subscription(SubscriptionID)

        var text: String {
            switch self {
            case .free: "free"
            case .subscription(let id): "subscription:\(id)"
            }
        }
        init?(text: String) {
            if text == "free" {
                self = .free
            } else if let id = SubscriptionID(String(text.dropFirst("subscription:".count))), text.hasPrefix("subscription:") {
                self = .subscription(id)
            } else {
                return nil
            }
        }
    }

    package let id: ID
    package let tenant: TenantID
    package let origin: Origin
    package let tier: String
    package let quantity: Int
    /// The version of the standing that it shows; 0 for `free`.
    package let version: Int64
    package let terms: LicenseTerms
    /// What the tier grants: as the catalog says now, or as it last said for a tier that is gone.
    package let grant: TierGrant
    package let issuedAt: Timestamp

    package func status(at now: Timestamp) -> LicenseStatus { terms.status(at: now) }
    /// The effective end that answers, files and pages show; nil: without end.
    package func expiresAt(at now: Timestamp) -> Timestamp? { terms.effectiveEnd(at: now) }
    package var expiresAt: Timestamp? { terms.effectiveEnd }
}

/// What a tier gives for a quantity.
package struct TierGrant: Sendable, Hashable, Codable {
    package var tierName: String
    package var seats: Int
    /// Nil: without limit.
    package var devices: Int?
    package var features: [String: JSONValue]
    /// A whole number, or null for a limit that is lifted.
    package var limits: [String: JSONValue]
    /// Nil where the licence was last written before tiers said so.
    package var hardwareMatch: HardwareMatch?

    package init(
        tierName: String, seats: Int, devices: Int?, features: [String: JSONValue], limits: [String: JSONValue],
        hardwareMatch: HardwareMatch?
    ) {
        self.tierName = tierName
        self.seats = seats
        self.devices = devices
        self.features = features
        self.limits = limits
        self.hardwareMatch = hardwareMatch
    }
}

/// One device registered against a licence.
package struct Activation: Sendable, Hashable, Codable {
    package typealias ID = Identifier<Activation>
    package let id: ID
    package let license: License.ID
    package let device: DeviceHandle
    package let machineName: String?
    package let activatedAt: Timestamp

    package init(id: ID, license: License.ID, device: DeviceHandle, machineName: String?, activatedAt: Timestamp) {
        self.id = id
        self.license = license
        self.device = device
        self.machineName = machineName
        self.activatedAt = activatedAt
    }
}

/// Stands for a hardware id within one tenant: comparable, not readable, and no use for joining two tenants.
package struct DeviceHandle: Sendable, Hashable, Codable {
    package let bytes: [UInt8]
    package init(_ bytes: [UInt8]) { self.bytes = bytes }
}
