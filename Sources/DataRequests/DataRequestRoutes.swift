import HTTPEdge
import Identity
import Signing
import Tenancy
import Vocabulary

extension DataRequests {
    private static let path = "/api/v1/data-requests"
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let uuid = Schema.string(max: 36, format: .uuid)
    private static let shown: [SchemaField] = [
        SchemaField("id", uuid), SchemaField("kind", .choice(DataRequest.Kind.allCases.map(\.rawValue))),
        SchemaField("state", .choice(DataRequest.State.allCases.map(\.rawValue))), SchemaField("asked_at", time),
        SchemaField("due_at", time, "By when the law wants an answer"),
        SchemaField("act_at", .nullable(time), "When the platform does it by itself; until then it can be withdrawn. Null: staff answers"),
        SchemaField("outcome", .nullable(.string(max: 64)), "given, restricted, erased, answered, withdrawn, or the rule that refused"),
        SchemaField("closed_at", .nullable(time)), SchemaField("note", .nullable(.string(max: 2_000))),
        SchemaField("answer", .nullable(.string(max: 2_000)), "What staff wrote"),
        SchemaField(
            "remains",
            .array(
                .object([
                    SchemaField("what", .string(max: 300)), SchemaField("why", .string(max: 300)), SchemaField("until", .nullable(time)),
                ]), max: 1_000), "What an erasure left, and why"),
    ]
    private static let request = Schema.named("DataRequest", .object(shown))
    private static let staffView = Schema.named(
        "DataRequestOfPerson", .object(shown + [SchemaField("user_id", uuid), SchemaField("tenant_id", uuid, "Where it was asked")]))
    private static let one = [RouteAnswer(200, "How far it is", request)]
    private static let over = DataRequestProblems.over.with(["state": "done"])

    package func routes() -> [Route] { personRoutes() + [documentRoute] + staffRoutes() }

    private func personRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "data_requests.list", summary: "What the caller asked for by data protection law, the newest first.",
                access: .session,
                answers: [RouteAnswer(200, "At most 200", .object([SchemaField("data_requests", .array(Self.request, max: 200))]))]
            ) { call in
                .json(value: ["data_requests": .array(try await requests(of: try call.caller().user).map(json))])
            },
            Route(
                .post, Self.path, name: "data_requests.ask",
                summary:
                    "Asks for access, export, rectification, erasure or restriction of the caller's own data, or objects to its use. Takes a session that has just begun.",
                access: .session,
                request: .object([
                    SchemaField("kind", .choice(DataRequest.Kind.allCases.map(\.rawValue)), "GDPR articles 15 to 21"),
                    SchemaField("note", .string(min: 1, max: 2_000), "What staff should know, such as what is wrong", optional: true),
                ]), answers: [RouteAnswer(201, "Received; the clock runs", Self.request)],
                problems: [
                    FactorProblems.signInAgain, FederationProblems.sessionBound, TenancyProblems.lastOwner,
                    AccountProblems.untouchable,
                    DataRequestProblems.alreadyOpen,
                    CommonProblems.policyDenied.with(["reason": ""]),
                ], creates: true
            ) { call in
                guard let kind = DataRequest.Kind(rawValue: call.json?["kind"]?.string ?? "") else {
                    throw CommonProblems.invalid("kind", "is no right")
                }
                let made = try await ask(kind, note: call.json?["note"]?.string, by: try call.caller(), call.act)
                return .json(value: json(made), status: 201)
            },
            Route(
                .get, "\(Self.path)/{id}", name: "data_requests.get", summary: "One request of the caller's.", access: .session,
                answers: Self.one, problems: [CommonProblems.notFound]
            ) { call in .json(value: json(try await find(try call.id("id"), of: try call.caller().user))) },
            Route(
                .post, "\(Self.path)/{id}/withdraw", name: "data_requests.withdraw",
                summary: "No longer wants it, as long as it is not done.", access: .session, answers: Self.one,
                problems: [CommonProblems.notFound, Self.over, DataRequestProblems.begun]
            ) { call in .json(value: json(try await withdraw(try call.id("id"), by: try call.caller(), call.act))) },
        ]
    }

    private var documentRoute: Route {
        Route(
            .get, "\(Self.path)/{id}/document", name: "data_requests.document",
            summary:
                "What the platform knows of the caller, made now and signed, for some days after an access or export request. Takes a session that has just begun.",
            access: .session,
            answers: [
                RouteAnswer(
                    200, "The document and its signature",
                    .named(
                        "PersonalRecords",
                        .object([
                            SchemaField("document", .string(max: 200_000_000), "RFC 8785: records by room and table"),
                            SchemaField("key_id", .string(max: 100), "A key of /.well-known/coditect/license-keys.json"),
                            SchemaField("algorithm", .choice(["ed25519"])),
                            SchemaField("signed_prefix", .string(max: 64), "Stands before the document"),
                            SchemaField("signature", .string(max: 200), "base64url, over prefix and document"),
                        ])))
            ],
            problems: [
                CommonProblems.notFound, FactorProblems.signInAgain, FederationProblems.sessionBound, DataRequestProblems.noDocument,
            ]
        ) { call in
            let signed = try await document(try call.id("id"), for: try call.caller(), call.act)
            var reply = Reply.json(value: [
                "document": .string(signed.document), "key_id": .string(signed.keyID), "algorithm": "ed25519",
                "signed_prefix": "coditect:personal-records.v1\\0", "signature": .string(Base64URL.encode(signed.signature)),
            ])
            reply.headers.append(("cache-control", "no-store"))
            return reply
        }
    }

    private func staffRoutes() -> [Route] {
        let path = "/api/v1/admin/data-requests"
        return [
            Route(
                .get, path, name: "admin.data_requests", summary: "What people ask for by data protection law, the newest first.",
                access: .permission(DataRequestPermissions.staff), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("data_requests", of: Self.staffView))]
            ) { call in
                let page = try call.page()
                let found = try await self.page(before: page.after.flatMap { DataRequest.ID($0) }, limit: page.limit + 1)
                return call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "data_requests", staffJSON)
            },
            Route(
                .post, "\(path)/{id}/answer", name: "admin.data_requests.answer",
                summary: "Answers what the platform does not do by itself; the person reads it under data-requests and gets a mail.",
                access: .permission(DataRequestPermissions.staff),
                request: .object([
                    SchemaField("is_granted", .boolean),
                    SchemaField("answer", .string(min: 10, max: 2_000), "What was done, or which rule forbids it"),
                ]), answers: [RouteAnswer(200, "How it stands", Self.staffView)],
                problems: [CommonProblems.notFound, Self.over, DataRequestProblems.byItself]
            ) { call in
                let answered = try await answer(
                    try call.id("id"), isGranted: call.json?["is_granted"] == true, call.json?["answer"]?.string ?? "", call.act)
                return .json(value: staffJSON(answered))
            },
        ]
    }

    // MARK: - As answers show it

    private func json(_ request: DataRequest) -> JSONValue { .object(members(request)) }
    private func staffJSON(_ request: DataRequest) -> JSONValue {
        var members = members(request)
        members["user_id"] = .string(request.person.description)
        members["tenant_id"] = .string(request.askedIn.description)
        return .object(members)
    }
    private func members(_ request: DataRequest) -> [String: JSONValue] {
        let words = words(of: request)
        return [
            "id": .string(request.id.description), "kind": .string(request.kind.rawValue), "state": .string(request.state.rawValue),
            "asked_at": .string(request.askedAt.iso8601), "due_at": .string(request.dueAt.iso8601),
            "act_at": request.actAt.map { .string($0.iso8601) } ?? .null, "outcome": request.outcome.map { .string($0) } ?? .null,
            "closed_at": request.closedAt.map { .string($0.iso8601) } ?? .null, "note": words.note.map { .string($0) } ?? .null,
            "answer": words.answer.map { .string($0) } ?? .null,
            "remains": .array(
                request.remainders.map {
                    [
                        "what": .string($0.what), "why": .string($0.why), "until": $0.until.map { .string($0.iso8601) } ?? .null,
                    ]
                }),
        ]
    }
}
