import Foundation
import PluginKit

/// Takes statements in and puts each movement where it belongs, once.
struct Cashier: Sendable {
    let ledger: Ledger
    let register: Register
    let terms: Terms
    let clock: any PluginClock
    /// Says that there may be something to do for a customer.
    let call: @Sendable (String) async -> Void

    /// What became of a statement's movements.
    struct Report: Sendable, Hashable {
        /// Put on their invoices.
        var posted = 0
        /// Known from an earlier import.
        var known = 0
        /// Wait for somebody at the desk.
        var waiting = 0
        /// Money that went out for something else.
        var ignored = 0
        /// Announced, not booked.
        var pending = 0
        /// Could not be written down now: import the statement again.
        var later = 0
    }

    // MARK: - Import

    func take(_ data: Data) async throws -> Report {
        let statements = try Statement.read(data, terms: terms.statements)
        // All of it is checked before any of it is used.
        for statement in statements {
            guard let account = statement.account, account != terms.account.iban else { continue }
            throw StatementFault("The statement is of the account \(account.prefix(34)), not of \(terms.account.iban).")
        }
        let matching = try await register.matching()
        var report = Report()
        for statement in statements {
            report.pending += statement.pending
            for booking in statement.bookings {
                do { try await take(booking, matching, &report) } catch let misstep as Misstep where misstep.isPassing { report.later += 1 }
            }
        }
        return report
    }

    private func take(_ booking: Booking, _ matching: Matching, _ report: inout Report) async throws {
        if try await ledger.space.get("entry/\(booking.id)") != nil {
            report.known += 1
            return
        }
        let numbers = matching.numbers(in: booking)
        if numbers.count == 1 {
            do {
                try await put(booking, on: numbers[0])
                report.posted += 1
                return
            } catch let misstep as Misstep where !misstep.isPassing {}
        }
        guard booking.minor > 0 || booking.isReversal || !numbers.isEmpty else {
            report.ignored += 1
            return
        }
        // What is to be looked at comes before the mark that it was seen.
        try await ledger.space.set("look/\(booking.id)", Ledger.encode(booking))
        try await ledger.space.set("entry/\(booking.id)", Data("waiting".utf8))
        report.waiting += 1
    }

    /// Puts a movement on an invoice. Whoever dies between the account and the mark is repeated without effect: the account knows it.
    private func put(_ booking: Booking, on number: DocumentNumber) async throws {
        guard let invoice = try await register.invoice(number), invoice.kind == .invoice else { throw Misstep("There is no such invoice.") }
        let (pace, now) = (ledger.pace, clock.now())
        let account = try await ledger.update(invoice.customer) { try $0.post(booking, on: number, pace: pace, now: now) }
        try await note(number, account)
        try await ledger.space.set("entry/\(booking.id)", Data("posted \(number)".utf8))
        await call(invoice.customer)
    }

    /// Keeps the list of invoices that somebody must still look after.
    func note(_ number: DocumentNumber, _ account: Account) async throws {
        guard let bill = account.bills.first(where: { $0.number == number }), !bill.isSettled else {
            return try await ledger.space.remove("unsettled/\(number)")
        }
        try await ledger.space.set("unsettled/\(number)", Data(account.customer.utf8))
    }

    // MARK: - Desk

    struct Waiting: Sendable {
        var booking: Booking
        var suggestions: [DocumentNumber]
    }

    func waiting(most: Int = 100) async throws -> [Waiting] {
        let matching = try await register.matching()
        let open = try await unsettledNumbers()
        var found: [Waiting] = []
        for id in try await ledger.names("look/", most: most) {
            guard let data = try await ledger.space.get("look/\(id)") else { continue }
            let booking = try JSONDecoder().decode(Booking.self, from: data)
            let meant = matching.numbers(in: booking).filter(open.contains)
            found.append(Waiting(booking: booking, suggestions: meant.isEmpty ? matching.suggestions(for: booking, among: open) : meant))
        }
        return found
    }

    func unsettledNumbers() async throws -> [DocumentNumber] {
        try await ledger.names("unsettled/", most: 5_000).compactMap { DocumentNumber($0) }
    }

    /// The ledger's lines of invoices that are not settled, with their customers.
    func unsettled(most: Int = 200) async throws -> [(bill: Account.Bill, buyer: String)] {
        var found: [(Account.Bill, String)] = []
        for number in try await unsettledNumbers().prefix(most) {
            guard let invoice = try await register.invoice(number), let account = try await ledger.account(invoice.customer),
                let bill = account.bills.first(where: { $0.number == number }), !bill.isSettled
            else {
                try await ledger.space.remove("unsettled/\(number)")
                continue
            }
            found.append((bill, invoice.buyer.name))
        }
        return found
    }

    /// A person says whose a waiting movement is.
    func assign(_ id: String, to number: DocumentNumber) async throws {
        guard let data = try await look(id) else { throw Misstep("This movement does not wait any more.") }
        try await put(try JSONDecoder().decode(Booking.self, from: data), on: number)
        try await ledger.space.remove("look/\(id)")
    }

    /// A person says that a waiting movement pays for nothing here.
    func setAside(_ id: String) async throws {
        guard try await look(id) != nil else { throw Misstep("This movement does not wait any more.") }
        try await ledger.space.set("entry/\(id)", Data("aside".utf8))
        try await ledger.space.remove("look/\(id)")
    }

    private func look(_ id: String) async throws -> Data? {
        guard id.utf8.count == 24, id.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return nil }
        return try await ledger.space.get("look/\(id)")
    }

    /// Writes a credit note over all of an invoice, or over a net amount of it.
    func credit(_ number: DocumentNumber, net: Int64?) async throws -> DocumentNumber {
        guard let invoice = try await register.invoice(number), invoice.kind == .invoice else { throw Misstep("There is no such invoice.") }
        let now = clock.now()
        try await ledger.update(invoice.customer) { try $0.credit(invoice, net: net, now: now) }
        let account = try await finishDrafts(invoice.customer)
        guard let credit = account.bills.first(where: { $0.number == number })?.credits.last else {
            throw Misstep("The credit note could not be written.")
        }
        return credit
    }

    // MARK: - Documents

    /// Numbers what is decided and not numbered yet.
    @discardableResult
    func finishDrafts(_ customer: String) async throws -> Account {
        guard var account = try await ledger.account(customer) else { throw Misstep("There is no such customer.") }
        while let draft = account.drafts.first, account.hasRoom {
            let invoice = try await register.issue(draft, customer: customer)
            if invoice.kind == .invoice { try await ledger.space.set("unsettled/\(invoice.number)", Data(customer.utf8)) }
            let (pace, now) = (ledger.pace, clock.now())
            account = try await ledger.update(customer) { $0.complete(draft.claim, as: invoice, pace: pace, now: now) }
            try await note(draft.corrects?.number ?? invoice.number, account)
        }
        await call(customer)
        return account
    }
}
