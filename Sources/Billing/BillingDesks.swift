import Catalog
import Store
import Vocabulary

/// An invoice with what its provider's document says, where it can be asked and answers.
package struct InvoiceDetail: Sendable {
    package enum Source: String, Sendable, CaseIterable {
        case provider
        /// The provider has no documents to show.
        case none
        case unreachable
    }
    package let invoice: InvoiceView
    package let document: ProviderInvoice?
    package let source: Source
}

/// What customers and staff do with what was bought.
extension Billing {
    // MARK: - Customers

    package func previewChange(_ order: ChangeOrder, _ caller: Principal, _ act: Act) async throws -> ChangeQuote {
        try await SubscriptionDesk(parts: parts).quote(order, caller, act)
    }
    /// - Parameter apply: absent: a quantity alone waits for others of its window, everything else is asked for at once.
    package func change(
        _ order: ChangeOrder, apply: QuantityWish.Apply?, _ caller: Principal, _ act: Act
    ) async throws -> ChangeAnswer {
        let operation = try await QuantityWishDesk(parts: parts).request(order, apply, caller, act)
        if let operation {
            let answer = try await answer(operation, caller.tenant, act)
            return ChangeAnswer(operation: answer.operation, subscription: answer.subscription)
        }
        let views = try await subscriptions(of: caller.tenant, now: act.now)
        return ChangeAnswer(operation: nil, subscription: views.first { $0.id == order.subscription } ?? Billing.main(views))
    }
    /// Takes back a change of quantity that waits.
    package func withdrawQuantity(_ id: SubscriptionID?, tenant: TenantID, _ act: Act) async throws -> SubscriptionView? {
        try await QuantityWishDesk(parts: parts).withdraw(id, tenant, act)
        let views = try await subscriptions(of: tenant, now: act.now)
        return views.first { $0.id == id } ?? Billing.main(views)
    }
    package func cancel(
        _ id: SubscriptionID?, _ when: SubscriptionCancellation.When, reason: String?, tenant: TenantID, _ act: Act
    ) async throws -> OperationAnswer {
        try await answer(try await SubscriptionDesk(parts: parts).cancel(id, when, reason: reason, tenant, act), tenant, act)
    }
    package func resume(_ id: SubscriptionID?, tenant: TenantID, _ act: Act) async throws -> OperationAnswer {
        try await answer(try await SubscriptionDesk(parts: parts).resume(id, tenant, act), tenant, act)
    }
    package func pause(_ id: SubscriptionID?, until moment: Timestamp?, tenant: TenantID, _ act: Act) async throws -> OperationAnswer {
        try await answer(try await SubscriptionDesk(parts: parts).pause(id, until: moment, tenant, act), tenant, act)
    }

    private func answer(_ operation: BillingOperation, _ tenant: TenantID, _ act: Act) async throws -> OperationAnswer {
        let views = try await subscriptions(of: tenant, now: act.now)
        return OperationAnswer(
            operation: operation,
            subscription: views.first { $0.object == operation.object && $0.provider == operation.provider } ?? Billing.main(views))
    }

    /// What providers were asked to do for the tenant, newest first.
    package func operations(of tenant: TenantID, after: PageCursor?, limit: Int) async throws -> Listing<BillingOperation> {
        let cursor = after ?? .newest
        let count = min(max(limit, 1), 100)
        let rows = try await parts.floor.store.tenantRead(tenant) { db in
            try db.rows(OperationTable.list, db.tenant, cursor.at, cursor.id, count + 1).map(BillingOperation.init)
        }
        let items = Array(rows.prefix(count))
        return Listing(items: items, next: rows.count > count ? items.last.map { PageCursor(at: $0.createdAt, id: $0.id.uuid) } : nil)
    }
    package func operation(_ id: BillingOperation.ID, of tenant: TenantID) async throws -> BillingOperation {
        try await parts.floor.store.tenantRead(tenant) { try OperationDesk.find(id, $0) }
    }

    // MARK: - Documents

    package func invoice(_ id: Identifier<InvoiceMark>, of tenant: TenantID) async throws -> InvoiceDetail {
        let view = try await view(id, of: tenant)
        guard let provider = await parts.providers.provider(view.provider, for: tenant), provider.capabilities.contains(.invoices) else {
            return InvoiceDetail(invoice: view, document: nil, source: .none)
        }
        let number = view.number
        guard let document = try? await asked({ try await provider.readInvoice(number) }) else {
            return InvoiceDetail(invoice: view, document: nil, source: .unreachable)
        }
        return InvoiceDetail(invoice: view, document: document, source: .provider)
    }

    /// Where the invoice's PDF is read just now; ask anew for each person who wants it.
    package func invoicePDF(_ id: Identifier<InvoiceMark>, of tenant: TenantID) async throws -> String {
        let view = try await view(id, of: tenant)
        let provider = try await parts.providers.inService(view.provider, for: tenant)
        guard provider.capabilities.contains(.invoicePDF) else {
            throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.invoicePDF.rawValue)])
        }
        let url: String?
        do { url = try await asked { try await provider.invoicePDF(view.number) } } catch { throw BillingProblems.of(error) }
        guard let url, url.utf8.count <= 4_096 else { throw CommonProblems.notFound }
        return url
    }

    private func view(_ id: Identifier<InvoiceMark>, of tenant: TenantID) async throws -> InvoiceView {
        try await parts.floor.store.tenantRead(tenant) { db in
            guard let row = try db.row(BillingTable.invoiceByID, db.tenant, id) else { throw CommonProblems.notFound }
            return try InvoiceView(row)
        }
    }
    private func asked<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await CallLimit.within(.seconds(Int64(parts.settings[BillingSettings.providerSeconds])), work)
    }

    // MARK: - Staff

    package func agree(_ order: ContractOrder, with tenant: TenantID, _ act: Act) async throws -> Contract {
        try CardNumber.refuse(["reason": order.reason])
        return try await contracts.agree(order, with: tenant, act)
    }
    package func revise(
        _ id: Contract.ID, version: Int, _ order: ContractOrder, with tenant: TenantID, _ act: Act
    ) async throws -> Contract {
        try CardNumber.refuse(["reason": order.reason])
        return try await contracts.revise(id, version: version, order, with: tenant, act)
    }

    package func refund(_ order: RefundOrder, of tenant: TenantID, _ act: Act) async throws -> BillingOperation {
        try await RefundDesk(parts: parts).refund(order, of: tenant, act)
    }

    /// Any tenant's invoices for the platform's own people; that they looked stands in that tenant's journal.
    package func invoicesForStaff(_ tenant: TenantID, after: PageCursor?, limit: Int, _ act: Act) async throws -> Listing<InvoiceView> {
        let listing = try await invoices(of: tenant, after: after, limit: limit)
        // A tenant that is none has nothing to see, and no journal.
        if !listing.items.isEmpty {
            try await parts.floor.store.tenant(tenant) { db in
                try db.journal(JournalEntry("invoices.seen_by_staff", subject: "tenant:\(tenant)"), act)
            }
        }
        return listing
    }

    /// Compares with every provider in service as soon as may be.
    package func requestReconciliation(_ act: Act) async throws { try await ReconciliationDesk(parts: parts).request(act) }
    package func reconciliations(after: PageCursor?, limit: Int) async throws -> Listing<Reconciliation> {
        let count = min(max(limit, 1), 100)
        let rows = try await ReconciliationDesk(parts: parts).list(after: after, limit: count + 1)
        let items = Array(rows.prefix(count))
        return Listing(items: items, next: rows.count > count ? items.last.map { PageCursor(at: $0.startedAt, id: $0.id.uuid) } : nil)
    }
    package func reconciliation(_ id: Reconciliation.ID) async throws -> Reconciliation {
        guard let found = try await ReconciliationDesk(parts: parts).find(id) else { throw CommonProblems.notFound }
        return found
    }
}
