import Catalog
import Foundation
import HTTPEdge
import PluginKit
import Vocabulary

/// What is agreed with single tenants, as staff agrees it, changes it and ends it.
extension Console {
    private static let reason = FormField(
        name: "reason", label: "Reason", hint: "The tenant reads it, beside what was agreed and in its journal.", maxLength: 200)
    private static let version = "version"

    var contractPages: [Route] {
        [agreePage, agreeContract, contractPage, revisePage, reviseContract, endContract]
    }

    private static func tenantPath(_ call: Call) throws -> String {
        let id: TenantID = try call.id("id")
        return "/staff/tenants/\(id)"
    }
    private static func contractPath(_ call: Call) throws -> String {
        let id: ContractID = try call.id("contract")
        return "\(try tenantPath(call))/contracts/\(id)"
    }
    private func contract(_ call: Call) async throws -> JSONValue {
        let id: ContractID = try call.id("contract")
        let found = try await ask("admin.contracts.list", call, ["id": call.parameters["id"] ?? ""])
        guard let one = found.list("contracts").first(where: { $0.text("id") == id.description }) else { throw CommonProblems.notFound }
        return one
    }

    static func contractTable(_ found: JSONValue, _ path: String) -> Desk.Table {
        Desk.Table(
            anchor: "contracts", caption: "Contracts", columns: ["Tier", "State", "From", "Until", "Reason"],
            rows: found.list("contracts").map { one in
                let reason = one.list("versions").first?.text("reason") ?? ""
                return Desk.Row(
                    cells: [
                        one.text("tier"), state(one), one.moment("starts_at"), one.moment("ends_at", or: "no end"), reason,
                    ],
                    ways: [Desk.Way(words: "Open", target: "\(path)/contracts/\(one.text("id"))", whom: "\(one.text("tier")), \(reason)")])
            }, more: [("Agree a contract", "\(path)/agree")])
    }
    private static func state(_ contract: JSONValue) -> String {
        contract.text("status") + (contract["is_readable"]?.bool == false ? ", does not fit the tier any more" : "")
    }

    // MARK: One contract

    private var contractPage: Route {
        route(.get, "/staff/tenants/{id}/contracts/{contract}", "staff_contract", "One contract, and what it changes of its tier.") {
            call in
            let (one, path, tenant) = (try await contract(call), try Self.contractPath(call), try Self.tenantPath(call))
            let tier = one.text("tier")
            var desk = Desk(
                heading: "A contract about \(tier)",
                intro: ["What it changes holds between its dates. Each change of it is a version, which the tenant reads with its reason."],
                facts: [
                    ("State", Self.state(one)), ("From", one.moment("starts_at")), ("Until", one.moment("ends_at", or: "no end")),
                    ("Version", one.text("version")),
                ],
                tables: [
                    Desk.Table(
                        anchor: "changes", caption: "What it changes", columns: ["Field", "Tier", "Contract"],
                        rows: one.list("changes").map { change in
                            Desk.Row(
                                cells: [change.text("field"), Self.shown(change["listed"]), Self.shown(change["agreed"])])
                        }),
                    Desk.Table(
                        anchor: "versions", caption: "Versions, the newest first",
                        columns: ["Version", "Written", "From", "Until", "Reason"],
                        rows: one.list("versions").map { version in
                            Desk.Row(
                                cells: [
                                    version.text("version"), version.moment("made_at"), version.moment("starts_at"),
                                    version.moment("ends_at", or: "no end"), version.text("reason"),
                                ])
                        }),
                ], elsewhere: [("Back to the tenant", tenant)] + Self.staffWays)
            guard one.text("status") != "ended" else { return try self.desk(desk, call) }
            desk.tables[0].more = [("Change it", "\(path)/revise")]
            let words = one.text("status") == "scheduled" ? "Let it never begin" : "End it now"
            desk.forms = [
                Desk.Form(
                    anchor: "end", title: words, action: "\(path)/end",
                    fields: [
                        Self.reason, FormField(name: Self.version, label: "Version", hint: "Another one is not ended.", maxLength: 7),
                    ],
                    values: [Self.version: one.text("version")], button: words)
            ]
            return try self.desk(desk, call)
        }
    }
    /// A field's value as a person reads it.
    private static func shown(_ value: JSONValue?) -> String {
        switch value {
        case .none, .some(.null): "nothing"
        case .some(.string(let text)): text
        case .some(.int(let number)): String(number)
        case .some(.bool(let holds)): holds ? "yes" : "no"
        case .some(let other): other.asMoney ?? String(decoding: JSONWriter.data(other), as: UTF8.self)
        }
    }

    private var endContract: Route {
        acting("/staff/tenants/{id}/contracts/{contract}/end", "staff_contract_end", "End a contract now, or before it begins.") { call in
            let (one, sent) = (try await contract(call), try SentForm(call))
            // One that has not begun ends where it begins, so that it never holds.
            let end = one.text("status") == "scheduled" ? one.text("starts_at") : call.act.now.iso8601
            var terms = SentTerms(tier: one.text("tier"), terms: one["terms"] ?? [:])
            terms.startsAt = one["starts_at"]?.string
            terms.endsAt = end
            try await write(terms, sent, call)
            return .redirect(to: try Self.contractPath(call))
        }
    }

    // MARK: Agreeing and changing

    private var agreePage: Route {
        route(.get, "/staff/tenants/{id}/agree", "staff_agree_form", "Agree a contract with a tenant.") { call in
            guard try await may(ask: "admin.contracts.agree", of: call) else { throw CommonProblems.forbidden }
            return try form(agreeForm(try Self.tenantPath(call)), call)
        }
    }
    private func agreeForm(_ path: String) -> PageForm {
        let catalog = services.catalog.current
        let tier = FormField(
            name: "tier", label: "Tier", options: catalog.tiers.map { .init(value: $0.id.name, words: "\($0.name) (\($0.id))") })
        let currency = catalog.tiers.lazy.compactMap { $0.prices.values.first?.currency.code }.first
        return PageForm(
            heading: "Agree a contract", intro: [Self.formIntro], action: "\(path)/agree", fields: [tier] + Self.contractFields,
            values: ["currency": currency ?? "USD"], button: "Agree it",
            after: [("", "Back to the tenant", path)])
    }
    private static let formIntro =
        "What stands here takes the place of the tier's own for this tenant alone. What is left empty stays as the tier has it."
    private static let contractFields = [
        FormField(name: "seats_per_unit", label: "Seats for each unit", maxLength: 7, isOptional: true),
        FormField(name: "devices", label: "Devices for each unit", hint: "A number, or unlimited.", maxLength: 9, isOptional: true),
        FormField(name: "trial_days", label: "Days of trial", maxLength: 3, isOptional: true),
        FormField(name: "price_month", label: "Price a month", hint: "Such as 99.00.", maxLength: 20, isOptional: true),
        FormField(name: "price_year", label: "Price a year", maxLength: 20, isOptional: true),
        FormField(name: "currency", label: "Currency of both", maxLength: 3, isOptional: true),
        FormField(
            name: "terms", label: "Further fields", hint: "As JSON, such as {\"entitlements\": {\"sla\": true}}; null takes one away.",
            maxLength: 8_000, isOptional: true),
        FormField(
            name: "first_day", label: "First day", type: "date", hint: "In UTC. Empty: from now on.", maxLength: 10, isOptional: true),
        FormField(name: "last_day", label: "Last day", type: "date", hint: "In UTC. Empty: no end.", maxLength: 10, isOptional: true),
        reason,
    ]

    private var agreeContract: Route {
        acting("/staff/tenants/{id}/agree", "staff_agree", "Agree a contract with a tenant.") { call in
            let (path, sent) = (try Self.tenantPath(call), try SentForm(call))
            do {
                var terms = try Self.terms(sent, of: sent["tier"])
                terms.startsAt = try Self.beginning("first_day", sent)?.iso8601
                terms.endsAt = try Self.end(sent)?.iso8601
                let made = try await ask(
                    "admin.contracts.agree", call, ["id": call.parameters["id"] ?? ""], body: terms.body(sent["reason"]))
                return .redirect(to: "\(path)/contracts/\(made.text("id"))")
            } catch let problem as Problem where Self.isOfForm(problem) {
                return try form(agreeForm(path), call, sent: sent, problem: Self.named(problem))
            }
        }
    }

    private var revisePage: Route {
        route(.get, "/staff/tenants/{id}/contracts/{contract}/revise", "staff_revise_form", "Another version of a contract.") { call in
            guard try await may(ask: "admin.contracts.revise", of: call) else { throw CommonProblems.forbidden }
            let one = try await contract(call)
            return try form(Self.reviseForm(one, try Self.contractPath(call)), call, hidden: [Self.version: one.text("version")])
        }
    }
    private static func reviseForm(_ contract: JSONValue, _ path: String) -> PageForm {
        PageForm(
            heading: "Change a contract about \(contract.text("tier"))",
            intro: [formIntro, "It is written whole: what is taken out here is not agreed any more."], action: "\(path)/revise",
            fields: contractFields, values: values(of: contract), button: "Write the version", after: [("", "Back to the contract", path)])
    }
    private var reviseContract: Route {
        acting("/staff/tenants/{id}/contracts/{contract}/revise", "staff_revise", "Write another version of a contract.") { call in
            let (one, path, sent) = (try await contract(call), try Self.contractPath(call), try SentForm(call))
            do {
                var terms = try Self.terms(sent, of: one.text("tier"))
                // A day that is not changed leaves the moment as it was.
                let held = Self.values(of: one)
                terms.startsAt =
                    sent["first_day"] == held["first_day"] ? one["starts_at"]?.string : try Self.beginning("first_day", sent)?.iso8601
                terms.endsAt = sent["last_day"] == held["last_day"] ? one["ends_at"]?.string : try Self.end(sent)?.iso8601
                try await write(terms, sent, call)
                return .redirect(to: path)
            } catch let problem as Problem where Self.isOfForm(problem) {
                return try form(
                    Self.reviseForm(one, path), call, sent: sent, problem: Self.named(problem), hidden: [Self.version: sent[Self.version]])
            }
        }
    }

    private func write(_ terms: SentTerms, _ sent: SentForm, _ call: Call) async throws {
        guard let version = Int64(sent[Self.version]) else { throw CommonProblems.invalid(Self.version, "must be a whole number") }
        var body = terms.body(sent["reason"]).object ?? [:]
        body[Self.version] = .int(version)
        let parameters = ["id": call.parameters["id"] ?? "", "contract": call.parameters["contract"] ?? ""]
        _ = try await ask("admin.contracts.revise", call, parameters, body: .object(body))
    }

    // MARK: Between form and terms

    /// What a form says, as the API takes it.
    private struct SentTerms {
        let tier: String
        let terms: JSONValue
        var startsAt: String?
        var endsAt: String?

        func body(_ reason: String) -> JSONValue {
            [
                "tier": .string(tier), "terms": terms, "starts_at": startsAt.map { .string($0) } ?? .null,
                "ends_at": endsAt.map { .string($0) } ?? .null, "reason": .string(reason),
            ]
        }
    }

    private static func isOfForm(_ problem: Problem) -> Bool {
        [409, 422].contains(problem.status) && problem.code != CommonProblems.stepUpRequired.code
    }
    /// What the tier's table complains of stands at the field that holds everything.
    private static func named(_ problem: Problem) -> Problem {
        guard let complaints = problem.fields["complaints"]?.array else { return problem }
        let rule = "cannot be read: " + complaints.compactMap(\.string).joined(separator: "; ")
        return problem.with(["fields": [["field": "terms", "rule": .string(rule)]]])
    }

    private static func terms(_ sent: SentForm, of tier: String) throws(Problem) -> SentTerms {
        var terms: [String: JSONValue] = [:]
        if let text = sent.optional("terms") {
            guard let read = try? JSONReader.read(Data(text.utf8)), let fields = read.object else {
                throw CommonProblems.invalid("terms", "must be a JSON object")
            }
            terms = fields
        }
        for name in ["seats_per_unit", "devices", "trial_days"] {
            guard let text = sent.optional(name)?.trimmingCharacters(in: .whitespaces), !text.isEmpty else { continue }
            if name == "devices", text == "unlimited" {
                terms[name] = .string(text)
            } else {
                guard let number = Int64(text) else { throw CommonProblems.invalid(name, "must be a whole number") }
                terms[name] = .int(number)
            }
        }
        var prices = terms["prices"]?.object ?? [:]
        for interval in BillingInterval.allCases {
            guard let text = sent.optional("price_\(interval.rawValue)") else { continue }
            guard let currency = Currency(sent["currency"]) else {
                throw CommonProblems.invalid("currency", "must be an ISO 4217 code such as EUR")
            }
            guard let money = Money(decimal: text.trimmingCharacters(in: .whitespaces), currency: currency), money.amountMinor >= 0 else {
                throw CommonProblems.invalid("price_\(interval.rawValue)", "must be an amount such as 99.00")
            }
            prices[interval.rawValue] = ["amount_minor": .int(money.amountMinor), "currency": .string(currency.code)]
        }
        if !prices.isEmpty { terms["prices"] = .object(prices) }
        return SentTerms(tier: tier, terms: .object(terms))
    }

    /// The same way back: what has a field of its own stands there, everything else among the further ones.
    static func values(of contract: JSONValue) -> [String: String] {
        var terms = contract["terms"]?.object ?? [:]
        var values: [String: String] = [:]
        for name in ["seats_per_unit", "devices", "trial_days"] {
            guard let held = terms[name], let text = held.int.map({ String($0) }) ?? (held == "unlimited" ? "unlimited" : nil) else {
                continue
            }
            values[name] = text
            terms[name] = nil
        }
        if let prices = terms["prices"]?.object {
            let read = prices.compactMapValues { price in
                price["amount_minor"]?.int.flatMap { minor in
                    price["currency"]?.string.flatMap { Currency($0) }.map { Money(amountMinor: minor, currency: $0) }
                }
            }
            if read.count == prices.count, Set(read.values.map(\.currency)).count == 1, prices.values.allSatisfy({ $0.object?.count == 2 })
            {
                for (interval, price) in read {
                    values["price_\(interval)"] = price.decimal
                    values["currency"] = price.currency.code
                }
                terms["prices"] = nil
            }
        }
        if !terms.isEmpty { values["terms"] = String(decoding: JSONWriter.data(.object(terms)), as: UTF8.self) }
        values["first_day"] = contract["starts_at"]?.string.map { String($0.prefix(10)) } ?? ""
        let end = contract["ends_at"]?.string.flatMap { Timestamp(iso8601: $0) }
        values["last_day"] = end.map { String(($0 - .microseconds(1)).iso8601.prefix(10)) } ?? ""
        return values
    }
}
