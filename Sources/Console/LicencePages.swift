import Billing
import Foundation
import HTTPEdge
import Licensing
import Seats
import Vocabulary

/// The licence: its key, its seats and who holds them; while a payment is on its way, a page that looks again by itself.
extension Console {
    var licenceRoutes: [Route] {
        [
            route(.get, "/licence", "licence", "Licences, keys and seats of the tenant.") { call in try await licencePage(call) },
            route(.post, "/licence/{id}/file", "licence_file", "A signed licence file for a machine without network.", limit: .activate) {
                call in
                try await licenceFile(call)
            },
        ]
    }

    /// How often the waiting page looks by itself; afterwards the person decides.
    private static let mostLooks = 40
    /// The newest ones; the API lists them all.
    private static let mostCorrections = 10

    func paidLicence(of caller: Principal, _ call: Call) async throws -> Bool {
        try await services.licenses.list(caller.tenant).licenses.contains { isPaid($0, call.act.now) }
    }
    private func isPaid(_ license: License, _ now: Timestamp) -> Bool {
        license.status(at: now) != .revoked && services.catalog.current[license.tier]?.isFree != true
    }

    private func licencePage(_ call: Call) async throws -> Reply {
        let caller = try call.caller()
        try await authorizer.require(LicensePermissions.read, of: caller, act: call.act)
        let now = call.act.now
        let held = try await services.licenses.list(caller.tenant).licenses.filter { $0.status(at: now) != .revoked }
        if call.query["paid"] == "1", !held.contains(where: { isPaid($0, now) }) { return try waitingPage(call) }
        let mayReveal = try await may(LicensePermissions.reveal, caller, call)
        var shown: [[String: Any]] = []
        var firstKey = "KEY"
        for license in held.reversed() where license.status(at: now) != .expired {
            let leases = try await services.leases.list(LeaseQuery(tenant: caller.tenant, license: license.id), now: now)
            let detail = mayReveal ? try await services.licenses.reveal(license.id, tenant: caller.tenant, call.act) : nil
            let activations = try await services.licenses.activations(of: license.id, tenant: caller.tenant)?.count ?? 0
            if let detail, shown.isEmpty { firstKey = detail.key }
            shown.append(section(license, key: detail?.key, activations: activations, leases, now))
        }
        let ended = held.filter { $0.status(at: now) == .expired }.map {
            ["tier": $0.grant.tierName, "expired": $0.expiresAt.map(Spans.minute) ?? ""]
        }
        let hasSubscription = Billing.main(try await services.billing.subscriptions(of: caller.tenant, now: now)) != nil
        let managesBilling = hasSubscription ? try await may(BillingPermissions.write, caller, call) : false
        return try page(
            "licence", frame("Your licence", call),
            [
                "hasLicenses": !shown.isEmpty, "several": shown.count > 1, "licenses": shown, "firstKey": firstKey,
                "isEmpty": shown.isEmpty,
                "hasEnded": !ended.isEmpty, "ended": ended,
                "managesBilling": managesBilling, "leaving": try await plannedLeaving(call) ?? false,
                "quantityWish": try await quantityWish(of: caller, call) ?? false,
            ].merging(try await corrections(of: caller, call)) { own, _ in own })
    }

    /// That the organization is about to leave, for those who may know it.
    private func plannedLeaving(_ call: Call) async throws -> [String: String]? {
        guard let found = try await part("offboarding.progress", call), ["offered", "scheduled"].contains(found.text("state")) else {
            return nil
        }
        return ["at": found.moment("leaves_at"), "until": found.moment("can_return_until")]
    }

    /// A change of quantity that waits, for those who may read what is paid.
    private func quantityWish(of caller: Principal, _ call: Call) async throws -> [String: Any]? {
        guard try await may(BillingPermissions.read, caller, call) else { return nil }
        let views = try await services.billing.subscriptions(of: caller.tenant, now: call.act.now)
        guard let view = views.first(where: { $0.wish?.isOpen == true }), let wish = view.wish else { return nil }
        return [
            "subscription": view.id.description, "now": view.standing.quantity, "quantity": wish.quantity,
            "when": Spans.minute(wish.dueAt), "who": wish.wishedBy == caller.user ? "you" : "another member",
            "mayWithdraw": wish.status == .waiting ? try await may(BillingPermissions.write, caller, call) : false,
        ]
    }

    /// What comparisons with the payment providers put right lately, for those who may read what is paid.
    private func corrections(of caller: Principal, _ call: Call) async throws -> [String: Any] {
        guard try await may(BillingPermissions.read, caller, call) else { return ["hasCorrections": false] }
        let found = try await services.billing.corrections(of: caller.tenant, after: nil, limit: Self.mostCorrections).items
        let shown = found.map { correction -> [String: Any] in
            ["when": Spans.minute(correction.settledAt), "words": correction.words, "provider": correction.provider]
        }
        return ["hasCorrections": !shown.isEmpty, "corrections": shown]
    }

    private func waitingPage(_ call: Call) throws -> Reply {
        let look = min(max(Int(call.query["look"] ?? "") ?? 0, 0), Self.mostLooks)
        var frame = frame("Waiting for your payment", call)
        if look < Self.mostLooks { frame.refresh = "3; url=/licence?paid=1&look=\(look + 1)" }
        return try page("waiting", frame, ["looksAgain": look < Self.mostLooks])
    }

    private func section(
        _ license: License, key: String?, activations: Int, _ leases: [LeaseView], _ now: Timestamp
    ) -> [String: Any] {
        let status = license.status(at: now)
        var section: [String: Any] = ["id": license.id.description, "tier": license.grant.tierName]
        if let key { section["key"] = ["text": key] }
        section["status"] = status.rawValue
        section["statusWords"] = Self.words(status)
        section["seatsUsed"] = leases.count
        section["seatsTotal"] = license.grant.seats
        section["activations"] = activations
        section["maxActivations"] = license.grant.devices.map(String.init) ?? "any number"
        section["expires"] = license.expiresAt.map(Spans.minute) ?? "without end"
        section["hasHolders"] = !leases.isEmpty
        section["holders"] = leases.map {
            ["device": $0.hostname ?? "unnamed", "since": Spans.minute($0.lease.acquiredAt), "until": Spans.minute($0.expiresAt)]
        }
        section["givesFiles"] = key != nil && status.isUsable
        return section
    }

    private static func words(_ status: LicenseStatus) -> String {
        switch status {
        case .active: "active"
        case .grace: "active, payment outstanding"
        case .suspended: "suspended"
        case .expired: "expired"
        case .revoked: "ended"
        }
    }

    /// Activates the machine that was named and gives its file, for machines that cannot ask themselves.
    private func licenceFile(_ call: Call) async throws -> Reply {
        let caller = try call.caller()
        try await authorizer.require(LicensePermissions.reveal, of: caller, act: call.act)
        let machine = try SentForm(call)["hardware_id"].trimmingCharacters(in: .whitespacesAndNewlines)
        guard (1...256).contains(machine.utf8.count) else { throw CommonProblems.invalid("hardware_id", "has 1 to 256 characters") }
        let detail = try await services.licenses.reveal(try call.id("id"), tenant: caller.tenant, call.act)
        let change = try await services.licenses.activate(key: detail.key, hardwareID: machine, machineName: nil, call.act)
        guard let file = change.file else { throw CommonProblems.unavailable }
        var reply = Reply.json(value: file.json)
        reply.headers.append(("content-disposition", "attachment; filename=\"license-\(detail.license.id).json\""))
        return reply
    }
}
