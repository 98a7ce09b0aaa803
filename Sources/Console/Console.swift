import Billing
import Catalog
import Foundation
import HTTPEdge
import Identity
import Licensing
import Notifications
import Seats
import Tenancy
import Vocabulary

/// Who comes in, and how.
package struct ConsoleAccounts: Sendable {
    package let identity: Identity
    package let federation: Federation
    package let people: People
    package let factors: Factors
    package let apiKeys: APIKeys
    package let tenancy: Tenancy
    package init(
        identity: Identity, federation: Federation, people: People, factors: Factors, apiKeys: APIKeys, tenancy: Tenancy
    ) {
        self.apiKeys = apiKeys
        self.tenancy = tenancy
        self.identity = identity
        self.federation = federation
        self.factors = factors
        self.people = people
    }
}

/// The services that pages stand on.
package struct ConsoleServices: Sendable {
    package let identity: Identity
    package let federation: Federation
    package let people: People
    package let factors: Factors
    package let apiKeys: APIKeys
    package let tenancy: Tenancy
    package let catalog: Catalog
    package let billing: Billing
    package let licenses: Licenses
    package let leases: Leases
    package let mailbox: Mailbox?
    /// Everything else that pages show and do, as the API does it.
    package let operations: Operations
    /// Which regions a sign-up may choose; none where one is alone.
    package var regions: [RegionChoice] = []
    package init(
        accounts: ConsoleAccounts, catalog: Catalog, billing: Billing, licenses: Licenses, leases: Leases, mailbox: Mailbox?,
        operations: Operations
    ) {
        self.operations = operations
        identity = accounts.identity
        federation = accounts.federation
        people = accounts.people
        factors = accounts.factors
        apiKeys = accounts.apiKeys
        tenancy = accounts.tenancy
        self.catalog = catalog
        self.billing = billing
        self.licenses = licenses
        self.leases = leases
        self.mailbox = mailbox
    }
}

/// A region as whoever signs up sees it.
package struct RegionChoice: Sendable {
    let name: String
    let url: String
    let isHome: Bool
    package init(_ region: Region, url: String, isHome: Bool) {
        name =
            switch region {
            case .us: "United States"
            case .eu: "European Union"
            case .apac: "Asia and Pacific"
            }
        self.url = url
        self.isHome = isHome
    }
}

/// The web pages. They do nothing that the API does not: each handler calls a room's service and shows what came of it.
package struct Console: Sendable {
    let services: ConsoleServices
    let renderer: PageRenderer
    let authorizer: any Authorizer
    let entropy: any Entropy
    let claim: String

    package init(services: ConsoleServices, brand: String, settings: Settings, authorizer: any Authorizer, entropy: any Entropy) throws {
        self.services = services
        self.renderer = try PageRenderer(brand: brand, settings: settings)
        self.authorizer = authorizer
        self.entropy = entropy
        claim = settings[ConsoleSettings.claim]
    }

    package func routes() -> [Route] {
        [homeRoute, stylesheetRoute] + entryRoutes + passwordRoutes + administratorRoutes + invitationRoutes + planRoutes + licenceRoutes
            + mailboxRoutes + signInPages + ssoPages + securityPages + peoplePages + ownPages + staffPages + teamPages + workPages
            + leavingPages + projectPages
    }

    // MARK: What every page needs

    /// The frame of a page: who is signed in, and the hidden field that its forms carry.
    func frame(_ title: String, _ call: Call, problem: Problem? = nil) -> PageRenderer.Frame {
        var frame = PageRenderer.Frame(title: title, isSignedIn: call.principal != nil, csrf: Self.hiddenField(call), problem: problem)
        frame.isStaff = call.principal.map { Role.ofPlatform.map(\.rawValue).contains($0.role) } ?? false
        if let delegation = call.principal?.bounds.delegation, case .impersonation = delegation {
            frame.place = .init(until: StaffPlace(call)?.until)
        }
        return frame
    }

    func page(_ template: String, _ frame: PageRenderer.Frame, _ values: [String: Any] = [:], status: Int = 200) throws -> Reply {
        try renderer.page(template, frame, values, status: frame.problem?.status ?? status)
    }

    /// A page that is one form. What was sent is kept, but for secrets; what was wrong stands at its field and on top.
    func form(_ form: PageForm, _ call: Call, sent: SentForm? = nil, problem: Problem? = nil, hidden: [String: String] = [:]) throws
        -> Reply
    {
        var frame = frame(form.heading, call, problem: problem)
        frame.fields = form.fields
        let hidden = hidden.sorted { $0.key < $1.key }.map { ["name": $0.key, "value": $0.value] }
        return try page(
            "form", frame,
            [
                "heading": form.heading, "intro": form.intro, "action": form.action, "button": form.button, "hidden": hidden,
                "fields": form.fields.map { $0.shown(sent, problem, holding: form.values[$0.name] ?? "") },
                "after": form.after.map { ["before": $0.before, "words": $0.words, "target": $0.target] },
            ])
    }

    /// The markup of the hidden field; the token is base64url, so nothing needs escaping.
    static func hiddenField(_ call: Call) -> String { "<input type=\"hidden\" name=\"\(CSRF.field)\" value=\"\(call.csrf)\">" }

    func message(_ heading: String, _ paragraphs: [String], _ call: Call, links: [(String, String)] = []) throws -> Reply {
        let shown = links.map { ["words": $0.0, "target": $0.1] }
        return try page("message", frame(heading, call), ["heading": heading, "paragraphs": paragraphs, "links": shown])
    }

    /// Whether the caller has the permission. A fault is thrown, a refusal is an answer.
    func may(_ permission: Permission, _ caller: Principal, _ call: Call) async throws -> Bool {
        do {
            try await authorizer.require(permission, of: caller, act: call.act)
            return true
        } catch let problem as Problem where problem.status == 403 { return false }
    }

    /// A page of a browser route: `GET` shows, `POST` acts.
    func route(
        _ method: HTTPEdge.Method, _ path: String, _ name: String, _ summary: String, limit: LimitClass = .standard,
        proof: RouteProof = .usual, clue: RegionClue? = nil,
        handler: @escaping @Sendable (Call) async throws -> Reply
    ) -> Route {
        Route(
            method, path, name: "pages.\(name)", summary: summary, access: .page, limit: limit, proof: proof,
            answers: [RouteAnswer(200, "The page.", contentType: "text/html; charset=utf-8"), RouteAnswer(303, "On to the next page.")],
            clue: clue, handler: answering(back: proof.back, handler))
    }

    /// What a handler throws, as a page.
    func answering(
        back: String?, _ handler: @escaping @Sendable (Call) async throws -> Reply
    ) -> @Sendable (Call) async throws -> Reply {
        { call in
            do { return try await handler(call) } catch let problem as Problem {
                if problem.status == 401 {
                    return .redirect(to: StaffPlace(call) == nil ? "/sign-in?next=\(call.path)" : "/staff/places/back")
                }
                if problem.code == CommonProblems.stepUpRequired.code {
                    return .redirect(to: "/account/confirm?next=\(back ?? call.path)")
                }
                return try self.page(
                    "message", self.frame(problem.title, call, problem: problem),
                    [
                        "heading": "That did not work", "reference": call.act.requestID,
                        "links": back.map { [["words": "Back", "target": $0]] } ?? [],
                    ])
            }
        }
    }

    /// A problem that the edge raised before any page was asked.
    package func problemPage(_ problem: Problem, requestID: String) -> String {
        let frame = PageRenderer.Frame(title: problem.title, problem: problem)
        guard let reply = try? renderer.page("message", frame, ["heading": "That did not work", "reference": requestID]) else {
            return problem.title
        }
        return String(decoding: reply.body, as: UTF8.self)
    }

    private var stylesheetRoute: Route {
        Route(
            .get, renderer.stylesheetPath, name: "pages.stylesheet", summary: "The style sheet; its name changes with its bytes.",
            access: .page,
            limit: .unlimited, proof: .enrolment, answers: [RouteAnswer(200, "The style sheet.", contentType: "text/css; charset=utf-8")],
            handler: { _ in
                Reply(
                    status: 200,
                    headers: [("content-type", "text/css; charset=utf-8"), ("cache-control", "public, max-age=31536000, immutable")],
                    body: renderer.stylesheet)
            })
    }

    private var homeRoute: Route {
        route(.get, "/", "home", "What there is, and what it costs.", proof: .enrolment) { call in
            let plans = services.catalog.current.offered.map { tier -> [String: Any] in
                let own = call.principal == nil ? "/sign-up?tier=\(tier.id)" : "/plans?tier=\(tier.id)"
                let link = tier.isByContract ? (tier.contactURL ?? own) : own
                return [
                    "name": tier.name, "price": PlanWords.price(tier), "yearly": PlanWords.yearly(tier), "points": PlanWords.points(tier),
                    "link": link, "action": tier.isByContract ? "Talk to us about" : tier.isFree ? "Start with" : "Choose",
                ]
            }
            return try page("home", frame(claim, call), ["claim": claim, "plans": plans])
        }
    }
}

/// A page that is one form.
struct PageForm: Sendable {
    let heading: String
    var intro: [String] = []
    /// Where it is sent.
    let action: String
    var fields: [FormField] = []
    /// What the fields hold already, by name.
    var values: [String: String] = [:]
    let button: String
    var after: [(before: String, words: String, target: String)] = []
}
