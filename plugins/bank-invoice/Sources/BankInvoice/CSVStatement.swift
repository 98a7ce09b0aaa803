import PluginKit

/// Reads a statement of separated columns (RFC 4180 with any of three separators), by the mapping that the operator declared.
enum CSVStatement {
    static let maxBytes = 4_194_304
    static let maxColumns = 64
    static let maxField = 4_096

    static func read(_ bytes: [UInt8], terms: StatementTerms) throws -> Statement {
        guard bytes.count <= maxBytes else { throw StatementFault("The statement has \(bytes.count) bytes; \(maxBytes) are allowed.") }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw StatementFault("The statement is not UTF-8; convert it first.") }
        var rows = try rows(bytes, separator: terms.separator)
        guard !rows.isEmpty else { throw StatementFault("The statement is empty.") }
        let headings = rows.removeFirst()
        var places: [StatementTerms.Column: Int] = [:]
        for (column, heading) in terms.columns.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let found = headings.indices.filter { headings[$0] == heading }
            if let place = found.first, found.count == 1 {
                places[column] = place
            } else if found.count > 1 || [.date, .amount, .text].contains(column) {
                throw StatementFault(
                    "The statement has \(found.count) columns \(heading.debugDescription); one is needed for \(column.rawValue).")
            }
        }
        var statement = Statement(account: nil, bookings: [])
        var identity = BookingIdentity()
        for (index, row) in rows.enumerated() where row != [""] {
            guard row.count == headings.count else {
                throw StatementFault("Row \(index + 2) has \(row.count) columns, the headings have \(headings.count).")
            }
            func field(_ column: StatementTerms.Column) -> String? { places[column].flatMap { row[$0].isEmpty ? nil : row[$0] } }
            statement.bookings.append(try booking(field, row: index + 2, terms, &identity))
            guard statement.bookings.count <= Statement.mostBookings else {
                throw StatementFault("The statement has more than \(Statement.mostBookings) movements.")
            }
        }
        return statement
    }

    private static func booking(
        _ field: (StatementTerms.Column) -> String?, row: Int, _ terms: StatementTerms, _ identity: inout BookingIdentity
    ) throws -> Booking {
        guard let day = field(.date).flatMap({ self.day($0, terms.days) }) else {
            throw StatementFault("Row \(row) has no day of the form \(terms.days.rawValue).")
        }
        guard let minor = field(.amount).flatMap({ amount($0, decimal: terms.decimal) }) else {
            throw StatementFault("Row \(row) has no amount of two decimals.")
        }
        let currency: Currency
        if let code = field(.currency) {
            guard let known = Currency(code) else { throw StatementFault("Row \(row) has no currency of three letters.") }
            currency = known
        } else {
            currency = terms.currency
        }
        let text = String((field(.text) ?? "").prefix(Booking.mostText))
        let told = [text, field(.name) ?? "", field(.payer) ?? ""]
        return Booking(
            id: identity.id(
                account: "csv", own: field(.id), day: day, minor: minor, currency: currency, isReversal: false, told: told),
            day: day, minor: minor, currency: currency, isReversal: false, references: [], text: text,
            payer: field(.name).map { String($0.prefix(140)) }, payerAccount: field(.payer).map { String($0.prefix(34)) })
    }

    static func day(_ text: String, _ order: StatementTerms.DayOrder) -> Day? {
        if order == .iso { return text.utf8.count == 10 ? Day(iso: text) : nil }
        let parts = text.split(separator: order == .german ? "." : "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].utf8.count == 4, parts[0].utf8.count <= 2, parts[1].utf8.count <= 2,
            let first = Digits.value(parts[0].utf8), let second = Digits.value(parts[1].utf8), let year = Digits.value(parts[2].utf8)
        else { return nil }
        let (day, month) = order == .american ? (second, first) : (first, second)
        return Day(year: Int(year), month: Int(month), day: Int(day))
    }

    /// `-1.234,50`: a sign, whole digits that may be grouped by threes with the other mark, a fraction of at most two digits.
    static func amount(_ text: String, decimal: Character) -> Int64? {
        var rest = Substring(text)
        let isNegative = rest.hasPrefix("-")
        if isNegative || rest.hasPrefix("+") { rest = rest.dropFirst() }
        let parts = rest.split(separator: decimal, omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count) else { return nil }
        let groups = parts[0].split(separator: decimal == "," ? "." : ",", omittingEmptySubsequences: false)
        if groups.count > 1 {
            guard (1...3).contains(groups[0].utf8.count), groups.dropFirst().allSatisfy({ $0.utf8.count == 3 }) else { return nil }
        }
        if parts.count == 2, !(1...2).contains(parts[1].utf8.count) { return nil }
        guard let minor = Amount.minor(decimal: groups.joined() + (parts.count == 2 ? "." + parts[1] : "")) else { return nil }
        return isNegative ? -minor : minor
    }

    private static func rows(_ bytes: [UInt8], separator: UInt8) throws -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var field: [UInt8] = []
        var isQuoted = false
        var wasQuoted = false
        func ended(_ field: [UInt8], _ wasQuoted: Bool) -> String {
            let text = String(decoding: field, as: UTF8.self)
            return wasQuoted ? text : String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        var index = 0
        while index <= bytes.count {
            let byte = index < bytes.count ? bytes[index] : 10
            if isQuoted {
                guard index < bytes.count else { throw StatementFault("A quoted field does not end.") }
                if byte == 34, index + 1 < bytes.count, bytes[index + 1] == 34 {
                    field.append(34)
                    index += 1
                } else if byte == 34 {
                    isQuoted = false
                } else {
                    field.append(byte)
                }
            } else if byte == 34, field.isEmpty, !wasQuoted {
                (isQuoted, wasQuoted) = (true, true)
            } else if byte == separator || byte == 10 {
                row.append(ended(field, wasQuoted))
                (field, wasQuoted) = ([], false)
                guard row.count <= maxColumns else { throw StatementFault("A row has more than \(maxColumns) columns.") }
                if byte == 10 {
                    if index < bytes.count || row != [""] { rows.append(row) }
                    row = []
                    guard rows.count <= Statement.mostBookings + 2 else { throw StatementFault("The statement has too many rows.") }
                }
            } else if byte != 13 {
                guard !wasQuoted else { throw StatementFault("A quoted field goes on behind its quotes.") }
                guard byte >= 32 || byte == 9 else { throw StatementFault("There is a control character.") }
                field.append(byte)
            }
            guard field.count <= maxField else { throw StatementFault("A field has more than \(maxField) bytes.") }
            index += 1
        }
        return rows
    }
}
