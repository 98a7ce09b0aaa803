import Vocabulary

/// A provider's object by which an event finds its tenant.
package struct RouteAnchor: Hashable, Sendable, Codable, Comparable {
    package enum Kind: String, Hashable, Sendable, Codable { case reference, session, customer, subscription, invoice, payment }
    package let kind: Kind
    package let object: String
    package init(_ kind: Kind, _ object: String) {
        self.kind = kind
        self.object = object
    }
    package static func < (left: RouteAnchor, right: RouteAnchor) -> Bool {
        (left.kind.rawValue, left.object) < (right.kind.rawValue, right.object)
    }
}

/// Whose event it is.
enum PaymentRouting: Hashable {
    case routed(TenantID)
    /// Until one of these is known to belong to somebody.
    case parked([RouteAnchor])
    /// It names nothing by which a tenant could ever be found.
    case unroutable
    case refused(String)

    /// - Parameter owner: the tenant to which a link is known to lead.
    static func find(_ news: PaymentNews, owner: (RouteAnchor) throws -> TenantID?) rethrows -> PaymentRouting {
        var tenants: Set<TenantID> = []
        var waits: Set<RouteAnchor> = []
        var links: Set<RouteAnchor> = []
        for reading in news.readings {
            links.formUnion(reading.links)
            for anchor in reading.deciding {
                if let tenant = try owner(anchor) { tenants.insert(tenant) } else { waits.insert(anchor) }
            }
        }
        guard let tenant = tenants.first else { return waits.isEmpty ? .unroutable : .parked(waits.sorted()) }
        guard tenants.count == 1 else { return .refused("it names objects of \(tenants.count) tenants") }
        for link in links.sorted() {
            if let other = try owner(link), other != tenant { return .refused("its \(link.kind.rawValue) belongs to another tenant") }
        }
        return .routed(tenant)
    }
}

extension PaymentNews {
    /// What becomes known to be the tenant's once the event is: later events of the same objects find their way by it.
    var links: [RouteAnchor] { Set(readings.flatMap(\.links)).filter { $0.kind != .reference }.sorted() }
}

extension FactReading {
    /// What may say whose the fact is. A checkout is ours by its session alone, because a reference can be put into a foreign session;
    /// a subscription by the reference that we gave its checkout, or by what it already belongs to.
    var deciding: [RouteAnchor] {
        if let session { return [RouteAnchor(.session, session)] }
        return [
            subscription.map { RouteAnchor(.subscription, $0) }, reference.map { RouteAnchor(.reference, $0) },
            customer.map { RouteAnchor(.customer, $0) }, invoice.map { RouteAnchor(.invoice, $0) },
            payment.map { RouteAnchor(.payment, $0) },
        ].compactMap { $0 }
    }
    /// What must not contradict.
    var links: [RouteAnchor] {
        [
            subscription.map { RouteAnchor(.subscription, $0) }, customer.map { RouteAnchor(.customer, $0) },
            reference.map { RouteAnchor(.reference, $0) }, invoice.map { RouteAnchor(.invoice, $0) },
            payment.map { RouteAnchor(.payment, $0) },
        ].compactMap { $0 }
    }
}
