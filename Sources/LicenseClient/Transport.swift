import Foundation
import FoundationNetworking
import Synchronization
import Vocabulary

public struct LicenseRequest: Sendable {
    public let method: String
    public let url: URL
    public let headers: [String: String]
    public let body: Data?
    public let timeout: Duration
}

public struct LicenseResponse: Sendable {
    public let status: Int
    /// Names in lower case.
    public let headers: [String: String]
    public let body: Data
    public init(status: Int, headers: [String: String], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// How requests reach the server. Throws when nobody answered, whether or not the server did what it was asked.
public protocol LicenseTransport: Sendable {
    func send(_ request: LicenseRequest) throws -> LicenseResponse
}

/// Foundation's HTTP client; follows no redirect, keeps no cookie.
package struct SystemTransport: LicenseTransport {
    package struct NoAnswer: Error {
        package let reason: String
        /// What to do about it, where that is not the usual.
        package var next: String?
    }
    private let session: URLSession

    package init() {
        let settings = URLSessionConfiguration.ephemeral
        settings.httpCookieStorage = nil
        settings.urlCache = nil
        session = URLSession(configuration: settings, delegate: NoRedirects(), delegateQueue: nil)
    }

    package func send(_ request: LicenseRequest) throws -> LicenseResponse {
        var outgoing = URLRequest(url: request.url)
        outgoing.httpMethod = request.method
        outgoing.httpBody = request.body
        outgoing.timeoutInterval = Double(request.timeout.milliseconds) / 1_000
        for (name, value) in request.headers { outgoing.setValue(value, forHTTPHeaderField: name) }
        let result = Pending<LicenseResponse>()
        let task = session.dataTask(with: outgoing) { data, response, error in
            guard let response = response as? HTTPURLResponse, error == nil else {
                result.settle(.failure(Self.silence(error)))
                return
            }
            var headers: [String: String] = [:]
            for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
            result.settle(.success(LicenseResponse(status: response.statusCode, headers: headers, body: data ?? Data())))
        }
        task.resume()
        // The library's own time-out counts silence only; this one is for the whole.
        guard let answer = result.wait(request.timeout + .seconds(1)) else {
            task.cancel()
            throw NoAnswer(reason: "no answer within \(request.timeout.components.seconds) s")
        }
        return try answer.get()
    }

    static func silence(_ error: (any Error)?) -> NoAnswer {
        let said = error?.localizedDescription ?? "no answer"
        return switch (error as? URLError)?.code {
        case .cannotConnectToHost: NoAnswer(reason: "connection refused")
        case .cannotFindHost, .dnsLookupFailed: NoAnswer(reason: "its name is not known")
        case .timedOut: NoAnswer(reason: "no answer in time")
        case .networkConnectionLost: NoAnswer(reason: "the connection broke")
        // The library's codes do not tell these apart; its words do.
        case _ where said.contains("certificate"):
            NoAnswer(
                reason: "its certificate is not trusted (\(said.replacing("SSL certificate problem: ", with: "")))",
                next: "check the address; a certificate authority of your own must be known to this machine")
        case _ where said.contains("wrong version number"):
            NoAnswer(reason: "it does not speak TLS", next: "check the address and its port")
        default: NoAnswer(reason: said)
        }
    }
}

/// A token sent to one host is not carried to another.
private final class NoRedirects: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
        completionHandler: @escaping (URLRequest?) -> Void
    ) { completionHandler(nil) }
}

/// One result, waited for by one thread.
final class Pending<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)
    func settle(_ value: Result<Value, any Error>) {
        result.withLock { $0 = value }
        done.signal()
    }
    func wait(_ patience: Duration) -> Result<Value, any Error>? {
        _ = done.wait(timeout: .now() + .milliseconds(Int(patience.milliseconds)))
        return result.withLock { $0 }
    }
}

extension Duration {
    package var milliseconds: Int64 { microseconds / 1_000 }
}
