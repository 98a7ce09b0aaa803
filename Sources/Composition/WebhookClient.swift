import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Vocabulary
import Webhooks

/// Carries customers' webhooks out. A name is looked up once; every address that it has must be one that anybody can reach, and the
/// connection goes to the first of those: what the name says a moment later changes nothing.
struct WebhookClient: WebhookTransport {
    let opens: Bool
    let clock: any Clock
    /// Of a name, as text. Blocking; runs on threads apart.
    var lookUp: @Sendable (String, Int) throws -> [String] = Self.resolve

    private static let mostAnswerBytes = 16 << 10

    func send(url: String, headers: [(String, String)], body: [UInt8], timeout: Duration) async -> WebhookOutcome {
        let began = clock.monotonic()
        let result = await answer(url, headers, body, timeout)
        return WebhookOutcome(result, milliseconds: Int((clock.monotonic() - began).microseconds / 1_000))
    }

    private func answer(_ url: String, _ headers: [(String, String)], _ body: [UInt8], _ timeout: Duration) async -> WebhookOutcome.Result {
        guard let place = WebhookAddress(url, opens: opens) else { return .failed("webhooks do not go to this address") }
        let address: String
        do {
            let lookUp = lookUp
            let found = try await NIOThreadPool.singleton.runIfActive { try lookUp(place.host, place.port) }
            guard let first = found.first else { return .failed("\(place.host) has no address") }
            if !opens, let closed = found.first(where: { PublicAddress.isPublic($0) != true }) {
                return .failed("\(place.host) leads to \(closed), which not everybody can reach")
            }
            address = first
        } catch {
            return .failed("\(place.host) cannot be looked up")
        }
        return await exchange(place, at: address, url, headers, body, timeout)
    }

    /// A client of its own for each request: it knows one name, and that name's one address.
    private func exchange(
        _ place: WebhookAddress, at address: String, _ url: String, _ headers: [(String, String)], _ body: [UInt8], _ timeout: Duration
    ) async -> WebhookOutcome.Result {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        // The client reads the address by another reader than we do: whatever name it sees must lead to the address that was looked at.
        guard let seen = URL(string: url)?.host else { return .failed("webhooks do not go to this address") }
        configuration.dnsOverride[place.host] = address
        configuration.dnsOverride[seen.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))] = address
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
        request.body = .bytes(ByteBuffer(bytes: body))
        let result: WebhookOutcome.Result
        do {
            let answer = try await client.execute(request, timeout: .microseconds(timeout.microseconds))
            let text = await Self.beginning(answer.body)
            result = .answered(
                status: Int(answer.status.code), retryAfterSeconds: answer.headers.first(name: "retry-after").flatMap { Int64($0) },
                text: text)
        } catch let failure as HTTPClientError {
            result = .failed(failure.shortDescription)
        } catch is NIOConnectionError {
            result = .failed("no connection to \(address) port \(place.port)")
        } catch {
            result = .failed("the answer is broken: \(type(of: error))")
        }
        try? await client.shutdown()
        return result
    }

    /// What is read of an answer: enough to show. A body that is longer or breaks off takes nothing from its status.
    private static func beginning(_ body: HTTPClientResponse.Body) async -> String {
        var bytes: [UInt8] = []
        do {
            for try await part in body {
                bytes += part.readableBytesView
                if bytes.count >= mostAnswerBytes { break }
            }
        } catch {
            bytes += Array(" … broke off".utf8)
        }
        return String(decoding: bytes.prefix(1_000), as: UTF8.self)
    }

    private static func resolve(_ host: String, _ port: Int) throws -> [String] {
        if PublicAddress.isPublic(host) != nil { return [host] }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { throw NoSuchName() }
        defer { freeaddrinfo(list) }
        var found: [String] = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                found.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = entry.pointee.ai_next
        }
        return found
    }
    private struct NoSuchName: Error {}
}
