import Vocabulary

package enum ProvisioningProblems {
    package static let suspended = Problem(
        "workstation_suspended", status: 409, title: "The workstation is suspended.",
        hint: "What is on it is kept. It can be started again once the organization has access.")
    package static let failed = Problem(
        "workstation_failed", status: 409, title: "The workstation could not be made.", hint: "See note for why, then have it tried again.")
    package static let notFailed = Problem(
        "nothing_failed", status: 409, title: "There is nothing to try again.", hint: "Look at how it is now: it may have come right.")
    package static let notRunning = Problem(
        "workstation_not_running", status: 409, title: "The workstation does not run.", hint: "Start it, and wait until it runs.")
    package static let all = [suspended, failed, notFailed, notRunning]
}
