import Foundation
import PluginKit
import Store
import Vocabulary

/// What is known: the last run, its results, how each control came to where it is.
extension Compliance {
    /// A control with what was said of it last; nil where nobody was asked yet.
    package struct Standing: Sendable {
        package let control: ControlDescription
        package let result: ControlResult?
    }

    package struct Past: Sendable {
        package let run: ComplianceRun.ID
        package let at: Timestamp
        package let result: ControlResult
    }

    package func lastRun(_ framework: String, _ scope: ComplianceScope) async throws -> ComplianceRun? {
        try await store.tenantRead(scope.owner) { db in try db.row(ComplianceTable.lastRun, framework).map(Self.run) }
    }
    func read(_ id: ComplianceRun.ID, _ scope: ComplianceScope) async throws -> ComplianceRun {
        try await store.tenantRead(scope.owner) { db in
            guard let row = try db.row(ComplianceTable.run, id) else { throw CommonProblems.notFound }
            return try Self.run(row)
        }
    }

    package func standing(_ framework: String, _ scope: ComplianceScope) async throws -> (run: ComplianceRun?, controls: [Standing]) {
        let about = try offered(framework).about
        let (run, results) = try await store.tenantRead(scope.owner) { db -> (ComplianceRun?, [ControlResult]) in
            guard let run = try db.row(ComplianceTable.lastRun, framework).map(Self.run) else { return (nil, []) }
            return (run, try db.rows(ComplianceTable.results, run.id).map(Self.result))
        }
        let known = Dictionary(results.map { ($0.control, $0) }, uniquingKeysWith: { first, _ in first })
        return (run, about.controls.map { Standing(control: $0, result: known[$0.id]) })
    }

    /// What fails or is not evaluated, failures first, longest first.
    package func gaps(_ framework: String, _ scope: ComplianceScope) async throws -> (run: ComplianceRun?, gaps: [Standing]) {
        let (run, controls) = try await standing(framework, scope)
        let open = controls.filter { $0.result?.outcome != .pass }
        let rank = { (item: Standing) in item.result?.outcome == .fail ? 0 : item.result?.saidBy == .failure ? 1 : 2 }
        let far = Timestamp(microseconds: .max)
        let sorted = open.enumerated().sorted {
            let (left, right) = (rank($0.element), rank($1.element))
            if left != right { return left < right }
            let (since, later) = ($0.element.result?.since ?? far, $1.element.result?.since ?? far)
            return since == later ? $0.offset < $1.offset : since < later
        }
        return (run, sorted.map(\.element))
    }

    package func history(
        _ control: String, _ framework: String, _ scope: ComplianceScope, before: ComplianceRun.ID?, limit: Int
    ) async throws -> (control: ControlDescription, past: [Past]) {
        guard let about = try offered(framework).about.controls.first(where: { $0.id == control }) else { throw CommonProblems.notFound }
        let past = try await store.tenantRead(scope.owner) { db in
            try db.rows(ComplianceTable.history, framework, control, before, limit).map { row in
                Past(run: try row.id(6), at: try row.time(7), result: try Self.result(row))
            }
        }
        return (about, past)
    }
}
