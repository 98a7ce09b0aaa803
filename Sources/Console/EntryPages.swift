import Billing
import Foundation
import HTTPEdge
import Identity
import Licensing
import Vocabulary

/// Sign up, confirm, sign in, sign out.
extension Console {
    var entryRoutes: [Route] { [signUpForm, signUp, verifyForm, verify, signInForm, signIn, start, signOut] }

    static let signUpPage = PageForm(
        heading: "Create your account", action: "/sign-up",
        fields: [.email, .newPassword("Password"), .firstName, .lastName, .organization], button: "Create account",
        after: [("Have an account?", "Sign in", "/sign-in")])

    /// With the ways to the other regions: what somebody writes goes nowhere but to where it stays.
    private func signUpPage(_ call: Call) -> PageForm {
        var page = Self.signUpPage
        let tier = call.query["tier"].flatMap { services.catalog.current[$0] }.map { "?tier=\($0.id)" } ?? ""
        for other in services.regions.filter({ !$0.isHome }) {
            page.after.append(("Keep your data elsewhere?", other.name, "\(other.url)/sign-up\(tier)"))
        }
        if let home = services.regions.first(where: \.isHome) { page.intro.append("Your data stays in this region: \(home.name).") }
        return page
    }
    /// Who was brought here from another region's page.
    static func fromElsewhere(_ page: PageForm, _ call: Call) -> PageForm {
        guard call.query["elsewhere"] == "1" else { return page }
        var page = page
        page.intro.append("Accounts with your address are kept here. Once more, please; and next time come here at once.")
        return page
    }

    private var signUpForm: Route {
        route(.get, "/sign-up", "sign_up_form", "Create an account.") { call in
            try form(signUpPage(call), call, hidden: ["tier": call.query["tier"] ?? ""])
        }
    }

    private var signUp: Route {
        route(.post, "/sign-up", "sign_up", "Create an account.", limit: .signup) { call in
            let sent = try SentForm(call)
            do {
                _ = try await services.identity.signUp(
                    SignUpForm(
                        email: sent["email"], password: sent["password"], firstName: sent["first_name"], lastName: sent["last_name"],
                        organization: sent.optional("organization"), tier: sent.optional("tier")), call.act)
            } catch let problem as Problem where problem.status < 500 {
                return try form(signUpPage(call), call, sent: sent, problem: problem, hidden: ["tier": sent["tier"]])
            }
            return try message(
                "Check your mail",
                ["We sent a link to \(sent["email"]). It works once, for 24 hours.", "Nothing there? Look among the spam."], call,
                links: services.mailbox != nil && call.isLoopback ? [("Open the mailbox of this server", "/mailbox")] : [])
        }
    }

    static let verifyPage = PageForm(
        heading: "Confirm your address", intro: ["One press, so that no mail scanner does it for you."], action: "/verify",
        button: "Confirm my address")

    private var verifyForm: Route {
        route(.get, "/verify", "verify_form", "Confirm an address; a press, so that no mail scanner uses the link up.") { call in
            try form(Self.verifyPage, call, hidden: ["token": call.query["token"] ?? ""])
        }
    }

    private var verify: Route {
        route(.post, "/verify", "verify", "Confirm an address.") { call in
            _ = try await services.identity.verifyEmail(try SentForm(call)["token"], call.act)
            return try message("Your address is confirmed", ["You can sign in now."], call, links: [("Sign in", "/sign-in")])
        }
    }

    static let signInPage = PageForm(
        heading: "Sign in", action: "/sign-in", fields: [.signInEmail, .password], button: "Sign in",
        after: [("", "Forgotten your password?", "/forgot"), ("No account?", "Sign up", "/sign-up")])

    private var signInForm: Route {
        route(.get, "/sign-in", "sign_in_form", "Sign in.", proof: .enrolment) { call in
            let next = Self.inside(call.query["next"])
            return try form(Self.fromElsewhere(signInPage(next: next), call), call, hidden: ["next": next])
        }
    }

    private var signIn: Route {
        route(.post, "/sign-in", "sign_in", "Sign in.", limit: .login, proof: .enrolment, clue: .signIn("email")) { call in
            let sent = try SentForm(call)
            do {
                let outcome = try await PageSessions(services.identity).create(
                    email: sent["email"], password: sent["password"], from: Device(call.header("user-agent")), call.act)
                let next = Self.inside(sent["next"])
                switch outcome {
                case .page(let grant): return signedIn(grant, next: next, call)
                case .secondFactorNeeded(let token):
                    return Factors.onToSecondStep(token, next: next, isSecure: call.isSecure, life: services.factors.stepLife)
                case .token: throw CommonProblems.internal
                }
            } catch let problem as Problem where problem.status < 500 {
                var page = signInPage(next: Self.inside(sent["next"]))
                if let path = problem.fields["sso_path"]?.string { page.after.insert(("", "Continue at your organization", path), at: 0) }
                return try form(page, call, sent: sent, problem: problem, hidden: ["next": Self.inside(sent["next"])])
            }
        }
    }

    /// Where somebody who has just signed in goes on: to the licence that was paid for, else to the plans, else to the tools.
    private var start: Route {
        route(.get, "/start", "start", "On from signing in.") { call in
            let caller = try call.caller()
            if caller.bounds.isLeaving { return .redirect(to: "/leaving") }
            if try await may(LicensePermissions.read, caller, call) {
                if try await paidLicence(of: caller, call) { return .redirect(to: "/licence") }
                guard try await may(BillingPermissions.write, caller, call) else { return .redirect(to: "/licence") }
                let chosen = try await services.identity.profile(caller, call.act).account.chosenTier
                return .redirect(to: chosen.flatMap { services.catalog.current[$0] }.map { "/plans?tier=\($0.id)" } ?? "/plans")
            }
            return try message(
                "You are signed in",
                ["Your role needs no pages: on your machine, run “coditect login”, then “coditect seat run -- your-command”."],
                call)
        }
    }

    private var signOut: Route {
        route(.post, "/sign-out", "sign_out", "Sign out.", proof: RouteProof(isForEnrolment: true, isForDelegates: true)) { call in
            let name = Cookies.session(isSecure: call.isSecure)
            // In a member's place, the own session goes with it.
            for value in [call.cookie(name), StaffPlace(call)?.own].compactMap({ $0 }) {
                try await PageSessions(services.identity).revoke(value, call.act)
            }
            return Reply.redirect(to: "/").setting(.removal(of: name, isSecure: call.isSecure))
                .setting(.removal(of: StaffPlace.name(isSecure: call.isSecure), isSecure: call.isSecure))
        }
    }

    /// A path of our own to go on to; anything else leads to `/start`.
    static func inside(_ next: String?) -> String {
        guard let next, next.hasPrefix("/"), !next.hasPrefix("//"), next.utf8.count <= 500,
            next.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 92 })
        else { return "/start" }
        return next
    }
}
