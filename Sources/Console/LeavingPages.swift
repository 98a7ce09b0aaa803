import HTTPEdge
import Vocabulary

/// How the whole organization leaves, and comes back.
extension Console {
    private static let leaving = "/leaving"

    var leavingPages: [Route] {
        [
            leavingPage,
            asking(
                "\(Self.leaving)/request", "leaving_request", "Let the organization leave.", "offboarding.request",
                on: { _ in Self.leaving }, isSensitive: true
            ) { sent in
                var body: [String: JSONValue] = ["reason": .string(sent["reason"]), "when": .string(sent["when"])]
                if let feedback = sent.optional("feedback") { body["feedback"] = .string(feedback) }
                return .object(body)
            },
            answerOffer("take", true), answerOffer("refuse", false), step("withdraw", "Stay after all."),
            step("reactivate", "Come back with everything that is kept."),
        ]
    }

    private func answerOffer(_ verb: String, _ takes: Bool) -> Route {
        asking(
            "\(Self.leaving)/offer/\(verb)", "leaving_\(verb)", "\(verb.capitalized) what is offered.", "offboarding.answer_offer",
            on: { _ in Self.leaving }, isSensitive: true
        ) { _ in ["take": .bool(takes)] }
    }
    private func step(_ verb: String, _ summary: String) -> Route {
        asking(
            "\(Self.leaving)/\(verb)", "leaving_\(verb)", summary, "offboarding.\(verb)", on: { _ in Self.leaving }, isSensitive: true)
    }

    private var leavingPage: Route {
        route(.get, Self.leaving, "leaving", "How the organization leaves, step by step.") { call in
            let caller = try call.caller()
            let ways = caller.bounds.isLeaving ? [] : Self.deskWays
            let mayAsk = try await may(ask: "offboarding.request", of: call)
            do {
                let found = try await ask("offboarding.progress", call)
                return try desk(Self.leavingDesk(found, mayAsk: mayAsk, elsewhere: ways), call)
            } catch let problem as Problem where problem.status == 404 {
                return try desk(Self.requestDesk(mayAsk: mayAsk, elsewhere: ways), call)
            }
        }
    }

    /// Nobody has asked for it yet, or it was taken back.
    private static func requestDesk(mayAsk: Bool, elsewhere: [(words: String, target: String)]) -> Desk {
        Desk(
            heading: "Leaving",
            intro: ["Your organization is not leaving.", mayAsk ? "" : "Its owners can ask for it."].filter { !$0.isEmpty },
            forms: mayAsk ? [requestForm] : [], elsewhere: elsewhere)
    }
    private static let requestForm = Desk.Form(
        anchor: "leave", title: "Leave", action: "\(leaving)/request",
        fields: [
            FormField(
                name: "reason", label: "Why",
                options: [
                    .init(value: "price", words: "The price"), .init(value: "missing_feature", words: "Something is missing"),
                    .init(value: "quality", words: "The quality"), .init(value: "no_need", words: "We need it no more"),
                    .init(value: "other", words: "Something else"),
                ]),
            FormField(name: "feedback", label: "What would have made you stay", maxLength: 4_000, isOptional: true),
            FormField(
                name: "when", label: "When",
                hint: "Until then it can be withdrawn. Afterwards everything is kept for a while and can come back.",
                options: [
                    .init(value: "period_end", words: "At the end of what is paid"),
                    .init(value: "now", words: "Now: everybody's access ends"),
                ]),
        ], button: "Let the whole organization leave")

    /// What `offboarding.progress` answers.
    static func leavingDesk(_ found: JSONValue, mayAsk: Bool, elsewhere: [(words: String, target: String)]) -> Desk {
        let state = found.text("state")
        let isAsked = causes[found.text("cause")] == nil
        var desk = Desk(
            heading: "Leaving", intro: [intro(found)],
            facts: [
                (isAsked ? "Asked for" : "Known since", found.moment("asked_at")), ("Access ends", found.moment("leaves_at")),
                ("Kept for", "\(found.text("retention_days")) days"),
            ], elsewhere: elsewhere)
        if let why = causes[found.text("cause")] { desk.facts.insert(("Why", why), at: 0) }
        if state == "offered" || state == "scheduled", found["can_return_until"]?.string != nil {
            desk.facts.append(("You can come back until about", found.moment("can_return_until")))
        }
        if found["retained_until"]?.string != nil { desk.facts.append(("Kept until", found.moment("retained_until"))) }
        if found["is_held"]?.bool == true { desk.intro.append("A legal hold keeps everything from being deleted until it is lifted.") }
        desk.tables.append(
            Desk.Table(
                anchor: "steps", caption: "Steps", columns: ["Phase", "Step", "Done"],
                rows: found.list("steps").map { one in
                    Desk.Row(
                        cells: [one.text("phase"), one.text("step").replacing(":", with: ", "), one.moment("done_at", or: "not yet")])
                }))
        guard mayAsk else { return desk }
        func press(_ path: String, _ title: String, _ button: String) -> Desk.Form {
            Desk.Form(
                anchor: path.replacing("/", with: "-"), title: title, action: "\(leaving)/\(path)", fields: [], button: button)
        }
        switch state {
        case "offered":
            let offer = found["offer"]
            let discount = offer?["discount_basis_points"]?.int.map { ": \($0 / 100) % less" } ?? ""
            desk.facts.append(("We offer", (offer?.words("kind") ?? "") + discount))
            desk.forms = [
                press("offer/take", "Stay", "Take the offer and stay"), press("offer/refuse", "Leave all the same", "Refuse it and leave"),
                press("withdraw", "Stay as it is", "Withdraw and stay"),
            ]
        case "scheduled":
            // What was planned for a cancelled subscription can still be wished otherwise.
            desk.forms = [press("withdraw", "Stay", "Withdraw and stay")] + (isAsked ? [] : [requestForm])
        case "retained": desk.forms = [press("reactivate", "Come back", "Come back with everything that is kept")]
        case "withdrawn", "reactivated", "purged": desk.forms = [requestForm]
        default: break
        }
        return desk
    }

    private static func intro(_ found: JSONValue) -> String {
        let state = found.text("state")
        if found["called_off_at"]?.string != nil {
            return "Your organization was about to leave. Something is paid for again, so it stays."
        }
        if found.text("cause") == "cancelled", state == "offered" || state == "scheduled" {
            let offer = state == "offered" ? " We have an offer for you to stay." : ""
            return
                "Your subscription is cancelled and nothing takes its place, so your organization leaves at the moment below. Nothing has happened"
                + " yet. If you take the cancellation back or buy something else, it stays.\(offer)"
        }
        return words[state] ?? state
    }
    private static let causes = ["cancelled": "The subscription was cancelled", "lapsed": "Nothing was paid for a long time"]
    private static let words = [
        "offered": "You asked to leave, and we have an offer. Nothing has happened yet.",
        "scheduled": "Your organization leaves at the moment below. Nothing has happened yet.",
        "leaving": "Access has ended; what remains is being done.",
        "retained": "Your organization has left. Everything is kept until the moment below, and can come back until then.",
        "purging": "Everything is being deleted.", "purged": "Everything is deleted.", "withdrawn": "You asked to leave, and stayed.",
        "reactivated": "Your organization left, and came back.",
    ]
}
