import HTTPEdge
import Vocabulary

extension Notifications {
    private static let choice = Schema.object([
        SchemaField("template", .string(max: 64), "Such as seats_nearly_full"),
        SchemaField("is_wanted", .boolean, "False: mails of this kind are not sent"),
    ])
    private static let choices = Schema.named("MailChoices", .object([SchemaField("mails", .array(choice, max: 100))]))
    private static let link = QueryField("token", .string(min: 1, max: 200), "As the mail's List-Unsubscribe names it")

    func choiceRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/users/me/mails", name: "users.mails",
                summary:
                    "The mails that a person can do without, and whether they are sent. What safety or the contract asks for always is.",
                access: .session, answers: [RouteAnswer(200, "Each kind", Self.choices)]
            ) { call in try await reply(try call.caller().user) },
            Route(
                .put, "/api/v1/users/me/mails", name: "users.choose_mails", summary: "Stops mails of one kind, or lets them come again.",
                access: .session,
                request: .object([
                    SchemaField("template", .string(min: 1, max: 64)), SchemaField("is_wanted", .boolean),
                ]), answers: [RouteAnswer(200, "Each kind", Self.choices)]
            ) { call in
                let user = try call.caller().user
                try await choose(
                    call.json?["template"]?.string ?? "", isWanted: call.json?["is_wanted"]?.bool ?? true, of: user, call.act)
                return try await reply(user)
            },
            Route(
                .get, "/api/v1/mail/unsubscribe", name: "mail.unsubscribe_page",
                summary: "A page with one button, for whoever follows the link by hand: looking at it changes nothing.", access: .proof,
                query: [Self.link], answers: [RouteAnswer(200, "The page", contentType: "text/html; charset=utf-8")],
                problems: [NotificationProblems.linkInvalid]
            ) { call in
                guard let token = call.query["token"], let (_, template) = read(token: token) else {
                    throw NotificationProblems.linkInvalid
                }
                return UnsubscribePage.reply(token: token, template: template)
            },
            Route(
                .post, "/api/v1/mail/unsubscribe", name: "mail.unsubscribe",
                summary: "Stops mails of one kind to one person by the mail's own link (RFC 8058); again changes nothing.", access: .proof,
                query: [Self.link],
                answers: [RouteAnswer(200, "Stopped", .object([SchemaField("unsubscribed", .boolean, "Always true")]))],
                problems: [NotificationProblems.linkInvalid], maxBodyBytes: 1_024
            ) { call in
                try await unsubscribe(call.query["token"] ?? "", call.act)
                return .json(value: ["unsubscribed": true])
            },
        ]
    }

    private func reply(_ user: UserID) async throws -> Reply {
        .json(value: [
            "mails": .array(
                try await choices(of: user).map { ["template": .string($0.template), "is_wanted": .bool($0.isWanted)] })
        ])
    }
}

/// What stands in it was checked to be a token of ours and the name of a template: letters, digits, `_`, `-` and dots.
private enum UnsubscribePage {
    static func reply(token: String, template: String) -> Reply {
        let words = template.replacing("_", with: " ")
        let text = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\
            <meta name="color-scheme" content="light dark"><title>Stop these mails</title></head>
            <body><main><h1>Stop these mails</h1><p>You will get no mails about: \(words).</p>
            <form method="post" action="/api/v1/mail/unsubscribe?token=\(token)"><button type="submit">Stop them</button></form></main>
            </body></html>

            """
        var page = Reply.html(text)
        page.headers.append(("content-security-policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"))
        return page
    }
}
