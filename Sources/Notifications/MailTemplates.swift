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
        "welcome_admin": MailTemplate(
            subject: "You administer this platform",
            paragraphs: ["You are the first administrator of {brand}. Everything that you do as such is in the audit log."],
            links: [("Sign in", "/sign-in")]),

        // Licences and seats
        "license_issued": MailTemplate(
            subject: "Your licence is ready",
            paragraphs: ["Your {tier_name} licence is ready. The key, and what to do with it, is on your licence page."],
            links: [("See your licence", "/licence")]),
        "license_revoked": MailTemplate(
            subject: "A licence has ended",
            paragraphs: ["Your {tier_name} licence has ended: its key and its seats work no longer."],
            links: [("See your licences", "/licence")]),
        "seats_nearly_full": MailTemplate(
            subject: "Your seats are nearly all in use",
            paragraphs: ["{seats_used} of {seats_total} seats of your licence are in use."],
            links: [("See who holds them", "/licence"), ("Choose more seats", "/plans")]),

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
        "access_suspended": MailTemplate(
            subject: "Your access is suspended",
            paragraphs: [
                "The time for a missing payment is over, so your licence and seats for {tier} are suspended. Your data is kept.",
                "Pay, and everything comes back at once.",
            ],
            links: [("Go to billing", "/plans")]),
        "trial_ending": MailTemplate(
            subject: "Your trial ends soon", paragraphs: ["Your trial of {tier} ends on {trial_ends_at}."],
            links: [("Choose a plan", "/plans")]),
        "subscription_cancelled": MailTemplate(
            subject: "Your subscription is cancelled",
            paragraphs: ["Your subscription to {tier} is cancelled.", "Everything works until {cancels_at}."],
            links: [("Choose a plan", "/plans")]),

        // Staff
        "staff_notice": MailTemplate(subject: "Staff notice: {reason}", paragraphs: ["Something needs a look: {reason}."]),
    ]

    /// The template of that name; one that only a policy knows says its name plainly.
    static func named(_ name: String) -> MailTemplate {
        if let known = all[name] { return known }
        let words = name.replacing("_", with: " ")
        return MailTemplate(
            subject: words.prefix(1).uppercased() + words.dropFirst(), paragraphs: ["This is a notice about your account: \(words)."])
    }
}
