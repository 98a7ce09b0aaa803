import Foundation
import HTTPEdge
import Identity
import Vocabulary

/// Signing in through providers, connecting them, and the code of a command line.
extension Console {
    var signInPages: [Route] { [ssoForm, sso, confirmSent, confirmForm, confirm] + accountPages + devicePages + directoryPages }

    /// The sign-in page with every way in.
    func signInPage(next: String) -> PageForm {
        var page = Self.signInPage
        let tail = next == "/start" ? "" : "?next=\(Self.encoded(next))"
        if services.factors.hasPasskeys { page.after.insert(("", "Sign in with a passkey", "/sign-in/passkey\(tail)"), at: 0) }
        page.after += services.federation.offers().map { ("", "Sign in with \($0.label)", "/api/v1/auth/oauth/\($0.id)/start\(tail)") }
        page.after.append(("Does your organization have its own?", "Single sign-on", "/sign-in/sso"))
        return page
    }

    static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(
            withAllowedCharacters: CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")) ?? ""
    }

    static let ssoPage = PageForm(
        heading: "Single sign-on", intro: ["Your organization's own provider, found by your mail address."], action: "/sign-in/sso",
        fields: [.signInEmail], button: "Find it", after: [("", "Sign in with a password", "/sign-in")])

    private var ssoForm: Route {
        route(.get, "/sign-in/sso", "sso_form", "Find the own organization's provider.") { call in try form(Self.ssoPage, call) }
    }
    private var sso: Route {
        route(.post, "/sign-in/sso", "sso", "Find the own organization's provider.", limit: .login) { call in
            let sent = try SentForm(call)
            guard let id = try await services.federation.connection(forMail: sent["email"]) else {
                return try message(
                    "No single sign-on for this address", ["No organization has set one up for its domain."], call,
                    links: [("Sign in another way", "/sign-in")])
            }
            // A link, not a redirect: forms of these pages lead to this server only.
            return try message(
                "Continue at your organization", ["You will come back here signed in."], call,
                links: [("Continue", "/api/v1/auth/sso/\(id)/start")])
        }
    }

    private var confirmSent: Route {
        route(.get, "/sign-in/confirm", "confirm_sent", "A mail asks the account's owner.") { call in
            try message(
                "Check your mail",
                [
                    "There is an account with your address already. We sent it a mail: follow its link once, and from then on this provider signs you in.",
                    "Or sign in as before, and connect the provider under your account.",
                ], call, links: [("Sign in", "/sign-in")])
        }
    }
    static let confirmPage = PageForm(
        heading: "Connect this way to sign in",
        intro: ["Somebody signed in through a provider under your address. If it was you, connect the two. If not, close this page."],
        action: "/link", button: "Yes, it was me: connect it")
    private var confirmForm: Route {
        route(.get, "/link", "confirm_form", "Connect a provider; a press, so that no mail scanner does it.") { call in
            try form(Self.confirmPage, call, hidden: ["token": call.query["token"] ?? ""])
        }
    }
    private var confirm: Route {
        route(.post, "/link", "confirm", "Connect a provider.", limit: .login) { call in
            let label = try await services.federation.confirmLink(try SentForm(call)["token"], call.act)
            return try message("\(label) is connected", ["Sign in with it now."], call, links: [("Sign in", "/sign-in")])
        }
    }

    // MARK: The own account

    private static let atWays = RouteProof(isSensitive: true, back: "/account/sign-in")

    private var accountPages: [Route] {
        [
            route(.get, "/account/sign-in", "ways_in", "How the caller signs in.") { call in
                let caller = try call.caller()
                let links = try await services.federation.links(of: caller.user)
                return try page(
                    "ways", frame("How you sign in", call),
                    [
                        "hasLinks": !links.isEmpty,
                        "links": links.map {
                            [
                                "id": $0.id.description, "label": $0.label, "since": Spans.minute($0.createdAt),
                                "used": Spans.minute($0.lastUsedAt),
                            ]
                        }, "offers": services.federation.offers().map { ["id": $0.id, "label": $0.label] },
                    ])
            },
            route(
                .post, "/account/sign-in/connect", "connect", "Connect a provider with the own account.", limit: .login, proof: Self.atWays
            ) { call in
                let caller = try call.caller()
                let departure = try await services.federation.begin(
                    offered: try SentForm(call)["provider"], next: nil,
                    browser: call.cookie(Federation.flowCookie(isSecure: call.isSecure)), linking: caller, call.act)
                guard departure.form.isEmpty else { return departure.reply(call) }
                return try message(
                    "Continue at the provider", ["Whoever you are there will be able to sign in as you here."], call,
                    links: [("Continue", departure.address)]
                ).setting(Federation.flowCookie(departure, call))
            },
            route(.post, "/account/sign-in/forget", "disconnect", "Forget a provider.", proof: Self.atWays) { call in
                guard let id = Identifier<IdentityLinkMark>(try SentForm(call)["link"]) else { throw CommonProblems.notFound }
                try await services.federation.unlink(id, of: call.caller(), call.act)
                return .redirect(to: "/account/sign-in")
            },
            route(.post, "/account/sign-in/everywhere", "sign_out_everywhere", "End every session.", proof: .enrolment) { call in
                try await services.identity.signOutEverywhere(call.caller(), call.act)
                return .redirect(to: "/sign-in").setting(.removal(of: Cookies.session(isSecure: call.isSecure), isSecure: call.isSecure))
            },
        ]
    }

    // MARK: The code of a command line

    static let codeField = FormField(
        name: "user_code", label: "Code", hint: "As your command line shows it: WDJB-MJHT", maxLength: 40)
    static let devicePage = PageForm(
        heading: "Sign in on a device", intro: ["Enter the code only if you started this yourself. Nobody of ours will ever send you one."],
        action: "/device", fields: [codeField], button: "Continue")

    private var devicePages: [Route] {
        [
            route(.get, "/device", "device_form", "The code that a command line shows.") { call in
                _ = try call.caller()
                return try form(Self.devicePage, call)
            },
            route(.post, "/device", "device", "The code that a command line shows.", limit: .login) { call in
                _ = try call.caller()
                let sent = try SentForm(call)
                do {
                    let waiting = try await services.federation.waiting(sent["user_code"], call.act)
                    let page = PageForm(
                        heading: "Let this device in?",
                        intro: [
                            "It calls itself: \(waiting.label.isEmpty ? "nothing" : waiting.label). It asked at \(Spans.minute(waiting.since)).",
                            "It will be signed in as you. If you did not start this, close this page.",
                        ], action: "/device/answer", button: "Let it in")
                    return try form(page, call, hidden: ["user_code": waiting.code])
                } catch let problem as Problem where problem.status < 500 {
                    return try form(Self.devicePage, call, sent: sent, problem: problem)
                }
            },
            route(
                .post, "/device/answer", "device_answer", "Let the device in.", limit: .login,
                proof: RouteProof(isSensitive: true, back: "/device")
            ) { call in
                try await services.federation.answer(try SentForm(call)["user_code"], allows: true, call.caller(), call.act)
                return try message("The device is signed in", ["Go back to your command line."], call)
            },
        ]
    }
}
