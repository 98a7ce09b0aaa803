import HookEngine
import Vocabulary

/// One question for one tenant's set.
struct TenantQuestion: Sendable {
    let tenant: TenantID
    let set: PolicySet
    let hook: String
    let input: HookValue
    let seed: UInt64
}

/// Names one version of one tenant's policies.
package struct TenantSetName: Sendable, Hashable {
    package let tenant: TenantID
    package let hash: String
    package init(tenant: TenantID, hash: String) {
        self.tenant = tenant
        self.hash = hash
    }
}

/// Warm states by tenant, those used last kept, for one thread. A tenant whose set has changed begins with a new one.
struct TenantStates {
    private struct Warm {
        let hash: PolicySetHash
        let state: LuaState
        let bytes: UInt64
    }
    private let most: UInt64
    private let mostOfOne: UInt64
    private var young: [TenantID: Warm] = [:]
    private var old: [TenantID: Warm] = [:]
    private var youngBytes: UInt64 = 0

    /// A state that holds more than `each` bytes after its answer is not kept.
    init(bytes: UInt64 = 32 << 20, each: UInt64 = 1 << 20) {
        most = bytes
        mostOfOne = each
    }

    mutating func ask(_ question: TenantQuestion) -> PolicySet.Evaluation {
        guard let plan = question.set.hooks[question.hook] else { return PolicySet.Evaluation() }
        let warm = take(question.tenant)
        let state: LuaState
        if let warm, warm.hash == question.set.hash {
            state = warm.state
        } else {
            do throws(LuaFault) {
                state = try question.set.recipe.make()
            } catch {
                return PolicySet.Evaluation(failure: error.text)
            }
        }
        let (evaluation, isAlive) = question.set.evaluate(plan, question.input, tier: nil, seed: question.seed, on: state)
        let bytes = state.liveBytes
        if isAlive, bytes <= mostOfOne { keep(Warm(hash: question.set.hash, state: state, bytes: bytes), question.tenant) }
        return evaluation
    }

    private mutating func take(_ tenant: TenantID) -> Warm? {
        if let warm = young.removeValue(forKey: tenant) {
            youngBytes -= warm.bytes
            return warm
        }
        return old.removeValue(forKey: tenant)
    }

    /// Half of what may be held is young; when it is full, what was old goes.
    private mutating func keep(_ warm: Warm, _ tenant: TenantID) {
        if youngBytes + warm.bytes > most / 2 {
            old = young
            young = [:]
            youngBytes = 0
        }
        young[tenant] = warm
        youngBytes += warm.bytes
    }
}
