import Vocabulary

/// Everything that one question and its answer were: enough to replay it.
package struct DecisionRecord: Sendable {
    package enum Outcome: Sendable, Hashable {
        case allow
        case deny(reason: String, retryAfterSeconds: Int64?)
        case plan([PlannedAction])
        /// A policy failed, or none could be asked; the hook's fail mode held.
        case failed(String)
    }
    package var id: DecisionID
    package var time: Timestamp
    package var hook: String
    package var kind: HookDefinition.Kind
    package var subject: HookSubject
    /// As the policies saw it, `now` included.
    package var input: HookValue
    package var answers: [PolicyAnswer]
    package var outcome: Outcome
    package var terms: [(String, HookValue)]
    /// Index of the answer that decided; nil where the hook's default held.
    package var decidedBy: Int?
    package var policyHash: String
    /// Of the tenant's own set, where it has one that answers the hook; whether it was asked, its answers tell.
    package var tenantPolicyHash: String?
    package var seed: UInt64
    package var fuel: UInt64
    package var microseconds: Int64

    package init(
        id: DecisionID, time: Timestamp, hook: String, kind: HookDefinition.Kind, subject: HookSubject, input: HookValue,
        answers: [PolicyAnswer], outcome: Outcome, terms: [(String, HookValue)], decidedBy: Int?, policyHash: String,
        tenantPolicyHash: String? = nil, seed: UInt64, fuel: UInt64, microseconds: Int64
    ) {
        self.id = id
        self.time = time
        self.hook = hook
        self.kind = kind
        self.subject = subject
        self.input = input
        self.answers = answers
        self.outcome = outcome
        self.terms = terms
        self.decidedBy = decidedBy
        self.policyHash = policyHash
        self.tenantPolicyHash = tenantPolicyHash
        self.seed = seed
        self.fuel = fuel
        self.microseconds = microseconds
    }
}

/// Keeps decisions. Returns when the record survives the death of the process; throwing makes the hook's fail mode hold.
package protocol DecisionSink: Sendable {
    func record(_ record: DecisionRecord) async throws
}

// MARK: One line of JSON

extension DecisionRecord {
    /// The record as one line of JSON with its newline.
    package func line() -> ByteBuffer {
        var json = JSONLine()
        json.open("{")
        json.member("id", id.uuid)
        json.member("time", time)
        json.member("hook", hook)
        outcome.write(&json, terms)
        if let decidedBy { answers[decidedBy].writePlace(&json) }
        if let tenant = subject.tenant { json.member("tenant", tenant.uuid) }
        if let tier = subject.tier { json.member("tier", tier) }
        json.member("request_id", subject.requestID)
        json.member("policy_hash", policyHash)
        if let tenantPolicyHash { json.member("tenant_policy_hash", tenantPolicyHash) }
        json.key("seed")
        json.hex(seed)
        json.member("fuel", Int64(clamping: fuel))
        json.member("microseconds", microseconds)
        json.key("input")
        json.value(input)
        json.key("answers")
        json.open("[")
        for answer in answers { answer.write(&json) }
        json.close("]")
        json.close("}")
        json.newline()
        return json.finish()
    }
}

extension DecisionRecord.Outcome {
    func write(_ json: inout JSONLine, _ terms: [(String, HookValue)]) {
        switch self {
        case .allow:
            json.member("outcome", "allow")
            if !terms.isEmpty {
                json.key("terms")
                json.value(.object(terms))
            }
        case .deny(let reason, let seconds):
            json.member("outcome", "deny")
            json.member("reason", reason)
            if let seconds { json.member("retry_after_seconds", seconds) }
        case .plan(let actions):
            json.member("outcome", "plan")
            json.key("actions")
            json.actions(actions)
        case .failed(let reason):
            json.member("outcome", "failed")
            json.member("reason", reason)
        }
    }
}

extension PolicyAnswer {
    /// `seats/overdraft/policy.lua:12`
    package var place: String { line > 0 ? "\(file):\(line)" : file }

    func writePlace(_ json: inout JSONLine) {
        json.member("policy", policy)
        json.place("at", file, line)
    }

    func write(_ json: inout JSONLine) {
        json.open("{")
        json.member("layer", layer.rawValue)
        json.member("policy", policy)
        json.place("at", file, line)
        switch content {
        case .abstain: json.member("answer", "abstain")
        case .allow(let terms, let delegate):
            json.member("answer", "allow")
            if !terms.isEmpty {
                json.key("terms")
                json.value(.object(terms))
            }
            json.delegate(delegate)
        case .deny(let reason, let seconds):
            json.member("answer", "deny")
            json.member("reason", reason)
            if let seconds { json.member("retry_after_seconds", seconds) }
        case .plan(let actions, let delegate):
            json.member("answer", "plan")
            json.key("actions")
            json.actions(actions)
            json.delegate(delegate)
        case .failed(let why):
            json.member("answer", "failed")
            json.member("error", why)
        }
        json.member("fuel", Int64(clamping: fuel))
        json.close("}")
    }
}
