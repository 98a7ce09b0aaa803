import Foundation
import PluginKit
import Testing

@testable import BankInvoice

@Suite struct HostileXMLTests {
    @Test(
        "what is not plain, small, well-formed XML is refused",
        arguments: [
            ("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>", "document type"),
            ("<!DOCTYPE a><a/>", "document type"), ("<a><!ENTITY b 'c'></a>", "document type"), ("<?php x?><a/>", "instruction"),
            ("<a><?x?></a>", "instruction"), ("<a>&x;</a>", "not known"), ("<a>&lol9;</a>", "not known"), ("<a>&#0;</a>", "not known"),
            ("<a>&#xD800;</a>", "not known"), ("<a>&#+65;</a>", "not known"), ("<a>&#x;</a>", "not known"), ("<a>&amp</a>", "does not end"),
            ("<a b=\"1\" b=\"2\"/>", "twice"), ("<a b=1/>", "quotes"), ("<a b=\"<\"/>", "value"), ("<a b=\"1\"c=\"2\"/>", "attributes"),
            ("<a><b></a></b>", "fit"), ("<a>", "ends before"), ("<a", "inside a tag"), ("", "ends before"), ("text", "outside"),
            ("<a/><b/>", "second"), ("<a/>text", "outside"), ("<x:a/>", "name space"), ("<a:b:c/>", "colon"), ("<1/>", "name"),
            ("<a>\u{1}</a>", "control"), ("<a><!-- </a>", "comment"), ("<a><![CDATA[x</a>", "CDATA"),
            ("<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>", "not UTF-8"), ("<?xml version=\"1.1\"?><a/>", "declaration"),
        ])
    func refused(document: String, why: String) {
        do {
            _ = try XMLReader.read(Array(document.utf8))
            Issue.record("accepted: \(document)")
        } catch let fault as XMLFault { #expect(fault.sentence.contains(why), "\(document): \(fault.sentence)") } catch {
            Issue.record("\(error)")
        }
    }

    @Test("size, depth, count and length have bounds, and depth costs no stack")
    func bounds() {
        let small = XMLReader.Bounds(bytes: 1_000_000, depth: 32, elements: 1_000, attributes: 4, nameBytes: 20, textBytes: 100)
        let documents = [
            String(repeating: "<a>", count: 300_000), String(repeating: "<a>", count: 33) + String(repeating: "</a>", count: 33),
            "<a>" + String(repeating: "<b/>", count: 1_000) + "</a>", "<a>" + String(repeating: "x", count: 101) + "</a>",
            "<a b=\"1\" c=\"1\" d=\"1\" e=\"1\" f=\"1\"/>", "<\(String(repeating: "n", count: 21))/>",
            String(repeating: " ", count: 1_000_001),
            "<a>" + String(repeating: "<b>x</b>&#120;", count: 101) + "</a>", "<a b=\"\(String(repeating: "v", count: 101))\"/>",
        ]
        for document in documents {
            #expect(throws: XMLFault.self, "\(document.prefix(30))") { try XMLReader.read(Array(document.utf8), bounds: small) }
        }
        #expect(throws: XMLFault.self) { try XMLReader.read([0x3C, 0x61, 0x3E, 0xFF, 0x3C, 0x2F, 0x61, 0x3E]) }
    }

    @Test("names, spaces, entities and sections are read as the standard says")
    func read() throws {
        let text =
            "\u{FEFF}<?xml version='1.0' encoding='utf-8'?><!-- c --><p:a xmlns:p=\"urn:x\" xmlns=\"urn:y\" k=\"&lt;&#65;\"> <b>x<![CDATA[<&]]>&amp;ü</b><b/></p:a>\n"
        let root = try XMLReader.read(Array(text.utf8))
        #expect(
            root.name == "a" && root.space == "urn:x" && root.attributes == ["k": "<A"] && root.children.map(\.space) == ["urn:y", "urn:y"])
        #expect(root.text("b") == "x<&&ü" && root.all("b").count == 2 && root.text("b", "c") == nil)
    }
}

@Suite struct CamtTests {
    private func entry(_ content: String) -> String {
        """
        <Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt><Id>1</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>
        \(content)</Stmt></BkToCstmrStmt></Document>
        """
    }
    private func read(_ content: String) throws -> [Booking] { try Camt.read(Array(entry(content).utf8))[0].bookings }
    private let plain = """
        <Ntry><Amt Ccy="EUR">12.5</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>2027-01-18T10:00:00+01:00</DtTm></BookgDt>
        <NtryDtls><TxDtls><RmtInf><Ustrd>RF12</Ustrd><Ustrd>34</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
        """

    @Test("version 2 and version 8 say the same thing in two ways")
    func versions() throws {
        let old = try read(plain)
        #expect(old.count == 1 && old[0].minor == 1_250 && old[0].day.description == "2027-01-18" && old[0].text == "RF12 34")
        let new = try Camt.read(Array(camt([("12.50", true, "x & y"), ("3.00", false, "z")]).utf8))[0]
        #expect(new.bookings.map(\.minor) == [1_250, -300] && new.bookings[0].payer == "Ada" && new.bookings[0].text == "x & y")
        #expect(new.account == "DE89370400440532013000")
    }

    @Test("pending entries change nothing; a reversal says so; a structured reference is read")
    func kinds() throws {
        let statement = try Camt.read(Array(entry(plain.replacing("BOOK", with: "PDNG") + plain).utf8))[0]
        #expect(statement.pending == 1 && statement.bookings.count == 1)
        let reversal = try read(plain.replacing("CRDT</CdtDbtInd>", with: "DBIT</CdtDbtInd><RvslInd>true</RvslInd>"))
        #expect(reversal[0].isReversal && reversal[0].minor == -1_250)
        let structured = try read(
            plain.replacing("<Ustrd>RF12</Ustrd>", with: "<Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd>"))
        #expect(structured[0].references == ["RF18539007547034"])
    }

    @Test("one entry of many transfers is each of them, if together they are the entry; otherwise it stays whole")
    func batch() throws {
        func batch(_ first: String, _ second: String) -> String {
            func part(_ amount: String, _ text: String) -> String {
                "<TxDtls><AmtDtls><TxAmt><Amt Ccy=\"EUR\">\(amount)</Amt></TxAmt></AmtDtls><RmtInf><Ustrd>\(text)</Ustrd></RmtInf></TxDtls>"
            }
            return
                "<Ntry><Amt Ccy=\"EUR\">30.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2027-01-18</Dt></BookgDt><AcctSvcrRef>X</AcctSvcrRef>"
                + "<NtryDtls>\(part(first, "a"))\(part(second, "b"))</NtryDtls></Ntry>"
        }
        let parts = try read(batch("10.00", "20.00"))
        #expect(parts.map(\.minor) == [1_000, 2_000] && parts.map(\.text) == ["a", "b"] && parts[0].id != parts[1].id)
        let whole = try read(batch("10.00", "19.00"))
        #expect(whole.map(\.minor) == [3_000] && whole[0].text.isEmpty)
    }

    @Test("the same movement has the same identity in another statement; equal movements of one statement have two")
    func identity() throws {
        #expect(try read(plain + plain).map(\.id) == read(plain + plain).map(\.id))
        let twins = try read(plain + plain)
        let single = try read(plain)
        #expect(twins[0].id != twins[1].id && twins[0].id == single[0].id)
        let named = plain.replacing("<NtryDtls>", with: "<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls>")
        #expect(try read(named)[0].id == read(named.replacing("RF12", with: "other"))[0].id, "the bank's own reference is enough")
        #expect(
            try read(named.replacing("B1", with: "NONREF"))[0].id
                != read(named.replacing("B1", with: "NONREF").replacing("RF12", with: "y"))[0].id)
    }

    @Test(
        "an entry that cannot be understood stops the whole statement",
        arguments: [
            ("12.5<", "12.505<"), ("12.5<", "-12.5<"), ("12.5<", "1e3<"), ("12.5<", "99999999999999999<"), ("Ccy=\"EUR\"", ""),
            ("CRDT", "XXXX"),
            ("BOOK", "XXXX"), ("2027-01-18T10", "2027-02-30T10"),
        ])
    func refused(old: String, new: String) { #expect(throws: StatementFault.self) { try read(plain.replacing(old, with: new)) } }

    @Test("other documents are refused")
    func foreign() {
        for text in [
            "<Document/>", entry(plain).replacing("053.001.02", with: "053.001.99"), entry(plain).replacing("camt.053", with: "camt.052"),
        ] {
            #expect(throws: StatementFault.self) { try Camt.read(Array(text.utf8)) }
        }
    }
}

@Suite struct CSVTests {
    @Test("the declared mapping is read, quotes and grouping included")
    func mapping() throws {
        let terms = try terms([
            "csv_separator": "semicolon", "csv_columns": "date=Buchungstag,amount=Betrag,currency=Währung,text=Verwendungszweck,name=Name",
            "csv_date": "dd.mm.yyyy", "csv_decimal": "comma",
        ]).statements
        let text =
            "\u{FEFF}Konto;Buchungstag;Betrag;Währung;Verwendungszweck;Name\r\n1;18.1.2027;1.234,5;EUR;\"a;\"\"b\"\"\nc\";Ada\r\n1;19.01.2027;-7,00;USD;x;\r\n"
        let bookings = try Statement.read(Data(text.utf8), terms: terms)[0].bookings
        #expect(
            bookings.map(\.minor) == [123_450, -700] && bookings[0].text == "a;\"b\"\nc" && bookings.map(\.currency.code) == ["EUR", "USD"])
        #expect(bookings.map(\.day.description) == ["2027-01-18", "2027-01-19"] && bookings[0].payer == "Ada" && bookings[1].payer == nil)
    }

    @Test(
        "a row that cannot be understood stops the whole statement",
        arguments: [
            "Date,Amount\n2027-01-01,1\n", "Date,Amount,Reference,Reference\n", "Date,Amount,Reference\n2027-01-01,1\n",
            "Date,Amount,Reference\n2027-13-01,1.00,x\n", "Date,Amount,Reference\n2027-01-01,1.005,x\n",
            "Date,Amount,Reference\n2027-01-01,1e2,x\n",
            "Date,Amount,Reference\n2027-01-01,--1,x\n", "Date,Amount,Reference\n2027-01-01,\"1\"2,x\n",
            "Date,Amount,Reference\n2027-01-01,\"1,x\n", "  ", "",
        ])
    func refused(text: String) throws {
        let terms = try terms(["csv_separator": "comma"]).statements
        #expect(throws: StatementFault.self) { try Statement.read(Data(text.utf8), terms: terms) }
    }

    @Test("amounts are whole cents, in either spelling")
    func amounts() {
        let table: [(String, Character, Int64?)] = [
            ("1,00", ",", 100), ("1.234.567,89", ",", 123_456_789), ("-0,5", ",", -50), ("+7", ",", 700), ("1,234.50", ".", 123_450),
            ("1.2.3", ".", nil),
            ("12,34.50", ".", nil), ("1.5", ",", nil), (",5", ",", nil), ("", ".", nil), ("1,", ",", nil), ("٣,00", ",", nil),
            ("1 000", ".", nil),
        ]
        for (text, decimal, minor) in table { #expect(CSVStatement.amount(text, decimal: decimal) == minor, "\(text)") }
    }
}

@Suite struct MatchingTests {
    private let number = DocumentNumber(series: "INV", year: 2027, running: 42)
    private let matching = Matching(series: ["INV", "CRN"])
    private func numbers(_ text: String, _ references: [String] = []) -> [DocumentNumber] {
        matching.numbers(in: booking("x", 1, text: text, references: references))
    }

    @Test("a reference is found however it is spaced, broken, cased or surrounded")
    func found() {
        let bare = number.reference.text
        let texts = [
            bare, number.reference.printed, bare.lowercased(), "Invoice no. \(bare), thank you",
            "pay \(number.reference.printed.replacing(" ", with: "\n"))now",
            bare.map { "\($0) " }.joined(), "12345\(bare)67890", bare.replacing("INV", with: "-INV/"), "\(bare) \(bare)",
        ]
        for text in texts { #expect(numbers(text) == [number], "\(text)") }
        #expect(numbers("", [bare.lowercased()]) == [number])
        let other = DocumentNumber(series: "INV", year: 2027, running: 43)
        #expect(numbers("\(bare) and \(other.reference)") == [number, other])
    }

    @Test("no reference with any one character changed, lost, added or swapped is taken for one, and each is suggested")
    func mistyped() {
        let bare = Array(number.reference.text)
        var wrong: Set<String> = []
        for index in bare.indices {
            for other in "0123456789ABCIORX" where other != bare[index] {
                var changed = bare
                changed[index] = other
                wrong.insert(String(changed))
            }
            var lost = bare
            lost.remove(at: index)
            wrong.insert(String(lost))
            var doubled = bare
            doubled.insert("7", at: index)
            if index > 0 { wrong.insert(String(doubled)) }
            var swapped = bare
            if index + 1 < bare.count, bare[index] != bare[index + 1] {
                swapped.swapAt(index, index + 1)
                wrong.insert(String(swapped))
            }
        }
        let others = (1...30).map { DocumentNumber(series: "INV", year: 2027, running: $0 * 1_111) }
        for text in wrong {
            #expect(numbers(text).allSatisfy { $0 == number } && (numbers(text).isEmpty || text.contains(number.reference.text)), "\(text)")
            let suggestions = matching.suggestions(for: booking("x", 1, text: "inv \(text)."), among: others + [number])
            #expect(suggestions.contains(number), "\(text)")
        }
        #expect(matching.suggestions(for: booking("x", 1, text: "my invoice inv-2027-000042 please"), among: others + [number]) == [number])
        #expect(matching.suggestions(for: booking("x", 1, text: "groceries"), among: others + [number]) == [])
    }

    @Test("references and account numbers of the standards' own examples are sound, and changed ones are not")
    func checkDigits() {
        for text in ["RF18 5390 0754 7034", "RF18539007547034", "rf712348231", "RF45G72UUR"] {
            #expect(CreditorReference(text) != nil, "\(text)")
        }
        for text in ["RF19539007547034", "RF18539007547035", "RF18", "18539007547034", "RF1853900754703400000000000", "RFXX539007547034"] {
            #expect(CreditorReference(text) == nil, "\(text)")
        }
        #expect(CreditorReference(body: "539007547034")?.text == "RF18539007547034")
        #expect(
            IBAN("GB82 WEST 1234 5698 7654 32") != nil && IBAN("FR14 2004 1010 0505 0001 3M02 606") != nil
                && IBAN("DE88370400440532013000") == nil)
        #expect(number.reference.printed.hasPrefix("RF") && CreditorReference(number.reference.printed) == number.reference)
    }
}
