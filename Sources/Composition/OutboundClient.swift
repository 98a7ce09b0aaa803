import AsyncHTTPClient
import Dispatch
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Vocabulary

/// Carries plugins' requests out. What may go where was decided by the host before; here are time, size and honesty about the outcome.
final class OutboundClient: OutboundHTTP {
    private let client: HTTPClient

    init() {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.idleTimeout = .seconds(30)
        // A retry that the caller did not ask for could charge twice.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    init(_ configuration: HTTPClient.Configuration) {
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    /// For a client that serves one request.
    func sendOnce(_ request: OutboundRequest) async throws -> OutboundResponse {
        let answer: Result<OutboundResponse, any Error>
        do { answer = .success(try await send(request)) } catch { answer = .failure(error) }
        await shutdown()
        return try answer.get()
    }

    /// Of an answer that is longer than the request takes.
    static func tooLong(_ request: OutboundRequest) -> OutboundFailure {
        .unanswered("the answer is larger than \(request.maxAnswerBytes) bytes")
    }

    func shutdown() async { try? await client.shutdown() }
    // A client that is let go without a shutdown ends the process: also a start that failed half way must come through here.
    deinit { client.shutdown(queue: .global()) { _ in } }

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers { outgoing.headers.replaceOrAdd(name: name, value: value) }
        if !request.body.isEmpty { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        do {
            let answer = try await client.execute(outgoing, timeout: .microseconds(request.timeout.microseconds))
            var body = try await answer.body.collect(upTo: request.maxAnswerBytes)
            var headers: [String: String] = [:]
            for (name, value) in answer.headers {
                let lower = name.lowercased()
                headers[lower] = headers[lower].map { "\($0), \(value)" } ?? value
            }
            return OutboundResponse(
                status: Int(answer.status.code), headers: headers, body: Data(body.readBytes(length: body.readableBytes) ?? []))
        } catch let failure as HTTPClientError {
            switch failure {
            case .connectTimeout, .invalidURL, .emptyHost, .emptyScheme, .unsupportedScheme("http"), .getConnectionFromPoolTimeout:
                throw OutboundFailure.unsent(failure.shortDescription)
            default: throw OutboundFailure.unanswered(failure.shortDescription)
            }
        } catch let failure as NIOConnectionError {
            throw OutboundFailure.unsent("no connection to \(failure.host):\(failure.port)")
        } catch let failure as IOError where failure.errnoCode == ECONNREFUSED {
            // Of a literal address; no connection that once stood ends so.
            throw OutboundFailure.unsent("the connection was refused")
        } catch is NIOTooManyBytesError {
            throw Self.tooLong(request)
        } catch {
            throw OutboundFailure.unanswered(String(describing: type(of: error)))
        }
    }
}
