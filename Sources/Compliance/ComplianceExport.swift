import Foundation
import PluginKit
import Signing
import Store
import Vocabulary

extension TypedMessage.Kind {
    /// The manifest of an export for auditors.
    package static let complianceExport = TypedMessage.Kind("compliance-export.v1")
}

/// What an auditor takes along: texts, and a signed list of their hashes.
package struct ComplianceBundle: Sendable {
    /// Name → text, exactly what was hashed.
    package let files: [(name: String, text: String)]
    /// RFC 8785, exactly what was signed after its prefix.
    package let manifest: String
    package let signature: Signature
}

extension Compliance {
    /// Runs in the export's history; each with all its results.
    private static let runsExported = 50

    /// The last run with its evidence, the controls, the runs before it, and the reviews of access; signed with the journal's key.
    package func export(_ framework: String, _ scope: ComplianceScope, _ act: Act) async throws -> ComplianceBundle {
        struct Past {
            let run: ComplianceRun
            let results: [ControlResult]
        }
        let (past, evidence, reviews) = try await store.tenantRead(scope.owner) { db in
            let past = try db.rows(ComplianceTable.runs, framework, Self.runsExported).map(Self.run).map { run in
                Past(run: run, results: try db.rows(ComplianceTable.results, run.id).map(Self.result))
            }
            let evidence = try past.first.map { try db.rows(ComplianceTable.evidence, $0.run.id).map { try $0.text(0) } } ?? []
            let reviews = try db.rows(ComplianceTable.reviews, SQLValue.null, 20).map(Self.review).map { review in
                (review, try db.rows(ComplianceTable.items, review.id).map(Self.item))
            }
            return (past, evidence, reviews)
        }
        guard let last = past.first else { throw ComplianceProblems.nothingYet }
        let about = frameworks.offered.first { $0.about.id == framework }?.about
        var files = [
            (name: "run.json", text: try Self.text(Self.json(last.run))),
            (name: "results.json", text: try Self.text(.array(last.results.map(Self.json)))),
            (name: "evidence.json", text: "[\(evidence.joined(separator: ","))]"),
            (
                name: "history.json",
                text: try Self.text(
                    .array(past.map { ["run": Self.json($0.run), "results": .array($0.results.map(Self.json))] }))
            ),
            (name: "access_reviews.json", text: try Self.text(.array(reviews.map { Self.json($0.0, items: $0.1) }))),
        ]
        if let about { files.append((name: "controls.json", text: try Self.text(.array(about.controls.map(Self.json))))) }
        let listed = files.map { file -> JSONValue in
            let bytes = Array(file.text.utf8)
            return [
                "bytes": .int(Int64(bytes.count)), "name": .string(file.name), "sha256": .string(Hex.encode(Digest.sha256(bytes))),
            ]
        }
        let manifest: JSONValue = [
            "edition": .string(last.run.edition), "exported_at": .string(act.now.iso8601), "files": .array(listed),
            "framework": .string(framework), "kind": "coditect.compliance.export", "run_id": .string(last.run.id.description),
            "scope": .string(scope.name), "version": 1,
        ]
        let message = try TypedMessage(.complianceExport, json: manifest)
        let signature = try await floor.signer.sign(message.bytes, .journal)
        let count = Int64(files.count)
        try await store.tenant(scope.owner) { db in
            try db.journal(
                JournalEntry(
                    "compliance.exported", subject: "compliance_run:\(last.run.id)",
                    details: ["framework": .string(framework), "files": .int(count)]), act)
        }
        return ComplianceBundle(files: files, manifest: String(decoding: message.body, as: UTF8.self), signature: signature)
    }

    private static func text(_ value: JSONValue) throws -> String { String(decoding: try JSONCoding.encode(value), as: UTF8.self) }

    // MARK: - As exports and answers show it

    package static func json(_ bundle: ComplianceBundle) -> JSONValue {
        [
            "files": .object(Dictionary(bundle.files.map { ($0.name, .string($0.text)) }, uniquingKeysWith: { first, _ in first })),
            "manifest": .string(bundle.manifest), "key_id": .string(bundle.signature.keyID), "algorithm": "ed25519",
            "signed_prefix": "coditect:compliance-export.v1\\0", "signature": .string(Base64URL.encode(bundle.signature.bytes)),
        ]
    }
    package static func json(_ run: ComplianceRun) -> JSONValue {
        [
            "id": .string(run.id.description), "framework": .string(run.framework), "edition": .string(run.edition),
            "plugin": .string(run.plugin), "cause": .string(run.cause.rawValue), "at": .string(run.at.iso8601),
            "passed": .int(Int64(run.passed)), "failed": .int(Int64(run.failed)), "not_evaluated": .int(Int64(run.notEvaluated)),
            "framework_failed": .int(Int64(run.broken)),
        ]
    }
    package static func json(_ result: ControlResult) -> JSONValue {
        [
            "control": .string(result.control), "outcome": .string(result.outcome.rawValue), "said_by": .string(result.saidBy.rawValue),
            "reason": .string(result.reason), "since": .string(result.since.iso8601),
            "facts": .array(
                result.facts.map { ["kind": .string($0.kind.rawValue), "name": .string($0.name), "value": $0.value] }),
            "missing": .array(result.missing.map { .string($0) }),
        ]
    }
    package static func json(_ control: ControlDescription) -> JSONValue {
        [
            "id": .string(control.id), "title": .string(control.title), "criterion": .string(control.criterion),
            "reads": .array(
                control.reads.map {
                    ["kind": .string($0.kind.rawValue), "version": .int(Int64($0.version)), "max_age_seconds": .int($0.maxAgeSeconds)]
                }), "missing": .array(control.missing.map { .string($0) }),
        ]
    }
    static func json(_ review: AccessReview, items: [AccessReview.Item]) -> JSONValue {
        var members: [String: JSONValue] = [
            "id": .string(review.id.description), "opened_at": .string(review.openedAt.iso8601),
            "opened_by": .string(review.openedBy.description),
            "items": .array(items.map(json)),
        ]
        if let at = review.signedOffAt { members["signed_off_at"] = .string(at.iso8601) }
        if let by = review.signedOffBy { members["signed_off_by"] = .string(by.description) }
        return .object(members)
    }
    static func json(_ item: AccessReview.Item) -> JSONValue {
        var members: [String: JSONValue] = [
            "membership_id": .string(item.membership.description), "user_id": .string(item.user.description),
            "role": .string(item.role.rawValue), "decision": .string(item.decision.rawValue),
        ]
        if let at = item.decidedAt { members["decided_at"] = .string(at.iso8601) }
        if let by = item.decidedBy { members["decided_by"] = .string(by.description) }
        return .object(members)
    }
}
