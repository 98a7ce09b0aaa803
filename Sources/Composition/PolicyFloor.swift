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

    /// Loads the directory or throws every finding; nothing is served by half a set.
    static func open(_ options: PlatformOptions, sink: any DecisionSink, logger: Logger) throws -> PolicyFloor {
        let engine = PolicyEngine(
            definitions: PlatformRegister.hooks, directory: options.policies, sink: sink, entropy: options.entropy, clock: options.clock,
            data: data, limits: .init(tenants: .init(threads: options.settings[TenantPolicySettings.threads])))
        let catalog = Catalog(.empty)
        engine.onNews { news in
            switch news {
            case .live(let hash, let data):
                if let tiers = data["tiers"], let read = try? TierCatalog.read(tiers.json) { catalog.replace(with: read) }
                logger.notice("policies live", metadata: ["version": .string(hash.short)])
            case .refused(let findings):
                logger.error(
                    "policies refused; the version before goes on",
                    metadata: ["findings": .array(findings.prefix(20).map { .string($0.description) })])
            }
        }
        let archive = PolicyArchive(directory: options.data.appendingPathComponent("policies"))
        engine.keep(in: archive)
        let upgrade = PolicyUpgrade(options.policies, archive)
        engine.onNews { news in
            // The next version of this program compares itself with the definitions under which the set was live.
            if case .live(let hash, _) = news { try? archive.note(Reference.catalogue(), of: hash) }
        }
        do throws(PolicyRefusal) { _ = try engine.load() } catch { throw upgrade.explained(error) }
        for warning in upgrade.warnings {
            logger.warning("a policy uses what has changed since it was live", metadata: ["finding": .string(warning.description)])
        }
        let promotion = PolicyPromotion(directory: options.policies, archive: archive, definitions: PlatformRegister.hooks, data: data)
        let candidate = options.settings[PlatformSettings.policyShadow]
        let floor = PolicyFloor(
            engine: engine, catalog: catalog, archive: archive, promotion: promotion,
            shadow: candidate.isEmpty ? nil : URL(fileURLWithPath: candidate), logger: logger)
        floor.readShadow()
        return floor
    }

    /// Reads the candidate again and begins to count anew. One that could not go live is told in the log and asked nothing.
    func readShadow() {
        guard let shadow else { return }
        do throws(PolicyRefusal) {
            let hash = try engine.shadow(shadow)
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
