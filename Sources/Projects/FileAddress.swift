import Signing
import Store
import Vocabulary

/// An address that the server itself serves: whoever has it may do one thing with one object for a while, without a session. The server keeps
/// nothing of it; what it says is what was signed.
package struct FileAddress: Sendable, Hashable {
    package enum Purpose: String, Sendable, Hashable, CaseIterable {
        case read, write
        package var method: String { self == .read ? "GET" : "PUT" }
    }
    package let purpose: Purpose
    package let tenant: TenantID
    package let object: FileObjectID
    /// For whom it was made: it works as long as that person is a member.
    package let user: UserID
    /// Of the whole file.
    package let bytes: Int64
    /// In whole seconds.
    package let expiresAt: Timestamp

    package static let path = "/api/v1/blobs"
    private static let use = "projects.file_address"

    private var message: [UInt8] {
        // Each part is of a form that holds no line's end: two different addresses never make one message.
        Array(
            """
            coditect file address 1
            \(purpose.method)
            \(tenant)
            \(object)
            \(user)
            \(bytes)
            \(expiresAt.seconds)
            """.utf8)
    }

    package func query(_ sealer: any Sealer) -> String {
        "tenant=\(tenant)&user=\(user)&bytes=\(bytes)&expires=\(expiresAt.seconds)&signature=\(Hex.encode(sealer.digest(message, purpose: Self.use)))"
    }

    /// Nil for anything that was not signed here for this method and object, and for what is over.
    package init?(_ purpose: Purpose, object: String, query: [String: String], sealer: any Sealer, now: Timestamp) {
        guard let object = FileObjectID(object), let tenant = query["tenant"].flatMap({ TenantID($0) }),
            let user = query["user"].flatMap({ UserID($0) }), let bytes = Self.number(query["bytes"]),
            let expires = Self.number(query["expires"]), let signature = query["signature"], signature.utf8.count == 64,
            signature == signature.lowercased(), let code = Hex.decode(signature)
        else { return nil }
        self.init(purpose: purpose, tenant: tenant, object: object, user: user, bytes: bytes, expiresAt: Timestamp(seconds: expires))
        guard ConstantTime.equal(code, sealer.digest(message, purpose: Self.use)), now < expiresAt else { return nil }
    }
    package init(purpose: Purpose, tenant: TenantID, object: FileObjectID, user: UserID, bytes: Int64, expiresAt: Timestamp) {
        self.purpose = purpose
        self.tenant = tenant
        self.object = object
        self.user = user
        self.bytes = bytes
        self.expiresAt = expiresAt
    }
    /// As it is written, and no other way.
    private static func number(_ text: String?) -> Int64? {
        guard let text, text.utf8.count <= 13, let number = Int64(text), number >= 0, "\(number)" == text else { return nil }
        return number
    }

    /// How many bytes piece `number` of a file of this size has; nil where there is none.
    package static func pieceBytes(_ number: Int, of bytes: Int64) -> Int64? {
        let size = Int64(FileStoreLimits.partBytes)
        let pieces = max(1, (bytes + size - 1) / size)
        guard number >= 1, Int64(number) <= pieces else { return nil }
        return min(size, bytes - Int64(number - 1) * size)
    }
}
