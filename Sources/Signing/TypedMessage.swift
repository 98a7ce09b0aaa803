import Vocabulary

/// Bytes that say what they are: a signature over one kind never passes for another.
package struct TypedMessage: Sendable, Hashable {
    package struct Kind: Sendable, Hashable {
        /// `license-file.v1`: lower-case letters, digits, `-` and `.`.
        package let name: String
        package init(_ name: String) {
            precondition(
                !name.isEmpty && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 46 },
                "a kind is a literal of lower-case letters, digits, - and .")  // a caller's mistake, never input
            self.name = name
        }
        package static let licenseFile = Kind("license-file.v1")
        package static let seatReceipt = Kind("seat-receipt.v1")
        package static let borrowedSeat = Kind("borrowed-seat.v1")
        package static let journalCheckpoint = Kind("journal-checkpoint.v1")
        /// That a tenant's data was deleted, and what stayed.
        package static let deletionCertificate = Kind("deletion-certificate.v1")
        /// What an export holds.
        package static let tenantExport = Kind("tenant-export.v1")
    }

    package let kind: Kind
    package let body: [UInt8]
    package init(_ kind: Kind, _ body: [UInt8]) {
        self.kind = kind
        self.body = body
    }
    /// The canonical form of `value` under `kind`.
    package init(_ kind: Kind, json value: JSONValue) throws { self.init(kind, try CanonicalJSON.encode(value)) }

    /// `coditect:KIND` NUL body. A kind has no NUL and no JSON text begins with `c`, so no two messages have the same bytes.
    package var bytes: [UInt8] { Array("coditect:\(kind.name)\0".utf8) + body }
}
