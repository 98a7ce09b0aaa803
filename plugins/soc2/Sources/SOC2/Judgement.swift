import Foundation
import PluginKit

/// From one believable piece of evidence to an answer.
struct Judgement {
    let rules: Rules
    let now: Timestamp
    let piece: Evidence

    func answer() throws(Unusable) -> ControlAnswer {
        switch piece.kind {
        case .accessReview: return try review(facts())
        case .secondFactor: return try secondFactor(facts())
        case .auditChain: return try chain(facts())
        case .policyChanges: return try changes(facts())
        case .keyAges: return try keys(facts())
        case .leavers: return try leavers(facts())
        default: throw Unusable("There is no judgement of \(piece.kind.rawValue).", missing: "a framework that reads it")
        }
    }

    // MARK: - The six

    private func review(_ facts: AccessReviewFacts) throws(Unusable) -> ControlAnswer {
        try count(facts.members, facts.confirmed, facts.newSince, facts.unreviewed, facts.removed)
        guard facts.confirmed + facts.newSince + facts.unreviewed == facts.members else { throw impossible("the members do not add up") }
        guard let signed = facts.signedOffAt else { return fail("Nobody has signed off a review of access.", "members", "signed_off_at") }
        try past(signed)
        guard now - signed <= .days(rules.reviewDays) else {
            return fail("The last review of access was signed off more than \(rules.reviewDays) days ago.", "signed_off_at", "review")
        }
        guard facts.unreviewed == 0 else {
            return fail(
                "\(facts.unreviewed) of \(facts.members) members were not confirmed by the last review.", "unreviewed", "members", "review")
        }
        return pass(
            "All \(facts.confirmed) members who were there at the last review were confirmed; \(facts.newSince) came or changed since.",
            "signed_off_at", "members", "confirmed", "new_since", "review", "reviewer")
    }

    private func secondFactor(_ facts: SecondFactorFacts) throws(Unusable) -> ControlAnswer {
        try count(facts.elevated, facts.withSecondFactor)
        guard facts.withSecondFactor <= facts.elevated else { throw impossible("more people have a second factor than were counted") }
        guard facts.isSupported else {
            return fail(
                "This server knows no second factor, so none of \(facts.elevated) people with elevated roles has one.", "is_supported",
                "elevated")
        }
        guard facts.elevated > 0 else { throw impossible("nobody has an elevated role") }
        guard facts.withSecondFactor == facts.elevated else {
            return fail(
                "\(facts.elevated - facts.withSecondFactor) of \(facts.elevated) people with elevated roles have no second factor.",
                "elevated",
                "with_second_factor", "roles")
        }
        return pass("All \(facts.elevated) people with elevated roles have a second factor.", "elevated", "with_second_factor", "roles")
    }

    private func chain(_ facts: AuditChainFacts) throws(Unusable) -> ControlAnswer {
        try count(facts.entries, facts.segments, facts.checkpoints, facts.uncovered, facts.findings)
        guard (facts.findings > 0) == (facts.firstFinding != nil) else { throw impossible("findings and the first of them disagree") }
        guard facts.findings == 0 else {
            return fail("Checking the journal found \(facts.findings) faults.", "findings", "first_finding", "entries", "checkpoints")
        }
        guard facts.entries > 0, facts.uncovered <= facts.entries else { throw impossible("the journal is empty or counted wrongly") }
        guard facts.checkpoints > 0 else { return fail("No checkpoint of the journal was ever signed.", "checkpoints", "entries") }
        return pass(
            "\(facts.entries) entries under \(facts.checkpoints) signed checkpoints are as they were written.", "entries", "segments",
            "checkpoints", "uncovered", "findings")
    }

    private func changes(_ facts: PolicyChangeFacts) throws(Unusable) -> ControlAnswer {
        try count(facts.total)
        guard facts.total >= facts.changes.count, facts.changes.count <= 200 else { throw impossible("the changes are counted wrongly") }
        for change in facts.changes {
            try past(change.at)
            try count(change.testsPassed ?? 0)
        }
        if let bad = facts.changes.first(where: { $0.actor.isEmpty }) {
            return fail("A change of \(bad.at.iso8601) names nobody who made it.", "changes", "total")
        }
        let tested = facts.changes.filter { !$0.hash.isEmpty }
        if let bad = tested.first(where: { ($0.testsPassed ?? 0) < 1 }) {
            return fail(
                "The policies that came into force at \(bad.at.iso8601) have passed no test that the journal names.", "changes", "total")
        }
        guard let newest = facts.changes.max(by: { $0.at < $1.at }) else {
            guard facts.inForce == nil else {
                return fail("Policies are in force, and the journal does not say how they came to be.", "in_force", "total")
            }
            throw Unusable("No policies are in force and none ever were.", missing: "a first change of policies")
        }
        guard newest.hash == facts.inForce ?? "" else {
            return fail("What is in force is not what the journal says was put in force last.", "in_force", "changes")
        }
        return pass(
            "Each of \(facts.changes.count) changes of policies names who made it, what came into force and the tests that it had passed.",
            "in_force", "changes", "total")
    }

    private func keys(_ facts: KeyAgeFacts) throws(Unusable) -> ControlAnswer {
        guard !facts.keys.isEmpty, facts.keys.count <= 200 else { throw impossible("there is no key, or more than there can be") }
        for key in facts.keys { try past(key.activeSince) }
        let old = facts.keys.filter { now - $0.activeSince > .days(rules.keyDays) }
        guard old.isEmpty else {
            return fail("\(old.count) of \(facts.keys.count) keys have been signing for more than \(rules.keyDays) days.", "keys")
        }
        return pass("Each of \(facts.keys.count) keys has been signing for at most \(rules.keyDays) days.", "keys")
    }

    private func leavers(_ facts: LeaverFacts) throws(Unusable) -> ControlAnswer {
        try count(facts.ended, facts.withAccess)
        try past(facts.since)
        guard facts.ended >= facts.leavers.count, facts.withAccess <= facts.ended else {
            throw impossible("those who left are counted wrongly")
        }
        let limit = Duration.hours(rules.leavingHours)
        var late = 0
        var open = 0
        for leaver in facts.leavers {
            try count(leaver.sessions, leaver.leases, leaver.apiKeys ?? 0)
            try past(leaver.endedAt)
            if leaver.sessions > 0 || leaver.leases > 0 || (leaver.apiKeys ?? 0) > 0 {
                open += 1
            } else if let revoked = leaver.revokedAt {
                try past(revoked)
                guard revoked >= leaver.endedAt else { throw impossible("access was revoked before the membership ended") }
                if revoked - leaver.endedAt > limit { late += 1 }
            }
        }
        guard open == 0, facts.withAccess == 0 else {
            return fail(
                "\(max(open, facts.withAccess)) of \(facts.ended) people who left have a session, lease or API key.", "with_access",
                "ended", "leavers")
        }
        guard late == 0 else {
            return fail(
                "The access of \(late) people who left was revoked more than \(rules.leavingHours) hours later.", "leavers", "ended")
        }
        return pass(
            "Nothing is left of the access of \(facts.ended) people who left since \(facts.since.iso8601).", "ended", "with_access",
            "leavers", "since")
    }

    // MARK: - Words

    private func facts<Facts: Decodable>() throws(Unusable) -> Facts {
        do { return try piece.read(Facts.self) } catch {
            throw Unusable("The evidence of \(piece.kind.rawValue) cannot be read.", missing: "a piece with every member of its version")
        }
    }
    private func pass(_ reason: String, _ names: String...) -> ControlAnswer { ControlAnswer(.pass, reason: reason, facts: named(names)) }
    private func fail(_ reason: String, _ names: String...) -> ControlAnswer { ControlAnswer(.fail, reason: reason, facts: named(names)) }
    private func named(_ names: [String]) -> [RelevantFact] { names.map { RelevantFact(piece.kind, $0, piece.facts[$0] ?? .null) } }

    private func impossible(_ what: String) -> Unusable {
        Unusable("The evidence of \(piece.kind.rawValue) cannot be true: \(what).", missing: "a piece that agrees with itself")
    }
    /// No sum of them overflows, and none is below nothing.
    private func count(_ numbers: Int...) throws(Unusable) {
        guard numbers.allSatisfy({ (0...1_000_000_000_000).contains($0) }) else {
            throw impossible("a count is negative or beyond counting")
        }
    }
    private func past(_ moment: Timestamp) throws(Unusable) {
        guard moment <= now + .minutes(5), moment.microseconds > 0 else { throw impossible("it speaks of a time to come") }
    }
}
