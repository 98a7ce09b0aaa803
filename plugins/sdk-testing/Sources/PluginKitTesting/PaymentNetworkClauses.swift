import Foundation
import PluginKit

/// What each call must do where something breaks, or is asked again.
extension PaymentCallsConformance {
    var networkClauses: [Clause] {
        [
            Clause(name: "one key has one effect and one answer, one after the other and all at once", check: repetition),
            Clause(name: "a late repetition undoes nothing, and tells what is now", needs: [.subscriptionChange], check: late),
            Clause(name: "a key with another request is refused and has no effect", check: otherBody),
            Clause(
                name: "an answer that is lost leaves the outcome unknown, and the same key finds it done once", needsWire: true, check: lost
            ),
            Clause(name: "whatever breaks once is survived with one effect", needsWire: true, check: breaks),
            Clause(name: "a request that never arrived may be asked again", needsWire: true, check: unsent),
            Clause(name: "a rate limit is waited for, or told with its pause, and has no effect", needsWire: true, check: limited),
            Clause(name: "a refusal is final: it is told at once and never asked again", needsWire: true, check: refusal),
            Clause(name: "no error and no line of the log carries a secret", needsWire: true, check: secrets),
            Clause(name: "what cannot be read is an error, never an empty list", needsWire: true, check: silence),
        ]
    }

    /// One writing call, twice in the same way and once otherwise, and how often it took effect.
    private struct Deed: Sendable {
        var name: String
        var once: @Sendable (String) async throws -> String
        var otherwise: @Sendable (String) async throws -> String
        var effects: @Sendable () async throws -> Int
    }
    private func deeds(_ stage: PaymentStage) async throws -> [Deed] {
        let provider = stage.provider
        let before = try await stage.truth()
        var deeds: [Deed] = [
            Deed(
                name: "A checkout", once: { try await provider.startCheckout(Self.checkout(stage, key: $0)).id },
                otherwise: { key in
                    try await provider.startCheckout(Self.checkout(stage, key: key, quantity: 3)).id
                },
                effects: { try await stage.truth().checkouts - before.checkouts })
        ]
        if provider.capabilities.contains(.subscriptionChange) {
            deeds.append(
                Deed(
                    name: "A change",
                    once: { "\(try await provider.changeSubscription(Self.change(stage, quantity: 8, key: $0)).quantity)" },
                    otherwise: { "\(try await provider.changeSubscription(Self.change(stage, quantity: 2, key: $0)).quantity)" },
                    effects: { try await stage.truth().changes - before.changes }))
        }
        if provider.capabilities.isSuperset(of: [.refunds, .partialRefunds]) {
            deeds.append(
                Deed(
                    name: "A refund", once: { try await provider.refund(Self.refund(stage, 100, key: $0)).fact.refund },
                    otherwise: { try await provider.refund(Self.refund(stage, 200, key: $0)).fact.refund },
                    effects: { try await stage.truth().refunds.count - before.refunds.count }))
        } else if provider.capabilities.contains(.refunds) {
            deeds.append(
                Deed(
                    name: "A refund", once: { try await provider.refund(Self.refund(stage, nil, key: $0)).fact.refund },
                    otherwise: { key in
                        var request = Self.refund(stage, nil, key: key)
                        request.payment += "x"
                        return try await provider.refund(request).fact.refund
                    },
                    effects: { try await stage.truth().refunds.count - before.refunds.count }))
        }
        if provider.capabilities.contains(.cancelNow) {
            let end: @Sendable (String) async throws -> String = { key in
                try await provider.cancelSubscription(
                    SubscriptionCancellation(subscription: stage.subscription, when: .now, idempotencyKey: key)
                ).status.rawValue
            }
            let ended: @Sendable () async throws -> Int = { try await stage.truth().status == .cancelled ? 1 : 0 }
            deeds.append(Deed(name: "An end", once: end, otherwise: end, effects: ended))
        }
        return deeds
    }
    private func fresh() async throws -> PaymentStage {
        guard let stage = try await subject.stage(Self.usd) else { throw PluginRefusal("There is no stage in USD.") }
        return stage
    }
    /// Every deed on a stage of its own.
    private func eachDeed(_ check: (Deed, PaymentStage) async throws -> [String]) async throws -> [String] {
        var faults: [String] = []
        for index in try await deeds(fresh()).indices {
            let stage = try await fresh()
            let deed = try await deeds(stage)[index]
            do { faults += try await check(deed, stage) } catch { faults.append("\(deed.name) threw \(error).") }
        }
        return faults
    }

    private func repetition(_ usd: PaymentStage) async throws -> [String] {
        try await eachDeed { deed, _ in
            let first = try await deed.once("same")
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<6 { group.addTask { try await deed.once("same") } }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            let effects = try await deed.effects()
            return (answers == [first] ? [] : ["\(deed.name) answers \(answers) and answered \(first)."])
                + (effects == 1 ? [] : ["\(deed.name) took effect \(effects) times."])
        }
    }

    private func late(_ stage: PaymentStage) async throws -> [String] {
        let first = Self.change(stage, quantity: 8, key: "l1")
        _ = try await stage.provider.changeSubscription(first)
        _ = try await stage.provider.changeSubscription(Self.change(stage, quantity: 3, key: "l2"))
        let told = try await stage.provider.changeSubscription(first).quantity
        let truth = try await stage.truth().quantity
        return told == 3 && truth == 3 ? [] : ["After 8 and then 3 units, 8 again tells of \(told) and makes \(truth)."]
    }

    private func otherBody(_ usd: PaymentStage) async throws -> [String] {
        try await eachDeed { deed, _ in
            // An end is a state, not a deed: it has no other request.
            guard deed.name != "An end" else { return [] }
            _ = try await deed.once("taken")
            let fault = await Self.refused("\(deed.name) with a used key", { _ = try await deed.otherwise("taken") })
            let effects = try await deed.effects()
            return (fault.map { [$0] } ?? []) + (effects == 1 ? [] : ["\(deed.name) took effect \(effects) times."])
        }
    }

    private func lost(_ usd: PaymentStage) async throws -> [String] {
        try await eachDeed { deed, stage in
            stage.wire?.breaks([.lostAnswer], forEver: true)
            var faults: [String] = []
            switch await Self.failure({ _ = try await deed.once("lost") }) {
            case let error as PaymentProviderError where error.outcome == .unknown && !error.isFinal: break
            case nil where deed.name == "An end": break
            case let other: faults.append("\(deed.name) whose answers are lost: \(other.map { "\($0)" } ?? "it was taken as done").")
            }
            stage.wire?.heals()
            _ = try await deed.once("lost")
            let effects = try await deed.effects()
            if effects != 1 { faults.append("\(deed.name) took effect \(effects) times.") }
            return faults
        }
    }

    private func breaks(_ usd: PaymentStage) async throws -> [String] {
        let failure = OutboundResponse(
            status: 500, headers: ["content-type": "application/json"], body: Data(#"{"error":{"type":"api_error","message":"x"}}"#.utf8))
        let gateway = OutboundResponse(status: 503, headers: ["content-type": "text/html"], body: Data("<html>".utf8))
        let faults: [(String, FaultyWire.Fault)] = [
            ("a lost answer", .lostAnswer), ("a lost request", .lostRequest), ("half an answer", .halfAnswer),
            ("an executed failure", .otherAnswer(failure)), ("a gateway's page", .otherAnswer(gateway)),
            ("an outage", .turnedAway(gateway)),
        ]
        var found: [String] = []
        for (name, fault) in faults {
            found += try await eachDeed { deed, stage in
                stage.wire?.breaks([fault])
                // Survived within the call, or told as unknown and found by the next.
                do { _ = try await deed.once("broken") } catch let error as PaymentProviderError where !error.isFinal {
                    stage.wire?.heals()
                    _ = try await deed.once("broken")
                }
                let effects = try await deed.effects()
                return effects == 1 ? [] : ["\(deed.name) after \(name) took effect \(effects) times."]
            }
        }
        return found
    }

    private func unsent(_ usd: PaymentStage) async throws -> [String] {
        try await eachDeed { deed, stage in
            stage.wire?.breaks([.unsent], forEver: true, writesOnly: false)
            let error = await Self.failure { _ = try await deed.once("unsent") }
            stage.wire?.heals()
            guard let error = error as? PaymentProviderError, !error.isFinal else {
                return ["\(deed.name) threw \(String(describing: error))."]
            }
            _ = try await deed.once("unsent")
            let effects = try await deed.effects()
            return effects == 1 ? [] : ["\(deed.name) took effect \(effects) times."]
        }
    }

    private func limited(_ usd: PaymentStage) async throws -> [String] {
        func answer(_ seconds: String) -> OutboundResponse {
            OutboundResponse(
                status: 429, headers: ["retry-after": seconds],
                body: Data(#"{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many"}}"#.utf8))
        }
        return try await eachDeed { deed, stage in
            var faults: [String] = []
            stage.wire?.breaks([.turnedAway(answer("3600"))], forEver: true)
            let asked = stage.now()
            switch await Self.failure({ _ = try await deed.once("limited") }) {
            case PaymentProviderError.rateLimited(let pause)?:
                if pause != .seconds(3_600) { faults.append("\(deed.name) lost the pause.") }
            case let other: faults.append("\(deed.name) within a limit of an hour: \(other.map { "\($0)" } ?? "it was taken").")
            }
            if stage.now() - asked >= .seconds(3_600) { faults.append("\(deed.name) held its caller for an hour.") }
            if try await deed.effects() != 0 { faults.append("\(deed.name) took effect within the limit.") }
            stage.wire?.breaks([.turnedAway(answer("2"))])
            let before = stage.now()
            do {
                _ = try await deed.once("limited")
                if stage.now() - before < .seconds(2) { faults.append("\(deed.name) asked again before the pause was over.") }
            } catch PaymentProviderError.rateLimited(let pause) {
                if pause != .seconds(2) { faults.append("\(deed.name) lost the pause.") }
                _ = try await deed.once("limited")
            }
            if try await deed.effects() != 1 { faults.append("\(deed.name) did not take effect once.") }
            return faults
        }
    }

    private func refusal(_ usd: PaymentStage) async throws -> [String] {
        try await eachDeed { deed, stage in
            guard let refusal = stage.refusal else { return ["The stage does not say how the provider refuses."] }
            stage.wire?.breaks([.turnedAway(refusal("No."))], forEver: true)
            let sent = stage.wire?.requests.filter { $0.method != "GET" }.count ?? 0
            let fault = await Self.refused("\(deed.name) that the provider refuses", { _ = try await deed.once("refused") })
            let again = (stage.wire?.requests.filter { $0.method != "GET" }.count ?? 0) - sent
            return (fault.map { [$0] } ?? []) + (again == 1 ? [] : ["\(deed.name) was sent \(again) times."])
        }
    }

    private func secrets(_ usd: PaymentStage) async throws -> [String] {
        try await eachDeed { deed, stage in
            guard let refusal = stage.refusal, !stage.secrets.isEmpty else { return ["The stage names no secrets or no refusal."] }
            let text = "Refused: " + stage.secrets.joined(separator: ", ")
            var failed = refusal(text)
            failed.status = 500
            var told: [String] = []
            for fault in [FaultyWire.Fault.turnedAway(refusal(text)), .turnedAway(failed)] {
                stage.wire?.breaks([fault], forEver: true)
                if let error = await Self.failure({ _ = try await deed.once("leak-\(told.count)") }) { told.append("\(error)") }
            }
            told += stage.log()
            return stage.secrets.contains { secret in told.contains { $0.contains(secret) } } ? ["\(deed.name) told a secret."] : []
        }
    }

    private func silence(_ usd: PaymentStage) async throws -> [String] {
        let provider = usd.provider
        let request = ChangesRequest(since: now - .days(2))
        let lists: [(PaymentCapability, () async throws -> Int)] = [
            (.invoices, { try await provider.listInvoices(InvoiceQuery(customer: usd.customer)).items.count }),
            (.listSubscriptions, { try await provider.listSubscriptions(request).items.count }),
            (.listPayments, { try await provider.listPayments(request).items.count }),
            (.listRefunds, { try await provider.listRefunds(request).items.count }),
            (.listDisputes, { try await provider.listDisputes(request).items.count }),
            (.listEvents, { try await provider.listEvents(request).items.count }),
        ]
        let empty = OutboundResponse(status: 200, body: Data("{}".utf8))
        var faults: [String] = []
        for (capability, list) in lists where provider.capabilities.contains(capability) {
            for fault in [FaultyWire.Fault.lostAnswer, .halfAnswer, .turnedAway(empty)] {
                usd.wire?.breaks([fault], forEver: true, writesOnly: false)
                switch await Self.failure({ _ = try await list() }) {
                case let error as PaymentProviderError where !error.isFinal: continue
                case let other: faults.append("\(capability) answered \(other.map { "\($0)" } ?? "as if there were nothing").")
                }
            }
        }
        usd.wire?.heals()
        return faults
    }
}
