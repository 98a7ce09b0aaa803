import HTTPEdge
import Identity
import Licensing
import Signing
import Vocabulary

/// Which regions there are, for anybody; and what regions ask each other.
struct RegionRoutes: Sendable {
    let map: RegionMap?
    let home: Region
    let identity: Identity
    let licenses: Licenses

    func routes() -> [Route] {
        [
            Route(
                .get, "/api/v1/regions", name: "regions.list", summary: "Where a sign-up may keep its data, and this region's name.",
                access: .open,
                answers: [
                    RouteAnswer(
                        200, "Region and address of each",
                        .object([
                            SchemaField("home", .choice(Region.allCases.map(\.rawValue)), "The region that answers"),
                            SchemaField(
                                "regions",
                                .array(
                                    .object([
                                        SchemaField("id", .choice(Region.allCases.map(\.rawValue))),
                                        SchemaField("url", .string(max: 300), "Empty: here"), SchemaField("is_home", .boolean),
                                    ]), max: 3)),
                        ]))
                ]
            ) { call in
                let offered = map?.offered ?? [home]
                return .json(value: [
                    "home": .string(home.rawValue),
                    "regions": .array(
                        offered.map { region in
                            [
                                "id": .string(region.rawValue), "url": .string(map?.places[region]?.url ?? call.origin),
                                "is_home": .bool(region == home),
                            ]
                        }),
                ])
            },
            Route(
                .post, RegionLink.toldPath, name: "regions.told",
                summary:
                    "Between regions: somebody signed up elsewhere with an address that leads to an account here. Its person gets a mail.",
                access: .proof, limit: .unlimited,
                request: .object([SchemaField("mail_digest", .string(min: 64, max: 64, format: .hex), "Under the directory's key")]),
                answers: [RouteAnswer(204, "Taken.")], problems: [CommonProblems.notFound]
            ) { call in
                guard call.relayedFrom != nil, let digest = Hex.decode(call.json?["mail_digest"]?.string ?? "") else {
                    throw CommonProblems.notFound
                }
                try await identity.tellRegistered(claimDigest: digest, call.act)
                return Reply(status: 204)
            },
            Route(
                .post, RegionLink.keyPath, name: "regions.license_key", summary: "Between regions: whether a licence key belongs here.",
                access: .proof, limit: .unlimited, request: .object([SchemaField("license_key", .string(min: 1, max: 200))]),
                answers: [RouteAnswer(200, "Whether it does", .object([SchemaField("known", .boolean)]))],
                problems: [CommonProblems.notFound]
            ) { call in
                guard call.relayedFrom != nil else { throw CommonProblems.notFound }
                return .json(value: ["known": .bool(try await licenses.knows(key: call.json?["license_key"]?.string ?? ""))])
            },
        ]
    }
}
