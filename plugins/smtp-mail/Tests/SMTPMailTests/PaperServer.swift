import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import SMTPMail

/// An SMTP server on paper: the other side of a conversation, played in memory, strict where servers are.
final class PaperServer: OutboundStreams {
    struct Manner: Sendable {
        var situation = MailSituation.takes
        var offers = ["SIZE 1000000", "8BITMIME", "SMTPUTF8"]
        var ways = "PLAIN LOGIN"
        var user = "kernel"
        var password = "correct horse"
        /// Said in one piece with the answer to STARTTLS.
        var slippedIn = ""
        /// What the whole mail is answered with; nil: taken.
        var lastWord: String?
    }
    struct State {
        var taken: [TakenMail] = []
        var clear = ""
        var lines: [String] = []
        var connections = 0
    }
    let manner: Manner
    let state = Mutex(State())
    init(_ manner: Manner = Manner()) { self.manner = manner }

    func connect(_ target: StreamTarget) async throws -> any OutboundStream {
        state.withLock { $0.connections += 1 }
        return PaperLine(self, isEncrypted: target.encryption == .implicit)
    }
    var taken: [TakenMail] { state.withLock { $0.taken } }
    var lines: [String] { state.withLock { $0.lines } }
    var clear: String { state.withLock { $0.clear } }
    var connections: Int { state.withLock { $0.connections } }
}

/// One connection to it.
actor PaperLine: OutboundStream {
    private enum Step { case commands, user, password, data }
    private let server: PaperServer
    private let manner: PaperServer.Manner
    private var incoming: [UInt8] = []
    private var outgoing: [UInt8]
    private var step = Step.commands
    private var isEncrypted: Bool
    private var isSignedIn = false
    private var isOver = false
    private var from: String?
    private var recipients: [String] = []
    private var body: [String] = []

    init(_ server: PaperServer, isEncrypted: Bool) {
        self.server = server
        manner = server.manner
        self.isEncrypted = isEncrypted
        outgoing = Array("\(manner.situation == .busy ? "421 4.3.2 come back later" : "220 mail.example.com ESMTP")\r\n".utf8)
    }

    func read(max: Int) async throws -> Data {
        if outgoing.isEmpty {
            if isOver { return Data() }
            throw OutboundFailure.unanswered("nothing came in time")
        }
        // In pieces, as networks bring it; what slipped in comes with the line before it.
        let piece = outgoing.prefix(manner.slippedIn.isEmpty ? min(max, 7) : max)
        outgoing.removeFirst(piece.count)
        return Data(piece)
    }

    func write(_ data: Data) async throws {
        guard !isOver else { throw OutboundFailure.unanswered("the connection broke") }
        if !isEncrypted { server.state.withLock { $0.clear += String(decoding: data, as: UTF8.self) } }
        incoming += data
        while let end = incoming.firstIndex(of: 10) {
            let line = Array(incoming[..<end])
            incoming.removeSubrange(...end)
            guard line.last == 13 else {
                say("500 5.5.2 a line that does not end in CRLF")
                continue
            }
            take(String(decoding: line.dropLast(), as: UTF8.self))
        }
    }

    func startTLS() async throws { isEncrypted = true }
    func close() async { isOver = true }

    private func say(_ line: String) { outgoing += Array("\(line)\r\n".utf8) }

    private func take(_ line: String) {
        switch step {
        case .data: return takeBody(line)
        case .user:
            step = .password
            return say("334 UGFzc3dvcmQ6")
        case .password:
            step = .commands
            return judge(Data(base64Encoded: line).map { String(decoding: $0, as: UTF8.self) } == manner.password)
        case .commands: break
        }
        server.state.withLock { $0.lines.append(line) }
        switch line.split(separator: " ").first.map({ $0.uppercased() }) ?? "" {
        case "EHLO":
            var offers = manner.offers
            if !isEncrypted, manner.situation != .noEncryption { offers.append("STARTTLS") }
            if isEncrypted { offers.append("AUTH \(manner.ways)") }
            say("250-mail.example.com greets you")
            for offer in offers.dropLast() { say("250-\(offer)") }
            say("250 \(offers.last ?? "HELP")")
        case "STARTTLS": outgoing += Array("220 2.0.0 go ahead\r\n\(manner.slippedIn)".utf8)
        case "AUTH": signIn(line)
        case "RSET":
            forget()
            say("250 2.0.0 forgotten")
        case "QUIT":
            say("221 2.0.0 bye")
            isOver = true
        case "MAIL":
            // Whoever strips encryption, or a server that is open to all, takes what comes.
            guard isSignedIn || [.noEncryption, .wrongSecret].contains(manner.situation) else { return say("530 5.7.0 who are you?") }
            guard from == nil, let address = address(in: line, "MAIL FROM:<") else { return say("501 5.5.4 no sender") }
            from = address
            say("250 2.1.0 fine")
        case "RCPT": addRecipient(line)
        case "DATA":
            guard !recipients.isEmpty else { return say("554 5.5.1 no recipients") }
            if manner.situation == .breaksBefore {
                isOver = true
                return
            }
            step = .data
            body = []
            say("354 go on")
        default: say("500 5.5.1 what?")
        }
    }

    private func addRecipient(_ line: String) {
        guard from != nil, let address = address(in: line, "RCPT TO:<") else { return say("501 5.5.4 no recipient") }
        if manner.situation == .refusesNobody, address.hasPrefix("nobody@") {
            return say("550 5.1.1 <\(address)>: there is no such mailbox, \(manner.password)")
        }
        if manner.situation == .laterForFull, address.hasPrefix("full@") { return say("452 4.2.2 the mailbox of \(address) is full") }
        recipients.append(address)
        say("250 2.1.5 fine")
    }

    private func signIn(_ line: String) {
        guard isEncrypted else { return say("538 5.7.11 encrypt first") }
        let words = line.split(separator: " ").map(String.init)
        switch words.dropFirst().first {
        case "PLAIN" where manner.ways.contains("PLAIN"):
            let parts = words.count > 2 ? Data(base64Encoded: words[2])?.split(separator: 0, omittingEmptySubsequences: false) : nil
            judge(parts?.map { String(decoding: $0, as: UTF8.self) } == ["", manner.user, manner.password])
        case "LOGIN" where manner.ways.contains("LOGIN"):
            step = .user
            say("334 VXNlcm5hbWU6")
        default: say("504 5.5.4 no such way")
        }
    }
    private func judge(_ isRight: Bool) {
        isSignedIn = isRight && manner.situation != .wrongSecret
        say(isSignedIn ? "235 2.7.0 welcome" : "535 5.7.8 wrong: \(manner.password)")
    }

    private func takeBody(_ line: String) {
        guard line == "." else {
            body.append(line.hasPrefix(".") ? String(line.dropFirst()) : line)
            return
        }
        step = .commands
        if manner.situation == .refusesMail {
            say("554 5.7.1 this looks like spam to \(recipients.first ?? "us")")
            return forget()
        }
        let id = body.first { $0.lowercased().hasPrefix("message-id:") }?.dropFirst(11).trimmingCharacters(
            in: CharacterSet(charactersIn: " <>"))
        let mail = TakenMail(from: from ?? "", recipients: recipients, content: opened(body).joined(separator: "\r\n"), id: id)
        server.state.withLock { $0.taken.append(mail) }
        forget()
        switch manner.situation {
        case .breaksAfter: isOver = true
        case .answersNonsense: say("HTTP/1.1 200 OK")
        default: say(manner.lastWord ?? "250 2.0.0 queued as 4XYZ")
        }
    }
    private func forget() {
        from = nil
        recipients = []
    }
    private func address(in line: String, _ before: String) -> String? {
        guard line.hasPrefix(before), let end = line.firstIndex(of: ">") else { return nil }
        return String(line[line.index(line.startIndex, offsetBy: before.count)..<end])
    }
    /// Encoded words read, as a mail program shows them on their own line.
    private func opened(_ lines: [String]) -> [String] {
        lines.map { line in
            guard let start = line.range(of: "=?utf-8?B?"), let end = line.range(of: "?=", range: start.upperBound..<line.endIndex),
                let bytes = Data(base64Encoded: String(line[start.upperBound..<end.lowerBound]))
            else { return line }
            let words = String(decoding: bytes, as: UTF8.self).filter { !$0.isNewline }
            return line[..<start.lowerBound] + words + line[end.upperBound...]
        }
    }
}

/// The plugin against that server.
struct Desk: NotificationChannelSubject {
    var secrets: [String] { ["correct horse"] }

    func stage(_ situation: MailSituation) async throws -> MailStage? {
        let server = PaperServer(PaperServer.Manner(situation: situation))
        let channel = try await Self.channel(server)
        return MailStage(channel: channel, taken: { server.taken }, inTheClear: { server.clear })
    }

    static func bench() throws -> PluginBench {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try PluginBench(
            manifest: package.appendingPathComponent("plugin.json"), at: Timestamp(microseconds: 1_795_253_400_000_000))
    }
    static func channel(
        _ server: PaperServer, _ given: [String: JSONValue] = [:], bench: PluginBench? = nil
    ) async throws -> any NotificationChannel {
        let settings: [String: JSONValue] = ["server": "mail.example.com:587", "username": "kernel"].merging(given) { $1 }
        var context = try (bench ?? Self.bench()).context(settings: settings, secrets: ["SMTP_PASSWORD": ["correct horse"]])
        context.streams = server
        guard let channel = try await PluginBench.made(SMTPMail(), context).notificationChannel else { throw PluginRefusal("no channel") }
        return channel
    }
}
