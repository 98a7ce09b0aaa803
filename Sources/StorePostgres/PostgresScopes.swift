import Foundation
import Store
import Vocabulary

final class PostgresTenantScope: TenantScope {
    let tenant: TenantID
    private let session: PostgresSession
    private let scope: PostgresScope
    private let books: Ledger

    init(_ session: PostgresSession, _ context: LedgerContext, tenant: TenantID) {
        self.tenant = tenant
        self.session = session
        scope = .tenant(tenant.uuid.bytes)
        books = Ledger(session, context, tenant: tenant)
    }
    var ledger: any ScopeLedger { books }

    @discardableResult func rows(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] {
        if books.isOver { throw StoreFault.scopeEnded }
        return try session.roomRows(sql, arguments, as: scope)
    }
    func end() { books.isOver = true }
}

final class PostgresKernelScope: KernelScope {
    let reason: KernelReason
    private let session: PostgresSession
    private let context: LedgerContext
    private let books: Ledger

    init(_ session: PostgresSession, _ context: LedgerContext, reason: KernelReason) {
        self.reason = reason
        self.session = session
        self.context = context
        books = Ledger(session, context, tenant: nil)
    }
    var ledger: any ScopeLedger { books }

    @discardableResult func rows(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] {
        if books.isOver { throw StoreFault.scopeEnded }
        return try session.roomRows(sql, arguments, as: .kernel)
    }
    func within<Value>(_ tenant: TenantID, _ body: (any TenantScope) throws -> Value) throws -> Value {
        if books.isOver { throw StoreFault.scopeEnded }
        let scope = PostgresTenantScope(session, context, tenant: tenant)
        defer { scope.end() }
        return try body(scope)
    }
    func end() { books.isOver = true }
}
