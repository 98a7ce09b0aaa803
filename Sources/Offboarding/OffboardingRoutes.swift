import HTTPEdge
import Signing
import Tenancy
import Vocabulary

extension Offboarding {
    static let path = "/api/v1/offboarding"
    static let time = Schema.string(max: 40, format: .dateTime)
    static let uuid = Schema.string(max: 36, format: .uuid)
    private static let remainder = Schema.object([
        SchemaField("what", .string(max: 300)), SchemaField("why", .string(max: 300)),
        SchemaField("until", .nullable(time), "Null: without end, or not known beforehand"),
    ])
    private static let certificate = Schema.named(
        "DeletionCertificate",
        .object([
            SchemaField("certificate", .string(max: 1_000_000), "RFC 8785: what was done when, and what remains why until when"),
            SchemaField("key_id", .string(max: 100), "A key of /.well-known/coditect/license-keys.json"),
            SchemaField("algorithm", .choice(["ed25519"])), SchemaField("signed_prefix", .string(max: 64), "Stands before the certificate"),
            SchemaField("signature", .string(max: 200), "base64url, over prefix and certificate"),
        ]))
    private static let progress = Schema.named(
        "Offboarding",
        .object([
            SchemaField("id", uuid), SchemaField("state", .choice(LeavingTenant.State.allCases.map(\.rawValue))),
            SchemaField("reason", .choice(LeavingTenant.Reason.allCases.map(\.rawValue))), SchemaField("asked_at", time),
            SchemaField(
                "cause", .choice(LeavingTenant.Cause.allCases.map(\.rawValue)),
                "What makes it leave: its owners asked, its last subscription was cancelled, nothing was paid for a long time"),
            SchemaField("leaves_at", time, "When access ends"),
            SchemaField("can_return_until", .nullable(time), "Until when it can come back, as far as is known; null where it cannot"),
            SchemaField("called_off_at", .nullable(time), "When the platform withdrew it, because something goes on after all"),
            SchemaField("retention_days", .integer(0...3_650)),
            SchemaField("retained_until", .nullable(time), "Until then everything can come back"),
            SchemaField("is_held", .boolean, "A legal hold keeps everything from being deleted"),
            SchemaField(
                "offer",
                .nullable(
                    .object([
                        SchemaField("kind", .string(max: 64)),
                        SchemaField("discount_basis_points", .integer(0...10_000), "Hundredths of a percent", optional: true),
                    ])), "What is offered to whoever stays; answered with POST …/offer"),
            SchemaField(
                "steps",
                .array(
                    .object([
                        SchemaField("phase", .choice(LeavingStep.Phase.allCases.map(\.rawValue))), SchemaField("step", .string(max: 64)),
                        SchemaField("done_at", .nullable(time)), SchemaField("remains", .array(remainder, max: 100)),
                    ]), max: 500)), SchemaField("export", .nullable(exportSchema), "The copy of everything, for the owners"),
            SchemaField("certificate", .nullable(certificate), "Once everything is deleted"),
        ]))

    package func routes() -> [Route] { customerRoutes() + memberRoutes() + proofRoutes() + exportRoutes() + staffRoutes() }

    /// With the export, once there is one; the mailed link to the certificate shows none.
    private func answer(_ progress: Progress, _ call: Call, status: Int = 200) async throws -> Reply {
        let tenant = progress.offboarding.tenant
        let made = try await exports(of: tenant).first { $0.id == Self.exportID(progress.offboarding.id) }
        return .json(value: Self.json(progress, export: made.map { json($0, tenant, call) } ?? .null), status: status)
    }
    static let shown = [RouteAnswer(200, "How far it is", progress)]
    private static let wrong = [OffboardingProblems.notLeaving, OffboardingProblems.stateWrong.with(["state": ""])]

    private func customerRoutes() -> [Route] {
        [
            Route(
                .post, Self.path, name: "offboarding.request",
                summary:
                    "Lets the whole organisation leave: at the end of what is paid, or now. It can be withdrawn until then, and undone for as long as it is retained.",
                access: .permission(OffboardingPermissions.request),
                request: .object([
                    SchemaField("reason", .choice(LeavingTenant.Reason.allCases.filter { $0 != .unpaid }.map(\.rawValue))),
                    SchemaField("feedback", .string(max: 4_000), "What would have made you stay", optional: true),
                    SchemaField("when", .choice(["period_end", "now"]), "period_end unless said", optional: true),
                ]), answers: [RouteAnswer(201, "It is asked for", Self.progress)],
                problems: [OffboardingProblems.alreadyLeaving, CommonProblems.policyDenied.with(["reason": ""])], creates: true
            ) { call in
                guard let reason = LeavingTenant.Reason(rawValue: call.json?["reason"]?.string ?? "") else { throw CommonProblems.invalid }
                let caller = try call.caller()
                let wish = Request(reason: reason, feedback: call.json?["feedback"]?.string, isNow: call.json?["when"]?.string == "now")
                let begun = try await request(wish, tenant: caller.tenant, by: caller.user, call.act)
                if wish.isNow { await hurry(begun.offboarding.id, caller.tenant, call.act) }
                return try await answer(try await shown(begun.offboarding.id, caller.tenant), call, status: 201)
            },
            Route(
                .get, Self.path, name: "offboarding.progress", summary: "How the organisation leaves: each step with its time.",
                access: .permission(OffboardingPermissions.read), answers: Self.shown, problems: [OffboardingProblems.notLeaving]
            ) { call in
                guard let progress = try await progress(of: try call.caller().tenant) else { throw OffboardingProblems.notLeaving }
                return try await answer(progress, call)
            },
            Route(
                .post, "\(Self.path)/offer", name: "offboarding.answer_offer",
                summary: "Takes what is offered and stays, or refuses it and leaves as wanted.",
                access: .permission(OffboardingPermissions.request), request: .object([SchemaField("take", .boolean)]), answers: Self.shown,
                problems: [
                    OffboardingProblems.noOffer, OffboardingProblems.stateWrong.with(["state": ""]),
                    CommonProblems.policyDenied.with(["reason": ""]),
                ]
            ) { call in
                let caller = try call.caller()
                return try await answer(
                    try await answer(call.json?["take"] == true, tenant: caller.tenant, by: caller.user, call.act), call)
            },
            Route(
                .post, "\(Self.path)/withdraw", name: "offboarding.withdraw", summary: "Stays, as long as nothing has happened yet.",
                access: .permission(OffboardingPermissions.request), answers: Self.shown, problems: Self.wrong
            ) { call in try await answer(try await withdraw(tenant: try call.caller().tenant, call.act), call) },
            Route(
                .post, "\(Self.path)/reactivate", name: "offboarding.reactivate",
                summary: "Comes back with everything that is retained. A subscription that its provider ended is bought anew.",
                access: .permission(OffboardingPermissions.request), answers: Self.shown, problems: Self.wrong
            ) { call in try await answer(try await reactivate(tenant: try call.caller().tenant, call.act), call) },
        ]
    }

    private func holdsReply(_ tenant: TenantID) async throws -> Reply {
        .json(value: ["holds": .array(try await holds(on: tenant).map(Self.json))])
    }
    private func known(_ call: Call) async throws -> TenantID {
        let id: TenantID = try call.id("tenant")
        guard try await tenancy.tenant(id) != nil else { throw CommonProblems.notFound }
        return id
    }

    private func staffRoutes() -> [Route] {
        let path = "/api/v1/admin/offboarding"
        let hold = Schema.named(
            "LegalHold",
            .object([
                SchemaField("id", Self.uuid), SchemaField("reason", .string(max: 500)), SchemaField("placed_by", Self.uuid),
                SchemaField("placed_at", Self.time), SchemaField("lifted_at", .nullable(Self.time)),
            ]))
        let listed = [RouteAnswer(200, "The newest first, at most 100", .object([SchemaField("holds", .array(hold, max: 100))]))]
        return [
            Route(
                .get, path, name: "admin.offboarding", summary: "Which tenants leave.", access: .permission(OffboardingPermissions.staff),
                query: QueryField.paging,
                answers: [
                    RouteAnswer(
                        200, "In the order of their ids",
                        .page(
                            "offboardings",
                            of: .object([
                                SchemaField("tenant_id", Self.uuid), SchemaField("id", Self.uuid),
                                SchemaField("state", .choice(LeavingTenant.State.allCases.map(\.rawValue))),
                                SchemaField("reason", .choice(LeavingTenant.Reason.allCases.map(\.rawValue))),
                                SchemaField("cause", .choice(LeavingTenant.Cause.allCases.map(\.rawValue))),
                                SchemaField("leaves_at", Self.time), SchemaField("retained_until", .nullable(Self.time)),
                            ])))
                ]
            ) { call in
                let page = try call.page()
                let found = try await open(after: page.after.flatMap { TenantID($0) }, limit: page.limit + 1)
                return call.reply(Page(reading: found, limit: page.limit) { $0.tenant.description }, named: "offboardings") { item in
                    [
                        "tenant_id": .string(item.tenant.description), "id": .string(item.id.description),
                        "state": .string(item.state.rawValue), "reason": .string(item.reason.rawValue),
                        "cause": .string(item.cause.rawValue), "leaves_at": .string(item.leavesAt.iso8601),
                        "retained_until": item.retainedUntil.map { .string($0.iso8601) } ?? .null,
                    ]
                }
            },
            Route(
                .get, "\(path)/{tenant}/holds", name: "admin.offboarding.holds", summary: "A tenant's legal holds.",
                access: .permission(OffboardingPermissions.staff), answers: listed, problems: [CommonProblems.notFound]
            ) { call in try await holdsReply(try await known(call)) },
            Route(
                .post, "\(path)/{tenant}/holds", name: "admin.offboarding.hold",
                summary: "Stops every purge of the tenant's data until it is lifted.", access: .permission(OffboardingPermissions.staff),
                request: .object([SchemaField("reason", .string(min: 10, max: 500), "Which court, authority or dispute asks for it")]),
                answers: [RouteAnswer(201, "The holds", .object([SchemaField("holds", .array(hold, max: 100))]))],
                problems: [CommonProblems.notFound], creates: true
            ) { call in
                let id = try await known(call)
                _ = try await self.hold(id, reason: call.json?["reason"]?.string ?? "", by: try call.caller().user, call.act)
                var reply = try await holdsReply(id)
                reply.status = 201
                return reply
            },
            Route(
                .post, "\(path)/{tenant}/holds/{id}/lift", name: "admin.offboarding.lift",
                summary: "Lifts a hold; a purge that waited for it goes on.", access: .permission(OffboardingPermissions.staff),
                answers: listed, problems: [CommonProblems.notFound, OffboardingProblems.holdOver]
            ) { call in
                let id = try await known(call)
                try await lift(try call.id("id"), on: id, by: try call.caller().user, call.act)
                return try await holdsReply(id)
            },
        ]
    }

    // MARK: - As answers show it

    static func json(_ progress: Progress, export: JSONValue = .null) -> JSONValue {
        let leaving = progress.offboarding
        return [
            "id": .string(leaving.id.description), "state": .string(leaving.state.rawValue), "reason": .string(leaving.reason.rawValue),
            "asked_at": .string(leaving.askedAt.iso8601), "cause": .string(leaving.cause.rawValue),
            "leaves_at": .string(leaving.leavesAt.iso8601), "can_return_until": leaving.canReturnUntil.map { .string($0.iso8601) } ?? .null,
            "called_off_at": leaving.calledOffAt.map { .string($0.iso8601) } ?? .null,
            "retention_days": .int(Int64(leaving.retentionDays)),
            "retained_until": leaving.retainedUntil.map { .string($0.iso8601) } ?? .null, "is_held": .bool(progress.isHeld),
            "offer": leaving.state == .offered ? leaving.offer.map(json) ?? .null : .null,
            "steps": .array(
                progress.steps.map { step in
                    [
                        "phase": .string(step.phase.rawValue), "step": .string(step.name),
                        "done_at": step.doneAt.map { .string($0.iso8601) } ?? .null, "remains": .array(step.remainders.map(json)),
                    ]
                }), "export": export, "certificate": leaving.certificate.map(json) ?? .null,
        ]
    }
    private static func json(_ offer: LeavingTenant.Offer) -> JSONValue {
        var members: [String: JSONValue] = ["kind": .string(offer.kind)]
        if let points = offer.discountBasisPoints { members["discount_basis_points"] = .int(points) }
        return .object(members)
    }
    private static func json(_ certificate: DeletionCertificate) -> JSONValue {
        [
            "certificate": .string(certificate.document), "key_id": .string(certificate.keyID), "algorithm": "ed25519",
            "signed_prefix": "coditect:deletion-certificate.v1\\0", "signature": .string(Base64URL.encode(certificate.signature)),
        ]
    }
    private static func json(_ hold: LegalHold) -> JSONValue {
        [
            "id": .string(hold.id.description), "reason": .string(hold.reason), "placed_by": .string(hold.placedBy.description),
            "placed_at": .string(hold.placedAt.iso8601), "lifted_at": hold.liftedAt.map { .string($0.iso8601) } ?? .null,
        ]
    }
}
