import Vocabulary

/// What mails say. A template is a subject, paragraphs and links; text and HTML are made from the same words.
struct MailTemplate: Sendable {
    let subject: String
    let paragraphs: [String]
    /// Words, and a path in which a value stands percent-encoded. The first is the one to press.
    var links: [(words: String, path: String)] = []

    /// `{name}` stands for a value of the request; a paragraph or link with a missing value is left out.
    static let all: [String: MailTemplate] = [
        // Identity
        "verify_email": MailTemplate(
            subject: "Confirm your address",
            paragraphs: [
                "Welcome to {brand}. Please confirm that this is your address.", "The link works once, for {hours} hours.",
                "If you did not sign up, do nothing.",
            ],
            links: [("Confirm your address", "/verify?token={token}")]),
        "welcome_user": MailTemplate(
            subject: "Your account is ready",
            paragraphs: [
                "Welcome to {brand}. Your address is confirmed and your account is ready.",
                "Your licence page shows the key and how to install the tools; your plan can be changed at any time.",
            ],
            links: [("See your licence", "/licence"), ("See the plans", "/plans")]),
        "already_registered": MailTemplate(
            subject: "You already have an account",
            paragraphs: [
                "Somebody, perhaps you, signed up at {brand} with this address. It has an account already, so nothing was changed.",
                "Sign in, or set a new password if you have forgotten yours. If it was not you, do nothing.",
            ],
            links: [("Sign in", "/sign-in"), ("Set a new password", "/forgot")]),
        "webhook_disabled": MailTemplate(
            subject: "A webhook was disabled",
            paragraphs: [
                "Messages to your webhook {url} could not be delivered, so it was disabled: {reason}.",
                "Mend the endpoint, enable the webhook again and replay what it missed; messages are kept for a while.",
            ]),
        "reset_password": MailTemplate(
            subject: "Set a new password",
            paragraphs: [
                "You asked to set a new password. The link works once, for one hour.",
                "If you did not ask, do nothing: your password stays.",
            ],
            links: [("Set a new password", "/reset?token={token}")]),
        "confirm_provider": MailTemplate(
            subject: "Connect a provider with your account?",
            paragraphs: [
                "Somebody, perhaps you, signed in through {provider} with this address. It has an account already, so nobody was let in.",
                "If it was you, follow the link within {minutes} minutes; it works once. From then on {provider} signs you in.",
                "If it was not you, do nothing.",
            ],
            links: [("Connect it", "/link?token={token}")]),
        "password_changed": MailTemplate(
            subject: "Your password was changed",
            paragraphs: [
                "Your password was changed and every other session was signed out.", "If it was not you, set a new password at once.",
            ],
            links: [("Set a new password", "/forgot")]),
        "account_locked": MailTemplate(
            subject: "Sign-in is paused for one network",
            paragraphs: [
                "There were too many failed sign-ins to your account from one network. From there, sign-in is paused for {minutes} minutes.",
                "You can sign in from elsewhere, or set a new password.",
            ],
            links: [("Set a new password", "/forgot")]),
        "new_sign_in": MailTemplate(
            subject: "A new sign-in to your account",
            paragraphs: [
                "Somebody signed in to your account from a new device.", "Device: {device}",
                "If it was not you, set a new password at once.",
            ],
            links: [("Set a new password", "/forgot")]),
        "factor_added": MailTemplate(
            subject: "A second factor was added to your account",
            paragraphs: [
                "From now on {factor} proves that it is you.",
                "If you did not add it, sign in, remove it and set a new password at once.",
            ],
            links: [("See your second factors", "/account/security")]),
        "factor_removed": MailTemplate(
            subject: "A second factor was removed from your account",
            paragraphs: [
                "Your account has {factor} less to prove that it is you.", "If you did not remove it, set a new password at once.",
            ],
            links: [("See your second factors", "/account/security")]),
        "recovery_codes_renewed": MailTemplate(
            subject: "You have new recovery codes",
            paragraphs: [
                "New recovery codes were made for your account; the ones before are none any more.",
                "If it was not you, set a new password at once.",
            ],
            links: [("See your second factors", "/account/security")]),
        "recovery_code_used": MailTemplate(
            subject: "A recovery code was used",
            paragraphs: [
                "Somebody who knows your password used one of your recovery codes. {left} are left.",
                "If it was not you, set a new password and make new codes at once.",
            ],
            links: [("See your second factors", "/account/security")]),
        "passkey_suspect": MailTemplate(
            subject: "One of your passkeys may have been copied",
            paragraphs: [
                "The passkey “{passkey}” was used with a counter that had gone back, as a copy would. It was not accepted, and is not any more.",
                "Sign in another way, remove it and make a new one.",
            ],
            links: [("See your second factors", "/account/security")]),
        "factors_reset": MailTemplate(
            subject: "Your second factors were removed by an administrator",
            paragraphs: [
                "An administrator of {brand} removed every second factor of your account and ended your sessions, because somebody said that you lost them.",
                "Sign in with your password and set up new ones. If you did not ask for it, tell us at once.",
            ],
            links: [("Sign in", "/sign-in")]),
        "account_deactivated": MailTemplate(
            subject: "Your account was deactivated",
            paragraphs: [
                "Our staff deactivated your account at {brand}: sessions, keys and seats have ended, and nobody signs in. The reason: {reason}",
                "Everything is kept. Only our staff opens it again: answer us if you think that this is wrong.",
            ]),
        "account_reactivated": MailTemplate(
            subject: "Your account is open again",
            paragraphs: [
                "Your account at {brand} was deactivated and is open again. Sign in as before; API keys that ended are to be made anew.",
                "If you did not ask for it, set a new password and tell us.",
            ],
            links: [("Sign in", "/sign-in")]),
        "invitation": MailTemplate(
            subject: "You are invited to an organisation",
            paragraphs: [
                "{inviter} invites you to join {organization} at {brand}, as {role}.",
                "The link works once, for {days} days. If you do not know the sender, do nothing.",
            ],
            links: [("Answer the invitation", "/invitation?token={token}")]),
        "impersonation_started": MailTemplate(
            subject: "Staff acts in your organisation",
            paragraphs: [
                "A member of {brand}'s staff acts in the place of a member of your organisation, for at most {minutes} minutes.",
                "Reason: {reason}", "Each step stands in your audit log under both names. An owner can end it at any time.",
            ]),
        "welcome_admin": MailTemplate(
            subject: "You administer this platform",
            paragraphs: ["You are the first administrator of {brand}. Everything that you do as such is in the audit log."],
            links: [("Sign in", "/sign-in")]),

        "welcome": MailTemplate(
            subject: "Everything is set up",
            paragraphs: [
                "Welcome to {brand}. What your {tier_name} licence gives is set up: your organization, its first API key, and a workstation for each member whose role has one.",
                "The key is shown once, to its owner.",
            ]),

        // Licences and seats
        "license_issued": MailTemplate(
            subject: "Your licence is ready",
            paragraphs: ["Your {tier_name} licence is ready. The key, and what to do with it, is on your licence page."],
            links: [("See your licence", "/licence")]),
        "license_revoked": MailTemplate(
            subject: "A licence has ended",
            paragraphs: ["Your {tier_name} licence has ended: its key and its seats work no longer."],
            links: [("See your licences", "/licence")]),
        "license_suspended": MailTemplate(
            subject: "A licence is suspended",
            paragraphs: [
                "Your {tier_name} licence was suspended by our staff: its key and its seats do not work for now. The reason: {reason}",
                "Everything is kept. Answer us, and we look into it.",
            ],
            links: [("See your licences", "/licence")]),
        "license_reinstated": MailTemplate(
            subject: "A licence works again",
            paragraphs: ["Our staff let go of your {tier_name} licence: it is again what is paid for. The reason: {reason}"],
            links: [("See your licences", "/licence")]),
        "seats_nearly_full": MailTemplate(
            subject: "Your seats are nearly all in use",
            paragraphs: ["{seats_used} of {seats_total} seats of your licence are in use."],
            links: [("See who holds them", "/licence"), ("Choose more seats", "/plans")]),

        // Usage
        "usage_warning": MailTemplate(
            subject: "A quota is nearly used up",
            paragraphs: ["{used} of {limit} {meter} of your plan are used.", "On {resets_at} it counts from zero again."],
            links: [("See the plans", "/plans")]),
        "usage_exhausted": MailTemplate(
            subject: "A quota is used up",
            paragraphs: [
                "All {limit} {meter} of your plan are used. On {resets_at} it counts from zero again.",
                "With a larger plan there is more at once.",
            ],
            links: [("See the plans", "/plans")]),

        // Payments
        "purchase_confirmed": MailTemplate(
            subject: "Thank you for your purchase",
            paragraphs: ["Thank you. Your purchase of {tier} is confirmed.", "Amount: {amount}", "Paid until {period_end}."],
            links: [("See your licence", "/licence")]),
        "purchase_receipt": MailTemplate(
            subject: "Your receipt",
            paragraphs: ["Thank you for your payment for {tier}.", "Amount: {amount}", "Paid until {period_end}."],
            links: [("See your licence", "/licence")]),
        "payment_failed": MailTemplate(
            subject: "Your payment did not go through",
            paragraphs: [
                "Your last payment for {tier} did not go through.", "Everything goes on working until {grace_until}.",
                "Please renew your means of payment.",
            ],
            links: [("Go to billing", "/plans")]),
        "payment_recovered": MailTemplate(
            subject: "Your payment went through", paragraphs: ["Your payment went through. Everything works as before."],
            links: [("See your licence", "/licence")]),
        "billing_corrected": MailTemplate(
            subject: "Something in your account was corrected",
            paragraphs: [
                "We compare your account at {brand} with the payment provider, {provider}, again and again. This time something differed and was corrected: {summary}.",
                "{more} more corrections are not listed here.",
                "Your subscription now stands like this: {tier}, quantity {quantity}, {status}.", "It runs until {period_end}.",
                "You need not do anything. If something looks wrong to you, write to us.",
            ],
            links: [("See what was corrected", "/licence#corrections")]),
        "quantity_refused": MailTemplate(
            subject: "Your change of quantity was not made",
            paragraphs: [
                "The quantity of {quantity} that was asked for is not in force: {reason}.",
                "Nothing else has changed, and nothing was charged for it. You may ask again.",
            ],
            links: [("See your licence", "/licence")]),
        "grace_reminder": MailTemplate(
            subject: "Your access ends soon",
            paragraphs: [
                "A payment for {tier} is still missing.", "Everything works until {grace_until}; then licence and seats are suspended.",
                "Please renew your means of payment.",
            ],
            links: [("Go to billing", "/plans")]),
        "access_restored": MailTemplate(
            subject: "Your access is back",
            paragraphs: ["Your licence and seats for {tier} work again. Nothing was lost."],
            links: [("See your licence", "/licence")]),
        "subscription_paused": MailTemplate(
            subject: "Your subscription is paused",
            paragraphs: [
                "Your subscription to {tier} is paused: nothing is charged, and licence and seats rest. Your data is kept.",
                "Resume it, and everything comes back at once.",
            ],
            links: [("Go to billing", "/plans")]),
        "renewal_reminder": MailTemplate(
            subject: "Your subscription renews soon",
            paragraphs: [
                "Your subscription to {tier} renews on {period_end}.", "From then on it is {next_tier}, as you chose.",
                "If you want to change or cancel it, do so before that day.",
            ],
            links: [("Go to billing", "/plans")]),
        "access_suspended": MailTemplate(
            subject: "Your access is suspended",
            paragraphs: [
                "The time for a missing payment is over, so your licence and seats for {tier} are suspended. Your data is kept.",
                "They were paid until {period_end}.", "Pay, and everything comes back at once.",
            ],
            links: [("Go to billing", "/plans")]),
        "trial_ending": MailTemplate(
            subject: "Your trial ends soon", paragraphs: ["Your trial of {tier} ends on {trial_ends_at}."],
            links: [("Choose a plan", "/plans")]),
        "subscription_cancelled": MailTemplate(
            subject: "Your subscription is cancelled",
            paragraphs: ["Your subscription to {tier}, quantity {quantity}, is cancelled.", "Everything works until {cancels_at}."],
            links: [("Choose a plan", "/plans")]),

        // Leaving
        "offboarding_requested": MailTemplate(
            subject: "Your organisation is leaving",
            paragraphs: [
                "An owner of your organisation asked to leave {brand}. Access ends at {leaves_at}; until then the request can be withdrawn.",
                "Afterwards everything is kept for a while, so that you can come back. Then it is deleted, and you get a signed proof.",
            ],
            links: [("See how far it is", "/api/v1/offboarding/proof/page?token={token}")]),
        "offboarding_planned": MailTemplate(
            subject: "Your subscription ends, and what happens then",
            paragraphs: [
                "Your subscription at {brand} is cancelled, and nothing takes its place. Your organisation leaves at {leaves_at}: from then on nobody has access.",
                "Everything is kept, and an owner can sign in and come back until about {can_return_until}. You get a copy of it. Then it is deleted, and you get a signed proof.",
                "If you take the cancellation back or buy something else before {leaves_at}, nothing of this happens.",
            ],
            links: [("See what happens when", "/leaving"), ("Go to billing", "/plans")]),
        "offboarding_offered": MailTemplate(
            subject: "Your subscription ends, and we have an offer",
            paragraphs: [
                "Your subscription at {brand} is cancelled, and nothing takes its place. We have an offer for you to stay: an owner can take or refuse it.",
                "Without an answer your organisation leaves at {leaves_at}: from then on nobody has access. Everything is kept, and an owner can sign in and come back "
                    + "until about {can_return_until}. You get a copy of it. Then it is deleted, and you get a signed proof.",
            ],
            links: [("See the offer, and what happens when", "/leaving")]),
        "offboarding_called_off": MailTemplate(
            subject: "Your organisation stays",
            paragraphs: [
                "Your organisation was leaving {brand}. Something is paid for again, so it stays, and everything is as it was."
            ],
            links: [("See your licence", "/licence")]),
        "member_left": MailTemplate(
            subject: "A workstation was handed over to you",
            paragraphs: [
                "Somebody with the role {role} is no member of your organisation any more. The workstation is kept until {until}, and then deleted.",
                "Until then you can start and enter it. That you did stands in your audit log.",
            ]),
        "offboarding_left": MailTemplate(
            subject: "Your organisation has left",
            paragraphs: [
                "Nobody works in your organisation at {brand} any more, and nothing is billed. Everything is kept for {days} days.",
                "Until then an owner can sign in and come back. Then it is deleted, and you get a signed proof.",
            ],
            links: [("See how far it is", "/api/v1/offboarding/proof/page?token={token}")]),
        "offboarding_export": MailTemplate(
            subject: "Your organisation has left: take your export",
            paragraphs: [
                "Nobody works in your organisation at {brand} any more, and nothing is billed. A copy of everything is ready to be fetched until {until}: "
                    + "projects with their files, members, settings and every record, with a signed list of what is in it.",
                "Whoever has the link can fetch it, so keep this mail to yourselves. Everything is kept for {days} days; until then an owner can sign in and come back. Then it is deleted, and you get a signed proof.",
            ],
            links: [
                ("Fetch the export", "/api/v1/exports/archive?token={download}"),
                ("See how far it is", "/api/v1/offboarding/proof/page?token={token}"),
            ]),
        "tenant_export": MailTemplate(
            subject: "The export of your organisation is ready",
            paragraphs: [
                "A copy of everything that {brand} knows of your organisation is ready to be fetched until {until}.",
                "Whoever has the link can fetch it, so keep this mail to yourself. If no owner of your organisation asked for it, tell us at once.",
            ],
            links: [("Fetch the export", "/api/v1/exports/archive?token={download}")]),
        "offboarding_purged": MailTemplate(
            subject: "Your organisation is deleted",
            paragraphs: [
                "What {brand} knew of your organisation is deleted, with the accounts of everybody who belonged nowhere else.",
                "The link shows the signed certificate: what was done when, and what the law keeps for how long. Save it.",
            ],
            links: [("See the certificate", "/api/v1/offboarding/proof/page?token={token}")]),

        // Data requests
        "data_request_received": MailTemplate(
            subject: "We received what you ask for",
            paragraphs: [
                "You asked for {kind} of your data at {brand}. It is answered by {due_at} at the latest.",
                "If it was not you, withdraw it, set a new password and tell us at once.",
            ],
            links: [("See how far it is", "/api/v1/data-requests")]),
        "data_request_done": MailTemplate(
            subject: "Your request about your data is answered",
            paragraphs: [
                "You asked for {kind} of your data at {brand}. What came of it: {outcome}.",
                "What was written to you stands with the request. You may complain to a data protection authority.",
            ],
            links: [("See the answer", "/api/v1/data-requests")]),
        "data_export": MailTemplate(
            subject: "Your data is ready",
            paragraphs: [
                "You asked for {kind} of your data at {brand}. The signed document can be taken for some days, after signing in anew.",
                "If it was not you, set a new password and tell us at once.",
            ],
            links: [("See your requests", "/api/v1/data-requests")]),
        "data_erased": MailTemplate(
            subject: "Your data is erased",
            paragraphs: [
                "What told {brand} who you are is erased, and with it your account. This is the last mail to you.",
                "What the law keeps (the audit log, the history of memberships, invoices) stands under an id that leads to nobody.",
            ]),

        // Staff
        "staff_notice": MailTemplate(subject: "Staff notice: {reason}", paragraphs: ["Something needs a look: {reason}."]),
    ]

    /// Those that neither safety nor the contract asks for: people can stop them, and policies keep them back.
    static let optional: Set<String> = ["welcome_user", "seats_nearly_full", "usage_warning", "usage_exhausted"]
    /// Also what only a policy knows.
    static func isOptional(_ name: String) -> Bool { optional.contains(name) || all[name] == nil }

    /// The template of that name; one that only a policy knows says its name plainly.
    static func named(_ name: String) -> MailTemplate {
        if let known = all[name] { return known }
        let words = name.replacing("_", with: " ")
        return MailTemplate(
            subject: words.prefix(1).uppercased() + words.dropFirst(), paragraphs: ["This is a notice about your account: \(words)."])
    }
}
