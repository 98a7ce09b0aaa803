import Foundation
import HTTPEdge
import Identity
import Vocabulary

/// Sign up, confirm, sign in, sign out.
extension Console {
    var entryRoutes: [Route] { [signUpForm, signUp, verifyForm, verify, signInForm, signIn, signOut] }

    private var signUpForm: Route {
        route(.get, "/sign-up", "sign_up_form", "Create an account.") { call in
            try page("sign-up", frame("Create your account", call), call, ["tier": call.query["tier"] ?? ""])
        }
    }

    private var signUp: Route {
        route(.post, "/sign-up", "sign_up", "Create an account.", limit: .signup) { call in
            let form = try SentForm(call)
            do {
                _ = try await services.identity.signUp(
                    SignUpForm(
                        email: form["email"], password: form["password"], firstName: form["first_name"], lastName: form["last_name"],
                        organization: form.optional("organization"), tier: form.optional("tier")), call.act)
            } catch let problem as Problem where problem.status < 500 {
                return try page(
                    "sign-up", frame("Create your account", call, problem: problem), call,
                    [
                        "email": form["email"], "firstName": form["first_name"], "lastName": form["last_name"],
                        "organization": form["organization"], "tier": form["tier"],
                    ])
            }
            return try message(
                "Check your mail", ["We sent a link to \(form["email"]). It works once, for 24 hours."], call,
                links: services.mailbox != nil && call.isLoopback ? [("Open the mailbox of this server", "/mailbox")] : [])
        }
    }

    private var verifyForm: Route {
        route(.get, "/verify", "verify_form", "Confirm an address; a press, so that no mail scanner uses the link up.") { call in
            try page("verify", frame("Confirm your address", call), call, ["token": call.query["token"] ?? ""])
        }
    }

    private var verify: Route {
        route(.post, "/verify", "verify", "Confirm an address.") { call in
            _ = try await services.identity.verifyEmail(try SentForm(call)["token"], call.act)
            return try message("Your address is confirmed", ["You can sign in now."], call, links: [("Sign in", "/sign-in")])
        }
    }

    private var signInForm: Route {
        route(.get, "/sign-in", "sign_in_form", "Sign in.") { call in
            try page("sign-in", frame("Sign in", call), call, ["next": Self.inside(call.query["next"])])
        }
    }

    private var signIn: Route {
        route(.post, "/sign-in", "sign_in", "Sign in.", limit: .login) { call in
            let form = try SentForm(call)
            do {
                let outcome = try await PageSessions(services.identity).create(
                    email: form["email"], password: form["password"], from: Device(call.header("user-agent")), call.act)
                guard case .page(let grant) = outcome else { throw CommonProblems.unavailable }
                let name = Cookies.session(isSecure: call.isSecure)
                return .redirect(to: Self.inside(form["next"]))
                    .setting(SetCookie(name, grant.cookie, maxAge: grant.expiresAt - call.act.now, isSecure: call.isSecure))
            } catch let problem as Problem where problem.status < 500 {
                return try page(
                    "sign-in", frame("Sign in", call, problem: problem), call, ["email": form["email"], "next": Self.inside(form["next"])])
            }
        }
    }

    private var signOut: Route {
        route(.post, "/sign-out", "sign_out", "Sign out.") { call in
            let name = Cookies.session(isSecure: call.isSecure)
            if let value = call.cookie(name) { try await PageSessions(services.identity).revoke(value, call.act) }
            return .redirect(to: "/").setting(.removal(of: name, isSecure: call.isSecure))
        }
    }

    /// A path of our own to go on to; anything else leads to the plans.
    static func inside(_ next: String?) -> String {
        guard let next, next.hasPrefix("/"), !next.hasPrefix("//"), next.utf8.count <= 500,
            next.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 92 })
        else { return "/licence" }
        return next
    }
}
