import Foundation
import PluginKit

/// How the other side of a channel behaves.
public enum MailSituation: String, Sendable, Hashable, CaseIterable {
    case takes
    /// Refuses `nobody@example.com` for good and takes the others.
    case refusesNobody
    /// Has no room for `full@example.com` now and takes the others.
    case laterForFull
    /// Takes no mail at all for now.
    case busy
    /// Refuses the mail itself once it has seen it.
    case refusesMail
    /// Does not accept the channel's password or key.
    case wrongSecret
    /// Ends the connection before it has a whole mail.
    case breaksBefore
    /// Takes the mail, and the connection ends before its answer.
    case breaksAfter
    /// Answers a whole mail with what nobody can read.
    case answersNonsense
    /// Offers no encryption where the channel wants it.
    case noEncryption
}

/// What the other side took.
public struct TakenMail: Sendable, Hashable {
    public var from: String
    public var recipients: [String]
    /// Everything that came of it, headers and bodies, encodings opened.
    public var content: String
    /// The Message-ID that came, without brackets; nil where it came without one.
    public var id: String?
    public init(from: String, recipients: [String], content: String, id: String?) {
        self.from = from
        self.recipients = recipients
        self.content = content
        self.id = id
    }
}

/// A channel at work against another side of the tests' own.
public struct MailStage: Sendable {
    public var channel: any NotificationChannel
    public var taken: @Sendable () async -> [TakenMail]
    /// Every byte that crossed without encryption; empty where there is no such thing.
    public var inTheClear: @Sendable () async -> String
    public init(
        channel: any NotificationChannel, taken: @escaping @Sendable () async -> [TakenMail],
        inTheClear: @escaping @Sendable () async -> String = { "" }
    ) {
        self.channel = channel
        self.taken = taken
        self.inTheClear = inTheClear
    }
}

/// What the conformance kit must know of one channel.
public protocol NotificationChannelSubject: Sendable {
    /// A new other side that behaves so, and a new channel to it. Nil only for `noEncryption`, where encryption is not the channel's affair,
    /// and for `laterForFull`, where the other side hears of full mailboxes only afterwards.
    func stage(_ situation: MailSituation) async throws -> MailStage?
    /// What must never stand in an error.
    var secrets: [String] { get }
}

/// Tries a notification channel the way networks and strangers do. Every channel passes it, shipped or not.
public struct NotificationChannelConformance: Sendable {
    private let subject: any NotificationChannelSubject
    public init(_ subject: any NotificationChannelSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run() async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String])] = [
            ("a mail that is taken arrives whole, once, at each recipient and from its sender", taken),
            ("the same mail again carries the same id", repeated),
            ("a recipient who is refused keeps no other from the mail", oneRefused),
            ("a mailbox that is full now is asked again, not given up", oneLater),
            ("a server that is busy took nothing and is asked again", busy),
            ("a mail that is refused is not asked again", mailRefused),
            ("a password that is not accepted is the operator's to mend, and is not repeated", wrongSecret),
            ("a connection that breaks before the whole mail sent nothing", breaksBefore),
            ("a connection that breaks after the whole mail leaves it unknown", breaksAfter),
            ("an answer that nobody can read leaves it unknown", nonsense),
            ("without encryption nothing is said", noEncryption),
            ("an address that would end a command is not sent", hostileAddresses),
            ("names and subjects add no header and no recipient", hostileNames),
            ("a body that looks like the end of a mail arrives whole", hostileBody),
            ("twenty mails at once arrive once each", concurrent),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check())) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
        }
        return findings
    }

    // MARK: - Mails

    /// A mail as the server writes it.
    static func mail(
        _ id: String = "one@example.com", to: [String] = ["mary@example.com"], name: String = "Mary",
        subject: String = "Confirm your address",
        text: String = "Welcome. The code is 4711.\n"
    ) -> OutgoingMail {
        let plain = { (text: String) in text.unicodeScalars.allSatisfy { (32..<127).contains($0.value) } }
        // As a host does: what is not plain is encoded.
        let shown = { (text: String) in plain(text) ? text : "=?utf-8?B?\(Data(text.utf8).base64EncodedString())?=" }
        let recipients = to.map { "\(shown(name)) <\($0.filter { !$0.isNewline })>" }.joined(separator: ",\r\n ")
        let body = text.replacing("\r\n", with: "\n").replacing("\n", with: "\r\n")
        let message = [
            "From: Acme <no-reply@example.com>", "To: \(recipients)", "Subject: \(shown(subject))",
            "Date: Sat, 21 Nov 2026 09:30:00 +0000", "Message-ID: <\(id)>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "", body,
        ].joined(separator: "\r\n")
        return OutgoingMail(
            id: id, from: OutgoingMail.Party("no-reply@example.com", name: "Acme"), to: to.map { OutgoingMail.Party($0, name: name) },
            subject: subject, text: text, html: "<p>\(text)</p>", template: "verify_email", message: Data(message.utf8))
    }

    private enum Said {
        case results([MailResult])
        case failure(NotificationFailure)
        case foreign(any Error)
        var text: String {
            switch self {
            case .results(let results): results.map { "\($0.outcome)" }.joined(separator: ", ")
            case .failure(let failure): "\(failure)"
            case .foreign(let error): "an error that is none of the kit's: \(error)"
            }
        }
    }

    private func stage(_ situation: MailSituation) async throws -> MailStage {
        guard let stage = try await subject.stage(situation) else {
            throw PluginRefusal("The subject offers no stage for \(situation.rawValue).")
        }
        return stage
    }
    private func send(_ mail: OutgoingMail, _ stage: MailStage) async -> Said {
        do { return .results(try await stage.channel.send(mail)) } catch let failure as NotificationFailure {
            return .failure(failure)
        } catch {
            return .foreign(error)
        }
    }
    /// Whether the secret stands there, as it is or in base64, by itself or with what a protocol puts beside it.
    private static func tells(_ text: String, _ secret: String) -> Bool {
        text.contains(secret)
            || text.split(whereSeparator: \.isWhitespace).contains { word in
                Data(base64Encoded: String(word)).map { Data($0).range(of: Data(secret.utf8)) != nil } ?? false
            }
    }
    /// What a result or an error says must be fit for a log.
    private func leaks(_ said: Said, _ mail: OutgoingMail) -> [String] {
        var text = said.text
        if case .results(let results) = said {
            text = results.map { result in
                switch result.outcome {
                case .taken(let reference): reference ?? ""
                case .refused(let code, let message), .later(let code, let message): "\(code) \(message)"
                @unknown default: ""
                }
            }.joined(separator: " ")
        }
        return subject.secrets.filter { Self.tells(text, $0) }.map { _ in "It told a secret." }
            + mail.to.filter { text.contains($0.address) }.prefix(1).map { _ in "It told a person's address." }
    }

    // MARK: - Clauses

    private func taken() async throws -> [String] {
        let stage = try await stage(.takes)
        let mail = Self.mail(to: ["mary@example.com", "bob@example.com"])
        let said = await send(mail, stage)
        guard case .results(let results) = said else { return ["It answered \(said.text)."] }
        var faults = leaks(said, mail)
        if results.map(\.recipient) != mail.to.map(\.address) { faults.append("It did not answer for each recipient in their order.") }
        if !results.allSatisfy(\.wasTaken) { faults.append("It answered \(said.text).") }
        let arrived = await stage.taken()
        if arrived.flatMap(\.recipients).sorted() != ["bob@example.com", "mary@example.com"] {
            faults.append("It arrived at \(arrived.flatMap(\.recipients)).")
        }
        for one in arrived {
            if one.from != mail.from.address { faults.append("It came from \(one.from).") }
            if !one.content.contains("The code is 4711.") { faults.append("Its text did not arrive.") }
            if !one.content.contains("Confirm your address") { faults.append("Its subject did not arrive.") }
        }
        return faults
    }

    private func repeated() async throws -> [String] {
        let stage = try await stage(.takes)
        for _ in 1...2 { _ = await send(Self.mail("again@example.com"), stage) }
        let ids = await stage.taken().map { $0.id ?? "none" }
        return !ids.isEmpty && ids.allSatisfy { $0 == "again@example.com" } ? [] : ["The ids that came: \(ids)."]
    }

    private func oneRefused() async throws -> [String] {
        let stage = try await stage(.refusesNobody)
        let mail = Self.mail(to: ["mary@example.com", "nobody@example.com", "bob@example.com"])
        let said = await send(mail, stage)
        guard case .results(let results) = said, results.count == 3 else { return ["It answered \(said.text)."] }
        var faults = leaks(said, mail)
        if case .refused = results[1].outcome {} else { faults.append("The one who was refused: \(results[1].outcome).") }
        if !results[0].wasTaken || !results[2].wasTaken { faults.append("The others: \(said.text).") }
        if Set(await stage.taken().flatMap(\.recipients)) != ["mary@example.com", "bob@example.com"] {
            faults.append("It did not arrive at the others.")
        }
        let alone = await send(Self.mail(to: ["nobody@example.com"]), stage)
        if case .results(let results) = alone, results.count == 1, case .refused = results[0].outcome {
        } else {
            faults.append("Refused alone: \(alone.text).")
        }
        return faults
    }

    private func oneLater() async throws -> [String] {
        guard let stage = try await subject.stage(.laterForFull) else { return [] }
        let mail = Self.mail(to: ["full@example.com", "mary@example.com"])
        let said = await send(mail, stage)
        guard case .results(let results) = said, results.count == 2 else { return ["It answered \(said.text)."] }
        var faults = leaks(said, mail)
        if case .later = results[0].outcome {} else { faults.append("The full one: \(results[0].outcome).") }
        if !results[1].wasTaken { faults.append("The other: \(results[1].outcome).") }
        return faults
    }

    private func busy() async throws -> [String] {
        let stage = try await stage(.busy)
        let mail = Self.mail()
        let said = await send(mail, stage)
        var faults = leaks(said, mail)
        switch said {
        case .failure(.later), .failure(.unreachable): break
        case .results(let results) where results.allSatisfy { if case .later = $0.outcome { true } else { false } }: break
        default: faults.append("It answered \(said.text).")
        }
        if !(await stage.taken().isEmpty) { faults.append("Something was taken.") }
        return faults
    }

    private func mailRefused() async throws -> [String] {
        let stage = try await stage(.refusesMail)
        let mail = Self.mail()
        let said = await send(mail, stage)
        switch said {
        case .failure(.refused): return leaks(said, mail)
        case .results(let results) where results.allSatisfy { if case .refused = $0.outcome { true } else { false } }:
            return leaks(said, mail)
        default: return ["It answered \(said.text)."]
        }
    }

    private func wrongSecret() async throws -> [String] {
        let stage = try await stage(.wrongSecret)
        let mail = Self.mail()
        let said = await send(mail, stage)
        guard case .failure(.misconfigured) = said else { return ["It answered \(said.text)."] }
        return leaks(said, mail) + (await stage.taken().isEmpty ? [] : ["Something was taken."])
    }

    private func breaksBefore() async throws -> [String] {
        let stage = try await stage(.breaksBefore)
        let said = await send(Self.mail(), stage)
        guard case .failure(.unreachable) = said else { return ["It answered \(said.text)."] }
        return await stage.taken().isEmpty ? [] : ["Something was taken."]
    }

    private func breaksAfter() async throws -> [String] {
        let stage = try await stage(.breaksAfter)
        let said = await send(Self.mail(), stage)
        guard case .failure(.unknown) = said else { return ["It answered \(said.text)."] }
        return await stage.taken().count == 1 ? [] : ["It was sent \(await stage.taken().count) times: repeating is the host's to decide."]
    }

    private func nonsense() async throws -> [String] {
        let said = await send(Self.mail(), try await stage(.answersNonsense))
        guard case .failure(.unknown) = said else { return ["It answered \(said.text)."] }
        return []
    }

    private func noEncryption() async throws -> [String] {
        guard let stage = try await subject.stage(.noEncryption) else { return [] }
        let said = await send(Self.mail(), stage)
        guard case .failure(.misconfigured) = said else { return ["It answered \(said.text)."] }
        let clear = await stage.inTheClear()
        let told = (subject.secrets + ["4711", "mary@example.com"]).filter { Self.tells(clear, $0) }
        return told.map { _ in "A secret, an address or a text crossed in the clear." }
            + (await stage.taken().isEmpty ? [] : ["Something was taken."])
    }

    private func hostileAddresses() async throws -> [String] {
        let hostile = [
            "mary@example.com>\r\nRCPT TO:<eve@example.com", "mary@example.com\neve@example.com", "mary@example.com> <eve@example.com",
            "mary@example.com,eve@example.com", "mary@example.com\0", "mary@example.com\u{85}", "mary@example.com\u{2028}eve@example.com",
            "<eve@example.com>", "", "@", "eve", "a b@example.com", String(repeating: "a", count: 300) + "@example.com",
        ]
        var faults: [String] = []
        for address in hostile {
            let stage = try await stage(.takes)
            let said = await send(Self.mail(to: [address]), stage)
            if case .failure(.refused) = said {
            } else if case .results(let results) = said, results.allSatisfy({ !$0.wasTaken }) {
            } else {
                faults.append("\(address.prefix(60).debugDescription): \(said.text).")
            }
            if !(await stage.taken().isEmpty) { faults.append("\(address.prefix(60).debugDescription) was sent to.") }
        }
        return faults
    }

    private func hostileNames() async throws -> [String] {
        let hostile = [
            "Mary\r\nBcc: eve@example.com", "Mary\nX-Evil: yes", "\"Mary\" <eve@example.com>", "Mary\u{2028}X-Evil: yes",
            "=?utf-8?Q?=0AX-Evil:_yes?=",
        ]
        var faults: [String] = []
        for text in hostile {
            let stage = try await stage(.takes)
            _ = await send(Self.mail(name: text, subject: text), stage)
            let arrived = await stage.taken()
            if arrived.flatMap(\.recipients).contains(where: { $0 != "mary@example.com" }) {
                faults.append("\(text.debugDescription) added a recipient.")
            }
            let headers = arrived.flatMap {
                $0.content.replacing("\r\n", with: "\n").components(separatedBy: "\n\n").first?.split(separator: "\n") ?? []
            }
            if headers.contains(where: { $0.lowercased().hasPrefix("bcc:") || $0.lowercased().hasPrefix("x-evil:") }) {
                faults.append("\(text.debugDescription) added a header.")
            }
        }
        return faults
    }

    private func hostileBody() async throws -> [String] {
        let text =
            "first\n.\n..\n.\r\nMAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n\r\nsecond\n.\nQUIT\nlast line 4711\n"
        let stage = try await stage(.takes)
        let said = await send(Self.mail(text: text), stage)
        let arrived = await stage.taken()
        guard case .results = said, arrived.count == 1 else { return ["It answered \(said.text), and \(arrived.count) mails arrived."] }
        let lines = arrived[0].content.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        let wanted = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast()
        let isWhole = lines.indices.contains { start in lines[start...].prefix(wanted.count).elementsEqual(wanted) }
        return (isWhole ? [] : ["Its text did not arrive as it was."])
            + (arrived[0].recipients == ["mary@example.com"] ? [] : ["It arrived at \(arrived[0].recipients)."])
    }

    private func concurrent() async throws -> [String] {
        let stage = try await stage(.takes)
        let said = await withTaskGroup(of: Bool.self) { group in
            for number in 1...20 {
                group.addTask {
                    guard case .results(let results) = await send(Self.mail("mail-\(number)@example.com"), stage) else { return false }
                    return results.count == 1 && results[0].wasTaken
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let ids = await stage.taken().compactMap(\.id)
        var faults = said.allSatisfy { $0 } ? [] : ["\(said.filter { !$0 }.count) of 20 were not taken."]
        if Set(ids).count != 20 || ids.count != 20 { faults.append("\(ids.count) arrived, \(Set(ids).count) different ones.") }
        return faults
    }
}

extension MailResult {
    var wasTaken: Bool { if case .taken = outcome { true } else { false } }
}
