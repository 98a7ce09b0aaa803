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
            // Where a payment provider sends the browser back to.
            route(.get, "/billing/success", "paid", "Back from the payment provider, having paid.") { _ in .redirect(to: "/licence?paid=1") },
            route(.get, "/billing/cancelled", "not_paid", "Back from the payment provider, without having paid.") { _ in .redirect(to: "/plans") },
            route(.get, "/billing", "billing", "Back from the provider's own page.") { _ in .redirect(to: "/licence") },
        ]
    }

    private func licencePage(_ call: Call) async throws -> Reply {
        let caller = try call.caller()
        try await authorizer.require(LicensePermissions.read, of: caller, act: call.act)
        let now = call.act.now
        let held = try await services.licenses.list(caller.tenant).licenses.filter { $0.status(at: now) != .revoked }
        var shown: [[String: Any]] = []
        var keys: [String] = []
        for license in held.reversed() {
            let detail = try await services.licenses.reveal(license.id, tenant: caller.tenant, call.act)
            let leases = try await services.leases.list(LeaseQuery(tenant: caller.tenant, license: license.id), now: now)
            keys.append(detail.key)
            shown.append(section(license, detail, leases, now))
        }
        let isPaid = held.contains { services.catalog.current[$0.tier]?.isFree == false }
        let isWaiting = call.query["paid"] == "1" && !isPaid
        var frame = frame(isWaiting ? "Waiting for your payment" : "Your licence", call)
        frame.refreshSeconds = isWaiting ? 2 : nil
        return try page(
            "licence", frame, call,
            [
                "isWaiting": isWaiting, "hasLicenses": !shown.isEmpty && !isWaiting, "several": shown.count > 1, "licenses": shown,
                "firstKey": keys.first ?? "", "isEmpty": shown.isEmpty && !isWaiting,
            ])
    }
    private func section(_ license: License, _ detail: Licenses.Detail, _ leases: [LeaseView], _ now: Timestamp) -> [String: Any] {
        let holders: [[String: Any]] = leases.map { view in
            [
                "device": view.hostname ?? "unnamed", "since": Spans.minute(view.lease.acquiredAt), "until": Spans.minute(view.expiresAt),
            ]
        }
        var section: [String: Any] = ["id": license.id.description, "tier": license.grant.tierName, "key": detail.key]
        section["status"] = license.status(at: now).rawValue
        section["seatsUsed"] = leases.count
        section["seatsTotal"] = license.grant.seats
        section["activations"] = detail.activations.count
        section["maxActivations"] = license.grant.devices.map(String.init) ?? "any number"
        section["expires"] = license.expiresAt.map(Spans.minute) ?? "without end"
        section["hasHolders"] = !holders.isEmpty
        section["holders"] = holders
        return section
    }
}
