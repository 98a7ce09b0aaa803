import Foundation
import PluginKit
import Synchronization

/// Providers' metadata, kept for a while. Nothing that a stranger sends makes it fetch anything.
final class MetadataShelf: Sendable {
    private struct Kept {
        var text: Data
        var readAt: Timestamp
    }
    static let maxKept = 500
    static let maxBytes = 1_048_576
    private let kept = Mutex<[String: Kept]>([:])
    private let context: PluginContext
    private let life: Duration
    private let staleLife: Duration
    private let timeout: Duration

    init(_ context: PluginContext) throws {
        self.context = context
        life = .seconds(try context.settings.integer("metadata_seconds"))
        staleLife = .seconds(try context.settings.integer("metadata_stale_seconds"))
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
    }

    /// `anew`: asks its source whatever is kept.
    func read(_ party: Party, anew: Bool = false) async throws -> ProviderMetadata {
        let now = context.clock.now()
        switch party.source {
        case .text(let text): return try ProviderMetadata(Data(text.utf8), entity: party.providerID, now: now)
        case .file(let path): return try ProviderMetadata(try file(path), entity: party.providerID, now: now)
        case .address(let address): return try await fetched(address, party, anew: anew, now)
        }
    }

    private func fetched(_ address: String, _ party: Party, anew: Bool, _ now: Timestamp) async throws -> ProviderMetadata {
        let held = kept.withLock { $0[address] }.flatMap { $0.readAt <= now ? $0 : nil }
        if !anew, let held, now < held.readAt + life { return try ProviderMetadata(held.text, entity: party.providerID, now: now) }
        do {
            let text = try await fetch(address)
            let metadata = try ProviderMetadata(text, entity: party.providerID, now: now)
            kept.withLock { kept in
                if kept[address] == nil, kept.count >= Self.maxKept, let oldest = kept.min(by: { $0.value.readAt < $1.value.readAt }) {
                    kept[oldest.key] = nil
                }
                kept[address] = Kept(text: text, readAt: now)
            }
            return metadata
        } catch {
            // A source that is away for an hour keeps nobody out; what it said last ends at its own validUntil.
            guard !anew, let held, now < held.readAt + life + staleLife else { throw error }
            context.log.warning("A provider's metadata could not be fetched again; what it said before is used.", ["reason": "\(error)"])
            return try ProviderMetadata(held.text, entity: party.providerID, now: now)
        }
    }

    private func fetch(_ address: String) async throws -> Data {
        var request = OutboundRequest("GET", address, headers: ["accept": "application/samlmetadata+xml, application/xml, text/xml"])
        request.timeout = timeout
        request.maxAnswerBytes = Self.maxBytes
        do {
            let answer = try await context.http.send(request)
            guard answer.status == 200 else {
                if answer.status >= 500 || answer.status == 429 {
                    throw IdentityProviderError.unreachable("the provider answered \(answer.status) to the request for its metadata")
                }
                throw IdentityProviderError.misconfigured("the provider answered \(answer.status) to the request for its metadata")
            }
            return answer.body
        } catch let failure as OutboundFailure {
            switch failure {
            case .forbidden(let why): throw IdentityProviderError.misconfigured("the metadata's address may not be reached: \(why)")
            case .unsent(let why), .unanswered(let why): throw IdentityProviderError.unreachable(why)
            @unknown default: throw IdentityProviderError.unreachable("no answer")
            }
        }
    }

    private func file(_ path: String) throws -> Data {
        guard let file = FileHandle(forReadingAtPath: path), let text = try? file.read(upToCount: Self.maxBytes + 1),
            text.count <= Self.maxBytes
        else {
            throw IdentityProviderError.misconfigured("metadata_file cannot be read, or is larger than \(Self.maxBytes) bytes")
        }
        return text
    }
}
