import Vocabulary

/// What became of one request.
package struct AnsweredRequest: Sendable {
    package let requestID: String
    /// As sent; `other` for a method that is none of ours.
    package let method: String
    /// The route's name; nil where none was found.
    package let route: String?
    package let status: Int
    /// The code of the problem answered, if any.
    package let problem: String?
    /// False if the route's description does not name this status or problem: a mistake of the route.
    package let isDocumented: Bool
    package let duration: Duration
    package let caller: Principal?
    package let address: String

    package init(
        requestID: String, method: String, route: String?, status: Int, problem: String?, isDocumented: Bool, duration: Duration,
        caller: Principal?, address: String
    ) {
        self.requestID = requestID
        self.method = method
        self.route = route
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
}

package struct SilentObserver: EdgeObserver {
    package init() {}
    package func answered(_ request: AnsweredRequest) {}
    package func faulted(_ error: any Error, requestID: String, route: String?) {}
}
