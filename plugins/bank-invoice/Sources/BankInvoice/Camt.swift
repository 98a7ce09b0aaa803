import PluginKit

/// Reads bank statements of ISO 20022: camt.053.001.02, .04 and .08.
enum Camt {
    private static let family = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
    static let versions: Set<String> = ["02", "04", "08"]

    static func read(_ bytes: [UInt8]) throws -> [Statement] {
        let root: XMLElement
        do { root = try XMLReader.read(bytes) } catch let fault as XMLFault { throw StatementFault(fault.sentence) }
        guard root.name == "Document", root.space.hasPrefix(family) else {
            throw StatementFault("This is XML, but no bank statement camt.053.")
        }
        guard versions.contains(String(root.space.dropFirst(family.count))) else {
            throw StatementFault("The statement's version is not one of camt.053.001.02, .04 and .08.")
        }
        let statements = root.first("BkToCstmrStmt")?.all("Stmt") ?? []
        guard !statements.isEmpty else { throw StatementFault("There is no statement in it.") }
        // One identity for the whole file: equal movements in two of its statements are two.
        var identity = BookingIdentity()
        var total = 0
        return try statements.map { element in
            let statement = try self.statement(element, &identity)
            total += statement.bookings.count
            guard total <= Statement.mostBookings else {
                throw StatementFault("The statement has more than \(Statement.mostBookings) movements.")
            }
            return statement
        }
    }

    private static func statement(_ element: XMLElement, _ identity: inout BookingIdentity) throws -> Statement {
        guard let account = element.text("Acct", "Id", "IBAN") ?? element.text("Acct", "Id", "Othr", "Id") else {
            throw StatementFault("A statement does not say whose account it is of.")
        }
        var statement = Statement(account: CreditorReference.bare(account), bookings: [])
        for entry in element.all("Ntry") {
            // `<Sts>BOOK</Sts>` until version 7, `<Sts><Cd>BOOK</Cd></Sts>` since.
            let status = entry.text("Sts", "Cd") ?? entry.text("Sts")
            guard status == "BOOK" else {
                guard status == "PDNG" || status == "INFO" || status == "FUTR" else {
                    throw StatementFault("An entry is neither booked nor pending.")
                }
                statement.pending += 1
                continue
            }
            statement.bookings += try bookings(entry, account: statement.account ?? "", &identity)
        }
        return statement
    }

    private static func bookings(_ entry: XMLElement, account: String, _ identity: inout BookingIdentity) throws -> [Booking] {
        let whole = try signed(entry, "An entry")
        guard let day = day(entry.first("BookgDt")) ?? day(entry.first("ValDt")) else {
            throw StatementFault("An entry has no day.")
        }
        let isReversal = entry.text("RvslInd") == "true" || entry.text("RvslInd") == "1"
        // `NtryRef` is no identity: some banks count it anew in each statement.
        let reference = known(entry.text("AcctSvcrRef"))
        let details = entry.all("NtryDtls").flatMap { $0.all("TxDtls") }
        func booking(_ detail: XMLElement?, _ amount: (minor: Int64, currency: Currency), part: Int?) -> Booking {
            let remittance = detail?.first("RmtInf")
            let references = (remittance?.all("Strd") ?? []).compactMap { $0.text("CdtrRefInf", "Ref") } + other(detail)
            var text = (remittance?.all("Ustrd") ?? []).map(\.text).joined(separator: " ")
            if text.isEmpty { text = detail?.text("AddtlTxInf") ?? entry.text("AddtlNtryInf") ?? "" }
            let payer = detail?.text("RltdPties", "Dbtr", "Pty", "Nm") ?? detail?.text("RltdPties", "Dbtr", "Nm")
            let payerAccount = detail?.text("RltdPties", "DbtrAcct", "Id", "IBAN")
            let own = (known(detail?.text("Refs", "AcctSvcrRef")) ?? reference).map { part == nil ? $0 : "\($0)/\(part ?? 0)" }
            return Booking(
                id: identity.id(
                    account: account, own: own, day: day, minor: amount.minor, currency: amount.currency, isReversal: isReversal,
                    told: references + [
                        text, payer ?? "", payerAccount ?? "", detail?.text("Refs", "EndToEndId") ?? "", detail?.text("Refs", "TxId") ?? "",
                    ]),
                day: day, minor: amount.minor, currency: amount.currency, isReversal: isReversal,
                references: references.map { String($0.prefix(70)) }, text: String(text.prefix(Booking.mostText)),
                payer: payer.map { String($0.prefix(140)) }, payerAccount: payerAccount.map { String($0.prefix(34)) })
        }
        guard details.count > 1 else { return [booking(details.first, whole, part: nil)] }
        // Many transfers in one entry: each by its own amount, if together they are the entry's. Otherwise the entry stays whole.
        var parts: [(Int64, Currency)] = []
        for detail in details {
            guard let part = part(of: detail, sign: whole.minor < 0 ? -1 : 1, currency: whole.currency) else {
                return [booking(nil, whole, part: nil)]
            }
            parts.append((part, whole.currency))
        }
        guard parts.reduce(0, { $0 + $1.0 }) == whole.minor else { return [booking(nil, whole, part: nil)] }
        return zip(details, parts).enumerated().map { booking($0.element.0, $0.element.1, part: $0.offset + 1) }
    }

    /// The amount of one transfer within an entry, in the account's currency.
    private static func part(of detail: XMLElement, sign: Int64, currency: Currency) -> Int64? {
        guard let element = detail.first("Amt") ?? detail.first("AmtDtls", "TxAmt", "Amt"),
            element.attributes["Ccy"].flatMap({ Currency($0) }) == currency, let minor = Amount.minor(decimal: element.text)
        else { return nil }
        switch detail.text("CdtDbtInd") {
        case "CRDT": return minor
        case "DBIT": return -minor
        default: return sign * minor
        }
    }

    private static func signed(_ entry: XMLElement, _ what: String) throws -> (minor: Int64, currency: Currency) {
        guard let element = entry.first("Amt"), let currency = element.attributes["Ccy"].flatMap({ Currency($0) }) else {
            throw StatementFault("\(what) has no amount with a currency.")
        }
        guard let minor = Amount.minor(decimal: element.text) else {
            throw StatementFault("\(what) has the amount \(element.text.prefix(30).debugDescription), which is no amount of two decimals.")
        }
        switch entry.text("CdtDbtInd") {
        case "CRDT": return (minor, currency)
        case "DBIT": return (-minor, currency)
        default: throw StatementFault("\(what) is neither credit nor debit.")
        }
    }

    private static func day(_ element: XMLElement?) -> Day? {
        guard let element, let text = element.text("Dt") ?? element.text("DtTm") else { return nil }
        return Day(iso: text)
    }

    /// The bank's reference, unless it only says that there is none.
    private static func known(_ reference: String?) -> String? {
        reference.flatMap { ["NONREF", "NOTPROVIDED"].contains($0.uppercased()) ? nil : $0 }
    }

    /// Payers put the reference into the end-to-end id as well.
    private static func other(_ detail: XMLElement?) -> [String] {
        [detail?.text("Refs", "EndToEndId")].compactMap { $0 }.filter { CreditorReference($0) != nil }
    }
}
