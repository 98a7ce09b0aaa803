import Foundation
import PluginKit

/// What the conformance kit must know of one provider.
public protocol PaymentProviderSubject: Sendable {
    /// The provider as it starts with these webhook secrets. Throws where it refuses to.
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider
    /// One delivery as the real sender makes it. Only headers that the proof needs.
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery
    /// The bodies of one life, in order: a paid checkout, its subscription, its paid invoice, a failed payment, the end.
    var life: [Data] { get }
    /// A well-formed event of a type that the provider may invent tomorrow.
    var unknown: Data { get }
}

/// One check of a conformance kit and what was wrong, in sentences; empty: it holds.
public struct ConformanceFinding: Sendable, Hashable {
    public var check: String
    public var faults: [String]
    /// Not tried: the provider says that it cannot do this.
    public var isSkipped = false
    public var holds: Bool { faults.isEmpty }
}

/// Tries a payment provider the way a hostile network does. Every provider passes it, shipped or not.
public struct PaymentProviderConformance: Sendable {
    let subject: any PaymentProviderSubject
    let now: Timestamp
    static let old = "whsec_conformance_old"
    static let new = "whsec_conformance_new"

    public init(_ subject: any PaymentProviderSubject, now: Timestamp) {
        self.subject = subject
        self.now = now
    }

    /// Runs every check; the order is stable. `stoppingAtFault`: only until one does not hold.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable (any PaymentProvider) async throws -> [String])] = [
            ("a genuine webhook is verified and names its event", genuine),
            ("a webhook whose signature is missing, changed or another's is refused", forged),
            ("a webhook whose body changed by one byte is refused", tampered),
            ("a webhook is accepted up to 300 s from now and refused beyond, in both directions", freshness),
            ("old and new secret both count while rolling, and the old one no longer afterwards", rotation),
            ("without a webhook secret there is no provider", secretless),
            ("a repeated webhook has the same id and states the same facts", repeated),
            ("interpretation is pure: no order and no neighbour changes what an event states", pure),
            ("every fact carries the time of its event", timed),
            ("a life tells of a paid checkout, an active and an ended subscription, a paid and a failed invoice", telling),
            ("an unknown event type states nothing", unknownType),
            ("a signed body that is not the provider's is refused without harm", nonsense),
            ("an event with any member missing or of another type is interpreted or refused, never worse", mangled),
        ]
        let provider: any PaymentProvider
        do { provider = try await subject.provider(webhookSecrets: [Self.new, Self.old]) } catch {
            return [ConformanceFinding(check: "the provider starts with two webhook secrets", faults: ["It threw \(error)."])]
        }
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check(provider))) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: - Signatures

    private func signed(_ body: Data, secret: String = Self.new, at: Timestamp? = nil) -> WebhookDelivery {
        subject.delivery(body, secret: secret, signedAt: at ?? now, receivedAt: now)
    }

    /// Nil when refused in the one proper way, else what happened.
    private func refusal(_ provider: any PaymentProvider, _ delivery: WebhookDelivery, _ what: String) -> String? {
        do {
            _ = try provider.verify(delivery)
            return "\(what) was accepted."
        } catch is PaymentProviderError {
            return nil
        } catch {
            return "\(what) threw \(error), which is no PaymentProviderError."
        }
    }

    private func genuine(_ provider: any PaymentProvider) throws -> [String] {
        var ids: Set<String> = []
        return try subject.life.enumerated().flatMap { index, body in
            let event = try provider.verify(signed(body))
            var faults: [String] = []
            if event.id.isEmpty || event.type.isEmpty { faults.append("Event \(index) has no id or no type.") }
            if event.body != body { faults.append("Event \(index) does not carry the body's exact bytes.") }
            if !ids.insert(event.id).inserted { faults.append("Event \(index) has the id of an earlier one.") }
            return faults
        }
    }

    private func forged(_ provider: any PaymentProvider) -> [String] {
        guard let body = subject.life.first else { return ["The subject has no life."] }
        let proper = signed(body)
        var faults: [String?] = []
        faults.append(refusal(provider, WebhookDelivery(headers: [:], body: body, receivedAt: now), "A webhook without headers"))
        faults.append(refusal(provider, signed(body, secret: "whsec_somebody_else"), "A signature under another secret"))
        faults.append(refusal(provider, signed(body, secret: ""), "A signature under the empty secret"))
        for (name, value) in proper.headers {
            var without = proper
            without.headers[name] = nil
            faults.append(refusal(provider, without, "A webhook without \(name)"))
            var empty = proper
            empty.headers[name] = ""
            faults.append(refusal(provider, empty, "A webhook with an empty \(name)"))
            var long = proper
            long.headers[name] = value + String(repeating: ",v1=00", count: 100_000)
            faults.append(refusal(provider, long, "A webhook with a \(name) of 600,000 bytes"))
            let bytes = Array(value.utf8)
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= 1
                var delivery = proper
                delivery.headers[name] = String(decoding: changed, as: UTF8.self)
                faults.append(refusal(provider, delivery, "A webhook whose \(name) differs in byte \(index)"))
                delivery.headers[name] = String(decoding: bytes[..<index], as: UTF8.self)
                faults.append(refusal(provider, delivery, "A webhook whose \(name) ends after \(index) bytes"))
            }
        }
        return faults.compactMap { $0 }
    }

    private func tampered(_ provider: any PaymentProvider) -> [String] {
        subject.life.enumerated().flatMap { number, body in
            let proper = signed(body)
            var bodies: [(String, Data)] = [
                ("one byte longer", body + Data([10])), ("one byte shorter", Data(body.dropLast())), ("empty", Data()),
            ]
            for index in stride(from: 0, to: body.count, by: max(1, body.count / 64)) {
                var changed = Array(body)
                changed[index] ^= 1
                bodies.append(("changed in byte \(index)", Data(changed)))
            }
            if let value = try? JSONValue.parse(body), let printed = try? value.encoded(), printed != body {
                bodies.append(("printed anew with the same meaning", printed))
            }
            return bodies.compactMap { what, changed in
                var delivery = proper
                delivery.body = changed
                return refusal(provider, delivery, "Event \(number) \(what)")
            }
        }
    }

    private func freshness(_ provider: any PaymentProvider) -> [String] {
        guard let body = subject.life.first else { return [] }
        var faults: [String] = []
        for seconds: Int64 in [-300, 0, 300] {
            do { _ = try provider.verify(signed(body, at: now + .seconds(seconds))) } catch {
                faults.append("A webhook signed \(seconds) s from now was refused: \(error).")
            }
        }
        for seconds: Int64 in [-86_400, -3_600, -301, 301, 3_600, 86_400] {
            do {
                _ = try provider.verify(signed(body, at: now + .seconds(seconds)))
                faults.append("A webhook signed \(seconds) s from now was accepted.")
            } catch PaymentProviderError.stale {
                continue
            } catch {
                faults.append("A webhook signed \(seconds) s from now threw \(error) instead of .stale.")
            }
        }
        return faults
    }

    private func rotation(_ provider: any PaymentProvider) async throws -> [String] {
        guard let body = subject.life.first else { return [] }
        var faults: [String] = []
        for secret in [Self.old, Self.new] {
            do { _ = try provider.verify(signed(body, secret: secret)) } catch {
                faults.append("While rolling, \(secret) was refused: \(error).")
            }
        }
        let later = try await subject.provider(webhookSecrets: [Self.new])
        if let fault = refusal(later, signed(body, secret: Self.old), "After rolling, the old secret") { faults.append(fault) }
        return faults
    }

    private func secretless(_ provider: any PaymentProvider) async -> [String] {
        var faults: [String] = []
        for secrets in [[], [""], ["", " "]] {
            guard let open = try? await subject.provider(webhookSecrets: secrets), let body = subject.life.first else { continue }
            // A provider that makes its own secret may start; what it must not do is believe an unsigned or an empty-keyed webhook.
            for secret in ["", " "] {
                if let fault = refusal(
                    open, signed(body, secret: secret), "With the secrets \(secrets), a signature under \(secret.debugDescription)")
                {
                    faults.append(fault)
                }
            }
            let bare = WebhookDelivery(headers: [:], body: body, receivedAt: now)
            if let fault = refusal(open, bare, "With the secrets \(secrets), a webhook without headers") { faults.append(fault) }
        }
        return faults
    }

    // MARK: - Interpretation

    private func events(_ provider: any PaymentProvider) throws -> [VerifiedEvent] {
        try subject.life.map { try provider.verify(signed($0)) }
    }

    private func repeated(_ provider: any PaymentProvider) throws -> [String] {
        try subject.life.enumerated().compactMap { index, body in
            let first = try provider.verify(signed(body, at: now))
            let second = try provider.verify(signed(body, secret: Self.old, at: now + .seconds(30)))
            guard first == second else { return "Event \(index) differs when it is delivered again." }
            let same = try provider.interpret(first) == provider.interpret(second)
            return same ? nil : "Event \(index) states other facts when it is delivered again."
        }
    }

    private func pure(_ provider: any PaymentProvider) async throws -> [String] {
        let life = try events(provider)
        let expected = try life.map { try provider.interpret($0) }
        var faults: [String] = []
        for shift in life.indices {
            for order in [Array(life.indices), life.indices.reversed()] {
                for place in order {
                    let index = (place + shift) % life.count
                    if try provider.interpret(life[index]) != expected[index] {
                        faults.append("Event \(index) depends on what came before it.")
                    }
                }
            }
        }
        let fresh = try await subject.provider(webhookSecrets: [Self.new])
        for index in life.indices.reversed() where try fresh.interpret(life[index]) != expected[index] {
            faults.append("Event \(index) means something else to a provider that has just started.")
        }
        let concurrent = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { life.indices.allSatisfy { (try? provider.interpret(life[$0])) == expected[$0] } } }
            return await group.reduce(true) { $0 && $1 }
        }
        if !concurrent { faults.append("Events state other facts when many tasks ask at once.") }
        return faults
    }

    private func timed(_ provider: any PaymentProvider) throws -> [String] {
        try events(provider).enumerated().flatMap { index, event in
            try provider.interpret(event).filter { $0.asOf != event.createdAt }.map { _ in
                "A fact of event \(index) has another time than the event."
            }
        }
    }

    private func telling(_ provider: any PaymentProvider) throws -> [String] {
        let facts = try events(provider).flatMap { try provider.interpret($0) }
        var faults: [String] = []
        func expect(_ what: String, _ matches: (PaymentFact) -> Bool) {
            if !facts.contains(where: matches) { faults.append("No event states \(what).") }
        }
        expect("a paid checkout") { if case .checkout(let fact) = $0 { fact.isPaid && fact.reference != nil } else { false } }
        expect("an active subscription with its period") {
            if case .subscription(let fact) = $0 { fact.status == .active && fact.periodEnd != nil && fact.quantity > 0 } else { false }
        }
        expect("an ended subscription") {
            if case .subscription(let fact) = $0 { fact.status == .cancelled && fact.endedAt != nil } else { false }
        }
        expect("a paid invoice with subscription, amount and period") {
            if case .invoice(let fact) = $0 {
                fact.isPaid && fact.subscription != nil && fact.amount != nil && fact.periodEnd != nil
            } else {
                false
            }
        }
        expect("a failed invoice") { if case .invoice(let fact) = $0 { fact.hasFailed && !fact.isPaid } else { false } }
        return faults
    }

    private func unknownType(_ provider: any PaymentProvider) throws -> [String] {
        let event = try provider.verify(signed(subject.unknown))
        var faults = try provider.interpret(event).isEmpty ? [] : ["It stated facts."]
        if provider.understands(event.type) == true { faults.append("The provider claims to understand it, so nobody would count it.") }
        for event in try events(provider) where provider.understands(event.type) == false {
            faults.append("The provider says that it does not understand \(event.type), and states facts of it.")
        }
        return faults
    }

    // MARK: - Nonsense

    /// Verified and interpreted or refused: what remains is a fault.
    private func survived(_ provider: any PaymentProvider, _ body: Data, _ what: String) -> String? {
        do {
            let facts = try provider.interpret(provider.verify(signed(body)))
            return facts.contains { $0.hasEmptyID } ? "\(what) stated a fact about an object without an id." : nil
        } catch is PaymentProviderError {
            return nil
        } catch {
            return "\(what) threw \(error), which is no PaymentProviderError."
        }
    }

    private func nonsense(_ provider: any PaymentProvider) -> [String] {
        let texts = [
            "", " ", "null", "[]", "{}", "{", "0", "\"\"", "{\"id\":\"evt\"}", "{\"id\":null,\"type\":null,\"created\":null,\"data\":null}",
            "{\"id\":\"e\",\"type\":\"t\",\"created\":99999999999999999999}",
            "{\"id\":\"e\",\"type\":\"t\",\"created\":-9223372036854775808}",
            String(repeating: "[", count: 100_000), String(repeating: "{\"data\":", count: 10_000),
        ]
        var faults = texts.compactMap { text -> String? in
            let what = "The body \(text.prefix(40).debugDescription)"
            do {
                let facts = try provider.interpret(provider.verify(signed(Data(text.utf8))))
                return facts.isEmpty ? nil : "\(what) stated facts."
            } catch is PaymentProviderError {
                return nil
            } catch {
                return "\(what) threw \(error), which is no PaymentProviderError."
            }
        }
        faults += [survived(provider, Data([0xff, 0xfe, 0x00]), "A body that is not UTF-8")].compactMap { $0 }
        let huge = Data(repeating: UInt8(ascii: " "), count: 8_388_608)
        if let fault = refusal(provider, signed(huge), "A body of 8 MiB") { faults.append(fault) }
        return faults
    }

    private func mangled(_ provider: any PaymentProvider) throws -> [String] {
        let others: [JSONValue?] = [nil, .null, .string(""), .string("x"), .int(-1), .int(.max), .bool(true), .array([]), .object([:])]
        var faults: [String] = []
        for (number, body) in subject.life.enumerated() {
            let document = try JSONValue.parse(body)
            for path in document.paths(limit: 200) {
                for other in others {
                    let changed = try document.replacing(path[...], with: other).encoded()
                    let what = "Event \(number) with \(path.joined(separator: ".")) = \(other.map { "\($0)" } ?? "nothing")"
                    if let fault = survived(provider, changed, what) { faults.append(fault) }
                }
            }
        }
        return Array(faults.prefix(20))
    }
}

extension PaymentFact {
    var asOf: Timestamp {
        switch self {
        case .checkout(let fact): fact.asOf
        case .subscription(let fact): fact.asOf
        case .invoice(let fact): fact.asOf
        case .refund(let fact): fact.asOf
        case .dispute(let fact): fact.asOf
        case .decline(let fact): fact.asOf
        @unknown default: Timestamp(microseconds: 0)
        }
    }
    var hasEmptyID: Bool {
        switch self {
        case .checkout(let fact): fact.session.isEmpty
        case .subscription(let fact): fact.subscription.isEmpty
        case .invoice(let fact): fact.invoice.isEmpty
        case .refund(let fact): fact.refund.isEmpty
        case .dispute(let fact): fact.dispute.isEmpty
        case .decline(let fact): [fact.payment, fact.invoice, fact.customer].contains("")
        @unknown default: false
        }
    }
}
