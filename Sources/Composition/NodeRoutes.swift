import Foundation
import HTTPEdge
import Vocabulary

package enum NodePermissions {
    package static let read = Permission("platform:read", "See which processes serve, and what is in force at each.", delegates: .none)
    package static let all = [read]
}

/// The processes over one database, for staff.
struct NodeRoutes: Sendable {
    let book: NodeBook

    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let node = Schema.object([
        SchemaField("id", .string(max: 36, format: .uuid), "New with each start"),
        SchemaField("is_this", .boolean, "Whether it answers now"),
        SchemaField("host", .string(max: 255)), SchemaField("process", .integer(0...Int64.max)),
        SchemaField("state", .choice(ServingNode.State.allCases.map(\.rawValue)), "away: not seen for a minute"),
        SchemaField("version", .string(max: 32)),
        SchemaField("policies", .string(max: 64), "Hash of the set in force there; empty: none"),
        SchemaField("plugins", .map(.string(max: 100)), "At work there: version, and the beginning of the library's SHA-256"),
        SchemaField("ledger", .choice(["store", "redis"]), "Where leases of seats live for it"),
        SchemaField("started_at", time), SchemaField("seen_at", time),
    ])

    func routes() -> [Route] {
        [
            Route(
                .get, "/api/v1/admin/nodes", name: "nodes.list",
                summary:
                    "The processes over this database, the last seen first, and in what those that serve differ. Who ended in order is not here.",
                access: .permission(NodePermissions.read),
                answers: [
                    RouteAnswer(
                        200, "At most 500",
                        .object([
                            SchemaField("nodes", .array(Self.node, max: 500)),
                            SchemaField(
                                "differ", .array(.choice(ServingNode.Aspect.allCases.map(\.rawValue)), max: 4), "Empty: they agree"),
                        ]))
                ]
            ) { _ in
                let nodes = try await book.list()
                let values = NodeBook.values(of: nodes)
                return .json(value: [
                    "nodes": .array(nodes.map(json)),
                    "differ": .array(ServingNode.Aspect.allCases.filter { values[$0, default: 0] > 1 }.map { .string($0.rawValue) }),
                ])
            }
        ]
    }

    private func json(_ node: ServingNode) -> JSONValue {
        [
            "id": .string(node.id.uuidString.lowercased()), "is_this": .bool(node.id == book.id), "host": .string(node.host),
            "process": .int(Int64(node.process)), "state": .string(node.state.rawValue), "version": .string(node.version),
            "policies": .string(node.policies), "plugins": .object(node.plugins.mapValues { .string($0) }), "ledger": .string(node.ledger),
            "started_at": .string(node.startedAt.iso8601), "seen_at": .string(node.seenAt.iso8601),
        ]
    }
}
