import Foundation
import PluginKit
import Synchronization

/// The way between a provider and its other side, which a conformance kit breaks on purpose.
public final class FaultyWire: OutboundHTTP {
    public enum Fault: Sendable {
        /// The request arrives and is carried out; the answer never comes.
        case lostAnswer
        /// It arrives and is carried out; something between answers this instead.
        case otherAnswer(OutboundResponse)
        /// It is carried out; half of the answer comes.
        case halfAnswer
        /// It does not arrive, and nobody knows.
        case lostRequest
        /// It surely does not arrive.
        case unsent
        /// It does not arrive; something between answers this.
        case turnedAway(OutboundResponse)
    }
    private struct State {
        var faults: [Fault] = []
        var isForEver = false
        var requests: [OutboundRequest] = []
        var writesOnly = false
    }
    private let state = Mutex(State())
    private let other: @Sendable (OutboundRequest) async throws -> OutboundResponse

    public init(_ other: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse) { self.other = other }

    /// What went out so far.
    public var requests: [OutboundRequest] { state.withLock { $0.requests } }
    /// Breaks the next requests in turn; `forEver`: the last fault stays. `writesOnly`: reading goes on undisturbed.
    public func breaks(_ faults: [Fault], forEver: Bool = false, writesOnly: Bool = true) {
        state.withLock {
            $0.faults = faults
            $0.isForEver = forEver
            $0.writesOnly = writesOnly
        }
    }
    public func heals() { breaks([]) }

    public func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        let fault = state.withLock { state -> Fault? in
            state.requests.append(request)
            guard !state.faults.isEmpty, !state.writesOnly || request.method != "GET" else { return nil }
            return state.isForEver && state.faults.count == 1 ? state.faults[0] : state.faults.removeFirst()
        }
        switch fault {
        case nil: return try await other(request)
        case .unsent: throw OutboundFailure.unsent("no connection")
        case .lostRequest: throw OutboundFailure.unanswered("time-out")
        case .turnedAway(let answer): return answer
        case .lostAnswer:
            _ = try await other(request)
            throw OutboundFailure.unanswered("time-out")
        case .otherAnswer(let answer):
            _ = try await other(request)
            return answer
        case .halfAnswer:
            var answer = try await other(request)
            answer.body = answer.body.prefix(answer.body.count / 2)
            return answer
        }
    }
}
