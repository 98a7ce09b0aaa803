import Foundation
import PluginKit
import PluginWire
import Synchronization

/// A plugin in a child process, as `HostedPlugin` sees any: made, started, drained and stopped like one in process. In between its child
/// may die as often as it likes: it is started again, and what was under way in it answers that the outcome is unknown.
package final class ConfinedPlugin: Plugin, PluginInstance {
    enum Phase {
        case new
        /// The first time; whoever makes and starts it hears what goes wrong.
        case making(ChildProcess)
        case working(ChildProcess)
        /// Dead until then.
        case resting(until: Timestamp)
        /// The pause is over; nil until there is a process.
        case reviving(ChildProcess?)
        case stopped
    }
    struct State {
        var phase = Phase.new
        var standing: ChildStanding
        var begun: ToChild.Begun?
        var walls: ToHost.Walls?
        var isDraining = false
        /// In the breaker's trial one call is let in.
        var isTrialTaken = false
        var waiting: [CheckedContinuation<ChildProcess, any Error>] = []
        var revival: Task<Void, Never>?
        var lastEnd: String?
        /// How often it came back.
        var restarts = 0
    }
    let cell: PluginCell
    let context: PluginContext
    /// By which the child is watched and brought back; what the plugin itself sees of time is its context's.
    let clock: any PluginClock
    let prison: PluginPrison
    let patience: PluginPatience
    let state: Mutex<State>

    static let maxWaiting = 256

    package init(
        _ cell: PluginCell, context: PluginContext, clock: any PluginClock, prison: PluginPrison,
        patience: PluginPatience = PluginPatience()
    ) {
        self.cell = cell
        self.context = context
        self.clock = clock
        self.prison = prison
        self.patience = patience
        state = Mutex(State(standing: ChildStanding(prison.rules)))
    }
    deinit { state.withLock(\.child)?.end("nobody holds it any more") }

    package var id: String { context.id }

    // MARK: - A plugin

    package func make(_: PluginContext) async throws -> any PluginInstance {
        _ = try await beget(isFirst: true)
        return self
    }

    package var paymentProvider: (any PaymentProvider)? {
        provides(.paymentProvider) { ConfinedPayments(plugin: self, capabilities: $0.capabilities) }
    }
    package var policyModule: (any PolicyModule)? { provides(.policyModule) { _ in ConfinedModule(plugin: self) } }
    package var notificationChannel: (any NotificationChannel)? { provides(.notificationChannel) { _ in ConfinedMail(plugin: self) } }
    package var keyService: (any KeyService)? {
        provides(.keyService) { ConfinedKeys(plugin: self, algorithms: $0.signingAlgorithms, wrapsSecrets: $0.wrapsSecrets) }
    }
    package var fileStore: (any FileStore)? {
        provides(.fileStore) { ConfinedFiles(plugin: self, presigns: $0.presignsFiles) }
    }
    package var supportDesk: (any SupportDesk)? { provides(.supportDesk) { _ in ConfinedSupport(plugin: self) } }
    package var provisioner: (any Provisioner)? {
        guard let offer = state.withLock(\.begun)?.workstations else { return nil }
        return provides(.provisioner) { _ in ConfinedProvisioner(plugin: self, offer: offer) }
    }
    private func provides<Kind>(_ kind: PluginKind, _ make: (ToChild.Begun) -> Kind) -> Kind? {
        guard let begun = state.withLock(\.begun), begun.kinds.contains(kind) else { return nil }
        return make(begun)
    }
    package var complianceFramework: (any ComplianceFramework)? {
        guard let about = state.withLock(\.begun)?.framework else { return nil }
        return provides(.complianceFramework) { _ in ConfinedFramework(plugin: self, about: about) }
    }
    package var identityProvider: (any IdentityProvider)? {
        guard let profile = state.withLock(\.begun)?.identity else { return nil }
        return ConfinedIdentity(plugin: self, profile: profile)
    }
    package var pages: (any PluginPages)? { state.withLock(\.begun)?.hasPages == true ? ConfinedPages(plugin: self) : nil }

    /// Has it take calls though nobody started it, as tests do.
    package func open() throws { if let child = state.withLock(\.child) { try settle(child) } }
    package func start() async throws {
        guard let child = state.withLock(\.child) else { throw WireEnd("its process does not run") }
        _ = try await child.wire.call(ToChild.start, Nothing())
        try settle(child)
    }
    package func drain() async {
        let child = state.withLock { state in
            state.isDraining = true
            return state.child
        }
        _ = try? await child?.wire.call(ToChild.drain, Nothing())
    }
    package func stop() async {
        let (child, revival, waiting) = state.withLock { state in
            defer {
                state.phase = .stopped
                state.revival = nil
                state.waiting = []
            }
            return (state.child, state.revival, state.waiting)
        }
        revival?.cancel()
        for waiter in waiting { waiter.resume(throwing: WireEnd("it was stopped")) }
        guard let child else { return }
        await withTaskCancellationHandler {
            _ = try? await child.wire.call(ToChild.stop, Nothing())
        } onCancel: {
            child.end("it was stopped and did not come to an end by itself")
        }
        child.end("it was stopped")
        await child.ended()
    }

    // MARK: - Calls

    func call<Input, Output>(_ call: WireCall<Input, Output>, _ input: Input) async throws -> Output {
        let child = try await child()
        do {
            let answer = try await child.call(call, input)
            state.withLock { $0.prove() }
            return answer
        } catch {
            // An error that it answered is an answer.
            if !(error is WireEnd), !(error is WireFault) { state.withLock { $0.prove() } }
            throw error
        }
    }
    /// For the kit's calls without `await`: blocks the calling thread for a bounded time, and waits for no revival.
    func callBlocking<Input, Output>(
        _ call: WireCall<Input, Output>, _ input: Input, seconds: Int = ChildProcess.blockingSeconds
    ) throws -> Output {
        let child = try state.withLock { state in
            guard case .working(let child) = state.phase else { throw WireEnd("its process does not run") }
            try state.admit()
            return child
        }
        do {
            let answer = try child.callBlocking(call, input, seconds: seconds)
            state.withLock { $0.prove() }
            return answer
        } catch {
            // An error that it answered is an answer.
            if !(error is WireEnd), !(error is WireFault) { state.withLock { $0.prove() } }
            throw error
        }
    }

    /// The child that takes calls; waits a little for one that is coming back.
    private func child() async throws -> ChildProcess {
        try await withCheckedThrowingContinuation { continuation in
            let now = clock.now()
            let found: Result<ChildProcess, any Error>? = state.withLock { state in
                let isSoon: Bool
                switch state.phase {
                case .working(let child): return Result { try state.admit() }.map { child }
                case .resting(let until): isSoon = state.standing.breaker == .closed && until - now <= prison.rules.patience
                case .reviving: isSoon = state.standing.breaker == .closed
                case .new, .making, .stopped: return .failure(WireEnd("its process does not run"))
                }
                guard isSoon, state.waiting.count < ConfinedPlugin.maxWaiting else { return .failure(state.away) }
                state.waiting.append(continuation)
                return nil
            }
            if let found { continuation.resume(with: found) }
        }
    }
}

extension ConfinedPlugin.State {
    var child: ChildProcess? {
        switch phase {
        case .making(let child), .working(let child): child
        case .reviving(let child): child
        case .new, .resting, .stopped: nil
        }
    }
    var away: WireEnd {
        standing.breaker == .closed
            ? WireEnd("its process is being started again") : WireEnd("its process died too often and is left alone for a while")
    }
    /// Throws where the breaker's trial is taken.
    mutating func admit() throws {
        guard standing.breaker == .trial else { return }
        guard !isTrialTaken else { throw away }
        isTrialTaken = true
    }
    mutating func prove() {
        standing.proved()
        isTrialTaken = false
    }
}
