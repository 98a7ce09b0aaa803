import Foundation
import PluginKit

/// One encrypted connection to a directory. One question at a time; used by one task.
///
/// Throws `IdentityProviderError`: `unreachable` where the network or the server fails, `notBelieved` where an answer makes no sense. After either
/// only `close` is left.
actor Line {
    /// What an answer may cost.
    enum Limits {
        static let messageBytes = 262_144
        static let searchBytes = 4_194_304
        static let entries = 2_000
        static let references = 100
        static let pages = 20
        static let pageSize: Int32 = 500
    }
    private let stream: any OutboundStream
    private let clock: any PluginClock
    /// Nothing is waited for beyond this, however steadily something comes.
    private let deadline: Timestamp
    private let seconds: Int32
    private var buffer: [UInt8] = []
    private var lastID: Int32 = 0
    private var taken = 0

    private init(_ stream: any OutboundStream, _ terms: Terms, clock: any PluginClock, deadline: Timestamp) {
        self.stream = stream
        self.clock = clock
        self.deadline = deadline
        seconds = Int32(clamping: terms.timeout.components.seconds)
    }

    /// Encrypted, the certificate made out to this server; nothing but the wish to encrypt was said before.
    static func open(
        _ server: StreamAddress, _ terms: Terms, _ streams: any OutboundStreams, clock: any PluginClock, deadline: Timestamp
    ) async throws -> Line {
        let stream: any OutboundStream
        do {
            stream = try await streams.connect(
                StreamTarget(
                    host: server.host, port: server.port, encryption: terms.encryption == .ldaps ? .implicit : .none,
                    trustedRoots: terms.roots, timeout: terms.timeout))
        } catch OutboundFailure.forbidden(let why) {
            throw IdentityProviderError.misconfigured("\(server) may not be reached: \(why)")
        } catch { throw failure(error, "no connection to \(server)") }
        let line = Line(stream, terms, clock: clock, deadline: deadline)
        guard terms.encryption == .starttls else { return line }
        do {
            try await line.encrypt()
            return line
        } catch {
            await stream.close()
            throw failure(error, "no encrypted connection to \(server)")
        }
    }

    private static func failure(_ error: any Error, _ place: String) -> any Error {
        switch error {
        case let known as IdentityProviderError: known
        case let cancelled as CancellationError: cancelled
        case OutboundFailure.forbidden(let why): IdentityProviderError.misconfigured("\(place): \(why)")
        case OutboundFailure.unsent(let why), OutboundFailure.unanswered(let why):
            IdentityProviderError.unreachable("\(place): \(why)")
        case let fault as BER.Fault:
            IdentityProviderError.notBelieved(.malformed, reason: "\(place): the directory does not speak LDAP: \(fault.what)")
        default: IdentityProviderError.unreachable(place)
        }
    }

    private func encrypt() async throws {
        let answer = try await ask(.startTLS)
        guard case .extended(let outcome, _) = answer.content else { throw BER.Fault(what: "no answer to StartTLS") }
        guard outcome.code == Outcome.success else {
            throw IdentityProviderError.misconfigured("the directory does not encrypt (StartTLS: code \(outcome.code)); nothing was sent")
        }
        // Whoever sits in between would have it read as if it had come encrypted.
        guard buffer.isEmpty else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "something came in the clear between StartTLS and encryption")
        }
        try await stream.startTLS()
    }

    func close() async {
        // A courtesy that nobody waits for an answer to.
        try? await stream.write(Data(Request.unbind.encoded(id: lastID &+ 1)))
        await stream.close()
    }

    // MARK: Asking

    /// The outcome, and what a password policy says of it.
    func bind(_ name: String, _ password: String) async throws -> (outcome: Outcome, policyError: Int32?) {
        try await attempted("bind") {
            guard !name.isEmpty, Credentials.isPassword(password) else { throw IdentityProviderError.account(.credentialsInvalid) }
            let answer = try await ask(
                .bind(name: name, password: password), [Control(name: Control.passwordPolicy)])
            guard case .bind(let outcome) = answer.content else { throw BER.Fault(what: "no answer to a bind") }
            return (outcome, try answer.controls.first { $0.name == Control.passwordPolicy }?.policyError)
        }
    }

    /// Page by page where the directory has pages; `limit` bounds what is asked for, and whoever gets more is told by the outcome.
    func search(
        _ base: String, scope: Search.Scope = .subtree, _ filter: Filter, _ attributes: [String], limit: Int32
    ) async throws -> (entries: [Entry], outcome: Outcome) {
        try await attempted("search") {
            var (entries, cookie): ([Entry], [UInt8]) = ([], [])
            let size = min(limit, Limits.pageSize)
            taken = 0
            for _ in 0..<Limits.pages {
                let search = Search(base: base, scope: scope, filter: filter, attributes: attributes, limit: limit, seconds: seconds)
                let id = try await send(.search(search), scope == .base ? [] : [.page(size, after: cookie)])
                let (more, done) = try await collect(id, entries.count)
                entries += more
                guard case .searchDone(let outcome) = done.content else { throw BER.Fault(what: "no end of a search") }
                cookie = try done.controls.first { $0.name == Control.pages }?.cookie ?? []
                if cookie.isEmpty || outcome.code != Outcome.success || entries.count > limit { return (entries, outcome) }
            }
            throw IdentityProviderError.notBelieved(.malformed, reason: "the directory's answer has no end")
        }
    }

    private func collect(_ id: Int32, _ before: Int) async throws -> ([Entry], Answer) {
        var (entries, references): ([Entry], Int) = ([], 0)
        while true {
            let answer = try await receive(id)
            switch answer.content {
            case .entry(let entry):
                entries.append(entry)
                guard before + entries.count <= Limits.entries else {
                    throw IdentityProviderError.notBelieved(.malformed, reason: "the directory answers more than \(Limits.entries) entries")
                }
            case .reference:
                references += 1
                guard references <= Limits.references else {
                    throw IdentityProviderError.notBelieved(.malformed, reason: "the directory answers nothing but references")
                }
            default: return (entries, answer)
            }
        }
    }

    private func attempted<Value>(_ what: String, _ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch { throw Self.failure(error, what) }
    }

    private func ask(_ request: Request, _ controls: [Control] = []) async throws -> Answer {
        try await receive(try await send(request, controls))
    }
    private func send(_ request: Request, _ controls: [Control]) async throws -> Int32 {
        lastID += 1
        try await stream.write(Data(request.encoded(id: lastID, controls: controls)))
        return lastID
    }

    /// The next message, which must be the answer to this very question.
    private func receive(_ id: Int32) async throws -> Answer {
        let answer = try Answer(try await message())
        if answer.id == 0, case .extended(let outcome, let name) = answer.content, name == Answer.noticeOfDisconnection {
            throw IdentityProviderError.unreachable("the directory ends the connection: code \(outcome.code)")
        }
        guard answer.id == id else { throw BER.Fault(what: "an answer to another question") }
        return answer
    }

    private func message() async throws -> [UInt8] {
        while true {
            if let head = try BER.head(buffer[...]) {
                guard head.tag == BER.sequence else { throw BER.Fault(what: "something that is no message") }
                guard head.content.upperBound <= Limits.messageBytes else {
                    throw BER.Fault(what: "a message of \(head.content.upperBound) bytes")
                }
                if buffer.count >= head.content.upperBound {
                    let message = Array(buffer[..<head.content.upperBound])
                    buffer.removeFirst(head.content.upperBound)
                    return message
                }
            }
            let more = try await stream.read(max: 16_384)
            guard !more.isEmpty else { throw OutboundFailure.unanswered("the directory closed the connection") }
            guard clock.now() < deadline else { throw OutboundFailure.unanswered("the directory took too long") }
            taken += more.count
            guard taken <= Limits.searchBytes else { throw BER.Fault(what: "an answer of more than \(Limits.searchBytes) bytes") }
            buffer += more
        }
    }
}
