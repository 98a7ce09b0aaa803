import Vocabulary

package enum PeopleProblems {
    package static let alreadyMember = Problem(
        "already_member", status: 409, title: "This address belongs to a member of the tenant.", hint: "Change that membership instead.")
    package static let alreadyInvited = Problem(
        "already_invited", status: 409, title: "An invitation for this address is open.", hint: "Resend it, or revoke it first.")
    package static let tooManyInvitations = Problem(
        "too_many_invitations", status: 409, title: "Too many invitations are open.", hint: "Revoke some, or wait until they are answered.")
    package static let settled = Problem(
        "invitation_settled", status: 409, title: "This invitation is accepted, revoked or expired.", hint: "Invite the address anew.")
    package static let accountNeeded = Problem(
        "account_needed", status: 422, title: "Nobody has proved this address yet.",
        hint: "Send password, first_name and last_name with the token: they make the account.")
    package static let tooManyTenants = Problem(
        "too_many_organisations", status: 409, title: "You own as many organisations as one person may.", hint: "Ask support for more.")
    package static let otherRegion = Problem(
        "account_in_other_region", status: 409, title: "This address has its account in another region, and an account belongs to one.",
        hint: "Join with another address, or sign up the organisation in the region where you are.", fields: ["region": "eu"])
    package static let all = [otherRegion, alreadyMember, alreadyInvited, tooManyInvitations, settled, accountNeeded, tooManyTenants]
}

package enum PeopleSettings {
    package static let invitationSeconds = Setting<Int>(
        "people.invitation_seconds", default: 604_800, in: 3_600...604_800,
        reason: "Life of an invitation: 7 days. Policy may shorten it for one (on_invite).")
    package static let openInvitations = Setting<Int>(
        "people.open_invitations", default: 100, in: 1...10_000,
        reason: "Invitations of a tenant that nobody has answered: mails to strangers in somebody's name have an end.")
    package static let invitationSends = Setting<Int>(
        "people.invitation_sends", default: 5, in: 1...50, reason: "How often one invitation is mailed, the first time included.")
    package static let ownedTenants = Setting<Int>(
        "people.owned_organisations", default: 20, in: 1...1_000, reason: "Organisations that one person may own.")
    package static let all: [AnySetting] = [invitationSeconds.erased, openInvitations.erased, invitationSends.erased, ownedTenants.erased]
}
