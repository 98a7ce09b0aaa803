import HTTPEdge
import Vocabulary

/// The own workstation, what is set up for the organization, what is used of its quotas, and which mails come.
extension Console {
    private static let workstation = "/workstation"
    private static let mails = "/account/mails"
    /// How often a page that waits looks by itself; afterwards the person decides.
    private static let mostLooks = 60

    var workPages: [Route] { [workstationPage, enterWorkstation, usagePage, mailsPage, chooseMail] + workstationActs }

    // MARK: The workstation

    private var workstationPage: Route {
        route(.get, Self.workstation, "workstation", "The own workstation, how far it is, and what is set up.") { call in
            var desk = Desk(heading: "Your workstation", elsewhere: Self.deskWays)
            var isMoving = false
            if let own = try await part("workstations.own", call) {
                isMoving = own["work"]?.string != nil
                Self.show(own, in: &desk)
            } else {
                desk.intro.append("You have none. Whether you get one is a matter of your role and of your organization's plan.")
            }
            if let plan = try await part("workstations.plan", call) {
                isMoving = isMoving || plan.text("state") == "running"
                desk.tables.append(Self.planTable(plan))
                if plan.text("state") == "failed" {
                    desk.forms.append(
                        Desk.Form(
                            anchor: "retry", title: "It failed", action: "\(Self.workstation)/plan/retry", fields: [],
                            button: "Begin it anew"))
                }
            }
            let look = min(max(Int(call.query["look"] ?? "") ?? 0, 0), Self.mostLooks)
            if isMoving, look < Self.mostLooks {
                desk.intro.append("This page looks again every 5 seconds.")
                desk.refresh = "5; url=\(Self.workstation)?look=\(look + 1)"
            }
            return try self.desk(desk, call)
        }
    }

    private static func show(_ own: JSONValue, in desk: inout Desk) {
        let (state, path) = (own.text("state"), "\(workstation)/\(own.text("id"))")
        desk.facts = [
            ("State", own["work"]?.string.map { "\(state), at work: \($0)" } ?? state), ("Machine", own.text("machine_type")),
            ("Disk", own.bytes("disk_bytes")), ("Stops when idle for", own["idle_timeout_seconds"]?.int.map(Spans.words) ?? ""),
        ]
        if own["stops_at"]?.string != nil { desk.facts.append(("Stops at", own.moment("stops_at"))) }
        if own["retry_at"]?.string != nil { desk.facts.append(("Goes on at", own.moment("retry_at"))) }
        if !own.text("note").isEmpty { desk.facts.append(("Note", own.text("note"))) }
        if !own.list("steps").isEmpty {
            desk.tables.append(
                Desk.Table(
                    anchor: "steps", caption: "Steps that are done", columns: ["Step", "When"],
                    rows: own.list("steps").map { Desk.Row(cells: [$0.words("name"), $0.moment("at")]) }))
        }
        let ways: [(verb: String, title: String, button: String)] =
            switch state {
            case "running": [("enter", "Go in", "Show the way in"), ("stop", "Stop", "Stop it; what is on it stays")]
            case "stopped": [("start", "Start", "Start it")]
            default: []
            }
        desk.forms += ways.map { Desk.Form(anchor: $0.verb, title: $0.title, action: "\(path)/\($0.verb)", fields: [], button: $0.button) }
    }

    private var workstationActs: [Route] {
        ["start", "stop"].map { verb in
            asking(
                "\(Self.workstation)/{id}/\(verb)", "workstation_\(verb)", "\(verb.capitalized) the own workstation.",
                "workstations.\(verb)", on: { _ in Self.workstation })
        } + [
            asking(
                "\(Self.workstation)/plan/retry", "plan_retry", "Begin a plan anew that failed.", "workstations.retry_plan",
                on: { _ in Self.workstation })
        ]
    }

    private var enterWorkstation: Route {
        acting("\(Self.workstation)/{id}/enter", "workstation_enter", "Where the own workstation is reached.") { call in
            let way = try await ask("workstations.enter", call, call.parameters)
            var desk = Desk(heading: "Into your workstation", elsewhere: [("Back to the workstation", Self.workstation)])
            let address = way.text("address")
            if address.hasPrefix("https://") || address.hasPrefix("http://") { desk.elsewhere.insert(("Open it", address), at: 0) }
            desk.facts = [("Address", address)]
            if !way.text("token").isEmpty { desk.shownOnce = ("Its token", way.text("token")) }
            var reply = try self.desk(desk, call)
            reply.headers.append(("cache-control", "no-store"))
            return reply
        }
    }

    // MARK: What is used

    private var usagePage: Route {
        route(.get, "/usage", "usage", "What is used of the quotas, and of files.") { call in
            let meters = try await part("billing.usage", call)
            let files = try await part("files.usage", call)
            guard meters != nil || files != nil else { throw CommonProblems.forbidden }
            var desk = Desk(heading: "Usage", elsewhere: Self.deskWays)
            if let meters {
                desk.charts.append(
                    Desk.Chart(
                        anchor: "quotas", caption: "Quotas of your plan", labels: ["Quota", "Used"],
                        bars: meters.list("meters").map { one in
                            let (used, limit) = (one["used"]?.int ?? 0, one["limit"]?.int)
                            let warning = one["soft_limit"]?.int.map { used >= $0 && limit != nil ? ", nearly used up" : "" } ?? ""
                            let words =
                                "\(used) of \(limit.map { String($0) } ?? "any number")\(warning), until \(one.moment("period_end"))"
                            return Desk.Bar(label: one.words("meter"), words: words, thousandths: Self.share(used, of: limit))
                        }))
            }
            if let files {
                let (projects, most) = (files["projects"]?.int ?? 0, files["max_projects"]?.int)
                let stored = (files["stored_bytes"]?.int ?? 0) + (files["reserved_bytes"]?.int ?? 0)
                desk.charts.append(
                    Desk.Chart(
                        anchor: "files", caption: "Projects and files", labels: ["What", "Used"],
                        bars: [
                            Desk.Bar(
                                label: "Projects", words: "\(projects) of \(most.map { String($0) } ?? "any number")",
                                thousandths: Self.share(projects, of: most)),
                            Desk.Bar(
                                label: "Files", words: "\(Spans.bytes(stored)) of \(files.bytes("max_bytes", or: "any size"))",
                                thousandths: Self.share(stored, of: files["max_bytes"]?.int)),
                        ]))
            }
            return try self.desk(desk, call)
        }
    }
    private static func share(_ used: Int64, of limit: Int64?) -> Int {
        guard let limit, limit > 0 else { return 0 }
        return Int(min(1, Double(used) / Double(limit)) * 1_000)
    }

    // MARK: Mails

    private var mailsPage: Route {
        route(.get, Self.mails, "mails", "Which mails the caller gets.") { call in
            let found = try await ask("users.mails", call)
            return try desk(
                Desk(
                    heading: "Mails", intro: ["What your safety or your contract asks for always comes. These you can do without."],
                    tables: [
                        Desk.Table(
                            anchor: "mails", caption: "Mails", columns: ["About", "Comes"],
                            rows: found.list("mails").map { one in
                                let isWanted = one["is_wanted"]?.bool == true
                                let way = Desk.Way(
                                    words: isWanted ? "Stop" : "Let come",
                                    target: "\(Self.mails)/\(one.text("template"))/\(isWanted ? "stop" : "start")",
                                    whom: one.words("template"))
                                return Desk.Row(cells: [one.words("template"), isWanted ? "yes" : "no"], acts: [way])
                            })
                    ], elsewhere: Self.deskWays), call)
        }
    }

    private var chooseMail: Route {
        acting("\(Self.mails)/{template}/{wish}", "mail_choose", "Stop mails of one kind, or let them come.") { call in
            let wish = call.parameters["wish"]
            guard wish == "stop" || wish == "start" else { throw CommonProblems.notFound }
            let body: JSONValue = ["template": .string(call.parameters["template"] ?? ""), "is_wanted": .bool(wish == "start")]
            _ = try await ask("users.choose_mails", call, body: body)
            return .redirect(to: Self.mails)
        }
    }
}
