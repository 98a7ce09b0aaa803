/// Why a hook's fail mode held though no policy failed: nobody was asked, or what was answered could not be kept.
package enum DecisionFailure {
    package static let policy = "policy_failed"
    package static let notLoaded = "policies_not_loaded"
    package static let overloaded = "policy_overloaded"
    package static let notRecorded = "decision_not_recorded"
    package static let notContained = "policies_not_contained"
    package static let notRead = "policies_not_read"
    private static let unasked: Set<String> = [notLoaded, overloaded, notRecorded, notContained, notRead]

    /// What the caller may know: the details of a failing policy are for the record.
    package static func code(_ reason: String) -> String { unasked.contains(reason) ? reason : policy }
    package static func isUnasked(_ reason: String) -> Bool { unasked.contains(reason) }
}
