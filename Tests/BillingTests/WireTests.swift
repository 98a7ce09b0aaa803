import Foundation
import HTTPEdge
import KeyValue
import RoomTesting
import Testing
import Vocabulary

@testable import Billing

/// Requests and exact answers, through the edge.
@Suite("On the wire")
struct WireTests {
    struct Door: Authenticator, Authorizer {
        let house: House
        func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller? {
            let tenants = ["owner": house.tenant, "viewer": house.tenant, "stranger": house.stranger]
            guard let tenant = tenants[token], let membership = MembershipID("01890000-0000-7000-8000-00000000000c") else { return nil }
            let principal = Principal(
                user: House.user, tenant: tenant, membership: membership, session: House.session,
                role: token == "viewer" ? "viewer" : "owner")
            return AuthenticatedCaller(principal: principal, tokenID: "t")
        }
        func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller? { nil }
        func require(_ permission: Permission, of principal: Principal, act: Act) async throws {
            guard principal.role == "owner" else { throw CommonProblems.forbidden }
        }
    }

    final class Observer: EdgeObserver {
        let seen = Guarded<[AnsweredRequest]>([])
        let faults = Guarded<[String]>([])
        func answered(_ request: AnsweredRequest) { seen.with { $0.append(request) } }
        func faulted(_ error: any Error, requestID: String, route: String?) { faults.with { $0.append("\(error)") } }
    }

    struct Wire {
        let house: House
        let edge: Edge
        let observer = Observer()

        init(_ house: House) throws {
            self.house = house
            let door = Door(house: house)
            edge = try Edge(
                routes: house.billing.routes(), guards: EdgeGuards(authenticator: door, authorizer: door, keyValue: InProcessKeyValue()),
                clock: house.clock, entropy: SeededEntropy(5), settings: Settings(), secret: Array(repeating: 7, count: 32),
                observer: observer)
        }

        /// Status and body, without the request id.
        func send(
            _ method: String, _ target: String, _ body: String = "", token: String? = "owner", headers: [String: String] = [:]
        ) async throws -> (status: Int, text: String) {
            var fields = headers
            fields["host"] = "app.example"
            if let token { fields["authorization"] = "Bearer \(token)" }
            if !body.isEmpty { fields["content-type"] = "application/json" }
            let reply = await edge.respond(
                to: RawRequest(method: method, target: target, headers: HeaderFields(fields), body: Data(body.utf8)))
            let text = String(decoding: reply.body, as: UTF8.self).replacing(/,"request_id":"[^"]*"/, with: "")
            #expect(observer.seen.with { $0.last?.isDocumented } == true, "\(method) \(target) answered \(reply.status) \(text)")
            #expect(observer.faults.with { $0 } == [])
            return (reply.status, text)
        }
    }

    @Test("a checkout answers session and url, under each of its names")
    func checkout() async throws {
        let wire = try Wire(try await House.make())
        let paths = [
            "/api/v1/billing/checkout", "/api/v1/billing/checkout/session", "/api/v1/checkout/session", "/api/v1/stripe/create-checkout",
            "/api/stripe/create-checkout",
        ]
        for (number, path) in paths.enumerated() {
            let answer = try await wire.send("POST", path, #"{"tier":"team","interval":"month","quantity":2}"#)
            #expect(answer == (200, #"{"session_id":"cs_\#(number + 1)","url":"https://pay.example/\#(number + 1)"}"#))
        }
        let byPrice = try await wire.send("POST", "/api/v1/billing/checkout", #"{"price_id":"price_pro","quantity":1}"#)
        #expect(byPrice.status == 200)
        #expect(wire.house.provider.requests.last?.successURL == "http://app.example/billing/success")
    }

    @Test("an Idempotency-Key gives the same answer again, and another body with it is refused")
    func idempotency() async throws {
        let wire = try Wire(try await House.make())
        let key = ["idempotency-key": "k1"]
        let body = #"{"tier":"team","interval":"month"}"#
        let first = try await wire.send("POST", "/api/v1/billing/checkout", body, headers: key)
        #expect(try await wire.send("POST", "/api/v1/billing/checkout", body, headers: key) == first)
        let other = try await wire.send("POST", "/api/v1/billing/checkout", #"{"tier":"pro","interval":"month"}"#, headers: key)
        #expect(other.status == 422 && other.text.contains(#""error":"idempotency_key_reused""#))
        #expect(wire.house.provider.requests.count == 1)
    }

    static let wrongOrders: [(body: String, status: Int, text: String)] = [
        (
            #"{"tier":"4242424242424242","interval":"month"}"#, 422,
            #"{"error":"card_number_refused","message":"This looks like a card number.","hint":"Never send card numbers here; they belong on the payment provider's page only.","fields":[{"field":"tier"}]}"#
        ),
        (
            #"{"tier":"team","interval":"month","card_number":"4242424242424242"}"#, 422,
            #"{"error":"validation_failed","message":"The request has invalid fields.","hint":"See fields: each names its place and the rule.","fields":[{"field":"card_number","rule":"is not a known field"}]}"#
        ),
        (
            #"{"tier":"enterprise","interval":"year"}"#, 409,
            #"{"error":"tier_by_contract","message":"The price of this tier is agreed by contract.","hint":"Ask for an offer; contact_url says where.","contact_url":"/contact"}"#
        ),
        (
            #"{"tier":"gold","interval":"year"}"#, 422,
            #"{"error":"unknown_tier","message":"There is no such tier.","hint":"GET /api/v1/plans lists what is offered."}"#
        ),
        (
            #"{"tier":"team","interval":"month","provider":"broken"}"#, 503,
            #"{"error":"provider_unavailable","message":"The payment provider is not in service here.","hint":"Its plugin did not start; the operator's log says why. Deliver again later.","retry_after":60}"#
        ),
    ]

    @Test("an order that cannot be answers its code and hint", arguments: wrongOrders)
    func refusals(body: String, status: Int, text: String) async throws {
        let wire = try Wire(try await House.make())
        #expect(try await wire.send("POST", "/api/v1/billing/checkout", body) == (status, text))
    }

    @Test("without a token nothing, without the permission nothing")
    func access() async throws {
        let wire = try Wire(try await House.make())
        for (method, path) in [
            ("POST", "/api/v1/billing/checkout"), ("POST", "/api/v1/billing/portal"), ("GET", "/api/v1/billing/subscription"),
            ("GET", "/api/v1/billing/invoices"),
        ] {
            let body = path.hasSuffix("checkout") ? #"{"tier":"team","interval":"month"}"# : ""
            #expect(try await wire.send(method, path, body, token: nil).status == 401)
            #expect(try await wire.send(method, path, body, token: "viewer").status == 403)
        }
        #expect(wire.house.provider.requests.isEmpty)
    }

    @Test("subscription and invoices answer every field, and nobody else's")
    func reading() async throws {
        let house = try await House.make()
        let wire = try Wire(house)
        #expect(try await wire.send("GET", "/api/v1/billing/subscription") == (200, #"{"subscription":null,"subscriptions":[]}"#))
        try await house.checkout()
        for told in Lives.fail.events { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        house.clock.advance(by: day(31) - day(0))
        let answer = try await wire.send("GET", "/api/v1/billing/subscription")
        let id = try #require(try await house.subscription()?.id)
        let view =
            #"{"cancels_at":null,"change":null,"coupon":null,"created_at":"2027-01-15T08:00:00Z","grace_until":"2027-02-21T08:00:00Z","id":"\#(id)","#
            + #""interval":"month","period_end":"2027-02-14T08:00:00Z","provider":"fake","quantity":1,"quantity_wish":null,"#
            + #""reason":"payment_failed","seats":1,"#
            + #""status":"grace","tier":"team","trial_ends_at":null}"#
        #expect(answer == (200, #"{"subscription":\#(view),"subscriptions":[\#(view)]}"#))
        let first = try await wire.send("GET", "/api/v1/billing/invoices?limit=1")
        let match = try #require(first.text.firstMatch(of: /"next_cursor":"([^"]+)"/))
        #expect(first.text.contains(#""number":"in_2_a""#) && first.text.contains(#""status":"failed""#))
        let second = try await wire.send("GET", "/api/v1/billing/invoices?limit=1&cursor=\(match.1)")
        let invoice = try #require(second.text.firstMatch(of: /"id":"([^"]+)"/)).1
        #expect(
            second.text
                == #"{"invoices":[{"amount":{"amount_minor":2900,"currency":"USD"},"id":"\#(invoice)","issued_at":"2027-01-15T08:00:00Z","#
                + #""next_attempt_at":null,"number":"in_1_a","paid_at":"2027-01-15T08:00:00Z","period_end":"2027-02-14T08:00:00Z","#
                + #""period_start":"2027-01-15T08:00:00Z","provider":"fake","status":"paid"}],"next_cursor":null}"#)
        #expect(try await wire.send("GET", "/api/v1/billing/invoices?cursor=x").status == 422)
        #expect(
            try await wire.send("GET", "/api/v1/billing/invoices", token: "stranger") == (200, #"{"invoices":[],"next_cursor":null}"#))
        #expect(try await wire.send("GET", "/api/v1/billing/subscription", token: "stranger").text.contains("null"))
        #expect(try await wire.send("POST", "/api/v1/billing/portal", "{}") == (200, #"{"url":"https://pay.example/portal/cus_1_a"}"#))
        #expect(try await wire.send("POST", "/api/v1/billing/portal", token: "stranger").status == 409)
    }

    @Test("a webhook is answered 200 once it is stored, again for a repetition, and 400, 404 or 503 for what is none")
    func webhook() async throws {
        let house = try await House.make()
        let wire = try Wire(house)
        let told = Told("e1", Say.plan(.active))
        let body = String(
            decoding: try JSONEncoder().encode(FakeProvider.Body(id: told.id, type: "t", at: told.at, facts: told.facts)), as: UTF8.self)
        let valid = ["fake-signature": "valid"]
        for path in ["/webhooks/fake", "/api/v1/webhooks/fake", "/webhooks/fake"] {
            #expect(try await wire.send("POST", path, body, token: nil, headers: valid) == (200, #"{"received":true}"#))
        }
        #expect(try await house.events().count == 1)
        #expect(
            try await wire.send("POST", "/webhooks/fake", body, token: nil)
                == (
                    400,
                    #"{"error":"webhook_signature_invalid","message":"The signature does not prove where this came from.","hint":"Check the webhook secret on both sides."}"#
                ))
        #expect(try await wire.send("POST", "/webhooks/fake", body, token: nil, headers: ["fake-signature": "stale"]).status == 400)
        #expect(try await wire.send("POST", "/webhooks/fake", "nonsense", token: nil, headers: valid).status == 400)
        #expect(try await wire.send("POST", "/webhooks/nobody", body, token: nil, headers: valid).status == 404)
        #expect(try await wire.send("POST", "/webhooks/broken", body, token: nil, headers: valid).status == 503)
    }
}
