import HTTPEdge
import Vocabulary

extension Notifications {
    private static let accent = Schema.string(min: 7, max: 7)
    private static let brand = Schema.named(
        "MailBrand",
        .object([
            SchemaField("name", .string(max: 60)), SchemaField("accent", accent, "#rrggbb"), SchemaField("footer", .string(max: 300)),
            SchemaField("is_own", .boolean, "False: the platform's own look"),
        ]))

    func brandRoutes() -> [Route] {
        let path = "/api/v1/orgs/current/mail-brand"
        return [
            Route(
                .get, path, name: "orgs.mail_brand", summary: "How the organization's mails look.",
                access: .permission(NotificationPermissions.brand), answers: [RouteAnswer(200, "The look in force", Self.brand)]
            ) { call in Self.reply(try await brand(of: try call.caller().tenant)) },
            Route(
                .put, path, name: "orgs.set_mail_brand",
                summary:
                    "Gives the organization's mails its name, its colour and its footer. The platform's name stays below; what is written on the colour stays readable.",
                access: .permission(NotificationPermissions.brand),
                request: .object([
                    SchemaField("name", .string(min: 1, max: 60), "As the sender's too"), SchemaField("accent", Self.accent, "#rrggbb"),
                    SchemaField("footer", .string(max: 300), optional: true),
                ]), answers: [RouteAnswer(200, "The look from the next mail on", Self.brand)]
            ) { call in
                Self.reply(
                    try await setBrand(
                        call.json?["name"]?.string ?? "", accent: call.json?["accent"]?.string ?? "",
                        footer: call.json?["footer"]?.string ?? "", of: try call.caller().tenant, call.act))
            },
            Route(
                .delete, path, name: "orgs.drop_mail_brand", summary: "Back to the platform's look.",
                access: .permission(NotificationPermissions.brand), answers: [RouteAnswer(204, "Gone.")]
            ) { call in
                try await dropBrand(of: try call.caller().tenant, call.act)
                return Reply(status: 204)
            },
            Route(
                .get, "\(path)/preview/{template}", name: "orgs.preview_mail",
                summary: "A mail in the organization's look, with pretended values.",
                access: .permission(NotificationPermissions.brand),
                answers: [
                    RouteAnswer(
                        200, "As it would go out",
                        .object([
                            SchemaField("subject", .string(max: 1_000)), SchemaField("text", .string(max: 100_000)),
                            SchemaField("html", .string(max: 200_000)),
                        ]))
                ], problems: [CommonProblems.notFound]
            ) { call in
                guard let name = call.parameters["template"], MailTemplateFolder.names.contains(name) else { throw CommonProblems.notFound }
                let sample = preview(name, try await brand(of: try call.caller().tenant))
                return .json(value: ["subject": .string(sample.subject), "text": .string(sample.text), "html": .string(sample.html)])
            },
        ]
    }

    private static func reply(_ brand: MailBrand) -> Reply {
        .json(value: [
            "name": .string(brand.name), "accent": .string(brand.accent.hex), "footer": .string(brand.footer),
            "is_own": .bool(brand.platform != nil),
        ])
    }
}
