import Foundation
import PluginKit

/// Keeps accounts in the plugin's key-value space. Every change is read, done on a value, and written only if nobody was faster.
struct Ledger: Sendable {
    let space: any PluginSpace

    func account(_ customer: String) async throws -> Account? {
        guard Self.isID(customer, "cus_") else { return nil }
        return try await space.get("account/\(customer)").map { try JSONDecoder().decode(Account.self, from: $0) }
    }

    /// Changes the account and answers what it became. What `change` throws is thrown on; nothing is written then.
    /// `starting` makes an account where there is none.
    @discardableResult
    func update(
        _ customer: String, starting: Manner? = nil, _ change: @Sendable (inout Account) throws -> Void
    ) async throws -> Account {
        guard Self.isID(customer, "cus_") else { throw Misstep("There is no such customer.") }
        for _ in 0..<8 {
            let old = try await space.get("account/\(customer)")
            var account: Account
            if let old {
                account = try JSONDecoder().decode(Account.self, from: old)
            } else {
                guard let starting else { throw Misstep("There is no such customer.") }
                account = Account(customer: customer, manner: starting)
            }
            try change(&account)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let new = try encoder.encode(account)
            if new == old { return account }
            // The mark comes first: without its work it is harmless, work without it would not be found after a crash.
            if account.nextDue != nil { try await space.set("due/\(customer)", Data()) }
            if try await space.replace("account/\(customer)", expecting: old, with: new) { return account }
        }
        throw Misstep("Too many things happened at once; try again.", isPassing: true)
    }

    /// Customers with webhooks or transfers on their way.
    func waiting() async throws -> [String] {
        var found: [String] = []
        while found.count < 10_000 {
            let keys = try await space.keys(prefix: "due/", after: found.last.map { "due/\($0)" }, limit: 1_000)
            guard !keys.isEmpty else { break }
            found += keys.map { String($0.dropFirst(4)) }
        }
        return found
    }
    func isDone(_ customer: String) async throws { try await space.remove("due/\(customer)") }

    /// `cus_` or `cs_` and hex digits: what else could be in a path is no id.
    static func isID(_ text: String, _ prefix: String) -> Bool {
        text.hasPrefix(prefix) && (24...64).contains(text.utf8.count - prefix.utf8.count)
            && text.utf8.dropFirst(prefix.utf8.count).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}
