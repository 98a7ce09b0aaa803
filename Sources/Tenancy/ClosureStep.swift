import Vocabulary

/// What a room does when a tenant leaves. Rooms to the right implement it, Composition hands the list over in their order.
/// Every call may be repeated after a crash and must then end in the same state.
package protocol ClosureStep: Sendable {
    /// `licensing`: names the step in progress, journal and certificate.
    var name: String { get }
    /// Tables with a tenant in them that `purge` leaves without a row of it.
    var tables: [String] { get }
    /// Ends what lets the tenant act: sessions, keys, leases, subscriptions.
    func revoke(_ tenant: TenantID, _ act: Act) async throws
    /// Undoes `revoke` as far as the room can, while the data is retained.
    func restore(_ tenant: TenantID, _ act: Act) async throws
    /// Destroys the tenant's rows, files and secrets, and says what stays and why.
    func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder]
}

/// Something that outlives a purge because a law says so.
package struct ClosureRemainder: Sendable, Hashable, Codable {
    package let what: String
    package let why: String
    package let until: Timestamp?
    package init(what: String, why: String, until: Timestamp?) {
        self.what = what
        self.why = why
        self.until = until
    }
}
