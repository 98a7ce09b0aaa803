import RoomTesting
import Store
import Vocabulary

/// Lets racing calls pass one step at a time, in an order that the test chooses: a step is one write transaction.
actor Turnstile {
    @TaskLocal static var lane: Int?

    private var parked: [Int: CheckedContinuation<Void, Never>] = [:]
    private var running: Set<Int> = []
    private var watcher: CheckedContinuation<Void, Never>?

    /// Waits for this lane's turn. A call outside any lane passes.
    func enter() async {
        guard let lane = Self.lane else { return }
        await withCheckedContinuation { continuation in
            parked[lane] = continuation
            running.remove(lane)
            notify()
        }
    }
    private func notify() {
        guard running.isEmpty else { return }
        watcher?.resume()
        watcher = nil
    }
    private func started(_ lane: Int) { running.insert(lane) }
    private func finished(_ lane: Int) {
        running.remove(lane)
        notify()
    }
    /// The lanes that wait for a turn, once every lane waits or is done.
    private func waiting() async -> [Int] {
        if !running.isEmpty { await withCheckedContinuation { watcher = $0 } }
        return parked.keys.sorted()
    }
    private func pass(_ lane: Int) {
        running.insert(lane)
        parked.removeValue(forKey: lane)?.resume()
    }

    /// One run: `choose` picks among the waiting lanes until all are done. `observe` hears of each step before it is taken.
    func run(_ calls: [@Sendable () async -> Void], choose: ([Int]) -> Int, observe: (Int) async -> Void) async {
        for lane in calls.indices { started(lane) }
        await withTaskGroup(of: Void.self) { group in
            for (lane, call) in calls.enumerated() {
                group.addTask {
                    await Self.$lane.withValue(lane) { await call() }
                    await self.finished(lane)
                }
            }
            while true {
                let lanes = await waiting()
                if lanes.isEmpty { break }
                let lane = choose(lanes)
                await observe(lane)
                pass(lane)
            }
        }
    }
}

/// Every order of choices, one after the other: depth first, as an odometer whose wheels are the numbers of waiting lanes.
struct Schedules {
    private var choices: [Int] = []
    private var widths: [Int] = []
    private var depth = 0
    private(set) var count = 0

    mutating func begin() {
        depth = 0
        count += 1
    }
    mutating func choose(_ lanes: [Int]) -> Int {
        if depth == choices.count {
            choices.append(0)
            widths.append(lanes.count)
        }
        widths[depth] = lanes.count
        let lane = lanes[choices[depth]]
        depth += 1
        return lane
    }
    /// False when every order has been run.
    mutating func advance() -> Bool {
        choices.removeLast(choices.count - depth)
        widths.removeLast(widths.count - depth)
        while let last = choices.indices.last {
            choices[last] += 1
            if choices[last] < widths[last] { return true }
            choices.removeLast()
            widths.removeLast()
        }
        return false
    }
    /// The order being run, for a failure's message.
    var order: [Int] { Array(choices.prefix(depth)) }
}

/// A store whose writes wait for their turn.
struct GatedStore: Store {
    let inner: any Store
    let turnstile: Turnstile
    var jobSignal: JobSignal { inner.jobSignal }

    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        await turnstile.enter()
        return try await inner.tenant(id, durability, body)
    }
    func tenantRead<Value: Sendable>(
        _ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value { try await inner.tenantRead(id, body) }
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        await turnstile.enter()
        return try await inner.kernel(reason, durability, body)
    }
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await inner.kernelRead(reason, body) }
}
