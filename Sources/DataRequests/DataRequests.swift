import Foundation
import HookEngine
import Identity
import Signing
import Store
import Tenancy
import Vocabulary

package enum DataRequestsRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "data_requests", bundle: .module) }
}

/// How a person stands, as far as requests go by it.
package struct PersonStanding: Sendable, Hashable {
    /// The last owner of a tenant with other members.
    package var isLastOwner: Bool
    /// Has a role of the platform: whoever runs it would else lock everybody out.
    package var isStaff: Bool
    package var hasLegalHold: Bool
    package var region: String
    package init(isLastOwner: Bool, isStaff: Bool, hasLegalHold: Bool, region: String) {
        self.isLastOwner = isLastOwner
        self.isStaff = isStaff
        self.hasLegalHold = hasLegalHold
        self.region = region
    }
}

/// What other rooms do for a person's rights; Composition hands it over.
package protocol PersonDesk: Sendable {
    /// Throws unless the caller proved in person, a moment ago, who it is.
    func prove(_ caller: Principal, _ act: Act) async throws
    func standing(of person: UserID, in tenant: TenantID, _ act: Act) async throws -> PersonStanding
    /// Keeps everything and uses it for nothing. `isOwnWish`: the person lifts it, else only staff does.
    func restrict(_ person: UserID, isOwnWish: Bool, _ act: Act) async throws
    /// Destroys what tells who the person is, everywhere; may be repeated after a crash.
    func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder]
    /// Room → table → rows.
    func records(of person: UserID) async throws -> [String: [String: [JSONValue]]]
}

/// Takes what people ask for by their rights, lets policy plan it, does it, and minds the clock.
package struct DataRequests: Sendable {
    let floor: RoomFloor
    let desk: any PersonDesk
    package init(_ floor: RoomFloor, desk: any PersonDesk) {
        self.floor = floor
        self.desk = desk
    }
    var store: any Store { floor.store }
    package var sealer: any Sealer { floor.sealer }
    static let reading = KernelReason("data_requests.read")
    static let asking = KernelReason("data_requests.ask")
    static let closing = KernelReason("data_requests.close")
    private struct Begun: Codable, Sendable { let id: DataRequest.ID }

    /// The newest first, at most 200.
    package func requests(of person: UserID) async throws -> [DataRequest] {
        try await store.kernelRead(Self.reading) { db in try db.rows(DataRequestTable.ofPerson, person).map(DataRequest.init) }
    }
    /// Another's is not found.
    package func find(_ id: DataRequest.ID, of person: UserID? = nil) async throws -> DataRequest {
        let found = try await store.kernelRead(Self.reading) { db in try db.row(DataRequestTable.find, id).map(DataRequest.init) }
        guard let found, person == nil || found.person == person else { throw CommonProblems.notFound }
        return found
    }
    /// Everybody's, the newest first.
    package func page(before: DataRequest.ID?, limit: Int) async throws -> [DataRequest] {
        try await store.kernelRead(Self.reading) { db in
            let start = before?.uuid.bytes ?? [UInt8](repeating: 0xff, count: 16)
            return try db.rows(DataRequestTable.page, start, limit).map(DataRequest.init)
        }
    }

    // MARK: - Asking

    /// Asks for a right. What the policy plans is done by the kernel or waits for staff; the clock runs from now.
    package func ask(_ kind: DataRequest.Kind, note: String?, by caller: Principal, _ act: Act) async throws -> DataRequest {
        if let known = try await store.recalled(act, as: Begun.self) { return try await find(known.id, of: caller.user) }
        try await desk.prove(caller, act)
        let standing = try await desk.standing(of: caller.user, in: caller.tenant, act)
        if [.erasure, .restriction, .objection].contains(kind) {
            if standing.isLastOwner { throw TenancyProblems.lastOwner }
            if standing.isStaff { throw AccountProblems.untouchable }
        }
        let plan = try await plan(kind, caller, standing, act)
        let course = Course(plan, kind, now: act.now)
        let id: DataRequest.ID = floor.entropy.id(act.now)
        let box = try note.map { try floor.sealer.seal(Array($0.utf8), person: caller.user, context: Self.context(id, "note")) }
        let due = act.now + .days(Int64(floor.settings[DataRequestSettings.dueDays]))
        // Whose account is closed or erased has no address any more: these mails go to the one that it has now.
        let address = course.actAt == nil ? nil : try await floor.addresses.address(of: caller.user)?.email
        let addressBox = try address.map { try floor.sealer.seal(Array($0.utf8), context: Self.context(id, "address")) }
        let planned = String(
            decoding: try JSONCoding.encode(DataRequest.Planned(actions: course.actions, mail: course.mail)), as: UTF8.self)
        let begun = try await store.kernel(Self.asking, .flushed) { db in
            try db.once(act) {
                guard try db.row(DataRequestTable.openOne, caller.user, kind.rawValue) == nil else { throw DataRequestProblems.alreadyOpen }
                try db.run(
                    DataRequestTable.insert, id, caller.user, caller.tenant, kind.rawValue, course.state.rawValue, box, planned,
                    course.actAt,
                    act.now, due, course.outcome, course.state.isOver ? act.now : nil, course.state.isOver ? nil : addressBox)
                try db.journal(
                    JournalEntry(
                        "data_request.received", subject: "data_request:\(id)",
                        details: [
                            "kind": .string(kind.rawValue), "user": .string(caller.user.description),
                            "state": .string(course.state.rawValue),
                            "due_at": .string(due.iso8601), "plan": .array(course.actions.map { .string($0) }),
                        ], decision: plan.decision), act, tenant: caller.tenant)
                let post = Post(id: id, person: caller.user, address: address)
                try send("data_request_received", post, ["kind": kind.rawValue, "due_at": due.iso8601], db, act)
                if let outcome = course.outcome {
                    try send(course.mail ?? Self.doneMail, post, ["kind": kind.rawValue, "outcome": outcome], db, act)
                }
                for reason in course.notices { try tellStaff(reason, id, caller.tenant, db, act) }
                try schedule(id, course, due: due, db, act)
                return Begun(id: id)
            }
        }
        return try await find(begun.id, of: caller.user)
    }

    private func plan(_ kind: DataRequest.Kind, _ caller: Principal, _ standing: PersonStanding, _ act: Act) async throws -> Plan {
        let input = OnDataRequest.Input(
            kind: kind, user: caller.user.description, role: caller.role, isLastOwner: standing.isLastOwner, region: standing.region,
            hasLegalHold: standing.hasLegalHold, daysOpen: 0)
        let subject = HookSubject(tenant: caller.tenant, tier: nil, requestID: act.requestID, now: act.now, asksTenant: false)
        do { return try await floor.hooks.plan(OnDataRequest.self, input, subject) } catch is HookFailure {
            throw CommonProblems.denied("policy_failed")
        }
    }

    private func schedule(_ id: DataRequest.ID, _ course: Course, due: Timestamp, _ db: any KernelScope, _ act: Act) throws {
        if let at = course.actAt { try Self.later(Self.carryJob, id, at: at, db, act) }
        guard !course.state.isOver else { return }
        let reminder = max(act.now, due - .days(Int64(floor.settings[DataRequestSettings.remindDays])))
        try Self.later(Self.remindJob, id, at: reminder, db, act)
        try Self.later(Self.lapseJob, id, at: due, db, act)
    }

    /// No longer wanted. What is done stays done, and an erasure goes through many rooms: from its moment on it goes on to its end.
    package func withdraw(_ id: DataRequest.ID, by caller: Principal, _ act: Act) async throws -> DataRequest {
        let request = try await find(id, of: caller.user)
        guard !request.state.isOver else { throw DataRequestProblems.over.with(["state": .string(request.state.rawValue)]) }
        if let at = request.actAt, at <= act.now, request.plan.contains("erase_data") { throw DataRequestProblems.begun }
        try await close(request, .withdrawn, "withdrawn", act)
        return try await find(id, of: caller.user)
    }

    /// Staff answers what the kernel does not do by itself.
    package func answer(_ id: DataRequest.ID, isGranted: Bool, _ words: String, _ act: Act) async throws -> DataRequest {
        let request = try await find(id)
        guard !request.state.isOver else { throw DataRequestProblems.over.with(["state": .string(request.state.rawValue)]) }
        // What the kernel does can be refused by nobody but the policy, before it began.
        guard request.actAt == nil else { throw DataRequestProblems.byItself }
        let box = try floor.sealer.seal(Array(words.utf8), person: request.person, context: Self.context(id, "answer"))
        try await close(request, isGranted ? .done : .refused, isGranted ? "answered" : "refused_by_staff", answer: box, act)
        return try await find(id)
    }

    // MARK: - Closing

    /// Along the declared life only, from the state that was seen; the person is told.
    func close(
        _ request: DataRequest, _ state: DataRequest.State, _ outcome: String, remainders: [ClosureRemainder] = [], answer: [UInt8]? = nil,
        _ act: Act
    ) async throws {
        guard let transition = dataRequestLifecycle.transition(from: request.state, to: state) else {
            throw DataRequestProblems.over.with(["state": .string(request.state.rawValue)])
        }
        let listed = String(decoding: try JSONCoding.encode(remainders), as: UTF8.self)
        try await store.kernel(Self.closing, .flushed) { db in
            guard
                try db.row(
                    DataRequestTable.close, request.id, request.state.rawValue, state.rawValue, outcome, listed, answer, act.now) != nil
            else { throw DataRequestProblems.over.with(["state": .string(request.state.rawValue)]) }
            try db.journal(
                JournalEntry(
                    "data_request.\(transition.past)", subject: "data_request:\(request.id)",
                    details: [
                        "kind": .string(request.kind.rawValue), "user": .string(request.person.description), "outcome": .string(outcome),
                        "remains": .int(Int64(remainders.count)),
                    ]), act, tenant: request.askedIn)
            if outcome == "erased" { try db.run(DataRequestTable.blank, request.person) }
            let address = try request.addressBox.map {
                String(decoding: try floor.sealer.open($0, context: Self.context(request.id, "address")), as: UTF8.self)
            }
            try send(
                state == .done ? request.mail ?? Self.doneMail : Self.doneMail,
                Post(id: request.id, person: request.person, address: address),
                ["kind": request.kind.rawValue, "outcome": outcome], db, act)
        }
    }

    // MARK: - What is written and told

    static func context(_ id: DataRequest.ID, _ field: String) -> String { "data_request.\(field):\(id)" }

    static let doneMail = "data_request_done"

    /// Whom a mail about a request reaches.
    struct Post: Sendable {
        let id: DataRequest.ID
        let person: UserID
        /// Nil: the account's, when the mail goes out.
        let address: String?
    }

    func send(_ template: String, _ post: Post, _ values: [String: String], _ db: any SQLScope, _ act: Act) throws {
        let key = "\(template):\(post.id)"
        guard let address = post.address else {
            return try db.emit(MailRequested(recipient: .user(post.person), template: template, values: values, key: key), act)
        }
        let box = try floor.sealer.seal(
            Array(address.utf8), context: MailRequested.context(template: template, name: "address", key: key))
        try db.emit(
            MailRequested(
                recipient: .invited(floor.entropy.id(act.now)), template: template, values: values,
                sealed: ["address": Data(box).base64EncodedString()], key: key), act)
    }
    func tellStaff(_ reason: String, _ id: DataRequest.ID, _ tenant: TenantID, _ db: any SQLScope, _ act: Act) throws {
        try db.emit(
            MailRequested(
                recipient: .staff, template: "staff_notice",
                values: ["reason": reason, "tenant": tenant.description, "data_request": id.description], key: "staff:\(reason):\(id)"), act
        )
    }
}

/// What a plan makes of a request.
struct Course: Sendable, Hashable {
    var state: DataRequest.State
    var outcome: String?
    var actAt: Timestamp?
    var actions: [String]
    var mail: String?
    var notices: [String]

    init(_ plan: Plan, _ kind: DataRequest.Kind, now: Timestamp) {
        func action(_ name: String) -> PlannedAction? { plan.actions.first { $0.name == name } }
        actions = plan.actions.map(\.name).filter { $0 != "send_mail" && $0 != "notify_staff" }
        mail = action("send_mail")?.fields["template"]?.string
        notices = plan.actions.filter { $0.name == "notify_staff" }.map { $0.fields["reason"]?.string ?? "data_request" }
        actAt = action("restrict_processing").map { _ in now }
        if let refusal = action("refuse_request") {
            let rule = refusal.fields["reason"]?.string ?? ""
            (state, outcome, mail) = (.refused, rule.isEmpty ? "refused" : String(rule.prefix(64)), nil)
        } else if let erasing = action("erase_data") {
            state = .waiting
            actAt = now + .days(erasing.fields["after_days"]?.int ?? 0)
        } else if action("export_data") != nil, kind == .access || kind == .export {
            (state, outcome) = (.done, "given")
        } else if actAt != nil {
            state = .waiting
        } else {
            // Nothing that the kernel does: a person has to.
            state = .open
            notices.append("data_request_\(kind.rawValue)")
        }
    }
}
