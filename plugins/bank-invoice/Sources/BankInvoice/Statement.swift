import Foundation
import PluginKit

/// What a statement cannot be read for; the sentence is for the desk.
struct StatementFault: Error, Hashable {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// One movement on the account, as the bank booked it.
struct Booking: Codable, Sendable, Hashable {
    /// The same for the same movement, whichever statement tells of it and however often.
    var id: String
    var day: Day
    /// Positive for money that came in, negative for money that went out.
    var minor: Int64
    var currency: Currency
    /// The bank took an earlier movement back.
    var isReversal: Bool
    /// Structured references, as they were written.
    var references: [String]
    /// The rest of what the payer wrote.
    var text: String
    /// Whose money it is, where the bank says so.
    var payer: String?
    var payerAccount: String?

    /// Everything that could hold a reference, capitals and digits only: banks break lines and payers add spaces wherever they like.
    var bareTexts: [String] { (references + [text]).map(CreditorReference.bare).filter { !$0.isEmpty } }

    static let mostText = 700
}

/// A statement that was read: the account's movements in the order in which they stand.
struct Statement: Sendable, Hashable {
    var account: String?
    var bookings: [Booking]
    /// Movements that are announced but not booked; they change nothing.
    var pending = 0

    static let mostBookings = 5_000

    /// Reads either kind: what begins with `<` is camt.053, everything else CSV in the declared mapping.
    static func read(_ data: Data, terms: StatementTerms) throws -> [Statement] {
        let bytes = Array(data)
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        guard let first = bytes.dropFirst(start).first(where: { ![32, 9, 10, 13].contains($0) }) else {
            throw StatementFault("The statement is empty.")
        }
        if first == UInt8(ascii: "<") { return try Camt.read(bytes) }
        return [try CSVStatement.read(Array(bytes.dropFirst(start)), terms: terms)]
    }
}

/// How statements of the operator's bank are read.
struct StatementTerms: Sendable, Hashable {
    enum DayOrder: String, Sendable, CaseIterable {
        case iso = "yyyy-mm-dd"
        case german = "dd.mm.yyyy"
        case british = "dd/mm/yyyy"
        case american = "mm/dd/yyyy"
    }
    enum Column: String, Sendable, CaseIterable { case date, amount, currency, text, name, payer, id }
    var separator: UInt8
    /// The heading of each column, by what it holds.
    var columns: [Column: String]
    var days: DayOrder
    var decimal: Character
    var currency: Currency

    /// Reads `date=Booking date,amount=Amount`; nil where a column is unknown, named twice or needed and missing.
    static func columns(_ text: String) -> [Column: String]? {
        var columns: [Column: String] = [:]
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard pair.count == 2, let column = Column(rawValue: pair[0]), !pair[1].isEmpty,
                columns.updateValue(pair[1], forKey: column) == nil
            else { return nil }
        }
        let isWhole = [Column.date, .amount, .text].allSatisfy { columns[$0] != nil }
        return isWhole && Set(columns.values).count == columns.count ? columns : nil
    }
}

/// Gives each movement its identity: the bank's own reference where there is one, else everything that is told of it, and its place
/// among its equals of the day.
struct BookingIdentity {
    private var equals: [String: Int] = [:]

    mutating func id(account: String, own: String?, day: Day, minor: Int64, currency: Currency, isReversal: Bool, told: [String]) -> String
    {
        // The amount belongs to the bank's reference, too: some banks repeat it on the fee and on the reversal.
        var parts = [account, day.description, String(minor), currency.code, isReversal ? "R" : ""]
        if let own { parts += ["own", own] } else { parts += ["told"] + told }
        let content = parts.map { "\($0.utf8.count):\($0)" }.joined()
        let place = equals[content, default: 0]
        equals[content] = place + 1
        return PluginDigest.hex(Array(PluginDigest.sha256(Data("\(place)|\(content)".utf8)).prefix(12)))
    }
}
