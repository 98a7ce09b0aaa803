/// Whom a mail reaches, looked up when it is sent; implemented by Identity, used by Notifications.
package protocol AddressBook: Sendable {
    /// Nil when the person was erased, has deactivated the account, or never existed.
    func address(of user: UserID) async throws -> MailAddress?
    /// The active owners of a tenant.
    func owners(of tenant: TenantID) async throws -> [UserID]
    /// The active members of a tenant.
    func members(of tenant: TenantID) async throws -> [UserID]
    /// Everybody with a platform role.
    func staff() async throws -> [UserID]
}

/// A person's mail address and name in the clear: held while a mail is written, never stored or logged.
package struct MailAddress: Sendable, Hashable {
    package let email: String
    package let name: String
    package init(email: String, name: String) {
        self.email = email
        self.name = name
    }
}

extension MailRequested {
    /// The context under which `sealed[name]` was sealed; the value is the box in Base64 (RFC 4648 section 4).
    package func context(of name: String) -> String { Self.context(template: template, name: name, key: key) }
    package static func context(template: String, name: String, key: String) -> String { "mail.\(template).\(name):\(key)" }
}
