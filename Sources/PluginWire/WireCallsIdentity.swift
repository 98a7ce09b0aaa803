import PluginKit

/// For an identity provider.
extension ToChild {
    package struct Inspection: Codable, Sendable {
        package var connection: IdentityConnection
        package var redirectAddress: String
        package init(connection: IdentityConnection, redirectAddress: String) {
            self.connection = connection
            self.redirectAddress = redirectAddress
        }
    }
    package static let beginIdentity = WireCall<IdentityBeginning, IdentityDeparture>(70)
    package static let completeIdentity = WireCall<IdentityArrival, IdentityAssertion>(71)
    package static let inspectIdentity = WireCall<Inspection, IdentityInspection>(72)
    package static let authenticate = WireCall<DirectoryAttempt, IdentityAssertion>(73)
    package static let documentIdentity = WireCall<Inspection, IdentityDocument>(74)
}

extension ToHost {
    package static let verifyToken = WireCall<SignedToken, VerifiedToken>(160)
}
