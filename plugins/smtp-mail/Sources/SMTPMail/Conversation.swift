import Foundation
import PluginKit

/// One connection to the server, greeted, encrypted and signed in. Used by one task at a time.
///
/// What is thrown says truly whether a mail may have been taken: `unknown` only once the message's last byte was handed over.
actor Conversation {
    private let stream: any OutboundStream
    private var buffer: [UInt8] = []
    private(set) var offers: [String: String] = [:]
    private var isEncrypted: Bool

    private init(_ stream: any OutboundStream, isEncrypted: Bool) {
        self.stream = stream
        self.isEncrypted = isEncrypted
    }

    func close() async { await stream.close() }

    /// Ready for the first mail. Throws `NotificationFailure`; the connection is closed then.
    static func open(_ terms: SMTPTerms, helo: String, _ streams: any OutboundStreams) async throws -> Conversation {
        let stream: any OutboundStream
        do {
            stream = try await streams.connect(
                StreamTarget(
                    host: terms.server.host, port: terms.server.port, encryption: terms.encryption == .implicit ? .implicit : .none,
                    trustedRoots: terms.roots, timeout: terms.timeout))
        } catch {
            throw failure(error, "no connection")
        }
        let conversation = Conversation(stream, isEncrypted: terms.encryption == .implicit)
        do {
            try await conversation.begin(terms, helo)
            return conversation
        } catch {
            await stream.close()
            throw failure(error, "the connection ended before a mail was sent")
        }
    }

    private static func failure(_ error: any Error, _ where: String) -> any Error {
        switch error {
        case let known as NotificationFailure: known
        case let cancelled as CancellationError: cancelled
        case OutboundFailure.forbidden(let why): NotificationFailure.misconfigured(why)
        case OutboundFailure.unsent(let why), OutboundFailure.unanswered(let why): NotificationFailure.unreachable("\(`where`): \(why)")
        default: NotificationFailure.unreachable(`where`)
        }
    }

    private func begin(_ terms: SMTPTerms, _ helo: String) async throws {
        let greeting = try await reply()
        guard greeting.isGood else { throw refused(greeting, "the server turns us away") }
        try await hello(helo)
        if terms.encryption == .starttls {
            guard offers["STARTTLS"] != nil else {
                throw NotificationFailure.misconfigured("the server offers no STARTTLS: nothing was sent; is the port right?")
            }
            let answer = try await say("STARTTLS")
            guard answer.isGood else { throw refused(answer, "the server does not encrypt") }
            guard buffer.isEmpty else {
                throw NotificationFailure.misconfigured(
                    "something came between STARTTLS and encryption, which anybody might have said")
            }
            do { try await stream.startTLS() } catch OutboundFailure.unsent(let why) {
                throw NotificationFailure.misconfigured("no encryption came about: \(why)")
            }
            isEncrypted = true
            // What was offered in the clear may have been anybody's word.
            offers = [:]
            try await hello(helo)
        }
        if let login = terms.login { try await signIn(login) }
    }

    private func hello(_ name: String) async throws {
        let answer = try await say("EHLO \(name)")
        guard answer.isGood else { throw refused(answer, "the server refuses EHLO") }
        for line in answer.lines.dropFirst() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            guard let word = words.first else { continue }
            offers[word.uppercased()] = words.count > 1 ? words[1].uppercased() : ""
        }
    }

    private func signIn(_ login: SMTPTerms.Login) async throws {
        // Settings that would bring it about are refused; a password is worth a second look.
        guard isEncrypted else { throw NotificationFailure.misconfigured("no password is sent over a connection that is not encrypted") }
        let ways = Set((offers["AUTH"] ?? "").split(separator: " ").map(String.init))
        let answer: SMTPReply
        if ways.contains("PLAIN") {
            answer = try await say("AUTH PLAIN \(Data("\0\(login.username)\0\(login.password)".utf8).base64EncodedString())")
        } else if ways.contains("LOGIN") {
            let first = try await say("AUTH LOGIN")
            guard first.code == 334 else { throw refused(first, "the server does not take AUTH LOGIN") }
            let second = try await say(Data(login.username.utf8).base64EncodedString())
            guard second.code == 334 else { throw refused(second, "the server refuses the username") }
            answer = try await say(Data(login.password.utf8).base64EncodedString())
        } else {
            throw NotificationFailure.misconfigured("the server takes neither AUTH PLAIN nor LOGIN, and there is a username")
        }
        guard answer.code == 235 else {
            if answer.isLater { throw NotificationFailure.later("the server cannot check the password now: \(answer.status)", after: nil) }
            throw NotificationFailure.misconfigured("the server refuses username and password: \(answer.status) \(answer.words)")
        }
    }

    private func refused(_ answer: SMTPReply, _ what: String) -> NotificationFailure {
        let text = "\(what): \(answer.status) \(answer.words)"
        return answer.isLater ? .later(text, after: nil) : .misconfigured(text)
    }

    /// Whether it still listens; for one that was kept.
    func isAlive() async -> Bool { (try? await say("RSET"))?.isGood == true }

    func quit() async {
        _ = try? await say("QUIT")
        await stream.close()
    }

    // MARK: - A mail

    /// Results in the order of the mail's recipients, and whether the connection is fit for another mail.
    func send(_ mail: OutgoingMail, dotted: Data) async throws -> (results: [MailResult], isFit: Bool) {
        do { return try await hand(mail, dotted) } catch let failure as NotificationFailure { throw failure } catch {
            throw Self.failure(error, "the connection broke before the mail was sent")
        }
    }

    private func hand(_ mail: OutgoingMail, _ dotted: Data) async throws -> (results: [MailResult], isFit: Bool) {
        let isForeign = !SMTPText.isASCII(mail.from.address) || mail.to.contains { !SMTPText.isASCII($0.address) }
        let needsUTF8 = isForeign || mail.message.contains { $0 >= 128 }
        if needsUTF8, offers["SMTPUTF8"] == nil {
            let refusal = MailResult.Outcome.refused(code: "5.6.7", message: "the server takes no addresses outside ASCII (SMTPUTF8)")
            return (mail.to.map { MailResult($0.address, refusal) }, true)
        }
        if let most = offers["SIZE"].flatMap({ Int($0) }), most > 0, dotted.count > most {
            throw NotificationFailure.refused("the mail has \(dotted.count) bytes, the server takes \(most)")
        }
        var command = "MAIL FROM:<\(mail.from.address)>"
        if offers["SIZE"] != nil { command += " SIZE=\(dotted.count)" }
        if needsUTF8 { command += " SMTPUTF8" + (offers["8BITMIME"] != nil ? " BODY=8BITMIME" : "") }
        let from = try await say(command)
        guard from.isGood else {
            if from.code == 421 || from.isLater {
                throw NotificationFailure.later("the server takes nothing now: \(from.status) \(from.words)", after: nil)
            }
            throw NotificationFailure.misconfigured("the server refuses the sender: \(from.status) \(from.words)")
        }
        var results: [MailResult] = []
        for party in mail.to {
            let answer = try await say("RCPT TO:<\(party.address)>")
            if answer.code == 421 {
                throw NotificationFailure.later("the server closes: \(answer.status) \(answer.words)", after: nil)
            }
            results.append(MailResult(party.address, Self.outcome(answer)))
        }
        guard results.contains(where: \.isTaken) else { return (results, await isAlive()) }
        let data = try await say("DATA")
        guard data.code == 354 else {
            let outcome = Self.outcome(data.isGood ? SMTPReply(code: 451, lines: ["an answer to DATA that makes no sense"]) : data)
            return (results.map { $0.isTaken ? MailResult($0.recipient, outcome) : $0 }, false)
        }
        // Without its last line nobody may take it for a whole mail.
        let body = dotted.dropLast(3)
        for start in stride(from: 0, to: body.count, by: 65_536) {
            try await stream.write(Data(body.dropFirst(start).prefix(65_536)))
        }
        let answer: SMTPReply
        do {
            try await stream.write(Data(dotted.suffix(3)))
            answer = try await reply(rounds: 2)
        } catch let error as CancellationError { throw error } catch {
            throw NotificationFailure.unknown("no answer came to the whole mail")
        }
        guard answer.code < 300 || answer.code >= 400 else {
            throw NotificationFailure.unknown("an answer that makes no sense: \(answer.code)")
        }
        let outcome = Self.outcome(answer)
        return (results.map { $0.isTaken ? MailResult($0.recipient, outcome) : $0 }, answer.code != 421)
    }

    private static func outcome(_ answer: SMTPReply) -> MailResult.Outcome {
        if answer.isGood { return .taken(reference: answer.words) }
        return answer.isLater || answer.code < 500
            ? .later(code: answer.status, message: answer.words) : .refused(code: answer.status, message: answer.words)
    }

    // MARK: - Lines

    private func say(_ command: String) async throws -> SMTPReply {
        try await stream.write(Data("\(command)\r\n".utf8))
        return try await reply()
    }

    /// `rounds`: how many time-outs it may take.
    private func reply(rounds: Int = 1) async throws -> SMTPReply {
        var lines: [String] = []
        var code: Int?
        while true {
            let line = try await line(rounds: rounds)
            guard let read = SMTPReply.line(line), code == nil || code == read.code, lines.count < SMTPReply.maxLines else {
                throw OutboundFailure.unanswered("the server does not speak SMTP")
            }
            code = read.code
            lines.append(read.text)
            if read.isLast { return SMTPReply(code: read.code, lines: lines) }
        }
    }

    private func line(rounds: Int) async throws -> [UInt8] {
        var rounds = rounds
        while true {
            if let end = buffer.firstIndex(of: 10) {
                var line = Array(buffer[..<end])
                buffer.removeSubrange(...end)
                if line.last == 13 { line.removeLast() }
                return line
            }
            guard buffer.count <= SMTPReply.maxLineBytes else { throw OutboundFailure.unanswered("the server's line has no end") }
            let more: Data
            do { more = try await stream.read(max: 4_096) } catch OutboundFailure.unanswered(_) where rounds > 1 {
                rounds -= 1
                continue
            }
            guard !more.isEmpty else { throw OutboundFailure.unanswered("the server closed the connection") }
            buffer += more
        }
    }
}

extension MailResult {
    var isTaken: Bool { if case .taken = outcome { true } else { false } }
}
