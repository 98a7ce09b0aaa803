import Foundation
import FoundationNetworking
import Synchronization
import Vocabulary

/// An answer of the platform.
struct Answer: Sendable {
    let status: Int
    let json: JSONValue
    var isSuccess: Bool { (200..<300).contains(status) }
    /// The machine code of an error.
    var code: String { json["error"]?.string ?? "http_\(status)" }
    var retryAfter: Int64? { json["retry_after"]?.int }

    /// What went wrong, for a person.
    var sentence: String {
        switch code {
        case "no_seats_available":
            let (used, total) = (json["seats_used"]?.int ?? 0, json["seats_total"]?.int ?? 0)
            return "no seat free: \(used) of \(total) in use" + again
        case "policy_denied": return "refused by policy: \(json["reason"]?.string ?? "no reason given")" + again
        case "lease_ended_by_operator": return "an operator released the seat: \(json["reason"]?.string ?? "no reason given")"
        default:
            let said = json["message"]?.string ?? "the server answered \(status)"
            let text = said.hasSuffix(".") ? String(said.dropLast()) : said
            return text.prefix(1).lowercased() + text.dropFirst() + again
        }
    }
    private var again: String { retryAfter.map { "; try again in \(Words.span($0))" } ?? "" }
}

/// Speaks JSON with one server. Waits for each answer; ten seconds at most.
struct Platform: Sendable {
    struct Unreachable: Error { let reason: String }

    let base: URL
    private let session: URLSession

    init(_ address: String) throws {
        let trimmed = address.hasSuffix("/") ? String(address.dropLast()) : address
        guard let url = URL(string: trimmed), let scheme = url.scheme, ["http", "https"].contains(scheme), let host = url.host,
            !host.isEmpty,
            url.user == nil, url.query == nil, url.fragment == nil
        else { throw Failure(.usage, "not a server's address: \(address)") }
        guard scheme == "https" || ["127.0.0.1", "localhost", "::1", "[::1]"].contains(host) else {
            throw Failure(.usage, "\(trimmed) would send passwords and keys unprotected: use https")
        }
        base = url
        let settings = URLSessionConfiguration.ephemeral
        settings.timeoutIntervalForRequest = 10
        settings.timeoutIntervalForResource = 15
        settings.httpCookieStorage = nil
        session = URLSession(configuration: settings, delegate: NoRedirects(), delegateQueue: nil)
    }

    var name: String { base.absoluteString }

    func get(_ path: String, token: String? = nil) throws -> Answer { try send("GET", path, nil, token) }
    func post(_ path: String, _ body: JSONValue, token: String? = nil) throws -> Answer { try send("POST", path, body, token) }

    private func send(_ method: String, _ path: String, _ body: JSONValue?, _ token: String?) throws -> Answer {
        guard let url = URL(string: base.absoluteString + path) else { throw Failure(.usage, "not an address: \(path)") }
        var request = URLRequest(url: url)
        request.httpMethod = method
        request.setValue("application/json", forHTTPHeaderField: "Accept")
        request.setValue("coditect/1", forHTTPHeaderField: "User-Agent")
        if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        if let body {
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
            request.httpBody = try JSONEncoder().encode(body)
        }
        let result = Pending<Answer>()
        session.dataTask(with: request) { data, response, error in
            guard let response = response as? HTTPURLResponse else {
                result.settle(.failure(Unreachable(reason: error?.localizedDescription ?? "no answer")))
                return
            }
            let json = data.flatMap { try? JSONDecoder().decode(JSONValue.self, from: $0) } ?? .null
            result.settle(.success(Answer(status: response.statusCode, json: json)))
        }.resume()
        return try result.wait()
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
    func wait() throws -> Value {
        done.wait()
        guard let settled = result.withLock({ $0 }) else { throw Platform.Unreachable(reason: "no answer") }
        return try settled.get()
    }
}
