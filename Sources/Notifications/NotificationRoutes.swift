import HTTPEdge
import Vocabulary

extension Notifications {
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let uuid = Schema.string(max: 36, format: .uuid)
    private static let suppression = Schema.named(
        "MailSuppression",
        .object([
            SchemaField("id", uuid), SchemaField("user_id", uuid, "Of a user, or of an invitation"),
            SchemaField("cause", .choice(["bounced", "dropped", "complained", "refused"]), "What the address's server or owner said"),
            SchemaField("code", .string(max: 60), "Such as 5.1.1; may be empty"), SchemaField("since", time),
        ]))
    private static let listed = Schema.object([SchemaField("suppressions", .array(suppression, max: 1_000))])
    private static let standing = Schema.named(
        "MailStanding",
        .object([
            SchemaField("mail", .string(max: 64), "The first part of its Message-ID"), SchemaField("template", .string(max: 100)),
            SchemaField("fate", .choice(MailFate.allCases.map(\.rawValue)), "suppressed: nothing is sent to this address"),
            SchemaField("code", .string(max: 60)), SchemaField("attempts", .integer(0...Int64.max)), SchemaField("changed_at", time),
        ]))

    package func routes() -> [Route] { [reportRoute, teamRoute] + staffRoutes + brandRoutes() + choiceRoutes() }

    private var reportRoute: Route {
        Route(
            .post, "/webhooks/mail/{channel}", name: "mail.report",
            summary: "Takes what a mail channel tells of mails that it took; the signature proves it.", access: .proof, limit: .webhook,
            answers: [
                RouteAnswer(
                    200, "Recorded; a repetition changes nothing",
                    .object([SchemaField("received", .boolean, "Always true"), SchemaField("new", .integer(0...10_000), "Of our mails")]))
            ],
            problems: [
                NotificationProblems.channelUnknown, NotificationProblems.channelSilent, NotificationProblems.reportForged,
                NotificationProblems.reportStale, NotificationProblems.reportMalformed,
                NotificationProblems.channelUnavailable.retry(afterSeconds: 30),
            ], maxBodyBytes: 2_097_152
        ) { call in
            guard let name = call.parameters["channel"], (1...40).contains(name.utf8.count) else {
                throw NotificationProblems.channelUnknown
            }
            let delivery = WebhookDelivery(headers: call.headers, body: call.body, receivedAt: call.act.now)
            let count = try await receive(delivery, channel: name, call.act)
            return .json(value: ["received": true, "new": .int(Int64(count))])
        }
    }

    private var teamRoute: Route {
        Route(
            .get, "/api/v1/orgs/current/mail", name: "orgs.mail",
            summary: "The members whose address takes no mail: no invitation to pay, no warning, no link reaches them.",
            access: .permission(NotificationPermissions.team), answers: [RouteAnswer(200, "At most 1000", Self.listed)]
        ) { call in
            let members = try await addresses.members(of: try call.caller().tenant)
            return Self.reply(Array(try await suppressions(of: members).prefix(1_000)))
        }
    }

    private var staffRoutes: [Route] {
        let path = "/api/v1/admin/mail"
        return [
            Route(
                .get, "\(path)/suppressions", name: "admin.mail.suppressions",
                summary: "Whom nothing is sent to, and why; the newest first.",
                access: .permission(NotificationPermissions.staff), answers: [RouteAnswer(200, "At most 1000", Self.listed)]
            ) { call in Self.reply(try await suppressions(before: call.act.now, limit: 1_000)) },
            Route(
                .delete, "\(path)/suppressions/{id}", name: "admin.mail.lift",
                summary: "Lets an address be tried again with the next mail.", access: .permission(NotificationPermissions.staff),
                answers: [RouteAnswer(204, "Lifted.")], problems: [CommonProblems.notFound]
            ) { call in
                try await lift(try call.id("id"), call.act)
                return Reply(status: 204)
            },
            Route(
                .get, "\(path)/users/{id}", name: "admin.mail.deliveries", summary: "What became of the newest mails to a person.",
                access: .permission(NotificationPermissions.staff),
                answers: [
                    RouteAnswer(
                        200, "At most 100 mails, the newest first",
                        .object([
                            SchemaField("mails", .array(Self.standing, max: 100)),
                            SchemaField("suppressions", .array(Self.suppression, max: 20)),
                        ]))
                ]
            ) { call in
                let user: UserID = try call.id("id")
                let mails = try await deliveries(of: user, limit: 100)
                return .json(value: [
                    "mails": .array(mails.map(Self.json)),
                    "suppressions": .array(Array(try await suppressions(of: [user]).prefix(20)).map(Self.json)),
                ])
            },
        ]
    }

    private static func reply(_ all: [MailSuppression]) -> Reply { .json(value: ["suppressions": .array(all.map(json))]) }
    private static func json(_ one: MailSuppression) -> JSONValue {
        [
            "id": .string(one.id.description), "user_id": .string(one.user.description), "cause": .string(one.cause),
            "code": .string(one.code), "since": .string(one.since.iso8601),
        ]
    }
    private static func json(_ mail: MailStanding) -> JSONValue {
        [
            "mail": .string(mail.mail), "template": .string(mail.template), "fate": .string(mail.fate.rawValue), "code": .string(mail.code),
            "attempts": .int(Int64(mail.attempts)), "changed_at": .string(mail.changedAt.iso8601),
        ]
    }
}
