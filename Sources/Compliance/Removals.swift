import Tenancy
import Vocabulary

extension Compliance {
    /// What the roster answers to a removal.
    static let removalProblems = [TenancyProblems.lastOwner, TenancyProblems.rankTooLow]
}
