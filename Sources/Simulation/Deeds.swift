import Foundation
import Vocabulary

/// Carries a step out as the people of a tenant would: over the platform's own routes, or on the provider's page. What fails in passing is
/// tried again under the same key.
struct Deeds {
    let run: SimulationRun
    let household: Int
    private static let patience = Duration.hours(1)
    private static let mostTries = 72

    /// Thrown where the platform went away under the caller's hands.
    private struct NoAnswer: Error {}

    func take(_ step: Script.Step, key: String, tries: Int) async throws {
        let name = await home.name
        do {
            let told = try await act(step.deed, key: key)
            if told.isPassing, tries < Self.mostTries {
                await run.note(name, .act, "\(step.deed.name): \(told.told), tries again in an hour")
                await run.again(household, step, key: key, tries: tries + 1, at: run.now + Self.patience)
            } else {
                await run.note(name, .act, told.sentence)
                if case .proof(let wanted?) = step.deed, told.told != wanted {
                    await run.find(name, "line \(step.line): the proof shows \(told.told), expected \(wanted)")
                }
                if case .call(let request) = step.deed, let wanted = request.status, wanted != told.status {
                    await run.find(name, "line \(step.line): \(request.method) \(request.path) answered \(told.told), expected \(wanted)")
                }
            }
        } catch is NoAnswer {
            await run.note(name, .act, "\(step.deed.name): nobody answers")
            if await run.answersAt <= run.now { await run.died(.minutes(1), "while it answers") }
            await run.again(household, step, key: key, tries: tries, at: run.answersAt + .seconds(1))
        }
    }

    /// What came of a step.
    private struct Told {
        var sentence: String
        var status = 200
        var told = "200"
        var isPassing = false

        init(_ sentence: String) { self.sentence = sentence }
        init(_ sentence: String, _ answer: Answer) {
            self.sentence = answer.isGood ? sentence : "\(sentence): refused, \(answer.told)"
            (status, told, isPassing) = (answer.status, answer.told, answer.isPassing)
        }
    }

    private var home: Household { get async { await run.households[household] } }

    private func ask(_ ask: Ask) async throws -> Answer {
        guard let answer = try await run.world.ask(ask) else { throw NoAnswer() }
        return answer
    }
    private func ask(as email: String, _ method: String, _ path: String, _ body: JSONValue? = nil, key: String? = nil) async throws
        -> Answer
    {
        guard let token = try await token(email) else { return Answer(status: 401, json: ["error": "cannot_sign_in"]) }
        return try await ask(Ask(method, path, body, token: token, key: key))
    }

    // MARK: - Signing in

    /// A token that is good now; nil: this person cannot sign in.
    func token(_ email: String) async throws -> String? {
        guard var person = await home.people[email] else { return nil }
        if let token = person.token, await run.now < person.tokenUntil { return token }
        var answer: Answer?
        if let refresh = person.refresh {
            answer = try await ask(Ask("POST", "/api/v1/auth/refresh", ["refresh_token": .string(refresh)]))
        }
        if answer?.isGood != true {
            answer = try await ask(
                Ask("POST", "/api/v1/auth/login", ["email": .string(email), "password": .string(Inhabitant.password)]))
        }
        guard let answer, answer.isGood, let token = answer.json["access_token"]?.string else { return nil }
        (person.token, person.refresh) = (token, answer.json["refresh_token"]?.string)
        person.tokenUntil = await run.now + Inhabitant.tokenLasts
        let known = person
        await run.update(household) { $0.people[email] = known }
        return token
    }

    // MARK: - Steps

    private func act(_ deed: Script.Deed, key: String) async throws -> Told {
        let owner = await home.owner
        switch deed {
        case .signUp: return try await signUp(owner)
        case .subscribe(let tier, let interval, let quantity): return try await subscribe(tier, interval, quantity, key)
        case .cardDeclines(let reason):
            return await atProvider("the card declines from now on: \(reason.rawValue)") { $0.cards[$1] = reason } ?? Told("no card yet")
        case .cardWorks:
            return await atProvider("the card pays again") { books, tenant in books.cards[tenant] = nil } ?? Told("no card yet")
        case .payOpen:
            let isPaid = await provider { books, tenant, now in books.payOpen(tenant, now: now) } ?? false
            return Told(isPaid ? "pays what is open, with a card that works" : "wants to pay, but nothing is open")
        case .refund:
            let isDone = await provider { books, tenant, now in books.giveBack(tenant, now: now) } ?? false
            return Told(isDone ? "the provider gives the last payment back" : "there is nothing to give back")
        case .dispute:
            let isDone = await provider { books, tenant, now in books.dispute(tenant, now: now) } ?? false
            return Told(isDone ? "the last payment is disputed" : "there is nothing to dispute")
        case .change(let tier, let interval, let quantity):
            var body: [String: JSONValue] = [:]
            if let tier { body["tier"] = .string(tier) }
            if let interval { body["interval"] = .string(interval.rawValue) }
            if let quantity { body["quantity"] = .int(Int64(quantity)) }
            let wish = [tier, interval.map { "by the \($0.rawValue)" }, quantity.map { "\($0) units" }].compactMap { $0 }
            let answer = try await ask(as: owner, "POST", "/api/v1/billing/subscription/change", .object(body), key: key)
            return Told("changes to \(wish.joined(separator: ", "))", answer)
        case .cancel(let when):
            let answer = try await ask(
                as: owner, "POST", "/api/v1/billing/subscription/cancel", ["when": .string(when.rawValue)], key: key)
            return Told("cancels, \(when == .now ? "now" : "with the period's end")", answer)
        case .resume:
            return Told(
                "takes the cancellation back", try await ask(as: owner, "POST", "/api/v1/billing/subscription/resume", [:], key: key))
        case .invite(let email, let role, let days): return try await invite(email, role, days)
        case .remove(let email): return try await remove(email)
        case .erase(let email): return try await erase(email)
        case .takeSeat(let email, let device): return try await takeSeat(email ?? owner, device, key)
        case .releaseSeat(let device): return try await releaseSeat(device, key)
        case .pause(let days):
            let until = await run.now + .days(Int64(days ?? 0))
            let body: JSONValue = days == nil ? [:] : ["resumes_at": .string(until.iso8601)]
            return Told(
                "pauses\(days.map { " for \($0) days" } ?? "")",
                try await ask(as: owner, "POST", "/api/v1/billing/subscription/pause", body, key: key))
        case .leave(let isNow, let reason):
            let body: JSONValue = ["reason": .string(reason), "when": isNow ? "now" : "period_end"]
            let answer = try await ask(as: owner, "POST", "/api/v1/offboarding", body, key: key)
            return Told("leaves, \(isNow ? "now" : "with the period's end"), for \(reason)", answer)
        case .comeBack:
            return Told("comes back", try await ask(as: owner, "POST", "/api/v1/offboarding/reactivate", [:], key: key))
        case .proof: return try await proof(owner)
        case .backUp:
            try await run.world.backUp()
            return Told("the operator takes a backup")
        case .call(let asked):
            let request = try await filled(asked)
            let answer = try await ask(as: request.email ?? owner, request.method, request.path, request.body, key: key)
            return Told("\(asked.method) \(asked.path): \(answer.told)", Answer(status: answer.status, json: answer.json))
        }
    }

    /// On the provider's side of this tenant; nil before there is one.
    private func provider<Value: Sendable>(_ work: @Sendable (inout ProviderBooks, String, Timestamp) -> Value) async -> Value? {
        guard let tenant = await home.tenant?.description else { return nil }
        return run.world.provider.inBooks { books, now in work(&books, tenant, now) }
    }
    private func atProvider(_ sentence: String, _ work: @Sendable (inout ProviderBooks, String) -> Void) async -> Told? {
        await provider { books, tenant, _ in work(&books, tenant) }.map { Told(sentence) }
    }

    private func signUp(_ email: String) async throws -> Told {
        let name = await home.name
        let form: JSONValue = [
            "email": .string(email), "password": .string(Inhabitant.password), "first_name": "Ada",
            "last_name": .string(Inhabitant(email: email).surname), "organization": .string(name),
        ]
        let signed = try await ask(Ask("POST", "/api/v1/auth/signup", form))
        guard signed.isGood else { return Told("signs up", signed) }
        _ = try await run.work()
        if let token = run.world.post.token(to: email, "verify_email") {
            let verified = try await ask(Ask("POST", "/api/v1/auth/verify-email", ["token": .string(token)]))
            _ = try await run.work()
            if !verified.isGood, try await self.token(email) == nil { return Told("confirms the address", verified) }
        }
        let mine = try await ask(as: email, "GET", "/api/v1/orgs/current")
        let id = (mine.json["organization"]?["id"] ?? mine.json["tenant"]?["id"] ?? mine.json["id"])?.string
        guard mine.isGood, let tenant = id.flatMap({ TenantID($0) }) else { return Told("signs up and signs in", mine) }
        await run.update(household) { $0.tenant = tenant }
        return Told("signs up, confirms the address, signs in")
    }

    private func subscribe(_ tier: String, _ interval: BillingInterval, _ quantity: Int, _ key: String) async throws -> Told {
        let wish = "\(quantity) × \(tier) by the \(interval.rawValue)"
        let body: JSONValue = ["tier": .string(tier), "interval": .string(interval.rawValue), "quantity": .int(Int64(quantity))]
        let opened = try await ask(as: home.owner, "POST", "/api/v1/billing/checkout", body, key: key)
        guard opened.isGood, let session = opened.json["session_id"]?.string else { return Told("buys \(wish)", opened) }
        let isPaid = run.world.provider.inBooks { books, now in books.pay(session, now: now) }
        return Told(isPaid ? "buys \(wish)" : "wants \(wish), but the card is declined")
    }

    // MARK: - Leaving

    /// What the link of the newest mail about leaving shows to whoever holds it, account or none.
    private func proof(_ email: String) async throws -> Told {
        let mailed = ["offboarding_purged", "offboarding_export", "offboarding_requested"].lazy
        guard let token = mailed.compactMap({ run.world.post.token(to: email, $0, for: "/offboarding/proof/page") }).first else {
            return Told("no mail has a link to the proof")
        }
        let answer = try await ask(Ask("GET", "/api/v1/offboarding/proof?token=\(token)"))
        guard answer.isGood, let state = answer.json["state"]?.string else { return Told("asks for the proof of deletion", answer) }
        let steps = answer.json["steps"]?.array ?? []
        let done = steps.filter { $0["done_at"]?.string != nil }.count
        let isSigned = answer.json["certificate"]?["signature"]?.string?.isEmpty == false
        var told = Told("asks for the proof of deletion: \(state), \(done) of \(steps.count) steps\(isSigned ? ", signed" : "")")
        told.told = state == "purged" && !isSigned ? "purged without a certificate" : state
        return told
    }

    // MARK: - Names for ids

    /// A call's path and body with what only the run knows: `$(tenant NAME)`, `$(license NAME)`, `$(seat DEVICE)`.
    private func filled(_ request: Script.Request) async throws -> Script.Request {
        var known: [String: String] = [:]
        for other in await run.households {
            known["$(tenant \(other.name))"] = other.tenant?.description
            known["$(license \(other.name))"] = other.keys.keys.min()
        }
        for (device, session) in await home.sessions { known["$(seat \(device))"] = session }
        let names = known
        func fill(_ text: String) -> String { names.reduce(text) { $0.replacing($1.key, with: $1.value) } }
        func fill(_ value: JSONValue) -> JSONValue {
            switch value {
            case .string(let text): .string(fill(text))
            case .array(let items): .array(items.map(fill))
            case .object(let members): .object(members.mapValues(fill))
            default: value
            }
        }
        var request = request
        request.path = fill(request.path)
        request.body = request.body.map(fill)
        return request
    }

    // MARK: - People

    private func invite(_ email: String, _ role: String, _ days: Int?) async throws -> Told {
        var body: [String: JSONValue] = ["email": .string(email), "role": .string(role)]
        if let days { body["ends_at"] = .string((await run.now + .days(Int64(days))).iso8601) }
        let answer = try await ask(as: home.owner, "POST", "/api/v1/invitations", .object(body))
        guard answer.isGood else { return Told("invites \(email) as \(role)", answer) }
        _ = try await run.work()
        guard let token = run.world.post.token(to: email, "invitation") else { return Told("invites \(email) as \(role); no mail came") }
        let acceptance: JSONValue = [
            "token": .string(token), "password": .string(Inhabitant.password), "first_name": "Grace",
            "last_name": .string(Inhabitant(email: email).surname),
        ]
        let accepted = try await ask(Ask("POST", "/api/v1/invitations/accept", acceptance))
        if accepted.isGood {
            let end = await run.now + .days(Int64(days ?? 0))
            await run.update(household) {
                $0.people[email] = Inhabitant(email: email)
                $0.people[email]?.belongsUntil = days == nil ? nil : end
            }
        }
        return Told("invites \(email) as \(role), who accepts", accepted)
    }

    private func remove(_ email: String) async throws -> Told {
        let members = try await ask(as: home.owner, "GET", "/api/v1/memberships?limit=100")
        let found = members.json["memberships"]?.array?.first { $0["email"]?.string == email }
        guard let id = found?["id"]?.string else { return Told("removes \(email), who is no member") }
        let answer = try await ask(as: home.owner, "DELETE", "/api/v1/memberships/\(id)")
        let now = await run.now
        if answer.isGood { await run.update(household) { $0.people[email]?.belongsUntil = now } }
        return Told("removes \(email)", answer)
    }

    /// Asks for erasure, as somebody who has just signed in.
    private func erase(_ email: String) async throws -> Told {
        await run.update(household) { $0.people[email]?.signOut() }
        let answer = try await ask(as: email, "POST", "/api/v1/data-requests", ["kind": "erasure"])
        let at = answer.json["act_at"]?.string.flatMap { Timestamp(iso8601: $0) }
        if answer.isGood, let at { await run.update(household) { $0.people[email]?.erasedAt = at } }
        return Told("\(email) asks to be erased", answer)
    }

    private func takeSeat(_ email: String, _ device: String, _ key: String) async throws -> Told {
        let body: JSONValue = ["hardware_id": .string(device), "hostname": .string(device), "os": "linux", "version": "1"]
        let answer = try await ask(as: email, "POST", "/api/v1/licenses/acquire", body, key: key)
        guard answer.isGood, let session = answer.json["session_id"]?.string else {
            return Told("\(email) wants a seat on \(device)", answer)
        }
        await run.update(household) { $0.sessions[device] = session }
        let (used, total) = (answer.json["seats_used"]?.int ?? 0, answer.json["seats_total"]?.int ?? 0)
        return Told("\(email) takes a seat on \(device): \(used) of \(total)")
    }

    private func releaseSeat(_ device: String, _ key: String) async throws -> Told {
        guard let session = await home.sessions[device] else { return Told("no seat was taken on \(device)") }
        let answer = try await ask(
            as: home.owner, "POST", "/api/v1/licenses/release", ["session_id": .string(session)], key: key)
        return Told("gives the seat on \(device) back", answer)
    }
}
