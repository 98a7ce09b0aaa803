import Vocabulary

package enum NotificationProblems {
    package static let channelUnknown = Problem(
        "mail_channel_unknown", status: 404, title: "No mail channel of this name is at work here.",
        hint: "Check the name; the operator lists the plugins in use.")
    package static let channelSilent = Problem(
        "mail_channel_silent", status: 404, title: "This mail channel hears of nothing later, or is not set up to.",
        hint: "Give the plugin the key that its reports are signed with; the operator's log says what is missing.")
    package static let reportForged = Problem(
        "mail_report_signature_invalid", status: 400, title: "The signature does not prove where this came from.",
        hint: "Check the verification key on both sides.")
    package static let reportStale = Problem(
        "mail_report_stale", status: 400, title: "The signature is too old.",
        hint: "Check both clocks; deliver again with a fresh signature.")
    package static let reportMalformed = Problem(
        "mail_report_malformed", status: 400, title: "These are no reports of the channel.", hint: "Send the channel's body unchanged.")
    package static let channelUnavailable = Problem(
        "mail_channel_unavailable", status: 503, title: "The mail channel cannot read reports now.", hint: "Deliver again later.")
    package static let linkInvalid = Problem(
        "mail_link_invalid", status: 404, title: "This link belongs to no mail of ours.",
        hint: "Use the whole link, or choose your mails after signing in.")
    package static let all = [linkInvalid, channelUnknown, channelSilent, reportForged, reportStale, reportMalformed, channelUnavailable]

    /// What whoever reports is told.
    static func ofReport(_ error: any Error) -> Problem {
        if let problem = error as? Problem { return problem }
        return switch error as? MailReportRefusal {
        case .forged?: reportForged
        case .stale?: reportStale
        case .malformed?: reportMalformed
        case .notOffered?: channelSilent
        default: channelUnavailable.retry(afterSeconds: 30)
        }
    }
}

package enum NotificationPermissions {
    package static let staff = Permission(
        "staff:mail", "See what became of mails and whom nothing is sent to; let an address be tried again.")
    package static let team = Permission("team:mail", "See which members' addresses take no mail.", delegates: .keys)
    package static let brand = Permission(
        "tenant:brand", "See and set the name, colour and footer of the organization's mails.", delegates: .keys)
    package static let all = [staff, team, brand]
}
