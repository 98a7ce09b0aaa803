import Foundation
import PluginKit

/// What each call must do where nothing breaks.
extension PaymentCallsConformance {
    var webhookClauses: [Clause] {
        [
            Clause(name: "a life in every shape that the provider sends states the same facts") { _ in try await shapes() },
            Clause(name: "an amount with a fraction is never money") { _ in try await fractions() },
            Clause(name: "a paid invoice pays for the subscription's period, and an unpaid checkout waits") { _ in try await periods() },
        ]
    }
    var callClauses: [Clause] {
        [
            Clause(name: "what is not among the capabilities answers that it is not supported", check: unsupported),
            Clause(name: "a subscription is read as it is, no later than it was asked for", needs: [.subscriptionRead], check: reads),
            Clause(name: "a preview changes nothing, and its lines add up", needs: [.changePreview], check: previews),
            Clause(name: "a change holds at once, tier and quantity alike", needs: [.subscriptionChange], check: changes),
            Clause(name: "a cancellation waits for the period's end and can be taken back", needs: [.cancelAtPeriodEnd], check: cancels),
            Clause(name: "what is cancelled now has ended, and ends once", needs: [.cancelNow], check: ends),
            Clause(name: "a paused subscription is paused until it is resumed", needs: [.pause, .resume], check: pauses),
            Clause(name: "the end of a trial moves, and the trial ends on demand", needs: [.trialChange], check: trials),
            Clause(name: "a coupon is read, set and removed, and an unknown code is none", needs: [.coupons], check: coupons),
            Clause(name: "invoices are listed once each, and one is read as it is listed", needs: [.invoices], check: invoices),
            Clause(name: "the PDF of an invoice has an address", needs: [.invoicePDF], check: pdf),
            Clause(name: "a refund gives back all, and nothing twice", needs: [.refunds], check: refundsAll),
            Clause(name: "parts of a payment go back until nothing is left", needs: [.refunds, .partialRefunds], check: refundsParts),
            Clause(name: "yen have no minor unit and dinars three digits of it", check: currencies),
            Clause(name: "every subscription comes once, whatever is made meanwhile", needs: [.listSubscriptions]) { stage in
                try await walks(stage) { try await stage.provider.listSubscriptions($0).named(\.subscription) }
            },
            Clause(name: "every payment comes once, whatever is made meanwhile", needs: [.listPayments]) { stage in
                try await walks(stage) { try await stage.provider.listPayments($0).named(\.invoice) }
            },
            Clause(name: "every event comes once, and is one that a webhook could have brought", needs: [.listEvents], check: events),
            Clause(name: "refunds and disputes are listed as facts", needs: [.listRefunds, .listDisputes], check: moneyBack),
        ]
    }

    // MARK: - Webhooks

    private func provider() async throws -> any PaymentProvider {
        try await subject.provider(webhookSecrets: [PaymentProviderConformance.new])
    }
    private func facts(_ provider: any PaymentProvider, _ body: Data) throws -> [PaymentFact] {
        let delivery = subject.delivery(body, secret: PaymentProviderConformance.new, signedAt: now, receivedAt: now)
        return try provider.interpret(provider.verify(delivery))
    }

    private func shapes() async throws -> [String] {
        let provider = try await provider()
        let expected = try subject.life.map { try facts(provider, $0) }
        return try subject.otherShapes.enumerated().flatMap { number, shape in
            let told = try shape.map { try facts(provider, $0) }
            return zip(expected, told).enumerated().compactMap { index, pair in
                pair.0 == pair.1 ? nil : "Event \(index) states other facts in shape \(number)."
            } + (told.count == expected.count ? [] : ["Shape \(number) tells another number of events."])
        }
    }

    private func periods() async throws -> [String] {
        let provider = try await provider()
        let stated = try subject.life.flatMap { try facts(provider, $0) }
        let ends = stated.compactMap { if case .subscription(let fact) = $0 { fact.periodEnd } else { nil } }
        var faults: [String] = []
        for case .invoice(let fact) in stated where fact.isPaid && fact.subscription != nil {
            if let end = fact.periodEnd, !ends.contains(end) {
                faults.append("\(fact.invoice) pays until \(end), and no period ends then.")
            }
        }
        if let waiting = subject.waitingCheckout {
            guard case .checkout(let fact)? = try facts(provider, waiting).first else {
                return faults + ["The waiting checkout states nothing."]
            }
            if fact.isPaid || fact.hasFailed { faults.append("A waiting checkout is \(fact.isPaid ? "paid" : "failed").") }
        }
        return faults
    }

    /// Finds the places that feed an amount by changing them, and puts a fraction there.
    private func fractions() async throws -> [String] {
        let provider = try await provider()
        var faults: [String] = []
        for (number, body) in subject.life.enumerated() {
            let document = try JSONValue.parse(body)
            let before = try facts(provider, body).map(\.money)
            for path in document.paths(limit: 200) {
                guard let value = document.value(at: path[...])?.int, value < 1_000_000_000 else { continue }
                let moved = try? facts(provider, document.replacing(path[...], with: .int(value + 1_000)).encoded()).map(\.money)
                guard let moved, moved != before, moved.count == before.count else { continue }
                let broken = document.replacing(path[...], with: .double(Double(value) + 0.5))
                guard let told = try? facts(provider, broken.encoded()) else { continue }
                for (fact, old) in zip(told.map(\.money), zip(before, moved)) where old.0 != old.1 && fact != nil {
                    faults.append("Event \(number) made money of the fraction in \(path.joined(separator: ".")).")
                }
            }
        }
        return faults
    }

    // MARK: - Subscriptions

    private func unsupported(_ stage: PaymentStage) async -> [String] {
        let provider = stage.provider
        let since = ChangesRequest(since: now - .days(1))
        let calls: [(PaymentCapability, () async throws -> Void)] = [
            (.subscriptionRead, { _ = try await provider.readSubscription("none") }),
            (.changePreview, { _ = try await provider.previewChange(Self.change(stage, quantity: 0, key: "u1")) }),
            (.subscriptionChange, { _ = try await provider.changeSubscription(Self.change(stage, quantity: 0, key: "u2")) }),
            (
                .cancelNow,
                {
                    _ = try await provider.cancelSubscription(
                        SubscriptionCancellation(subscription: "none", when: .now, idempotencyKey: "u3"))
                }
            ),
            (
                .cancelAtPeriodEnd,
                {
                    _ = try await provider.cancelSubscription(
                        SubscriptionCancellation(subscription: "none", when: .periodEnd, idempotencyKey: "u4"))
                }
            ),
            (.resume, { _ = try await provider.resumeSubscription(SubscriptionResumption(subscription: "none", idempotencyKey: "u5")) }),
            (.pause, { _ = try await provider.pauseSubscription(SubscriptionPause(subscription: "none", idempotencyKey: "u6")) }),
            (.trialChange, { _ = try await provider.changeTrial(TrialChange(subscription: "none", endsAt: nil, idempotencyKey: "u7")) }),
            (.coupons, { _ = try await provider.readCoupon("NONE") }),
            (.invoices, { _ = try await provider.readInvoice("none") }),
            (.invoicePDF, { _ = try await provider.invoicePDF("none") }),
            (.refunds, { _ = try await provider.refund(Self.refund(stage, -1, key: "u8")) }),
            (.listSubscriptions, { _ = try await provider.listSubscriptions(since) }),
            (.listPayments, { _ = try await provider.listPayments(since) }),
            (.listRefunds, { _ = try await provider.listRefunds(since) }),
            (.listDisputes, { _ = try await provider.listDisputes(since) }),
            (.listEvents, { _ = try await provider.listEvents(since) }),
        ]
        var faults: [String] = []
        for (capability, call) in calls {
            let error = await Self.failure(call)
            let saysNo = if case PaymentProviderError.notSupported? = error { true } else { false }
            if provider.capabilities.contains(capability) == saysNo {
                faults.append(
                    "\(capability) is\(saysNo ? "" : " not") claimed, and the call answered \(error.map { "\($0)" } ?? "a value").")
            }
            if error != nil, !(error is PaymentProviderError) {
                faults.append("\(capability) threw \(error!), which is no PaymentProviderError.")
            }
        }
        return faults
    }

    private func reads(_ stage: PaymentStage) async throws -> [String] {
        let fact = try await stage.provider.readSubscription(stage.subscription)
        var faults: [String] = []
        if fact.subscription != stage.subscription || fact.customer != stage.customer { faults.append("It reads another one.") }
        if fact.status != .active || fact.quantity != 5 { faults.append("It reads \(fact.status) with \(fact.quantity) units.") }
        if fact.periodEnd == nil { faults.append("It reads no period.") }
        if fact.asOf > stage.now() { faults.append("It claims to know what will be: \(fact.asOf).") }
        for wrong in ["sub_none", "", "../../x", "a b"] {
            if let fault = await Self.refused("Reading \(wrong.debugDescription)", { _ = try await stage.provider.readSubscription(wrong) })
            {
                faults.append(fault)
            }
        }
        return faults
    }

    private func previews(_ stage: PaymentStage) async throws -> [String] {
        let before = try await stage.truth()
        let preview = try await stage.provider.previewChange(Self.change(stage, quantity: 9, key: "p1"))
        var faults: [String] = []
        if try await stage.truth() != before { faults.append("It changed something.") }
        let sum = preview.lines.reduce(0) { $0 + $1.amount.amountMinor }
        if preview.lines.isEmpty || sum != preview.total.amountMinor {
            faults.append("Its lines come to \(sum), its total is \(preview.total).")
        }
        let prorated = preview.lines.filter(\.isProration).reduce(0) { $0 + $1.amount.amountMinor }
        if prorated != preview.prorated.amountMinor { faults.append("Its prorations come to \(prorated), it says \(preview.prorated).") }
        if (preview.lines.map(\.amount) + [preview.total, preview.prorated]).contains(where: { $0.currency != stage.paid.currency }) {
            faults.append("It mixes currencies.")
        }
        return faults
    }

    private func changes(_ stage: PaymentStage) async throws -> [String] {
        let fact = try await stage.provider.changeSubscription(Self.change(stage, quantity: 9, key: "c1", tier: "studio"))
        let truth = try await stage.truth()
        var faults: [String] = []
        if fact.quantity != 9 || truth.quantity != 9 { faults.append("It says \(fact.quantity) units and has \(truth.quantity).") }
        if fact.tier != truth.tier || (truth.tier ?? "studio") != "studio" { faults.append("It stays in the tier \(truth.tier ?? "").") }
        for quantity in [0, -1] {
            let change = Self.change(stage, quantity: quantity, key: "c\(quantity)")
            if let fault = await Self.refused("\(quantity) units", { _ = try await stage.provider.changeSubscription(change) }) {
                faults.append(fault)
            }
        }
        return faults
    }

    private func cancels(_ stage: PaymentStage) async throws -> [String] {
        func cancel(_ key: String) async throws -> SubscriptionFact {
            try await stage.provider.cancelSubscription(
                SubscriptionCancellation(subscription: stage.subscription, when: .periodEnd, idempotencyKey: key))
        }
        let fact = try await cancel("k1")
        var faults: [String] = []
        if fact.status != .active || fact.cancelsAt == nil || fact.cancelsAt != fact.periodEnd {
            faults.append("It is \(fact.status) and cancels at \(fact.cancelsAt.map { "\($0)" } ?? "no time").")
        }
        if try await !stage.truth().isCancelling { faults.append("Nothing is cancelled.") }
        if try await cancel("k2").cancelsAt != fact.cancelsAt { faults.append("A second cancellation changes the first.") }
        guard stage.provider.capabilities.contains(.resume) else { return faults }
        let resumption = SubscriptionResumption(subscription: stage.subscription, idempotencyKey: "k3")
        let back = try await stage.provider.resumeSubscription(resumption)
        let isStillCancelling = try await stage.truth().isCancelling
        if back.cancelsAt != nil || isStillCancelling { faults.append("It was not taken back.") }
        if try await stage.provider.resumeSubscription(resumption).cancelsAt != nil {
            faults.append("A second resumption undoes the first.")
        }
        return faults
    }

    private func ends(_ stage: PaymentStage) async throws -> [String] {
        func end(_ key: String) async throws -> SubscriptionFact {
            try await stage.provider.cancelSubscription(
                SubscriptionCancellation(subscription: stage.subscription, when: .now, idempotencyKey: key))
        }
        let fact = try await end("e1")
        var faults: [String] = []
        let status = try await stage.truth().status
        if fact.status != .cancelled || status != .cancelled { faults.append("It is \(fact.status).") }
        if fact.endedAt == nil { faults.append("It has no end.") }
        for key in ["e1", "e2"] where try await end(key).status != .cancelled { faults.append("Ending it again revives it.") }
        if stage.provider.capabilities.contains(.resume),
            let fault = await Self.refused(
                "Resuming what has ended",
                {
                    _ = try await stage.provider.resumeSubscription(
                        SubscriptionResumption(subscription: stage.subscription, idempotencyKey: "e3"))
                })
        {
            faults.append(fault)
        }
        return faults
    }

    private func pauses(_ stage: PaymentStage) async throws -> [String] {
        let pause = SubscriptionPause(subscription: stage.subscription, idempotencyKey: "z1")
        var faults: [String] = []
        if try await stage.provider.pauseSubscription(pause).status != .paused { faults.append("It is not paused.") }
        if try await stage.truth().status != .paused { faults.append("It is not paused there.") }
        let resumption = SubscriptionResumption(subscription: stage.subscription, idempotencyKey: "z2")
        if try await stage.provider.resumeSubscription(resumption).status != .active { faults.append("It is not resumed.") }
        return faults
    }

    private func trials(_ stage: PaymentStage) async throws -> [String] {
        let end = Timestamp(seconds: (now + .days(9)).seconds)
        let name = stage.trial ?? stage.subscription
        let fact = try await stage.provider.changeTrial(TrialChange(subscription: name, endsAt: end, idempotencyKey: "t1"))
        var faults: [String] = []
        if fact.trialEnd != end || fact.status != .trialing {
            faults.append("It is \(fact.status) until \(String(describing: fact.trialEnd)).")
        }
        let ended = try await stage.provider.changeTrial(TrialChange(subscription: name, endsAt: nil, idempotencyKey: "t2"))
        if ended.status != .active { faults.append("After its trial it is \(ended.status).") }
        return faults
    }

    private func coupons(_ stage: PaymentStage) async throws -> [String] {
        guard let code = stage.coupon else { return ["The stage has no coupon."] }
        var faults: [String] = []
        let coupon = try await stage.provider.readCoupon(code)
        if coupon?.code != code || coupon?.isValid != true { faults.append("The code is not known.") }
        if (coupon?.basisPointsOff == nil) == (coupon?.amountOff == nil) {
            faults.append("It takes off a share and an amount, or neither.")
        }
        if try await stage.provider.readCoupon("NO-SUCH-CODE") != nil { faults.append("An unknown code is one.") }
        func apply(_ code: String?, _ key: String) async throws {
            _ = try await stage.provider.applyCoupon(CouponApplication(subscription: stage.subscription, code: code, idempotencyKey: key))
        }
        let before = try await stage.truth().changes
        try await apply(code, "q1")
        try await apply(nil, "q2")
        if try await stage.truth().changes != before + 2 { faults.append("It was not set and removed.") }
        if let fault = await Self.refused("An unknown code", { try await apply("NO-SUCH-CODE", "q3") }) { faults.append(fault) }
        return faults
    }
}

extension PaymentFact {
    var money: Money? {
        switch self {
        case .invoice(let fact): fact.amount
        case .refund(let fact): fact.amount
        case .dispute(let fact): fact.amount
        default: nil
        }
    }
}

extension JSONValue {
    func value(at path: ArraySlice<String>) -> JSONValue? {
        guard let step = path.first else { return self }
        switch self {
        case .object(let members): return members[step]?.value(at: path.dropFirst())
        case .array(let items): return Int(step).flatMap { items.indices.contains($0) ? items[$0].value(at: path.dropFirst()) : nil }
        default: return nil
        }
    }
}
