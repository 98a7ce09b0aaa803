import Foundation
import Vocabulary

/// The embedded default's outgoing mail: files in a folder, which a page shows to loopback and administrators.
package struct Mailbox: MailTransport {
    package struct Entry: Sendable, Hashable {
        package let id: String
        package let from: String
        package let to: String
        package let subject: String
        package let sentAt: Timestamp
        /// The text part.
        package let text: String
    }

    private let folder: URL
    /// More files than this are not listed; the oldest are the first to fall out of sight.
    private static let mostListed = 1_000

    package init(folder: URL) throws {
        self.folder = folder
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// Written beside and renamed, so that a reader sees all of it or nothing. A mail sent again replaces itself.
    package func send(_ mail: Mail) async throws {
        let stamp = mail.messageID.prefix(while: { $0 != "@" }).filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        if try names().contains(where: { $0.hasSuffix("-\(stamp).eml") }) { return }
        let micros = String(mail.at.microseconds)
        let name = String(repeating: "0", count: max(0, 17 - micros.count)) + micros + "-\(stamp).eml"
        let part = folder.appendingPathComponent(".\(name).part")
        guard FileManager.default.createFile(atPath: part.path, contents: Data(MailText.message(mail).utf8), attributes: [.posixPermissions: 0o600]) else {
            throw CocoaError(.fileWriteUnknown)
        }
        guard rename(part.path, folder.appendingPathComponent(name).path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".eml") && !$0.hasPrefix(".") }
    }

    /// The newest first.
    package func newest(limit: Int) throws -> [Entry] {
        try names().sorted(by: >).prefix(min(limit, Self.mostListed)).compactMap { try read(String($0.dropLast(4))) }
    }

    /// One mail by its id, as `newest` gave it; nil for any other name.
    package func read(_ id: String) throws -> Entry? {
        guard !id.isEmpty, id.utf8.count <= 100, id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }) else { return nil }
        guard let bytes = FileManager.default.contents(atPath: folder.appendingPathComponent("\(id).eml").path) else { return nil }
        let message = String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n")
        guard let end = message.range(of: "\n\n") else { return nil }
        var headers: [String: String] = [:]
        for line in message[..<end.lowerBound].replacing("\n ", with: " ").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = Self.decoded(line[line.index(after: colon)...].drop(while: { $0 == " " }))
        }
        let parts = message[end.upperBound...].components(separatedBy: "\nContent-Type: text/plain")
        let encoded = parts.count > 1 ? parts[1].components(separatedBy: "\n\n").dropFirst().first?.components(separatedBy: "\n--").first : nil
        let text = encoded.flatMap { Data(base64Encoded: $0, options: .ignoreUnknownCharacters) }.map { String(decoding: $0, as: UTF8.self) }
        let micros = Int64(id.prefix(while: { $0 != "-" })) ?? 0
        return Entry(
            id: id, from: headers["from"] ?? "", to: headers["to"] ?? "", subject: headers["subject"] ?? "",
            sentAt: Timestamp(microseconds: micros), text: text ?? "")
    }

    /// A header with its encoded words read.
    private static func decoded(_ header: some StringProtocol) -> String {
        header.split(separator: " ").map { word -> String in
            guard word.hasPrefix("=?utf-8?B?"), word.hasSuffix("?="), let bytes = Data(base64Encoded: String(word.dropFirst(10).dropLast(2))) else {
                return word + " "
            }
            return String(decoding: bytes, as: UTF8.self)
        }.joined().trimmingCharacters(in: .whitespaces)
    }
}
