import Store
import Vocabulary

/// One upload of one tenant: the same content is the same version.
package struct TenantPolicyVersion: Sendable, Hashable {
    /// SHA-256 in hexadecimal, over names, contents and settings.
    package let hash: String
    /// Hooks that it answers.
    package let hooks: [String]
    /// Tests that came with it, all passed.
    package let tests: Int
    package let note: String
    package let uploadedAt: Timestamp
    package let uploadedBy: UserID
    /// Of all its files.
    package let bytes: Int
    package init(hash: String, hooks: [String], tests: Int, note: String, uploadedAt: Timestamp, uploadedBy: UserID, bytes: Int) {
        self.hash = hash
        self.hooks = hooks
        self.tests = tests
        self.note = note
        self.uploadedAt = uploadedAt
        self.uploadedBy = uploadedBy
        self.bytes = bytes
    }
    /// The newest are kept, and the one in force.
    package static let mostKept = 50
}

/// Which version answers from now on; news with a lower revision are old.
package struct TenantPolicyChange: Sendable, Hashable {
    package let tenant: TenantID
    /// Nil: none.
    package let hash: String?
    package let hooks: [String]
    package let revision: Int64
    package init(tenant: TenantID, hash: String?, hooks: [String], revision: Int64) {
        self.tenant = tenant
        self.hash = hash
        self.hooks = hooks
        self.revision = revision
    }
}

/// How the version in force has done since it went live here.
package struct TenantPolicyReport: Sendable, Hashable {
    package struct Failure: Sendable, Hashable {
        package let at: Timestamp
        package let decision: DecisionID
        package let hook: String
        package let message: String
        package init(at: Timestamp, decision: DecisionID, hook: String, message: String) {
            self.at = at
            self.decision = decision
            self.hook = hook
            self.message = message
        }
    }
    package var asked: Int
    package var denied: Int
    package var failed: Int
    package var lastFailure: Failure?
    package init(asked: Int, denied: Int, failed: Int, lastFailure: Failure?) {
        self.asked = asked
        self.denied = denied
        self.failed = failed
        self.lastFailure = lastFailure
    }
}

/// What a check found in an upload that can be used.
package struct CheckedUpload: Sendable, Hashable {
    package let hash: String
    package let hooks: [String]
    package let tests: Int
    package init(hash: String, hooks: [String], tests: Int) {
        self.hash = hash
        self.hooks = hooks
        self.tests = tests
    }
}

/// Whoever runs policies, as the room sees it.
package protocol TenantPolicyRunner: Sendable {
    /// Compiles, checks and tests an upload. Throws `tenant_policies_refused` with the findings, `policies_not_contained`, or
    /// `unavailable` where too many wait.
    func check(_ files: [String: String], for tenant: TenantID) async throws -> CheckedUpload
    /// From now on these policies answer for the tenant, or none.
    func put(_ change: TenantPolicyChange)
    /// Nil where none is in force.
    func report(_ tenant: TenantID) -> TenantPolicyReport?
}
