import Foundation
import HookEngine
import Vocabulary

// What is tried: a candidate beside the live set, and a set that has just gone live.

extension PolicyEngine {
    /// Asks a candidate everything that the live set is asked from now on, on a thread of its own. Throws every finding.
    @discardableResult package func shadow(
        _ folder: URL, thresholds: PolicyShadowReport.Thresholds = .init()
    ) throws(PolicyRefusal) -> PolicySetHash {
        let result = PolicyThreads.runAndWait { [builder] in
            Result { () throws(PolicyRefusal) in try builder.build(folder) }
        }
        let set = try result.get().set
        let shadow = PolicyShadow(set, bound: limits.shadowQueue, tries: limits.shadowTries, thresholds: thresholds) { [weak self] report in
            for listener in self?.live.withLock({ $0.listeners }) ?? [] { listener(.judged(report, folder)) }
        }
        live.withLock { $0.shadow = shadow }
        return set.hash
    }
    package func endShadow() { live.withLock { $0.shadow = nil } }
    /// How the candidate did so far; nil where there is none.
    package var shadowReport: PolicyShadowReport? { live.withLock { $0.shadow }?.soFar }
    /// Returns when the candidate was asked everything that it had time for so far.
    func settleShadow() async { await live.withLock { $0.shadow }?.settle() }

    // MARK: Probation

    /// A set that fails too often in its first decisions gives way to the one before. The folder stays as it is, for its author to mend;
    /// what was withdrawn is written down first, so that a restart does not bring it back.
    func judge(_ record: DecisionRecord) {
        var failure: String?
        // What a tenant wrote is no fault of the set.
        if case .failed(let why) = record.outcome, let last = record.answers.last, last.failed, last.layer != .tenant { failure = why }
        var proved: PolicyArchive?
        let told: (withdrawal: PolicyWithdrawal, back: PolicySet, archive: PolicyArchive?)? = live.withLock { live in
            guard var probation = live.probation, let set = live.set, set.hash.hex == record.policyHash else { return nil }
            switch probation.count.count(failure: failure) {
            case .goesOn: live.probation = probation
            case .proved:
                live.probation = nil
                proved = live.archive
            case .failed(let why):
                let withdrawal = PolicyWithdrawal(set: set.hash.hex, back: probation.before.hash.hex, why: why, time: clock.now().iso8601)
                live.set = probation.before
                live.shadow = live.shadow?.again()
                live.probation = nil
                live.refused = [finding(withdrawal)]
                return (withdrawal, probation.before, live.archive)
            }
            return nil
        }
        proved?.tries(nil, before: nil)
        guard let told else { return }
        told.archive?.tries(nil, before: nil)
        do {
            try told.archive?.withdraw(told.withdrawal)
        } catch {
            live.withLock { live in
                live.refused.append(
                    PolicyFinding(
                        file: directory.lastPathComponent, line: 0,
                        message: "the roll back could not be written down and ends with this process: \(error)"))
            }
        }
        let (listeners, findings) = live.withLock { ($0.listeners, $0.refused) }
        for listener in listeners {
            listener(.live(told.back.hash, data: told.back.data))
            listener(.refused(findings))
            listener(.withdrawn(told.withdrawal))
        }
    }

    func finding(_ withdrawal: PolicyWithdrawal) -> PolicyFinding {
        PolicyFinding(file: directory.lastPathComponent, line: 0, message: withdrawal.description)
    }

    /// What the archive knows of a set that is about to go live: what was live before it, and whether it was withdrawn to that.
    func history(of hash: PolicySetHash, insisting: Bool) -> (before: PolicySet?, withdrawal: PolicyWithdrawal?) {
        let (current, archive) = live.withLock { ($0.set, $0.archive) }
        guard let archive else { return (current, nil) }
        if let withdrawal = archive.withdrawal(of: hash) {
            if insisting {
                try? archive.readmit(hash)
            } else if let back = current?.hash.hex == withdrawal.back ? current : kept(withdrawal.back, archive) {
                return (back, withdrawal)
            }
        }
        if let current { return (current, nil) }
        // The first set of this process: it replaces what was live when the process before it ended, or is that set and still on probation,
        // which begins anew.
        guard let last = archive.list().first else { return (nil, nil) }
        let before = last == hash ? archive.before(hash) : last.hex
        return (before.flatMap { kept($0, archive) }, nil)
    }

    /// It was live, so its tests have passed.
    private func kept(_ hex: String, _ archive: PolicyArchive) -> PolicySet? {
        guard let folder = archive.folder(hex) else { return nil }
        return PolicyThreads.runAndWait { [builder] in
            var findings = Findings(label: folder.lastPathComponent)
            let set = builder.assemble(PolicyDirectory.read(folder, &findings), &findings)?.set
            return set?.hash.hex == hex ? set : nil
        }
    }
}
