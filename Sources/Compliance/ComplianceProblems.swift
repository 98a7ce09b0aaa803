import Vocabulary

package enum ComplianceProblems {
    package static let noFramework = Problem(
        "framework_unknown", status: 404, title: "There is no such framework here.",
        hint: "See GET /api/v1/compliance/frameworks; a framework is a plugin that the operator installs.")
    package static let tooSoon = Problem(
        "compliance_run_too_soon", status: 429, title: "The controls were evaluated a moment ago.",
        hint: "Read that result, or wait for retry_after seconds.")
    package static let reviewOpen = Problem(
        "access_review_open", status: 409, title: "A review of access is open already.", hint: "Finish the review that review_id names.")
    package static let reviewSigned = Problem(
        "access_review_signed_off", status: 409, title: "The review is signed off and changes no more.", hint: "Open a new one.")
    package static let reviewDecided = Problem(
        "access_review_decided", status: 409, title: "This member was removed already.", hint: "See the review's items.")
    package static let reviewUndecided = Problem(
        "access_review_undecided", status: 409, title: "Some members are neither confirmed nor removed.",
        hint: "Decide on each; undecided says how many there are.")
    package static let roleChanged = Problem(
        "access_review_role_changed", status: 409, title: "The member has another role than when the review was opened.",
        hint: "Give the role back, remove the member, or sign off and open a new review.")
    package static let tooManyMembers = Problem(
        "access_review_too_large", status: 409, title: "There are more members than a review can hold.",
        hint: "Ask whoever runs the platform.")
    package static let nothingYet = Problem(
        "compliance_never_evaluated", status: 409, title: "The controls were never evaluated.",
        hint: "Run them first, or wait for the schedule.")
    package static let all = [
        noFramework, tooSoon, reviewOpen, reviewSigned, reviewDecided, reviewUndecided, roleChanged, tooManyMembers, nothingYet,
    ]
}
