import Foundation
import PluginKit

/// Asks the cluster's API, and says truly what became of a request.
struct ClusterClient: Sendable {
    let origin: String
    let token: String
    let http: any OutboundHTTP
    let secrets: PluginSecrets
    let timeout: Duration

    static let manager = "coditect"

    /// Nil where there is none.
    func get(_ path: String) async throws -> JSONValue? {
        let answer = try await send("GET", path, nil, writes: false)
        if answer.status == 404 { return nil }
        return try read(answer, writes: false)
    }
    /// Every object of a list, page by page.
    func list(_ path: String, selector: String, limit: Int = 2_000) async throws -> [JSONValue] {
        var found: [JSONValue] = []
        var next = ""
        repeat {
            let answer = try read(
                try await send("GET", "\(path)?labelSelector=\(selector)&limit=250\(next)", nil, writes: false, most: 8_388_608),
                writes: false)
            guard let items = answer["items"]?.array else { throw ProvisionerError.unavailable("the cluster answered no list") }
            found += items
            guard found.count <= limit else { throw ProvisionerError.unavailable("the cluster lists more than \(limit) objects") }
            next = answer["metadata"]?["continue"]?.string.flatMap { $0.isEmpty ? nil : "&continue=\(Self.escape($0))" } ?? ""
        } while !next.isEmpty
        return found
    }
    /// Server-side apply under our own name: what another manager owns is a conflict, never overwritten.
    @discardableResult func apply(_ path: String, _ object: JSONValue) async throws -> JSONValue {
        try read(try await send("PATCH", "\(path)?fieldManager=\(Self.manager)&force=false", object, writes: true), writes: true)
    }
    /// False where there is one already.
    func create(_ path: String, _ object: JSONValue) async throws -> Bool {
        let answer = try await send("POST", "\(path)?fieldManager=\(Self.manager)", object, writes: true)
        if answer.status == 409 { return false }
        _ = try read(answer, writes: true)
        return true
    }
    /// False where somebody changed it since it was read.
    func replace(_ path: String, _ object: JSONValue) async throws -> Bool {
        let answer = try await send("PUT", "\(path)?fieldManager=\(Self.manager)", object, writes: true)
        if answer.status == 409 { return false }
        _ = try read(answer, writes: true)
        return true
    }
    /// Done, too, where there is none.
    func delete(_ path: String) async throws {
        let answer = try await send("DELETE", "\(path)?propagationPolicy=Background", nil, writes: true)
        if answer.status == 404 { return }
        _ = try read(answer, writes: true)
    }

    private static func escape(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }

    private func send(
        _ method: String, _ path: String, _ body: JSONValue?, writes: Bool, most: Int = 1_048_576
    ) async throws -> OutboundResponse {
        var headers = ["authorization": "Bearer \(token)", "accept": "application/json"]
        // JSON is YAML, and the API wants this type for an apply.
        if body != nil { headers["content-type"] = method == "PATCH" ? "application/apply-patch+yaml" : "application/json" }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try await http.send(
                OutboundRequest(
                    method, origin + path, headers: headers, body: try body.map { try encoder.encode($0) } ?? Data(), timeout: timeout,
                    maxAnswerBytes: most))
        } catch let failure as OutboundFailure {
            switch failure {
            case .forbidden(let text): throw ProvisionerError.refused(secrets.redacted(text))
            case .unsent(let text): throw ProvisionerError.unavailable(secrets.redacted(text))
            case .unanswered(let text): throw uncertain(text, writes)
            @unknown default: throw uncertain("\(failure)", writes)
            }
        }
    }

    private func uncertain(_ text: String, _ writes: Bool) -> ProvisionerError {
        writes ? .unknown(secrets.redacted(text)) : .unavailable(secrets.redacted(text))
    }

    private func read(_ answer: OutboundResponse, writes: Bool) throws -> JSONValue {
        let value = try? JSONDecoder().decode(JSONValue.self, from: answer.body)
        if (200..<300).contains(answer.status) {
            guard let value, value.object != nil else { throw uncertain("the cluster answered no object", writes) }
            return value
        }
        let reason = String((value?["reason"]?.string ?? "").prefix(60).filter { $0.isASCII && $0.isLetter })
        let words = "the cluster answers \(answer.status)\(reason.isEmpty ? "" : " \(reason)")"
        switch answer.status {
        case 403 where value?["message"]?.string?.contains("exceeded quota") == true: throw ProvisionerError.full(words)
        // A namespace that is just being taken away takes nothing new.
        case 403 where value?["message"]?.string?.contains("being terminated") == true: throw ProvisionerError.unavailable(words)
        case 507: throw ProvisionerError.full(words)
        case 409: throw ProvisionerError.conflict("\(words): somebody else manages it")
        case 404 where writes: throw ProvisionerError.outOfOrder(words)
        case 429: throw ProvisionerError.unavailable(words)
        case 500...: throw uncertain(words, writes)
        default: throw ProvisionerError.refused(words)
        }
    }
}
