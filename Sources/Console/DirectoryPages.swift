import Foundation
import HTTPEdge
import Identity
import Vocabulary

/// Signing in by an organization's directory: name and password are typed here.
extension Console {
    var directoryPages: [Route] { [directoryForm, directory, directoryTestForm, directoryTest] }

    private static let user = FormField(
        name: "user", label: "Name in your directory", type: "text", autocomplete: "username", hint: "Or your mail address.", maxLength: 254
    )
    private static let directoryPassword = FormField(
        name: "password", label: "Password in your directory", type: "password", autocomplete: "current-password", maxLength: 1_024)

    private func directoryPage(_ id: ConnectionID) async throws -> PageForm {
        PageForm(
            heading: "Sign in with \(try await services.federation.directory(id))",
            intro: ["Your organization's directory checks the password. It is kept nowhere here."], action: "/sign-in/directory/\(id)",
            fields: [Self.user, Self.directoryPassword], button: "Sign in", after: [("", "Sign in another way", "/sign-in")])
    }

    private var directoryForm: Route {
        route(.get, "/sign-in/directory/{id}", "directory_form", "Sign in by an organization's directory.") { call in
            try form(try await directoryPage(call.id("id")), call, hidden: ["next": Self.inside(call.query["next"])])
        }
    }

    private var directory: Route {
        route(.post, "/sign-in/directory/{id}", "directory", "Sign in by an organization's directory.", limit: .login) { call in
            let sent = try SentForm(call)
            let id: ConnectionID = try call.id("id")
            do {
                let next = Self.inside(sent["next"])
                switch try await services.federation.signIn(
                    directory: id, user: sent["user"], password: sent["password"], from: Device(call.header("user-agent")), call.act)
                {
                case .page(let grant): return signedIn(grant, next: next, call)
                case .secondFactorNeeded(let token):
                    return Factors.onToSecondStep(token, next: next, isSecure: call.isSecure, life: services.factors.stepLife)
                case .token: throw CommonProblems.internal
                case nil: return .redirect(to: "/sign-in/confirm")
                }
            } catch let problem as Problem where problem.status < 500 && problem.status != 404 {
                return try form(
                    try await directoryPage(id), call, sent: sent, problem: problem, hidden: ["next": Self.inside(sent["next"])])
            }
        }
    }

    // MARK: The test

    private func directoryTestPage(_ id: ConnectionID) -> PageForm {
        PageForm(
            heading: "Test the directory",
            intro: ["Sign in once as somebody of the directory. What it says is told apart here; people who sign in learn less."],
            action: "/sso/\(id)/directory", fields: [Self.user, Self.directoryPassword], button: "Test it",
            after: [("", "Back to the connection", "/sso/\(id)")])
    }
    private func tester(_ call: Call) async throws -> Principal {
        let caller = try call.caller()
        try await authorizer.require(FederationPermissions.write, of: caller, act: call.act)
        return caller
    }

    private var directoryTestForm: Route {
        route(.get, "/sso/{id}/directory", "sso_directory_form", "Try a directory as somebody.", proof: Self.atHome) { call in
            _ = try await tester(call)
            return try form(directoryTestPage(try call.id("id")), call)
        }
    }
    private var directoryTest: Route {
        route(.post, "/sso/{id}/directory", "sso_directory", "Try a directory as somebody.", limit: .login, proof: Self.atHome) { call in
            let caller = try await tester(call)
            let (sent, id): (SentForm, ConnectionID) = (try SentForm(call), try call.id("id"))
            do {
                let found = try await services.federation.test(
                    directory: id, user: sent["user"], password: sent["password"], by: caller, call.act)
                return try message(
                    "The test worked",
                    [
                        "The directory knows \(found.name ?? "the person") as \(found.subject) of \(found.issuer).",
                        found.address.map { "Mail address of a proved domain: \($0)." }
                            ?? "There is no mail address of a proved domain: nobody new comes in like this.",
                        found.groups.isEmpty ? "No groups were found." : "Groups: \(found.groups.prefix(50).joined(separator: ", ")).",
                        "Somebody new would become \(found.role.rawValue).",
                    ], call, links: [("On to the connection", "/sso/\(id)?tested=yes")])
            } catch let problem as Problem where problem.status < 500 && problem.status != 404 {
                let reason = problem.fields["reason"]?.string
                var page = directoryTestPage(id)
                if let reason { page.intro = [reason] }
                return try form(page, call, sent: sent, problem: problem)
            }
        }
    }
}
