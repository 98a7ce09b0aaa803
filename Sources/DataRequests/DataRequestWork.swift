import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

extension TypedMessage.Kind {
    /// What the platform knows of a person.
    package static let personalRecords = TypedMessage.Kind("personal-records.v1")
}

/// What is done by itself: the plan, the reminder, the end of the clock. Every job may be repeated.
extension DataRequests {
    static let carryJob = "data_requests.carry_out"
    static let remindJob = "data_requests.remind"
    static let lapseJob = "data_requests.lapse"

    struct Job: Codable, Sendable { let request: DataRequest.ID }

    /// In nobody's name: a request outlives the tenant that it was asked in.
    static func later(_ kind: String, _ id: DataRequest.ID, at moment: Timestamp, _ db: any SQLScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob(kind, key: "\(id):\(moment.microseconds)", tenant: nil, payload: Job(request: id), runAt: moment), act)
    }

    package func jobs() -> [JobHandler] {
        func handler(_ kind: String, _ work: @escaping @Sendable (DataRequest, Act) async throws -> Void) -> JobHandler {
            JobHandler(kind) { delivery, act in
                let request = try await find(try delivery.decode(Job.self).request)
                // Not in the person's name: an address would be sealed under the key that goes.
                try await work(request, Act(actor: .system("data_requests"), requestID: act.requestID, now: act.now))
            }
        }
        return [
            handler(Self.carryJob) { try await carryOut($0, $1) }, handler(Self.remindJob) { try await remind($0, $1) },
            handler(Self.lapseJob) { try await lapse($0, $1) },
        ]
    }

    private func remind(_ request: DataRequest, _ act: Act) async throws {
        guard !request.state.isOver else { return }
        try await store.kernel(Self.closing) { db in try tellStaff("data_request_due_soon", request.id, request.askedIn, db, act) }
    }

    private func lapse(_ request: DataRequest, _ act: Act) async throws {
        guard dataRequestLifecycle.transition(from: request.state, to: .overdue) != nil else { return }
        try await store.kernel(Self.closing, .flushed) { db in
            guard try db.row(DataRequestTable.lapse, request.id, act.now) != nil else { return }
            try db.journal(
                JournalEntry(
                    "data_request.overdue", subject: "data_request:\(request.id)", outcome: .failed,
                    details: ["kind": .string(request.kind.rawValue), "user": .string(request.person.description)]), act,
                tenant: request.askedIn)
            try tellStaff("data_request_overdue", request.id, request.askedIn, db, act)
        }
    }

    private func carryOut(_ request: DataRequest, _ act: Act) async throws {
        let isRefused = request.state == .refused
        guard isRefused || !request.state.isOver, let at = request.actAt, at <= act.now else { return }
        if !isRefused, request.plan.contains("erase_data") { return try await erase(request, act) }
        guard request.plan.contains("restrict_processing") else { return }
        do { try await desk.restrict(request.person, isOwnWish: !isRefused, act) } catch let problem as Problem {
            return try await wait(request, because: problem.code, act)
        }
        if !isRefused { try await close(request, .done, "restricted", act) }
    }

    private func erase(_ request: DataRequest, _ act: Act) async throws {
        let standing = try await desk.standing(of: request.person, in: request.askedIn, act)
        // Read again: days may have passed since the policy was asked, and a hold is the kernel's to keep.
        if standing.hasLegalHold { return try await wait(request, because: "legal_hold", act) }
        if standing.isLastOwner { return try await wait(request, because: TenancyProblems.lastOwner.code, act) }
        if standing.isStaff { return try await wait(request, because: "platform_role", act) }
        let remainders = try await desk.erase(request.person, act)
        try await close(request, .done, "erased", remainders: remainders, act)
        try await withdrawOthers(of: request.person, act)
    }

    /// Looked at again each day, until then it can be withdrawn; staff hears of it once.
    private func wait(_ request: DataRequest, because reason: String, _ act: Act) async throws {
        let next = act.now + .days(1)
        try await store.kernel(Self.closing) { db in
            try tellStaff("data_request_held_\(reason)", request.id, request.askedIn, db, act)
            try db.run(DataRequestTable.postpone, request.id, next, act.now)
            try Self.later(Self.carryJob, request.id, at: next, db, act)
        }
    }

    /// Of an erased person nothing else can be asked.
    private func withdrawOthers(of person: UserID, _ act: Act) async throws {
        for other in try await requests(of: person) where !other.state.isOver { try await close(other, .withdrawn, "erased_since", act) }
    }

    // MARK: - The document

    /// What the platform knows of the person, now: RFC 8785, signed with the journal's key. Nothing of it is stored.
    package func document(_ id: DataRequest.ID, for caller: Principal, _ act: Act) async throws -> SignedRecords {
        let request = try await find(id, of: caller.user)
        try await desk.prove(caller, act)
        let days = Int64(floor.settings[DataRequestSettings.documentDays])
        guard request.outcome == "given", let closed = request.closedAt, act.now < closed + .days(days) else {
            throw DataRequestProblems.noDocument
        }
        let records = try await desk.records(of: caller.user)
        let document: JSONValue = [
            "kind": "coditect.personal_records", "version": 1, "user_id": .string(caller.user.description),
            "request_id": .string(id.description), "made_at": .string(act.now.iso8601),
            "records": .object(records.mapValues { room in .object(room.mapValues { .array($0) }) }),
            "at_most": .int(Int64(PersonTable.most)),
        ]
        let message = try TypedMessage(.personalRecords, json: document)
        let signature = try await floor.signer.sign(message.bytes, .journal)
        try await store.kernel(Self.closing) { db in
            try db.journal(JournalEntry("data_request.document_taken", subject: "data_request:\(id)"), act, tenant: request.askedIn)
        }
        return SignedRecords(
            document: String(decoding: message.body, as: UTF8.self), keyID: signature.keyID, signature: signature.bytes)
    }

    /// What was written with a request, and what was answered, as long as the person's key is there.
    package func words(of request: DataRequest) -> (note: String?, answer: String?) {
        func open(_ box: [UInt8]?, _ field: String) -> String? {
            box.flatMap { try? floor.sealer.open($0, person: request.person, context: Self.context(request.id, field)) }
                .map { String(decoding: $0, as: UTF8.self) }
        }
        return (open(request.noteBox, "note"), open(request.answerBox, "answer"))
    }
}

/// What proves a document of personal records, to anyone who has the platform's public keys.
package struct SignedRecords: Sendable, Hashable {
    package let document: String
    package let keyID: String
    package let signature: [UInt8]
}

extension DataRequests {
    /// What this room itself knows of a person.
    package var personRecords: RoomRecords {
        let sealer = floor.sealer
        return RoomRecords(
            "data_requests", store: store,
            [
                PersonTable(
                    "data_request", .kernel,
                    shows: ["request_id", "kind", "state", "note_box", "answer_box", "asked_at", "due_at", "outcome", "closed_at"],
                    .bare("that a request was answered, and when, must be provable"))
            ]
        ) { person, column, row, box in
            let context = "data_request.\(column.dropLast(4)):\(row["request_id"]?.string ?? "")"
            return String(decoding: try sealer.open(box, person: person, context: context), as: UTF8.self)
        }
    }
}
