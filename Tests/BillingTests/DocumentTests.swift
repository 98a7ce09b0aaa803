import CSQLite
import Foundation
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("What the room says of itself")
struct DocumentTests {
    static func text(_ path: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    @Test("the README shows the lifecycle as it is declared")
    func lifecycle() throws {
        let readme = try DocumentTests.text("Sources/Billing/README.md")
        #expect(readme.contains("```mermaid\n\(StandingLifecycle.diagram)\n```"), "expected:\n\(StandingLifecycle.diagram)")
        #expect(readme.contains("\n\(StandingLifecycle.table)\n"), "expected:\n\(StandingLifecycle.table)")
    }

    @Test("the README and the explanation name every job, event and hook of the room")
    func names() throws {
        let readme = try DocumentTests.text("Sources/Billing/README.md")
        for kind in [
            PaymentPosting.kind, StandingReview.kind, PaymentInbox.parkedKind, PaymentInbox.purgeKind, OperationDesk.settling,
            ReconciliationDesk.kind,
        ] {
            #expect(readme.contains("`\(kind)`"))
        }
        for name in [
            StandingChanged.topic, MailRequested.topic, PaymentTold.topic, OnPayment.definition.name, OnTierChange.definition.name,
        ] { #expect(readme.contains("`\(name)`")) }
        let explanation = try DocumentTests.text("docs/explanation/payments.md")
        for setting in BillingSettings.all { #expect(explanation.contains("`\(setting.path)`"), "\(setting.path)") }
        for action in OnPayment.definition.actions { #expect(explanation.contains("`\(action.name)`"), "\(action.name)") }
        for state in Standing.State.allCases { #expect(explanation.contains("`\(state.rawValue)`"), "\(state)") }
        for status in BillingOperation.Status.allCases { #expect(explanation.contains("`\(status.rawValue)`"), "\(status)") }
        for status in PaymentEvent.Status.allCases { #expect(explanation.contains("`\(status.rawValue)`"), "\(status)") }
    }

    @Test("codes, settings, permissions and statements are each declared once, and defaults pass their own check")
    func registers() {
        func isUnique(_ names: [String]) -> Bool { Set(names).count == names.count }
        #expect(isUnique(BillingProblems.all.map(\.code)) && isUnique(BillingSettings.all.map(\.path)))
        #expect(isUnique((InboxTable.all + BillingTable.all + OperationTable.all + ReconciliationTable.all + MoveTable.all).map(\.name)))
        for setting in BillingSettings.all { #expect(setting.check(setting.default) == nil, "\(setting.path)") }
        #expect(BillingSettings.successURL.erased.check("javascript:alert(1)") != nil)
        #expect(BillingSettings.successURL.erased.check("//evil.example") != nil)
        #expect(BillingSettings.graceDays.erased.check("91") != nil)
    }

    @Test("no statement of the inbox scans a table")
    func plans() async throws {
        let house = try await House.make()
        for statement in InboxTable.all + ReconciliationTable.all where !statement.text.hasPrefix("INSERT") {
            let plan = try DocumentTests.plan(of: statement, in: house.test.file)
            #expect(!plan.isEmpty)
            #expect(!plan.contains { $0.hasPrefix("SCAN") || $0.contains("TEMP B-TREE") }, "\(statement.name): \(plan)")
        }
    }

    /// What the engine says that it would do. The store itself lets nobody ask.
    static func plan(of statement: SQL, in file: URL) throws -> [String] {
        var database: OpaquePointer?
        var prepared: OpaquePointer?
        defer {
            sqlite3_finalize(prepared)
            sqlite3_close(database)
        }
        guard sqlite3_open_v2(file.path, &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK,
            sqlite3_prepare_v2(database, "EXPLAIN QUERY PLAN \(statement.text)", -1, &prepared, nil) == SQLITE_OK
        else { throw StringError(String(cString: sqlite3_errmsg(database))) }
        var lines: [String] = []
        while sqlite3_step(prepared) == SQLITE_ROW { lines.append(String(cString: sqlite3_column_text(prepared, 3))) }
        return lines
    }

    @Test(
        "amounts read as their currency writes them",
        arguments: [
            (9900, "USD", "99.00 USD"), (5, "USD", "0.05 USD"), (-1250, "EUR", "-12.50 EUR"), (1200, "JPY", "1200 JPY"),
            (1234, "KWD", "1.234 KWD"),
            (0, "USD", "0.00 USD"),
        ])
    func money(amount: Int64, currency: String, text: String) throws {
        #expect(Money(amountMinor: amount, currency: try #require(Currency(currency))).display == text)
    }

    @Test("a cursor comes back as it went, and nothing else is one")
    func cursor() throws {
        let cursor = PageCursor(at: day(1), id: UUID(bytes: Array(1...16)))
        #expect(PageCursor(cursor.text) == cursor)
        for wrong in ["", "-", "1-", "x-01020304-0506-0708-090a-0b0c0d0e0f10", String(repeating: "1", count: 100)] {
            #expect(PageCursor(wrong) == nil)
        }
    }
}
