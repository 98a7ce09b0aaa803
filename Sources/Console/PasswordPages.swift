import Foundation
import HTTPEdge
import Identity
import Vocabulary

/// A forgotten password, and the first administrator.
extension Console {
    static let forgotPage = PageForm(
        heading: "Set a new password", intro: ["We send a link to your address. It works once, for one hour."], action: "/forgot",
        fields: [.email],
        button: "Send me a link")
    static let resetPage = PageForm(
        heading: "Choose a new password", intro: ["Every other session is signed out."], action: "/reset",
        fields: [.newPassword("New password")],
        button: "Set password")
    static let administratorPage = PageForm(
        heading: "Become the first administrator", intro: ["The link works once; after that it leads nowhere."],
        action: "/first-administrator",
        fields: [.email, .newPassword("Password"), .firstName, .lastName], button: "Create administrator")

    var passwordRoutes: [Route] {
        [
            route(.get, "/forgot", "forgot_form", "Ask for a link to set a new password.") { call in
                try form(Self.fromElsewhere(Self.forgotPage, call), call)
            },
            route(.post, "/forgot", "forgot", "Ask for a link to set a new password.", limit: .signup, clue: .address("email")) { call in
                let sent = try SentForm(call)
                do { try await services.identity.requestLink(.resetPassword, email: sent["email"], call.act) } catch let problem as Problem
                    where problem.status == 422
                { return try form(Self.forgotPage, call, sent: sent, problem: problem) }
                return try message(
                    "Check your mail", ["If the address belongs to an account, a link is on its way. It works once, for one hour."], call,
                    links: services.mailbox != nil && call.isLoopback ? [("Open the mailbox of this server", "/mailbox")] : [])
            },
            route(.get, "/reset", "reset_form", "Set a new password.") { call in
                try form(Self.resetPage, call, hidden: ["token": call.query["token"] ?? ""])
            },
            route(.post, "/reset", "reset", "Set a new password.", limit: .signup) { call in
                let sent = try SentForm(call)
                do {
                    try await services.identity.resetPassword(sent["token"], to: sent["password"], call.act)
                } catch let problem as Problem where problem.status == 422 {
                    return try form(Self.resetPage, call, sent: sent, problem: problem, hidden: ["token": sent["token"]])
                }
                return try message("Your password is set", ["Every other session was signed out."], call, links: [("Sign in", "/sign-in")])
            },
        ]
    }

    var administratorRoutes: [Route] {
        [
            route(
                .get, "/first-administrator", "administrator_form", "Become the first administrator, by the link that the server printed."
            ) {
                call in
                try form(Self.administratorPage, call, hidden: ["token": call.query["token"] ?? ""])
            },
            route(.post, "/first-administrator", "administrator", "Become the first administrator.", limit: .signup) { call in
                let sent = try SentForm(call)
                do {
                    _ = try await services.identity.redeemFirstAdministrator(
                        sent["token"], email: sent["email"], password: sent["password"], firstName: sent["first_name"],
                        lastName: sent["last_name"], call.act)
                } catch let problem as Problem where problem.status == 422 || problem.status == 409 {
                    return try form(Self.administratorPage, call, sent: sent, problem: problem, hidden: ["token": sent["token"]])
                }
                return try message(
                    "You are the administrator", ["The link is used up. Sign in with the address and password that you chose."], call,
                    links: [("Sign in", "/sign-in")])
            },
        ]
    }
}
