import Catalog
import Foundation
import HookEngine
import Logging
import PolicyHost
import TenantPolicies
import Vocabulary

/// The live policies, and what follows from their data files: the tier table becomes the catalog.
struct PolicyFloor: Sendable {
    let engine: PolicyEngine
    let catalog: Catalog
    let archive: PolicyArchive
    let promotion: PolicyPromotion
    /// The candidate's folder; nil where there is none.
    let shadow: URL?
    let thresholds: PolicyShadowReport.Thresholds
    let logger: Logger

    /// The data files beside the policies. A tier table that Catalog would refuse keeps the old set running.
    static let data: [DataFile] = [
        DataFile(
            "tiers",
            tiers: { value in (value.json["tiers"]?.array ?? []).compactMap { $0["id"]?.string } },
            check: { value in
                do throws(TierTableRefused) {
                    _ = try TierCatalog.read(value.json)
                    return []
                } catch {
                    return error.complaints.map { String(describing: $0) }
                }
            }),
        DataFile("roles"),
    ]

    /// Loads the directory or throws every finding; nothing is served by half a set. `journal` keeps what happens without anybody asking.
    static func open(
        _ options: PlatformOptions, sink: any DecisionSink, logger: Logger,
        journal: @escaping @Sendable (_ action: String, _ details: JSONValue) async -> Void
    ) throws -> PolicyFloor {
        let settings = options.settings
        let archive = PolicyArchive(directory: options.data.appendingPathComponent("policies"))
        let verdicts = archive.verdicts
        let engine = PolicyEngine(
            definitions: PlatformRegister.hooks, directory: options.policies, sink: sink, entropy: options.entropy, clock: options.clock,
            data: data,
            limits: .init(
                probation: .init(
                    decisions: settings[PlatformSettings.policyProbation], failures: settings[PlatformSettings.policyProbationFailures]),
                tenants: .init(threads: settings[TenantPolicySettings.threads])))
        let candidate = settings[PlatformSettings.policyShadow]
        let floor = PolicyFloor(
            engine: engine, catalog: Catalog(.empty, clock: options.clock), archive: archive,
            promotion: PolicyPromotion(
                directory: options.policies, archive: archive, definitions: PlatformRegister.hooks, data: data, verdicts: verdicts),
            shadow: candidate.isEmpty ? nil : URL(fileURLWithPath: candidate),
            thresholds: .init(
                questions: settings[PlatformSettings.policyShadowDecisions], flipBasisPoints: settings[PlatformSettings.policyShadowFlips],
                failures: settings[PlatformSettings.policyShadowFailures]),
            logger: logger)
        let ear = PolicyEar(
            catalog: floor.catalog, promotion: floor.promotion, promotes: settings[PlatformSettings.policyPromotes], logger: logger,
            journal: journal, live: PolicyLive(archive: archive))
        engine.onNews { [weak engine] news in if let engine { ear.hear(news, engine) } }
        engine.keep(in: archive)
        engine.believe(verdicts)
        let upgrade = PolicyUpgrade(options.policies, archive)
        engine.onNews { news in
            // The next version of this program compares itself with the definitions under which the set was live.
            if case .live(let hash, _) = news { try? archive.note(Reference.catalogue(), of: hash) }
        }
        do throws(PolicyRefusal) { _ = try engine.load() } catch { throw upgrade.explained(error) }
        for warning in upgrade.warnings {
            logger.warning("a policy uses what has changed since it was live", metadata: ["finding": .string(warning.description)])
        }
        floor.readShadow()
        return floor
    }

    /// Reads the candidate again and begins to count anew. One that could not go live is told in the log and asked nothing.
    func readShadow() {
        guard let shadow else { return }
        do throws(PolicyRefusal) {
            let hash = try engine.shadow(shadow, thresholds: thresholds)
            logger.notice("a candidate decides beside the policies", metadata: ["version": .string(hash.short)])
        } catch {
            engine.endShadow()
            logger.error(
                "the candidate cannot go live", metadata: ["findings": .array(error.findings.prefix(20).map { .string($0.description) })])
        }
    }

    /// Tries the shipped attack set against the library that this process is linked with, in a child process where it can have one.
    func tryContainment(_ logger: Logger) async {
        switch await engine.containment.run(AttackDesk.ownProgram) {
        case .breached(let lines):
            logger.critical(
                "hostile policies are not contained; no tenant's policy will run", metadata: ["breaches": .array(lines.map { .string($0) })]
            )
        case .contained(let files): logger.notice("hostile policies contained", metadata: ["files": .stringConvertible(files)])
        case .pending: break
        }
    }
}

/// Hears what becomes of the policies: keeps the catalog up, tells the log and the journal, promotes where the operator wants it so.
private struct PolicyEar: Sendable {
    let catalog: Catalog
    let promotion: PolicyPromotion
    /// A fit candidate goes live by itself.
    let promotes: Bool
    let logger: Logger
    let journal: @Sendable (_ action: String, _ details: JSONValue) async -> Void
    let live: PolicyLive

    func hear(_ news: PolicyNews, _ engine: PolicyEngine) {
        switch news {
        case .live(let hash, let data):
            if let tiers = data["tiers"], let read = try? TierCatalog.read(tiers.json) { catalog.replace(with: read) }
            logger.notice("policies live", metadata: ["version": .string(hash.short)])
            if let details = live.changed(to: hash) { Task { [journal] in await journal(PolicyLive.action, details) } }
        case .refused(let findings):
            logger.error(
                "policies refused; the version before goes on",
                metadata: ["findings": .array(findings.prefix(20).map { .string($0.description) })])
        case .withdrawn(let withdrawal):
            logger.critical("policies rolled back", metadata: ["reason": .string(withdrawal.description)])
            let details: JSONValue = [
                "before": .string(withdrawal.set), "after": .string(withdrawal.back), "reason": .string(withdrawal.why),
            ]
            Task { [journal] in await journal("policies.rolled_back", details) }
        case .judged(let report, let folder):
            switch report.verdict {
            case .notYet: break
            case .unfit(let why):
                logger.warning("the candidate is unfit", metadata: ["version": .string(report.candidate.short), "reason": .string(why)])
            case .fit:
                logger.notice("the candidate is fit", metadata: ["version": .string(report.candidate.short)])
                // The thread that told this runs only when nobody else wants the processor.
                if promotes { Thread.detachNewThread { promote(report, folder, engine) } }
            }
        }
    }

    /// As somebody would by hand: built and tested again, and only if it is what was judged.
    private func promote(_ report: PolicyShadowReport, _ folder: URL, _ engine: PolicyEngine) {
        guard let before = engine.hash, before != report.candidate else { return }
        do {
            let done = try promotion.promote(folder, replacing: before.hex, expecting: report.candidate)
            try engine.load(insisting: true)
            engine.endShadow()
            logger.notice("the candidate was promoted", metadata: ["version": .string(done.after.short)])
            let details: JSONValue = [
                "before": .string(before.hex), "after": .string(done.after.hex), "decisions": .int(Int64(report.asked)),
                "flips": .int(Int64(report.flips)), "failures": .int(Int64(report.failures)),
            ]
            Task { [journal] in await journal("policies.promoted", details) }
        } catch {
            logger.error(
                "the candidate could not be promoted",
                metadata: ["version": .string(report.candidate.short), "reason": .string("\(error)")])
        }
    }
}

extension PolicyArchive {
    /// What has passed already, beside the sets that were live.
    var verdicts: PolicyVerdicts { PolicyVerdicts(file: directory.appending(path: "passed")) }
}
