import Foundation
import PluginKit

/// Remembers wishes in place of the idempotency keys that Paddle does not have: one key, one effect.
///
/// A wish is noted before it is sent, with a digest of the whole request. Whoever brings the same key gets what came of it; with
/// another request he is refused; both at once wait for the same answer. A wish whose outcome is unknown is not sent again before
/// Paddle was asked: each carries a mark there by which it is found.
actor PaddleJournal {
    struct Note: Codable, Sendable, Hashable {
        /// Digest of the request.
        var asked: String
        var begunAt: Timestamp
        var sentAt: Timestamp
        /// What Paddle calls that which came of it; nil while nobody knows.
        var made: String?
    }
    /// What came of a wish; `answer` only where it came just now.
    struct Deed: Sendable {
        var made: String
        var answer: PaddleClient.Answer?
    }
    /// The entity's name, and Paddle's answer where it was just given.
    typealias Act = @Sendable () async throws -> Deed
    typealias Find = @Sendable (Note) async throws -> String?

    private let space: any PluginSpace
    private let clock: any PluginClock
    private let settling: Duration
    private var underWay: [String: (asked: String, task: Task<Deed, any Error>)] = [:]
    private var forgetting: Task<Void, Never>?

    /// Wishes older than this are forgotten; nobody repeats a call for so long.
    static let memory = Duration.days(90)
    static let prefix = "wish/"

    init(space: any PluginSpace, clock: any PluginClock, settling: Duration) {
        self.space = space
        self.clock = clock
        self.settling = settling
    }

    /// The mark that a wish carries at Paddle.
    static func mark(_ key: String) -> String { PluginDigest.hex(Array(PluginDigest.sha256(Data(key.utf8)).prefix(16))) }
    static func digest(_ request: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return PluginDigest.hex(Array(PluginDigest.sha256((try? encoder.encode(request)) ?? Data()).prefix(16)))
    }

    /// Throws `PaymentProviderError`. The work goes on where its caller gives up: a request that is out cannot be called back.
    func once(_ key: String, asked: String, find: @escaping Find, act: @escaping Act) async throws -> Deed {
        let name = Self.prefix + Self.mark(key)
        if let other = underWay[name] {
            guard other.asked == asked else { throw Self.otherRequest }
            return try await other.task.value
        }
        let task = Task { try await self.carriedOut(name, asked, find, act) }
        underWay[name] = (asked, task)
        defer { underWay[name] = nil }
        return try await task.value
    }

    private static let otherRequest = PaymentProviderError.refused(
        code: "idempotency_error", message: "This key was used for another request.")

    private func carriedOut(_ name: String, _ asked: String, _ find: Find, _ act: Act) async throws -> Deed {
        let bytes = try await stored { try await space.get(name) }
        var note = Note(asked: asked, begunAt: clock.now(), sentAt: clock.now())
        if let bytes {
            guard let old = try? JSONDecoder().decode(Note.self, from: bytes) else {
                throw PaymentProviderError.unreachable("The note of this wish cannot be read.")
            }
            guard old.asked == asked else { throw Self.otherRequest }
            if let made = old.made { return Deed(made: made) }
            let rest = settling - (clock.now() - old.sentAt)
            if rest > .zero { try await clock.sleep(for: rest) }
            if let made = try await find(old) { return try await kept(name, old, bytes, Deed(made: made)) }
            note = old
            note.sentAt = clock.now()
        }
        guard let sent = try? JSONEncoder().encode(note),
            try await stored({ try await space.replace(name, expecting: bytes, with: sent) })
        else { throw PaymentProviderError.unreachable("Somebody else is at work on the same wish.") }
        do {
            return try await kept(name, note, sent, act())
        } catch let error as PaymentProviderError where error.outcome == .notDone && error.isFinal {
            // What an attempt before this one may have done is not undone by the refusal of its repetition.
            if bytes != nil, let made = try await find(note) { return try await kept(name, note, sent, Deed(made: made)) }
            try await stored { try await space.remove(name) }
            throw error
        }
    }

    /// Best effort: what is not kept is found by its mark.
    private func kept(_ name: String, _ note: Note, _ old: Data, _ deed: Deed) async throws -> Deed {
        var note = note
        note.made = deed.made
        if let new = try? JSONEncoder().encode(note) { _ = try? await space.replace(name, expecting: old, with: new) }
        return deed
    }
    private func stored<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch { throw PaymentProviderError.unreachable("The plugin's own space is not in service.") }
    }

    // MARK: - Forgetting

    /// Once at each start, behind the calls.
    func startForgetting() {
        forgetting = Task { await self.forget() }
    }
    func stopForgetting() async {
        forgetting?.cancel()
        await forgetting?.value
    }
    func forget() async {
        var last: String?
        let border = clock.now() - Self.memory
        while !Task.isCancelled, let names = try? await space.keys(prefix: Self.prefix, after: last, limit: 200), !names.isEmpty {
            for name in names where !Task.isCancelled {
                guard let bytes = try? await space.get(name), let note = try? JSONDecoder().decode(Note.self, from: bytes) else { continue }
                if note.sentAt < border { try? await space.remove(name) }
            }
            last = names.last
        }
    }
}
