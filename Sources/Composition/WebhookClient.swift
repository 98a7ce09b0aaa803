import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Vocabulary
import Webhooks

/// Carries customers' webhooks out. A name is looked up once; every address that it has must be one that anybody can reach, and the
/// connection goes to the first of those that takes it: what the name says a moment later changes nothing. Whatever the other side does, an
/// exchange ends within its time.
struct WebhookClient: WebhookTransport {
    let opens: Bool
    let clock: any Clock
    /// Of a name, as text. Blocking; runs on threads apart.
    var lookUp: @Sendable (String, Int) throws -> [String] = Self.resolve

    /// How long a look-up is waited for.
    var patience = Duration.seconds(5)

    private static let mostAnswerBytes = 16 << 10
    private static let mostAddresses = 3
    /// Apart from everybody else's: a tenant's slow name server keeps no payment waiting.
    private static let lookUps: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }()

    func send(url: String, headers: [(String, String)], body: [UInt8], timeout: Duration) async -> WebhookOutcome {
        let began = clock.monotonic()
        let result = await answer(url, headers, body, timeout)
        return WebhookOutcome(result, milliseconds: Int((clock.monotonic() - began).microseconds / 1_000))
    }

    private func answer(_ url: String, _ headers: [(String, String)], _ body: [UInt8], _ timeout: Duration) async -> WebhookOutcome.Result {
        guard let place = WebhookAddress(url, opens: opens) else { return .failed("webhooks do not go to this address") }
        guard let found = await addresses(place) else { return .failed("\(place.host) cannot be looked up") }
        guard !found.isEmpty else { return .failed("\(place.host) has no address") }
        if !opens, let closed = found.first(where: { PublicAddress.isPublic($0) != true }) {
            return .failed("\(place.host) leads to \(closed), which not everybody can reach")
        }
        let began = clock.monotonic()
        var failure = ""
        for address in found.prefix(Self.mostAddresses) {
            let left = timeout - (clock.monotonic() - began)
            guard left > .zero else { break }
            do { return try await exchange(place, at: address, url, headers, body, left) } catch {
                failure += (failure.isEmpty ? "" : "; ") + "no connection to \(address) port \(place.port)"
            }
        }
        return .failed(failure)
    }

    /// Nil where the name has none, or says nothing for too long. A look-up cannot be stopped: its thread is left to it.
    private func addresses(_ place: WebhookAddress) async -> [String]? {
        let (answers, teller) = AsyncStream.makeStream(of: [String]?.self, bufferingPolicy: .bufferingOldest(1))
        Self.lookUps.submit { [lookUp] state in
            teller.yield(state == .active ? try? lookUp(place.host, place.port) : nil)
        }
        let timer = Task { [patience] in
            try? await Task.sleep(for: patience)
            teller.yield(nil)
        }
        defer { timer.cancel() }
        for await answer in answers { return answer }
        return nil
    }

    private struct Unreached: Error {}

    /// A client of its own for each request: it knows one name, and that name's one address.
    private func exchange(
        _ place: WebhookAddress, at address: String, _ url: String, _ headers: [(String, String)], _ body: [UInt8], _ timeout: Duration
    ) async throws(Unreached) -> WebhookOutcome.Result {
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
        // The client's own time-out ends with the answer's head; an answer whose body never ends breaks off here.
        let end = Task {
            try await Task.sleep(for: timeout)
            try? await client.shutdown()
        }
        let result: WebhookOutcome.Result?
        do {
            let answer = try await client.execute(request, timeout: .microseconds(timeout.microseconds))
            let text = await Self.beginning(answer.body)
            result = .answered(
                status: Int(answer.status.code), retryAfterSeconds: answer.headers.first(name: "retry-after").flatMap { Int64($0) },
                text: text)
        } catch let failure as HTTPClientError {
            result = .failed(failure.shortDescription)
        } catch is NIOConnectionError {
            result = nil
        } catch {
            result = .failed("the answer is broken: \(type(of: error))")
        }
        end.cancel()
        try? await client.shutdown()
        guard let result else { throw Unreached() }
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

    static func resolve(_ host: String, _ port: Int) throws -> [String] {
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
