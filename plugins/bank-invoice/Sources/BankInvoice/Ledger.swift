import Foundation
import PluginKit

/// Keeps accounts in the plugin's key-value space. Every change is read, done on a value, and written only if nobody was faster.
struct Ledger: Sendable {
    let space: any PluginSpace
    let pace: Pace

    func account(_ customer: String) async throws -> Account? {
        guard Self.isID(customer, "cus_") else { return nil }
        return try await space.get("account/\(customer)").map { try JSONDecoder().decode(Account.self, from: $0) }
    }

    /// Changes the account and answers what it became. What `change` throws is thrown on; nothing is written then.
    @discardableResult
    func update(
        _ customer: String, isNew: Bool = false, _ change: @Sendable (inout Account) throws -> Void
    ) async throws -> Account {
        guard Self.isID(customer, "cus_") else { throw Misstep("There is no such customer.") }
        for _ in 0..<16 {
            let old = try await space.get("account/\(customer)")
            guard old != nil || isNew else { throw Misstep("There is no such customer.") }
            var account = try old.map { try JSONDecoder().decode(Account.self, from: $0) } ?? Account(customer: customer)
            try change(&account)
            let new = try Self.encode(account)
            if new == old { return account }
            // The mark comes first: without its work it is harmless, work without it would not be found after a crash.
            if account.nextDue(pace) != nil { try await space.set("due/\(customer)", Data()) }
            if try await space.replace("account/\(customer)", expecting: old, with: new) { return account }
        }
        throw Misstep("Too many things happened at once; try again.", isPassing: true)
    }

    /// Customers for whom time has something to do.
    func waiting() async throws -> [String] { try await names("due/", most: 50_000) }
    func isDone(_ customer: String) async throws { try await space.remove("due/\(customer)") }

    /// What stands behind `prefix` in the keys that begin with it.
    func names(_ prefix: String, most: Int) async throws -> [String] {
        var found: [String] = []
        while found.count < most {
            let keys = try await space.keys(prefix: prefix, after: found.last.map { prefix + $0 }, limit: min(1_000, most - found.count))
            guard !keys.isEmpty else { break }
            found += keys.map { String($0.dropFirst(prefix.count)) }
        }
        return found
    }

    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    /// `cus_` or `cs_` and hex digits: what else could be in a path is no id.
    static func isID(_ text: String, _ prefix: String) -> Bool {
        text.hasPrefix(prefix) && (24...64).contains(text.utf8.count - prefix.utf8.count)
            && text.utf8.dropFirst(prefix.utf8.count).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}

/// Gives documents their numbers and keeps them. A number is given once, none is left out, and a document never changes.
///
/// A number and its claim are written in one step; before the next number of the series is given, the claim of the last one is written
/// down by itself. So whoever dies in between leaves a number that the same claim finds again.
struct Register: Sendable {
    let space: any PluginSpace
    let terms: Terms

    /// The last number that was given in a series and a year.
    private struct Counter: Codable {
        var last: Int
        /// Whose the last number is, until that is written under the claim's own key.
        var claim: String?
    }

    /// Binds the series to the seller: two tax identities never number in one series. Throws `PluginRefusal`.
    func open() async throws {
        let mine = Data(terms.sellerIdentity.utf8)
        for series in [terms.series, terms.creditSeries] {
            if try await space.replace("series/\(series)", expecting: nil, with: mine) { continue }
            guard try await space.get("series/\(series)") == mine else {
                throw PluginRefusal(
                    "The series \(series) was numbered by a seller of another tax identity: give this seller a series of its own.")
            }
        }
    }

    /// The document of this draft, numbered and kept; the same when asked again.
    func issue(_ draft: Account.Draft, customer: String) async throws -> Invoice {
        let original = draft.kind == .creditNote ? try await corrected(draft) : nil
        let series = draft.kind == .creditNote ? terms.creditSeries : terms.series
        let number = try await number(claim: "\(customer):\(draft.claim)", series: series, year: draft.issued.year)
        if let kept = try await invoice(number) { return kept }
        let period = draft.periodStart.flatMap { start in
            draft.periodEnd.map { Invoice.Period(first: Day(start), last: Day($0).adding(days: -1)) }
        }
        let invoice = Invoice(
            kind: draft.kind, number: number, issued: draft.issued, due: draft.due, seller: terms.seller, account: terms.account,
            buyer: original?.buyer ?? draft.buyer, orderReference: original?.orderReference ?? draft.orderReference,
            currency: original?.currency ?? terms.currency, lines: draft.lines.isEmpty ? original?.lines ?? [] : draft.lines,
            period: original?.period ?? period, corrects: draft.corrects, note: draft.note, rounding: draft.rounding, customer: customer)
        _ = try await space.replace("invoice/\(number)", expecting: nil, with: Ledger.encode(invoice))
        guard let kept = try await self.invoice(number) else { throw PluginSpaceFailure.unavailable("A document could not be kept.") }
        return kept
    }

    private func corrected(_ draft: Account.Draft) async throws -> Invoice? {
        guard let number = draft.corrects?.number else { return nil }
        guard let original = try await invoice(number) else { throw Misstep("The invoice \(number) is not in the register.") }
        return original
    }

    func invoice(_ number: DocumentNumber) async throws -> Invoice? {
        try await space.get("invoice/\(number)").map { try JSONDecoder().decode(Invoice.self, from: $0) }
    }

    /// Every series in which invoices were ever numbered.
    func matching() async throws -> Matching {
        let known = try await Ledger(space: space, pace: Pace(terms)).names("series/", most: 200)
        return Matching(series: known)
    }

    private func number(claim: String, series: String, year: Int) async throws -> DocumentNumber {
        let key = "numbers/\(series)/\(year)"
        for _ in 0..<1_000 {
            // The counter first: whatever happens to this claim after it was read makes the write below fail.
            let old = try await space.get(key)
            if let kept = try await space.get(Self.key(claim)), let number = DocumentNumber(String(decoding: kept, as: UTF8.self)) {
                return number
            }
            var counter = try old.map { try JSONDecoder().decode(Counter.self, from: $0) } ?? Counter(last: 0)
            if let last = counter.claim {
                // Somebody's number is not written under its claim yet: that comes first, whoever does it.
                let number = DocumentNumber(series: series, year: year, running: counter.last)
                try await space.set(Self.key(last), Data(number.description.utf8))
                counter.claim = nil
                _ = try await space.replace(key, expecting: old, with: Ledger.encode(counter))
                continue
            }
            guard counter.last < DocumentNumber.last else { throw Misstep("The series \(series) is full for the year \(year).") }
            counter.last += 1
            counter.claim = claim
            _ = try await space.replace(key, expecting: old, with: Ledger.encode(counter))
        }
        throw Misstep("Too many invoices are numbered at once; try again.", isPassing: true)
    }
    /// Claims hold ids and days; the key holds their digest, which has no length to mind.
    private static func key(_ claim: String) -> String {
        "numbered/" + PluginDigest.hex(Array(PluginDigest.sha256(Data(claim.utf8)).prefix(16)))
    }
}
