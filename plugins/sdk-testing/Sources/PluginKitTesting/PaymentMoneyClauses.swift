import Foundation
import PluginKit

/// Invoices, refunds, currencies and lists.
extension PaymentCallsConformance {
    func invoices(_ stage: PaymentStage) async throws -> [String] {
        let page = try await stage.provider.listInvoices(InvoiceQuery(customer: stage.customer))
        guard let listed = page.items.first(where: { $0.invoice == stage.invoice }) else { return ["The paid invoice is not listed."] }
        let read = try await stage.provider.readInvoice(stage.invoice)
        var faults: [String] = []
        if Set(page.items.map(\.invoice)).count != page.items.count { faults.append("One is listed twice.") }
        if page.items.map(\.issuedAt) != page.items.map(\.issuedAt).sorted(by: >) { faults.append("They are not listed newest first.") }
        // Which payment paid it, some lists leave out.
        var asListed = read
        asListed.payment = listed.payment
        if asListed != listed { faults.append("It is read as \(read) and listed as \(listed).") }
        if read.status != .paid || read.due.amountMinor != 0 || read.total != stage.paid {
            faults.append("It is \(read.status) over \(read.total), with \(read.due) due.")
        }
        if read.subscription != stage.subscription { faults.append("It belongs to no subscription.") }
        if !read.hasMoreLines, read.lines.reduce(0, { $0 + $1.amount.amountMinor }) != read.total.amountMinor {
            faults.append("Its lines do not add up.")
        }
        if read.payment != stage.payment { faults.append("It names another payment.") }
        for wrong in ["in_none", "", "../x"] {
            if let fault = await Self.refused("Reading \(wrong.debugDescription)", { _ = try await stage.provider.readInvoice(wrong) }) {
                faults.append(fault)
            }
        }
        if try await !stage.provider.listInvoices(InvoiceQuery(customer: "cus_somebody_else")).items.isEmpty {
            faults.append("A stranger's list is not empty.")
        }
        return faults
    }

    func pdf(_ stage: PaymentStage) async throws -> [String] {
        guard let address = try await stage.provider.invoicePDF(stage.invoice) else { return ["A paid invoice has none."] }
        let origin = WebOrigin(address, allowingQuery: true)
        return origin?.scheme == "https" || origin?.isLoopback == true ? [] : ["\(address) is no address to send a person to."]
    }

    // MARK: - Refunds

    func refundsAll(_ stage: PaymentStage) async throws -> [String] {
        let refund = try await stage.provider.refund(Self.refund(stage, nil, key: "r1"))
        var faults: [String] = []
        if refund.fact.amount != stage.paid { faults.append("It says \(String(describing: refund.fact.amount)) of \(stage.paid).") }
        if refund.fact.payment != stage.payment { faults.append("It names another payment.") }
        if refund.fact.reason != RefundReason.requestedByCustomer.rawValue { faults.append("It lost its reason.") }
        if try await stage.truth().refunds != [stage.paid] { faults.append("\(try await stage.truth().refunds) went back.") }
        if let fault = await Self.refused("Refunding it again", { _ = try await stage.provider.refund(Self.refund(stage, nil, key: "r2")) })
        {
            faults.append(fault)
        }
        for wrong in ["pi_none", "", "../x"] {
            var request = Self.refund(stage, nil, key: "r3" + wrong)
            request.payment = wrong
            if let fault = await Self.refused(
                "Refunding \(wrong.debugDescription)", { [request] in _ = try await stage.provider.refund(request) })
            {
                faults.append(fault)
            }
        }
        if try await stage.truth().refunds.count != 1 { faults.append("More than one refund was made.") }
        return faults
    }

    func refundsParts(_ stage: PaymentStage) async throws -> [String] {
        let provider = stage.provider
        var faults: [String] = []
        for (amount, key) in [(Int64(0), "s0"), (-1, "s1"), (stage.paid.amountMinor + 1, "s2")] {
            if let fault = await Self.refused(
                "Refunding \(amount)", { _ = try await provider.refund(Self.refund(stage, amount, key: key)) })
            {
                faults.append(fault)
            }
        }
        var foreign = Self.refund(stage, 500, key: "s3")
        foreign.amount = Money(amountMinor: 500, currency: Currency("JPY")!)
        if let fault = await Self.refused("Refunding yen of dollars", { [foreign] in _ = try await provider.refund(foreign) }) {
            faults.append(fault)
        }
        let part = try await provider.refund(Self.refund(stage, 1_000, key: "s4"))
        if part.fact.amount?.amountMinor != 1_000 { faults.append("A part is \(String(describing: part.fact.amount)).") }
        let rest = try await provider.refund(Self.refund(stage, nil, key: "s5"))
        if rest.fact.amount?.amountMinor != stage.paid.amountMinor - 1_000 {
            faults.append("The rest is \(String(describing: rest.fact.amount)).")
        }
        let given = try await stage.truth().refunds.map(\.amountMinor)
        if given != [1_000, stage.paid.amountMinor - 1_000] { faults.append("\(given) went back.") }
        return faults
    }

    /// The stage in each currency has paid a known amount of minor units; nothing may multiply or divide it.
    func currencies(_ usd: PaymentStage) async throws -> [String] {
        var faults: [String] = []
        for code in ["JPY", "KWD"] {
            guard let stage = try await subject.stage(Currency(code)!) else { continue }
            if stage.provider.capabilities.contains(.invoices) {
                let invoice = try await stage.provider.readInvoice(stage.invoice)
                if invoice.total != stage.paid { faults.append("\(stage.paid) is read as \(invoice.total).") }
            }
            if stage.provider.capabilities.contains(.partialRefunds) {
                let part = try await stage.provider.refund(Self.refund(stage, 250, key: "m1"))
                let given = try await stage.truth().refunds
                let wanted = Money(amountMinor: 250, currency: stage.paid.currency)
                if part.fact.amount != wanted || given != [wanted] { faults.append("Of \(wanted) became \(given).") }
            }
            if stage.provider.capabilities.contains(.refunds) {
                _ = try await stage.provider.refund(Self.refund(stage, nil, key: "m2"))
                let given = try await stage.truth().refunds.reduce(0) { $0 + $1.amountMinor }
                if given != stage.paid.amountMinor { faults.append("Of \(stage.paid) went \(given) back.") }
            }
        }
        return faults
    }

    // MARK: - Lists

    /// Walks through the pages of a list with many entries while more are made, in pages of several sizes.
    func walks(_ stage: PaymentStage, _ page: (ChangesRequest) async throws -> (names: [String], next: String?)) async throws -> [String] {
        guard let populate = stage.populate else { return ["The stage cannot make more."] }
        try await populate(7)
        var faults: [String] = []
        func walk(_ limit: Int, disturbing: Bool) async throws -> [String] {
            var names: [String] = []
            var request = ChangesRequest(since: now - .days(2), limit: limit)
            for count in 0..<100 {
                let (items, next) = try await page(request)
                names += items
                guard let next else { return names }
                if next.utf8.count > 255 || !next.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) { faults.append("A cursor is \(next).") }
                request.cursor = next
                if disturbing, count == 0 { try await populate(1) }
            }
            faults.append("The walk does not end.")
            return names
        }
        let all = try await walk(100, disturbing: false)
        if Set(all).count != all.count { faults.append("One comes twice.") }
        if all.count < 8 { faults.append("Of 8 come \(all.count).") }
        for limit in [1, 3] {
            let before = Set(try await walk(100, disturbing: false))
            let names = try await walk(limit, disturbing: true)
            if Set(names).count != names.count { faults.append("In pages of \(limit) one comes twice.") }
            if !before.isSubset(of: names) { faults.append("In pages of \(limit) \(before.subtracting(names).count) are missed.") }
        }
        for limit in [0, -1, 100_000] {
            let request = ChangesRequest(since: now - .days(2), limit: limit)
            if let error = await Self.failure({ _ = try await page(request) }), !(error is PaymentProviderError) {
                faults.append("A page of \(limit) threw \(error).")
            }
        }
        return faults
    }

    func events(_ stage: PaymentStage) async throws -> [String] {
        var faults = try await walks(stage) { try await stage.provider.listEvents($0).named(\.id) }
        let listed = try await stage.provider.listEvents(ChangesRequest(since: now - .days(2)))
        var stated = 0
        for event in listed.items {
            if event.createdAt < now - .days(2) { faults.append("\(event.id) is older than what was asked for.") }
            do { stated += try stage.provider.interpret(event).count } catch {
                faults.append("\(event.id) cannot be interpreted: \(error).")
            }
        }
        if stated == 0 { faults.append("The events state nothing.") }
        let later = try await stage.provider.listEvents(ChangesRequest(since: stage.now() + .days(1)))
        if !later.items.isEmpty { faults.append("Events come from before the time that was asked for.") }
        return faults
    }

    func moneyBack(_ stage: PaymentStage) async throws -> [String] {
        let request = ChangesRequest(since: now - .days(2))
        var faults: [String] = []
        if stage.provider.capabilities.contains(.refunds) {
            let made = try await stage.provider.refund(Self.refund(stage, nil, key: "y1"))
            let listed = try await stage.provider.listRefunds(request).items
            let found = listed.filter { $0.refund == made.fact.refund }
            if found.count != 1 || found.first?.amount != made.fact.amount || found.first?.payment != stage.payment {
                faults.append("The refund is listed as \(found).")
            }
        }
        let disputes = try await stage.provider.listDisputes(request).items
        if disputes.contains(where: { $0.dispute.isEmpty || $0.asOf > stage.now() }) { faults.append("A dispute has no id or no time.") }
        return faults
    }
}

extension ProviderPage {
    func named(_ name: (Item) -> String) -> (names: [String], next: String?) { (items.map(name), next) }
}
