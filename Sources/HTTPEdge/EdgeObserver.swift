import Vocabulary

/// What became of one request.
package struct AnsweredRequest: Sendable {
    package let requestID: String
    /// As sent; `other` for a method that is none of ours.
    package let method: String
    /// The route's name; nil where none was found.
    package let route: String?
    /// The route's path with its places: `/api/v1/licenses/{id}`.
    package let template: String?
    package let status: Int
    /// The code of the problem answered, if any.
    package let problem: String?
    /// False if the route's description does not name this status or problem: a mistake of the route.
    package let isDocumented: Bool
    package let duration: Duration
    package let caller: Principal?
    package let address: String

    package init(
        requestID: String, method: String, route: String?, template: String? = nil, status: Int, problem: String?, isDocumented: Bool,
        duration: Duration, caller: Principal?, address: String
    ) {
        self.requestID = requestID
        self.method = method
        self.route = route
        self.template = template
        self.status = status
        self.problem = problem
        self.isDocumented = isDocumented
        self.duration = duration
        self.caller = caller
        self.address = address
    }
}

/// Hears of every request: metrics, access log, the fault log. Called on the request's own task: it must not wait.
package protocol EdgeObserver: Sendable {
    func answered(_ request: AnsweredRequest)
    /// An error that is no `Problem`: the client sees the request id only.
    func faulted(_ error: any Error, requestID: String, route: String?)
    /// True where `follow` does anything.
    var follows: Bool { get }
    /// Runs `work`, the whole of one request, as part of a trace.
    /// - Parameters:
    ///   - sent: where the caller says that it stands in one.
    ///   - isBelieved: the caller is a listed proxy.
    func follow(_ sent: TraceContext?, isBelieved: Bool, _ work: @Sendable () async -> Reply) async -> Reply
}
extension EdgeObserver {
    package var follows: Bool { false }
    package func follow(_ sent: TraceContext?, isBelieved: Bool, _ work: @Sendable () async -> Reply) async -> Reply { await work() }
}

package struct SilentObserver: EdgeObserver {
    package init() {}
    package func answered(_ request: AnsweredRequest) {}
    package func faulted(_ error: any Error, requestID: String, route: String?) {}
}
