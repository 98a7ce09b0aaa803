import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import BankInvoice

/// 2027-01-15T08:00:00Z
let moment = Timestamp(seconds: 1_800_000_000)
let manifestFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")
let eur = Currency("EUR")!
let deskSecret = "desk-secret-of-the-tests-0123"
let given: [String: JSONValue] = [
    "seller_name": "Müller & Söhne <Software> GmbH", "seller_street": "Hauptstraße 1", "seller_postal_code": "10115",
    "seller_city": "Berlin",
    "seller_country": "DE", "seller_vat_id": "DE123456789", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX",
    "seller_email": "billing@seller.test",
]

func terms(_ more: [String: JSONValue] = [:]) throws -> Terms {
    let manifest = try PluginManifest(json: Data(contentsOf: manifestFile))
    return try Terms(manifest.settings(from: given.merging(more) { $1 }.filter { !$0.value.isNull }).get())
}

func buyer(_ country: String = "DE", vatID: String? = nil) -> Party {
    Party(name: "Ada & Co", street: "Rue 1", postalCode: "75001", city: "Paris", country: country, vatID: vatID, email: "ada@buyer.test")
}

func session(_ id: String = "cs_0123456789abcdef01234567", trialDays: Int = 0) -> Account.Session {
    Account.Session(
        id: id, reference: "ref_1", tier: "team", productName: "Team", interval: .month, quantity: 5,
        unitPrice: Money(amountMinor: 2_900, currency: eur), providerPrice: nil, trialDays: trialDays,
        successURL: "http://127.0.0.1/done", cancelURL: "http://127.0.0.1/back", expiresAt: moment + .days(7))
}

func booking(
    _ id: String, _ minor: Int64, _ currency: Currency = eur, text: String = "", references: [String] = [], isReversal: Bool = false
)
    -> Booking
{
    Booking(id: id, day: Day(moment), minor: minor, currency: currency, isReversal: isReversal, references: references, text: text)
}

/// One account with a bought subscription, numbered in memory, and what it told since it was last asked.
struct Life {
    var account = Account(customer: "cus_0123456789abcdef01234567")
    var now = moment
    let terms: Terms
    let pace: Pace
    private var running = 0
    private var credits = 0
    var documents: [Invoice] = []

    init(trialDays: Int = 0, buyer: Party = buyer(), _ more: [String: JSONValue] = [:]) throws {
        terms = try BankInvoiceTests.terms(more)
        pace = Pace(terms)
        try account.open(session(trialDays: trialDays), now: now)
        let vat = try terms.taxation.treatment(tier: "team", buyer: buyer)
        try account.order(session().id, buyer: buyer, orderReference: "PO 7", vat: vat, pace: pace, now: now)
        number()
    }

    /// What the register does, without a key-value space.
    mutating func number() {
        while let draft = account.drafts.first {
            let isCredit = draft.kind == .creditNote
            if isCredit { credits += 1 } else { running += 1 }
            let original = documents.first { $0.number == draft.corrects?.number }
            let invoice = Invoice(
                kind: draft.kind,
                number: DocumentNumber(series: isCredit ? "CRN" : "INV", year: draft.issued.year, running: isCredit ? credits : running),
                issued: draft.issued, due: draft.due, seller: terms.seller, account: terms.account, buyer: draft.buyer,
                currency: terms.currency,
                lines: draft.lines.isEmpty ? original?.lines ?? [] : draft.lines, corrects: draft.corrects, rounding: draft.rounding,
                customer: account.customer)
            documents.append(invoice)
            account.complete(draft.claim, as: invoice, pace: pace, now: now)
        }
    }
    var last: DocumentNumber { account.bills.last!.number }
    var status: SubscriptionStatus { account.subscriptions[0].status }

    mutating func post(_ booking: Booking, on number: DocumentNumber? = nil) throws {
        try account.post(booking, on: number ?? account.bills[0].number, pace: pace, now: now)
    }
    /// Lets time pass; wakes as the courier does, at each moment that the account names.
    mutating func pass(_ span: Duration) {
        let end = now + span
        while let next = account.nextDue(pace), next <= end {
            now = max(now, next)
            account.tick(pace: pace, taxation: terms.taxation, now: now)
            number()
            told += account.pending
            account.pending = []
        }
        now = end
    }
    private var told: [Account.PendingWebhook] = []
    /// The types of what was told since the last call.
    mutating func types() -> [String] { facts().map(\.type) }
    mutating func facts() -> [(type: String, data: JSONValue)] {
        defer { (told, account.pending) = ([], []) }
        return (told + account.pending).compactMap { try? JSONValue.parse(Data($0.body.utf8)) }.map {
            ($0["type"]?.string ?? "", $0["data"] ?? .null)
        }
    }
}

/// The plugin between people at its pages and a server that takes its webhooks.
final class Stage: Sendable {
    struct Inbox {
        var bodies: [Data] = []
        var facts: [PaymentFact] = []
        /// What the server answers next; 200 when empty.
        var answers: [Int] = []
    }
    let bench: PluginBench
    let inbox = Mutex(Inbox())
    private let judge = Mutex<(any PaymentProvider)?>(nil)

    init() throws {
        let door = Door()
        bench = try PluginBench(manifest: manifestFile, at: moment) { try await door.answer($0) }
        door.stage.withLock { $0 = self }
    }

    func start(_ more: [String: JSONValue] = [:]) async throws -> Instance {
        let context = try bench.context(
            settings: given.merging(more) { $1 },
            secrets: ["BANK_INVOICE_DESK_SECRET": [deskSecret], "BANK_INVOICE_WEBHOOK_SECRET": ["whsec_stage"]])
        let instance = try await BankInvoice().make(context) as! Instance  // the plugin makes no other
        judge.withLock { $0 = instance.paymentProvider }
        try await instance.start()
        return instance
    }

    fileprivate func take(_ request: OutboundRequest) throws -> OutboundResponse {
        let status = inbox.withLock { $0.answers.isEmpty ? 200 : $0.answers.removeFirst() }
        guard status == 200 else { return OutboundResponse(status: status) }
        guard let provider = judge.withLock({ $0 }) else { return OutboundResponse(status: 503) }
        let event = try provider.verify(WebhookDelivery(headers: request.headers, body: request.body, receivedAt: bench.clock.now()))
        let facts = try provider.interpret(event)
        inbox.withLock {
            $0.bodies.append(request.body)
            $0.facts += facts
        }
        return OutboundResponse(status: 200)
    }

    /// Returns when nothing is under way: all that is due is done and delivered.
    func settled(_ instance: Instance, _ customer: String) async throws {
        await instance.courier.call(customer)
        for _ in 0..<200_000 {
            if let account = try await instance.cashier.ledger.account(customer),
                account.nextDue(instance.cashier.ledger.pace).map({ $0 > bench.clock.now() }) ?? true
            {
                return
            }
            await Task.yield()
        }
        throw PluginRefusal("the account does not come to rest")
    }
    var types: [String] { inbox.withLock { $0.bodies.compactMap { try? JSONValue.parse($0)["type"]?.string } } }
    var facts: [PaymentFact] { inbox.withLock { $0.facts } }
}

private final class Door: Sendable {
    let stage = Mutex<Stage?>(nil)
    func answer(_ request: OutboundRequest) async throws -> OutboundResponse {
        guard let stage = stage.withLock({ $0 }) else { throw OutboundFailure.unsent("no stage") }
        return try stage.take(request)
    }
}

func request(_ key: String = "key_1", quantity: Int = 5, price: Int64 = 2_900, currency: String = "EUR", trialDays: Int = 0)
    -> CheckoutRequest
{
    CheckoutRequest(
        reference: "ref_\(key)", tenant: "ten_1", tier: "team", interval: .month, quantity: quantity,
        unitPrice: Money(amountMinor: price, currency: Currency(currency)!), providerPrice: nil, customer: nil,
        customerEmail: "ada@example.test", trialDays: trialDays, successURL: "http://127.0.0.1:8080/billing/done?a=1&b=2",
        cancelURL: "http://127.0.0.1:8080/billing", idempotencyKey: key, productName: "Team")
}

let address = [
    "name": "Ada & Co", "street": "Rue 1", "postal_code": "75001", "city": "Paris", "country": "de", "vat_id": "",
    "order_reference": "PO 7",
    "email": "ada@buyer.test",
]

extension Instance {
    func page(_ method: String, _ url: String, _ form: [String: String] = [:]) async throws -> (
        status: Int, text: String, location: String?
    ) {
        let below = url.prefix { $0 != "?" }.replacing("http://127.0.0.1:8080", with: "").replacing("/plugins/bank-invoice/", with: "")
        let answer = try await shownPages.respond(
            to: PageRequest(method: method, path: String(below), form: form, formToken: ["csrf": "t0<k>en"]))
        return (answer.status, String(decoding: answer.body, as: UTF8.self), answer.location)
    }
    /// Orders over the page and answers customer and invoice.
    func buy(_ key: String = "key_1", _ form: [String: String] = address, price: Int64 = 2_900) async throws -> (
        customer: String, number: DocumentNumber
    ) {
        let checkout = try await provider.startCheckout(request(key, price: price))
        let done = try await page("POST", checkout.url, form)
        guard done.status == 303, let (account, _) = try await provider.shop.session(checkout.id), let bill = account.bills.last else {
            throw PluginRefusal("not bought: \(done.status) \(done.text)")
        }
        return (account.customer, bill.number)
    }
    func take(_ statement: String) async throws -> Cashier.Report { try await cashier.take(Data(statement.utf8)) }
}

/// A statement camt.053.001.08 with these entries: amount, direction, and what stands in the remittance.
func camt(_ entries: [(amount: String, isCredit: Bool, text: String)], id: String = "S1", iban: String = "DE89370400440532013000") -> String
{
    let rows = entries.enumerated().map { index, entry in
        """
        <Ntry><Amt Ccy="EUR">\(entry.amount)</Amt><CdtDbtInd>\(entry.isCredit ? "CRDT" : "DBIT")</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
        <BookgDt><Dt>2027-01-18</Dt></BookgDt><AcctSvcrRef>\(id)-\(index)</AcctSvcrRef><BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>
        <NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>Ada</Nm></Pty></Dbtr></RltdPties><RmtInf><Ustrd>\(Markup.escape(entry.text))</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
        """
    }
    return """
        <?xml version="1.0" encoding="UTF-8"?>
        <Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId><CreDtTm>2027-01-18T20:00:00</CreDtTm></GrpHdr>
        <Stmt><Id>\(id)</Id><Acct><Id><IBAN>\(iban)</IBAN></Id></Acct>\(rows.joined(separator: "\n"))</Stmt></BkToCstmrStmt></Document>
        """
}

/// The conformance kit's life, out of the very state machine that the pages drive.
struct BankSubject: PaymentProviderSubject {
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider {
        let bench = try PluginBench(manifest: manifestFile, at: moment)
        let secrets = ["BANK_INVOICE_WEBHOOK_SECRET": webhookSecrets, "BANK_INVOICE_DESK_SECRET": [deskSecret]]
        guard let provider = try await PluginBench.made(BankInvoice(), bench.context(settings: given, secrets: secrets)).paymentProvider
        else {
            throw PluginRefusal("no provider")
        }
        return provider
    }
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery {
        let mark = PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("\(signedAt.seconds).".utf8) + body))
        return WebhookDelivery(headers: ["bank-invoice-signature": "t=\(signedAt.seconds),v1=\(mark)"], body: body, receivedAt: receivedAt)
    }
    var life: [Data] {
        do {
            var life = try Life()
            var bodies: [Data] = []
            func keep(_ pending: [Account.PendingWebhook]) { bodies += pending.map { Data($0.body.utf8) } }
            try life.post(booking("a", 20_000))
            keep(life.account.pending)
            life.account.pending = []
            try life.post(booking("b", -20_000, isReversal: true))
            life.account.end(life.account.subscriptions[0].id, at: life.now, now: life.now)
            keep(life.account.pending)
            return bodies
        } catch { return [] }
    }
    var unknown: Data { Data(#"{"id":"evt_9","type":"weather.changed","created":"2027-01-15T08:00:00Z","data":{"id":"w_1"}}"#.utf8) }
}
