import Foundation
import HookEngine
import Synchronization

/// The modules of plugins, asked before the platform's own policies and folded with them.
package final class ModuleLayer: Sendable {
    package typealias Source = @Sendable (_ hook: String) -> [HookModule]
    /// A closure that lies bare in a generic box is wrapped once more at each look: a chain without end.
    private struct Shelf: Sendable { let read: Source }
    private let source = Mutex<Shelf?>(nil)
    private let patience: ModuleThreads.Limits
    /// By plugin and build: one that hangs keeps no other from answering, and a new build begins with new threads.
    private let threads = Mutex<[String: ModuleThreads]>([:])

    init(_ patience: ModuleThreads.Limits) { self.patience = patience }

    /// From now on the modules that `source` names for a hook are asked. It is called for each question and must not wait.
    package func read(from source: @escaping Source) { self.source.withLock { $0 = Shelf(read: source) } }

    /// Nil where no module answers the hook: the usual case.
    func ask(_ definition: HookDefinition, _ record: DecisionRecord) async -> PolicySet.Evaluation? {
        guard let modules = source.withLock({ $0 })?.read(definition.name), !modules.isEmpty else { return nil }
        var evaluation = PolicySet.Evaluation()
        let question = ModuleQuestion(record)
        for module in modules where !evaluation.isSettled {
            if let answer = await answer(module, question, definition, tries: 3) { evaluation.append(answer: answer) }
        }
        return evaluation
    }

    /// Nil where the plugin was taken away meanwhile: then it is asked as little as in the next question.
    private func answer(
        _ module: HookModule, _ question: ModuleQuestion, _ definition: HookDefinition, tries: Int
    ) async -> PolicyAnswer? {
        if let content = await content(module, question, definition) {
            return PolicyAnswer(layer: .platform, policy: module.id, file: module.file, line: 0, content: content)
        }
        guard let next = source.withLock({ $0 })?.read(definition.name).first(where: { $0.id == module.id }) else { return nil }
        guard tries > 1 else {
            let content = PolicyAnswer.Content.failed("was replaced again and again")
            return PolicyAnswer(layer: .platform, policy: next.id, file: next.file, line: 0, content: content)
        }
        return await answer(next, question, definition, tries: tries - 1)
    }

    /// Nil where the module is gone.
    private func content(_ module: HookModule, _ question: ModuleQuestion, _ definition: HookDefinition) async -> PolicyAnswer.Content? {
        if let unfit = module.unfit { return .failed(unfit) }
        switch await threads(of: module).run({ Result { try module.answer(question) } }) {
        case .done(.success(let reply)): return reply.content(definition)
        case .done(.failure(is ModuleGone)): return nil
        case .done(.failure(let error)): return .failed(Shown.line("\(error)", most: 300))
        case .late: return .failed("did not answer within \(patience.patience.milliseconds) ms")
        case .full: return .failed("too many questions wait for it")
        }
    }

    private func threads(of module: HookModule) -> ModuleThreads {
        threads.withLock { all in
            if let found = all[module.file] { return found }
            // Builds before this one are asked no more.
            for old in all.keys where old.hasPrefix("\(PolicyAnswer.module(module.id))@") { all[old] = nil }
            let made = ModuleThreads(patience)
            all[module.file] = made
            return made
        }
    }
}

extension PolicySet.Evaluation {
    /// As recorded, for asking the policies again after what the modules said.
    init(modules answers: [PolicyAnswer]) {
        self.init()
        for answer in answers { append(answer: answer) }
    }

    mutating func append(answer: PolicyAnswer) {
        answers.append(answer)
        if case .failed(let why) = answer.content { failure = failure ?? "\(answer.place): \(why)" }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
