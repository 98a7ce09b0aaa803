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
        #expect(standingLifecycle.flaws.isEmpty, "\(standingLifecycle.flaws)")
        #expect(readme.contains("```mermaid\n\(standingLifecycle.diagram)\n```"), "expected:\n\(standingLifecycle.diagram)")
        #expect(readme.contains("\n\(standingLifecycle.table)\n"), "expected:\n\(standingLifecycle.table)")
    }

    @Test("the other lives of the room are sound, and each page shows its own as it is declared")
    func lives() throws {
        let pages = [
            "checkout": "a-checkout", "operation": "an-operation", "payment event": "a-payment-event", "quantity wish": "a-quantity-wish",
        ]
        for life in BillingLifecycles.all {
            #expect(life.flaws.isEmpty, "\(life.name): \(life.flaws)")
            guard let page = pages[life.name.lowercased()] else { continue }
            let text = try DocumentTests.text("docs/explanation/life-of-\(page).md")
            #expect(text.contains("```mermaid\n\(life.diagram)\n```"), "expected:\n\(life.diagram)")
            #expect(text.contains("\n\(life.table)\n"), "expected:\n\(life.table)")
        }
        #expect(BillingLifecycles.all.count == pages.count + 1, "the subscription's stands in the README")
    }

    @Test("an event, a checkout and an operation go the ways that are declared, step by step")
    func walks() async throws {
        let house = try await House.make()
        var seen: [PaymentEvent.Status] = []
        try await house.checkout()
        try await house.deliver(Told("p1", Say.invoice("in_9", subscription: "sub_9")))
        seen.append(try await house.event("p1").status)
        try await house.run()
        seen.append(try await house.event("p1").status)
        try await house.billing.replay(try await house.event("p1").id, house.act())
        seen.append(try await house.event("p1").status)
        #expect(seen == [.received, .parked, .received])
        for (from, to) in zip(seen, seen.dropFirst()) { #expect(BillingLifecycles.event.transition(from: from, to: to) != nil) }
        let checkouts = try await house.rows("SELECT status FROM billing_checkout_all")
        #expect(checkouts == [[.text("open")]] && BillingLifecycles.checkout.transition(from: .asking, to: .open) != nil)
        #expect(BillingLifecycles.checkout.isFinal(.open) && BillingLifecycles.operation.isFinal(.done))
        #expect(BillingLifecycles.operation.transition(from: .done, to: .asking) == nil)
    }

    @Test("the README and the explanation name every job, event and hook of the room")
    func names() throws {
        let readme = try DocumentTests.text("Sources/Billing/README.md")
        for kind in [
            PaymentPosting.kind, StandingReview.kind, PaymentInbox.parkedKind, PaymentInbox.purgeKind, OperationDesk.settling,
            ReconciliationDesk.kind, CorrectionBooks.telling, QuantityWishBooks.carrying,
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
        let tables = [
            InboxTable.all, BillingTable.all, OperationTable.all, ReconciliationTable.all, MoveTable.all, CorrectionTable.all,
            QuantityWishTable.all,
        ]
        #expect(isUnique(tables.flatMap { $0 }.map(\.name)))
        for setting in BillingSettings.all { #expect(setting.check(setting.default) == nil, "\(setting.path)") }
        #expect(BillingSettings.successURL.erased.check("javascript:alert(1)") != nil)
        #expect(BillingSettings.successURL.erased.check("//evil.example") != nil)
        #expect(BillingSettings.graceDays.erased.check("91") != nil)
    }

    @Test("no statement of the inbox scans a table")
    func plans() async throws {
        let house = try await House.make()
        for statement in InboxTable.all + ReconciliationTable.all + CorrectionTable.ofKernel where !statement.text.hasPrefix("INSERT") {
            let plan = try DocumentTests.plan(of: statement, in: house.test.file)
            #expect(!plan.isEmpty)
            // A row that is made by the statement itself is no table.
            #expect(
                !plan.contains { $0.hasPrefix("SCAN") && $0 != "SCAN CONSTANT ROW" || $0.contains("TEMP B-TREE") },
                "\(statement.name): \(plan)")
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
