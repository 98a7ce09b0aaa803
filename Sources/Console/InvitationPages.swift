import HTTPEdge
import Identity
import Vocabulary

/// Answering an invitation by its mailed link.
extension Console {
    static let invitationPage = PageForm(
        heading: "Join an organisation", intro: ["One press, so that no mail scanner does it for you."], action: "/invitation",
        button: "Accept the invitation")
    /// Nobody has proved the address yet: the answer makes the account.
    static let invitationAccountPage = PageForm(
        heading: "Join an organisation", intro: ["Your account is made with it."], action: "/invitation",
        fields: [.newPassword("Password"), .firstName, .lastName], button: "Accept the invitation")

    var invitationRoutes: [Route] {
        [
            route(.get, "/invitation", "invitation_form", "Answer an invitation.", limit: .signup) { call in
                try await invitation(call.query["token"] ?? "", call)
            },
            route(.post, "/invitation", "invitation", "Accept an invitation.", limit: .signup) { call in
                let sent = try SentForm(call)
                let answer = InvitationAnswer(
                    token: sent["token"], password: sent.optional("password"), firstName: sent.optional("first_name"),
                    lastName: sent.optional("last_name"))
                do { _ = try await services.people.accept(answer, call.act) } catch let problem as Problem where problem.status == 422 {
                    return try await invitation(sent["token"], call, sent: sent, problem: problem)
                }
                return try message("You are a member", ["Sign in with your address and password."], call, links: [("Sign in", "/sign-in")])
            },
        ]
    }

    private func invitation(_ token: String, _ call: Call, sent: SentForm? = nil, problem: Problem? = nil) async throws -> Reply {
        let seen = try await services.people.look(at: token, now: call.act.now)
        var page = seen.hasAccount ? Self.invitationPage : Self.invitationAccountPage
        page.intro = ["\(seen.organization) invites \(seen.email) to join as \(seen.role)."] + page.intro
        return try form(page, call, sent: sent, problem: problem, hidden: ["token": token])
    }
}
