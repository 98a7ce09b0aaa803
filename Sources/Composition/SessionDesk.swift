import Foundation
import Identity
import Store
import Vocabulary

/// Sessions by what opened them: beside a stopped server on its data, or through a running one.
package struct SessionDesk: Sendable {
    package struct Span: Sendable {
        package let from: Timestamp
        package let to: Timestamp
        /// `2026-11-01T00:00:00Z..2026-11-02T00:00:00Z`; the end is not included.
        package init(_ text: String) throws {
            let ends = text.components(separatedBy: "..")
            guard ends.count == 2, let from = Timestamp(iso8601: ends[0]), let to = Timestamp(iso8601: ends[1]), from < to else {
                throw OperatorProblem("--between is FROM..TO, two ISO 8601 times, the earlier first")
            }
            self.from = from
            self.to = to
        }
    }

    /// Works on the data of a server that does not run.
    package static func revoke(_ options: PlatformOptions, issuedBy key: String, _ span: Span, isTrial: Bool) async throws -> [JSONValue] {
        let platform = try await Platform.open(options)
        do {
            let act = Act(actor: .system("coditectd"), requestID: "sessions-revoke", now: options.clock.now())
            let found = try await platform.federation.revoke(issuedBy: key, from: span.from, to: span.to, isTrial: isTrial, act)
            await platform.close()
            return found.map(\.json)
        } catch {
            await platform.close()
            throw error
        }
    }

    /// Asks a running server on this machine.
    package static func ask(_ server: String, issuedBy key: String, _ span: Span, isTrial: Bool) async throws -> [JSONValue] {
        guard let origin = WebOrigin(server) else { throw OperatorProblem("--server is an address such as http://127.0.0.1:8080") }
        let body: JSONValue = [
            "issued_by": .string(key), "from": .string(span.from.iso8601), "to": .string(span.to.iso8601), "trial": .bool(isTrial),
        ]
        let client = OutboundClient()
        let request = OutboundRequest(
            "POST", "\(origin)/api/v1/admin/sessions/revoke", headers: ["content-type": "application/json"],
            body: try JSONCoding.encode(body),
            timeout: .seconds(60), maxAnswerBytes: OutboundLimits.maxAnswerBytes)
        let answer: Result<OutboundResponse, any Error>
        do { answer = .success(try await client.send(request)) } catch { answer = .failure(error) }
        await client.shutdown()
        let reply = try answer.get()
        guard reply.status == 200,
            let sessions = try JSONValue.parse(reply.body, maxBytes: OutboundLimits.maxAnswerBytes)["sessions"]?.array
        else { throw OperatorProblem("the server answered \(reply.status); ask it on its own machine") }
        return sessions
    }
}
