import Foundation
import Store
import Vocabulary

final class SQLiteTenantScope: TenantScope {
    let tenant: TenantID
    private let connection: Connection
    private let scope: Scope
    private let books: Ledger

    init(_ connection: Connection, _ context: LedgerContext, tenant: TenantID) {
        self.tenant = tenant
        self.connection = connection
        scope = .tenant(tenant.uuid.bytes)
        books = Ledger(connection, context, tenant: tenant)
    }
    var ledger: any ScopeLedger { books }

    @discardableResult func rows(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] {
        if books.isOver { throw StoreFault.scopeEnded }
        return try connection.rows(sql, arguments, as: scope)
    }
    func end() { books.isOver = true }
}

final class SQLiteKernelScope: KernelScope {
    let reason: KernelReason
    private let connection: Connection
    private let context: LedgerContext
    private let books: Ledger

    init(_ connection: Connection, _ context: LedgerContext, reason: KernelReason) {
        self.reason = reason
        self.connection = connection
        self.context = context
        books = Ledger(connection, context, tenant: nil)
    }
    var ledger: any ScopeLedger { books }

    @discardableResult func rows(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] {
        if books.isOver { throw StoreFault.scopeEnded }
        return try connection.rows(sql, arguments, as: .kernel)
    }
    func within<Value>(_ tenant: TenantID, _ body: (any TenantScope) throws -> Value) throws -> Value {
        if books.isOver { throw StoreFault.scopeEnded }
        let scope = SQLiteTenantScope(connection, context, tenant: tenant)
        defer { scope.end() }
        return try body(scope)
    }
    func end() { books.isOver = true }
}
