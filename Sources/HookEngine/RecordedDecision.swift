import Foundation
import Vocabulary

/// A line of the decision log, read for asking again.
package struct RecordedDecision: Sendable {
    package let id: DecisionID
    package let time: Timestamp
    package let hook: String
    package let tenant: TenantID?
    package let tier: String?
    package let requestID: String
    package let policyHash: String
    package let tenantPolicyHash: String?
    package let seed: UInt64
    package let fuel: UInt64
    package let microseconds: Int64
    package let input: HookValue
    /// `allow`, `deny`, `plan`, `failed`
    package let outcome: String
    package let reason: String?
    package let retryAfterSeconds: Int64?
    package let terms: HookValue
    package let actions: [PlannedAction]
    /// The id of the policy that decided; nil where the hook's default held.
    package let policy: String?
    package let place: String?
    package let answerCount: Int
    /// What modules answered, in their order: nobody else can say it again.
    package let moduleAnswers: [PolicyAnswer]

    /// Throws where the line is torn or no record.
    package init(_ line: UnsafeRawBufferPointer) throws(HookValueReader.Fault) {
        var id: DecisionID?
        var time: Timestamp?
        var hook = ""
        var tenant: TenantID?
        var tier: String?
        var requestID = ""
        var hash = ""
        var tenantHash: String?
        var seed: UInt64 = 0
        var fuel: Int64 = 0
        var microseconds: Int64 = 0
        var input = HookValue.null
        var outcome = ""
        var reason: String?
        var retry: Int64?
        var terms = HookValue.object([])
        var actions: [PlannedAction] = []
        var policy: String?
        var place: String?
        var answers = 0
        var modules: [PolicyAnswer] = []
        var reader = HookValueReader(line)
        try reader.members { reader, name throws(HookValueReader.Fault) in
            func isName(_ text: StaticString) -> Bool {
                text.utf8CodeUnitCount == name.count && memcmp(text.utf8Start, name.baseAddress!, name.count) == 0
            }
            if isName("input") {
                input = try reader.value()
            } else if isName("answers") {
                let skipped = try reader.skip()
                answers = Self.count(skipped)
                modules = try Self.modules(skipped)
            } else if isName("id") {
                id = DecisionID(try reader.text())
            } else if isName("time") {
                time = Self.time(try reader.text())
            } else if isName("hook") {
                hook = try reader.text()
            } else if isName("outcome") {
                outcome = try reader.text()
            } else if isName("tenant") {
                tenant = TenantID(try reader.text())
            } else if isName("tier") {
                tier = try reader.text()
            } else if isName("request_id") {
                requestID = try reader.text()
            } else if isName("policy_hash") {
                hash = try reader.text()
            } else if isName("tenant_policy_hash") {
                tenantHash = try reader.text()
            } else if isName("seed") {
                seed = UInt64(try reader.text(), radix: 16) ?? 0
            } else if isName("fuel") {
                fuel = try reader.number()
            } else if isName("microseconds") {
                microseconds = try reader.number()
            } else if isName("reason") {
                reason = try reader.text()
            } else if isName("retry_after_seconds") {
                retry = try reader.number()
            } else if isName("terms") {
                terms = try reader.value()
            } else if isName("actions") {
                actions = Self.actions(try reader.value())
            } else if isName("policy") {
                policy = try reader.text()
            } else if isName("at") {
                place = try reader.text()
            } else {
                try reader.skip()
            }
        }
        guard let id, let time, !hook.isEmpty, !outcome.isEmpty else {
            throw HookValueReader.Fault(offset: 0, message: "the line is no decision")
        }
        self.id = id
        self.time = time
        self.hook = hook
        self.tenant = tenant
        self.tier = tier
        self.requestID = requestID
        self.policyHash = hash
        self.tenantPolicyHash = tenantHash
        self.seed = seed
        self.fuel = UInt64(clamping: fuel)
        self.microseconds = microseconds
        self.input = input
        self.outcome = outcome
        self.reason = reason
        self.retryAfterSeconds = retry
        self.terms = terms
        self.actions = actions
        self.policy = policy
        self.place = place
        self.answerCount = answers
        self.moduleAnswers = modules
    }

    /// Nobody was asked: the queue was full or no set was live. There is nothing to ask again.
    package var wasAsked: Bool { !(outcome == "failed" && (answerCount == 0 || DecisionFailure.isUnasked(reason ?? ""))) }

    private static func actions(_ value: HookValue) -> [PlannedAction] {
        (value.list ?? []).compactMap { item in
            guard case .object(let members) = item, let (name, fields) = members.first else { return nil }
            return PlannedAction(name, fields)
        }
    }

    /// Modules answer first, so a record without any is told by its first answer.
    private static func modules(_ answers: UnsafeRawBufferPointer) throws(HookValueReader.Fault) -> [PolicyAnswer] {
        guard mayHoldModules(answers) else { return [] }
        return (try HookValueReader.read(answers).list ?? []).compactMap(module)
    }

    /// Whether the first answer is a module's, as far as it stands as the log writes it.
    static func mayHoldModules(_ answers: UnsafeRawBufferPointer) -> Bool {
        var scan = PlainScan(answers)
        guard scan.take("[{\"layer\":\"platform\",\"policy\":"), scan.text() != nil, scan.take(",\"at\":"), let place = scan.text() else {
            return answers.count > 2 && !answers.starts(with: Array("[{\"layer\":\"".utf8))
        }
        return place.starts(with: PolicyAnswer.modulePrefix.utf8)
    }

    private static func module(_ value: HookValue) -> PolicyAnswer? {
        guard value["layer"]?.string == PolicyLayer.platform.rawValue, let policy = value["policy"]?.string,
            let file = value["at"]?.string, file.hasPrefix(PolicyAnswer.modulePrefix)
        else { return nil }
        let content: PolicyAnswer.Content
        switch value["answer"]?.string {
        case "abstain": content = .abstain
        case "allow":
            var terms: [(String, HookValue)] = []
            if case .object(let members)? = value["terms"] { terms = members }
            content = .allow(terms: terms, delegate: [])
        case "deny": content = .deny(reason: value["reason"]?.string ?? "", retryAfterSeconds: value["retry_after_seconds"]?.int)
        case "plan": content = .plan(actions(value["actions"] ?? .null), delegate: [])
        default: content = .failed(value["error"]?.string ?? "")
        }
        return PolicyAnswer(layer: .platform, policy: policy, file: file, line: 0, content: content)
    }

    private static func count(_ answers: UnsafeRawBufferPointer) -> Int { answers.count > 2 ? 1 : 0 }

    /// As `JSONLine` writes it; anything else by the general way.
    private static func time(_ text: String) -> Timestamp? {
        var copy = text
        let quick: Timestamp? = copy.withUTF8 { utf8 in
            guard utf8.count == 20 || utf8.count == 27, utf8[10] == UInt8(ascii: "T"), utf8[utf8.count - 1] == UInt8(ascii: "Z") else {
                return nil
            }
            func number(_ from: Int, _ digits: Int) -> Int64 {
                (from..<(from + digits)).reduce(0) { $0 * 10 + Int64(utf8[$1]) - 48 }
            }
            let year = number(0, 4)
            let month = number(5, 2)
            let shifted = month <= 2 ? year - 1 : year
            let era = shifted / 400
            let yearOfEra = shifted - era * 400
            let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + number(8, 2) - 1
            let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
            let seconds = days * 86_400 + number(11, 2) * 3_600 + number(14, 2) * 60 + number(17, 2)
            return Timestamp(microseconds: seconds * 1_000_000 + (utf8.count == 27 ? number(20, 6) : 0))
        }
        return quick ?? Timestamp(iso8601: text)
    }
}

/// The files of a decision log, oldest first.
package enum DecisionArchive {
    package static func files(_ directory: URL) -> [URL] {
        DecisionSegments.list(directory).map { directory.appending(path: $0.name) }
    }
}

extension DecisionArchive {
    /// The line of a decision, looked for from the newest file back.
    package static func find(_ id: String, in directory: URL) -> RecordedDecision? {
        guard let uuid = UUID(uuidString: id) else { return nil }
        let wanted = Data("{\"id\":\"\(uuid.uuidString.lowercased())\"".utf8)
        for file in files(directory).reversed() {
            guard let data = try? Data(contentsOf: file, options: .mappedIfSafe), let found = data.range(of: wanted) else { continue }
            let end = data[found.lowerBound...].firstIndex(of: 10) ?? data.endIndex
            return data[found.lowerBound..<end].withUnsafeBytes { try? RecordedDecision($0) }
        }
        return nil
    }
}
