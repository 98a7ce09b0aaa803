import Vocabulary

package enum TenancyProblems {
    package static let lastOwner = Problem(
        "last_owner", status: 409, title: "A tenant keeps at least one owner.", hint: "Make another member owner first.")
    package static let rankTooLow = Problem(
        "rank_too_low", status: 403, title: "You can change only members below your own role, to roles below it.",
        hint: "Ask an owner of the tenant.")
    package static let endRequired = Problem(
        "end_required", status: 422, title: "This role needs an end time.", hint: "Send ends_at for contractors and auditors.")
    package static let ownerUnbounded = Problem(
        "owner_unbounded", status: 422, title: "An owner has neither an end time nor a scope.", hint: "Leave out ends_at and scope.")
    package static let teamNameTaken = Problem(
        "team_name_taken", status: 409, title: "Another team of this tenant has that name.", hint: "Choose another name.")
    package static let tooManyTeams = Problem(
        "too_many_teams", status: 409, title: "A tenant has at most 200 teams.", hint: "Remove a team first.")
    package static let listExcludesCaller = Problem(
        "allow_list_excludes_you", status: 409, title: "This list would keep you out: your own address is not on it.",
        hint: "Add a network that holds your address, or send confirm_exclusion: true.")
    package static let all = [lastOwner, rankTooLow, endRequired, ownerUnbounded, teamNameTaken, tooManyTeams, listExcludesCaller]
}
