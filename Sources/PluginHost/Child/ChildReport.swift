import PluginKit
import Vocabulary

/// How a plugin in a child process fares.
package struct ChildReport: Sendable, Hashable {
    package enum State: String, Sendable, Hashable, CaseIterable { case working, resting, starting, leftAlone = "left_alone", stopped }
    package let plugin: String
    /// The process; nil while there is none.
    package let process: Int?
    package let state: State
    package let breaker: ChildStanding.Breaker
    /// Since the server started.
    package let deaths: Int
    /// How often it was started again, since the server started.
    package let restarts: Int
    /// How it ended last.
    package let lastEnd: String?

    /// For a person, in one line.
    package var line: String {
        let place = process.map { ", process \($0)" } ?? ""
        let last = lastEnd.map { "; ended last: \($0)" } ?? ""
        return "\(plugin)  \(state.rawValue.replacing("_", with: " "))\(place), \(restarts) restarts, breaker \(breaker.rawValue)\(last)"
    }
}

extension ConfinedPlugin {
    var report: ChildReport {
        state.withLock { state in
            let fares: ChildReport.State =
                switch state.phase {
                case .working: .working
                case .resting where state.standing.breaker == .open: .leftAlone
                case .resting: .resting
                case .new, .making, .reviving: .starting
                case .stopped: .stopped
                }
            return ChildReport(
                plugin: id, process: state.child?.process, state: fares, breaker: state.standing.breaker, deaths: state.standing.deathsEver,
                restarts: state.restarts, lastEnd: state.lastEnd)
        }
    }
}

extension HostedPlugin {
    /// What binds it and what does not, for the log.
    var isolation: String {
        guard let confined else { return "in_process: as trusted as the server" }
        let landlock = confined.state.withLock(\.walls)?.landlock ?? 0
        let memory = confined.cell.confinement.memoryBytes / 1_048_576
        // Landlock tells signals and abstract sockets apart from version 6 on; seccomp allows neither at any version.
        return "process: no files but libraries (Landlock \(landlock)), no sockets, processes or foreign signals (seccomp), \(memory) MiB;"
            + " the same user as the server"
    }
}

/// Webhooks are read in the child without blocking a thread here, and checked like any answer.
extension GuardedPaymentProvider: WebhookReading {
    func verified(_ delivery: WebhookDelivery) async throws -> VerifiedEvent {
        try await entered { try checked(try await provider.verifiedApart(delivery), delivery) }
    }
    func interpreted(_ event: VerifiedEvent) async throws -> [PaymentFact] {
        try await entered { try checked(try await provider.interpretedApart(event)) }
    }
}

extension RoutedPaymentProvider: WebhookReading {
    func verified(_ delivery: WebhookDelivery) async throws -> VerifiedEvent {
        try await bothApart {
            try await $0.verifiedApart(delivery)
        } differ: { _, _ in
            false
        }
    }
    func interpreted(_ event: VerifiedEvent) async throws -> [PaymentFact] {
        try await bothApart {
            try await $0.interpretedApart(event)
        } differ: {
            $0 != $1
        }
    }
}
