import Foundation
import HTTPEdge
import PluginHost
import Store
import Vocabulary

package enum PluginPermissions {
    package static let read = Permission("plugins:read", "See which plugins are at work, and how their upgrades do.")
    package static let write = Permission("plugins:write", "Switch plugins on and off, upgrade them and take them back.")
    package static let all = [read, write]
}

package enum PluginProblems {
    package static let unknown = Problem(
        "plugin_unknown", status: 404, title: "There is no such plugin.", hint: "See the ids in the list of plugins.")
    package static let noCandidate = Problem(
        "plugin_has_no_candidate", status: 409, title: "No new version of this plugin waits.",
        hint: "Put it into the plugins folder as a folder whose name ends in .next.")
    package static let noUpgrade = Problem(
        "plugin_has_no_upgrade", status: 409, title: "No new version of this plugin is at work.",
        hint: "See upgrade in the plugin's standing.")
    package static let refused = Problem(
        "plugin_refused", status: 422, title: "The plugin was not taken; what was at work goes on.",
        hint: "See reason: it says what is wrong and what to do.")
    package static let all = [unknown, noCandidate, noUpgrade, refused]
}

/// The plugins over HTTP: how it stands with each, and everything that can be changed while the server runs. New code comes from the plugins
/// folder alone, never from a request.
struct PluginRoutes: Sendable {
    let host: PluginHost
    let office: PluginOffice
    let store: any Store

    private static let name = Schema.string(max: 64)
    private static let count = Schema.integer(0...Int64.max)
    private static let upgrade = Schema.object([
        SchemaField("version", .string(max: 32)), SchemaField("package", Schema.string(max: 64), "SHA-256 over its files"),
        SchemaField("standing", .choice(["canary", "promoted", "returned"])),
        SchemaField("reason", .string(max: 1_000), "Why it was returned", optional: true),
        SchemaField("share_basis_points", .integer(0...10_000), "Of ten thousand tenants, chosen by a hash that stays the same"),
        SchemaField("tenants", .array(Schema.string(max: 64), max: 1_000), "Who gets it in any case"),
        SchemaField("calls", count, "Calls of the new version, while it stands beside the old", optional: true),
        SchemaField("failures", count, "Those of which nobody knows what came of them", optional: true),
        SchemaField("calls_before", count, "Calls of the old version in the same time", optional: true),
        SchemaField("failures_before", count, optional: true),
        SchemaField("differences", count, "Webhooks of which the two state other facts", optional: true),
    ])
    private static let standing = Schema.named(
        "PluginStanding",
        .object([
            SchemaField("id", name), SchemaField("folder", .string(max: 256), "Where it lies in the plugins folder"),
            SchemaField("state", .choice(PluginStanding.State.allCases.map(\.rawValue))),
            SchemaField("name", .string(max: 80), optional: true), SchemaField("version", .string(max: 32), optional: true),
            SchemaField("kinds", .array(name, max: 10), optional: true), SchemaField("kit", .string(max: 20), optional: true),
            SchemaField("hosts", .array(.string(max: 300), max: 32), "What it may reach", optional: true),
            SchemaField("secrets", .array(name, max: 16), "Their names alone", optional: true),
            SchemaField("settings", .map(.any), "In force", optional: true),
            SchemaField("digest", name, "SHA-256 of the library at work", optional: true),
            SchemaField("publisher", name, "The trusted publisher who signed it", optional: true),
            SchemaField("isolation", .choice(["in_process", "process"]), "Where it runs, while it is at work", optional: true),
            SchemaField(
                "process",
                .object([
                    SchemaField("state", .choice(ChildReport.State.allCases.map(\.rawValue))),
                    SchemaField("id", count, "While there is one", optional: true),
                    SchemaField("deaths", count, "Since the server started"),
                    SchemaField("restarts", count, "Since the server started"),
                    SchemaField(
                        "breaker", .choice(ChildStanding.Breaker.allCases.map(\.rawValue)),
                        "Open: it is left alone; trial: one call is let in"),
                    SchemaField("last_end", .string(max: 1_000), "How it ended last", optional: true),
                ]), "Of its own, where it has one", optional: true),
            SchemaField("candidate", .string(max: 32), "The version that waits in a folder .next", optional: true),
            SchemaField(
                "refusal",
                .object([SchemaField("code", .choice(RefusalCode.allCases.map(\.rawValue))), SchemaField("reason", .string(max: 8_000))]),
                "Why its files as they are now are not at work", optional: true),
            SchemaField("upgrade", upgrade, "The newest upgrade", optional: true),
        ]))

    func routes() -> [Route] {
        [
            Route(
                .get, "/api/v1/admin/plugins", name: "plugins.list", summary: "Every plugin: at work, refused or switched off.",
                access: .permission(PluginPermissions.read),
                answers: [RouteAnswer(200, "By id", .object([SchemaField("plugins", .array(Self.standing, max: 1_000))]))]
            ) { _ in .json(value: ["plugins": .array(host.standings().map(\.json))]) },
            Route(
                .get, "/api/v1/admin/plugins/{id}", name: "plugins.standing", summary: "How it stands with one plugin.",
                access: .permission(PluginPermissions.read), answers: [RouteAnswer(200, "The plugin", Self.standing)],
                problems: [PluginProblems.unknown]
            ) { call in .json(value: try standing(try id(call))) },
            Route(
                .post, "/api/v1/admin/plugins/reload", name: "plugins.reload",
                summary:
                    "Reads the plugins folder, settings of the environment's files and secrets now. What changed starts beside its old self.",
                access: .permission(PluginPermissions.write),
                answers: [RouteAnswer(200, "By id", .object([SchemaField("plugins", .array(Self.standing, max: 1_000))]))]
            ) { call in
                try await PluginJournal.keep(PluginBook.Decision("plugin.reloaded", "all"), call.act, store)
                await host.load()
                return .json(value: ["plugins": .array(host.standings().map(\.json))])
            },
            change("enable", "Switches a plugin on that was switched off; also after restarts.") { _ in .enable },
            change("disable", "Switches a plugin off; calls under way end first. It stays off over restarts.") { _ in .disable },
            change(
                "upgrade",
                "Starts the version that waits in the folder .next beside the old one: for a share of the tenants and those named, or, without "
                    + "both, in its place. If it fails more often than the old one, it is taken back.",
                [PluginProblems.noCandidate],
                body: [
                    SchemaField("share_basis_points", .integer(0...10_000), optional: true),
                    SchemaField("tenants", .array(Schema.string(min: 1, max: 64, format: .uuid), max: 1_000), optional: true),
                ]
            ) { call in
                .upgrade(
                    from: nil, basisPoints: call.json?["share_basis_points"]?.int.map(Int.init),
                    tenants: call.json?["tenants"]?.array?.compactMap(\.string))
            },
            change("promote", "Puts the new version in the place of the old one, which drains.", [PluginProblems.noUpgrade]) {
                _ in .promote
            },
            change(
                "withdraw", "Takes the new version back: the one before has every tenant again.", [PluginProblems.noUpgrade],
                body: [SchemaField("reason", .string(min: 1, max: 300), "Why; it is kept with the upgrade", optional: true)]
            ) { call in .withdraw(reason: call.json?["reason"]?.string ?? "withdrawn by an operator") },
        ]
    }

    /// As `give` and `refuse` throw it.
    private static let refusal = PluginProblems.refused.with([
        "code": "secret_missing", "reason": "ACME_SECRET_KEY is not set. Set the variable.",
    ])

    private func change(
        _ verb: String, _ summary: String, _ problems: [Problem] = [], body: [SchemaField] = [],
        _ order: @escaping @Sendable (Call) throws -> PluginOffice.Order
    ) -> Route {
        Route(
            .post, "/api/v1/admin/plugins/{id}/\(verb)", name: "plugins.\(verb)", summary: summary,
            access: .permission(PluginPermissions.write), request: body.isEmpty ? nil : .object(body),
            answers: [RouteAnswer(200, "The plugin", Self.standing)],
            problems: [PluginProblems.unknown, Self.refusal] + problems
        ) { call in
            let id = try id(call)
            let decision = try give(try order(call), to: id, call.act)
            // Journals what the book holds, then takes it up; what a crash keeps from it, the next start does.
            await host.load()
            if decision.action != "plugin.disabled", decision.action != "plugin.upgrade_returned" { try refuse(id, decision) }
            return .json(value: try standing(id))
        }
    }

    private func give(_ order: PluginOffice.Order, to id: String, _ act: Act) throws -> PluginBook.Decision {
        do {
            return try office.give(order, to: id, by: PluginJournal.by(act)).decision
        } catch let fault as PluginOffice.Fault {
            switch fault {
            case .unknown: throw PluginProblems.unknown
            case .noCandidate: throw PluginProblems.noCandidate
            case .noUpgrade: throw PluginProblems.noUpgrade
            case .unusable(let sentence): throw PluginProblems.refused.with(["code": "unusable", "reason": .string(sentence)])
            }
        }
    }

    /// Throws where what was wanted is not at work.
    private func refuse(_ id: String, _ decision: PluginBook.Decision) throws {
        guard let now = host.standings().first(where: { $0.id == id }) else { throw PluginProblems.unknown }
        if decision.action == "plugin.enabled", let refusal = now.refused {
            throw PluginProblems.refused.with(["code": .string(refusal.code.rawValue), "reason": .string(refusal.sentence)])
        }
        if let upgrade = now.upgrade?.upgrade, upgrade.standing == .returned, upgrade.package == decision.details["package"] {
            throw PluginProblems.refused.with(["code": "upgrade_returned", "reason": .string(upgrade.reason ?? "")])
        }
    }

    private func id(_ call: Call) throws -> String {
        guard let id = call.parameters["id"] else { throw PluginProblems.unknown }
        return id
    }

    private func standing(_ id: String) throws -> JSONValue {
        guard let standing = host.standings().first(where: { $0.id == id }) else { throw PluginProblems.unknown }
        return standing.json
    }
}
