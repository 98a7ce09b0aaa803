import Vocabulary

package enum CompliancePermissions {
    package static let read = Permission("compliance:read", "See and export controls, results, gaps, evidence and reviews of access.")
    package static let run = Permission("compliance:run", "Have controls evaluated now.")
    /// Of the team's: whoever may remove members.
    package static let review = Permission(
        "team:review", "Review who has what role: confirm or remove each, and sign off.", delegates: .none)
    package static let readPlatform = Permission("platform_compliance:read", "See and export the platform's own controls and results.")
    package static let runPlatform = Permission("platform_compliance:run", "Have the platform's own controls evaluated now.")
    package static let all = [read, run, review, readPlatform, runPlatform]
}
