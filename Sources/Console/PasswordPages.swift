import Foundation
import HTTPEdge
import Identity
import Vocabulary

/// A forgotten password, and the first administrator.
extension Console {
    var passwordRoutes: [Route] {
        [
            route(.get, "/forgot", "forgot_form", "Ask for a link to set a new password.") { call in
                try page("forgot", frame("Set a new password", call), call)
            },
            route(.post, "/forgot", "forgot", "Ask for a link to set a new password.", limit: .signup) { call in
                try await services.identity.requestLink(.resetPassword, email: try SentForm(call)["email"], call.act)
                return try message(
                    "Check your mail", ["If the address belongs to an account, a link is on its way. It works once, for one hour."], call)
            },
            route(.get, "/reset", "reset_form", "Set a new password.") { call in
                try page("reset", frame("Choose a new password", call), call, ["token": call.query["token"] ?? ""])
            },
            route(.post, "/reset", "reset", "Set a new password.", limit: .signup) { call in
                let form = try SentForm(call)
                do {
                    try await services.identity.resetPassword(form["token"], to: form["password"], call.act)
                } catch let problem as Problem where problem.status == 422 {
                    return try page("reset", frame("Choose a new password", call, problem: problem), call, ["token": form["token"]])
                }
                return try message("Your password is set", ["Every other session was signed out."], call, links: [("Sign in", "/sign-in")])
            },
        ]
    }

    var administratorRoutes: [Route] {
        [
            route(.get, "/first-administrator", "administrator_form", "Become the first administrator, by the link that the server printed.") {
                call in
                try page("first-administrator", frame("First administrator", call), call, ["token": call.query["token"] ?? ""])
            },
            route(.post, "/first-administrator", "administrator", "Become the first administrator.", limit: .signup) { call in
                let form = try SentForm(call)
                do {
                    _ = try await services.identity.redeemFirstAdministrator(
                        form["token"], email: form["email"], password: form["password"], firstName: form["first_name"],
                        lastName: form["last_name"], call.act)
                } catch let problem as Problem where problem.status == 422 || problem.status == 409 {
                    return try page(
                        "first-administrator", frame("First administrator", call, problem: problem), call,
                        ["token": form["token"], "email": form["email"], "firstName": form["first_name"], "lastName": form["last_name"]])
                }
                return try message(
                    "You are the administrator", ["The link is used up. Sign in with the address and password that you chose."], call,
                    links: [("Sign in", "/sign-in")])
            },
        ]
    }
}
