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

    /// Written beside, flushed and renamed: a reader sees all of it or nothing, and what was taken is there after a crash. A mail sent
    /// again is the file that there is.
    package func send(_ mail: Mail) async throws -> MailReceipt {
        let stamp = mail.messageID.prefix { $0 != "@" }.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(64)
        if try names().contains(where: { $0.hasSuffix("-\(stamp).eml") }) { return .taken }
        let micros = String(max(0, mail.at.microseconds))
        let name = String(repeating: "0", count: max(0, 17 - micros.count)) + micros + "-\(stamp).eml"
        let part = folder.appendingPathComponent(".\(name).part")
        try Data(MailText.message(mail).utf8).write(to: part)
        let file = try FileHandle(forWritingTo: part)
        try file.synchronize()
        try file.close()
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: part.path)
        guard rename(part.path, folder.appendingPathComponent(name).path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        return .taken
    }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".eml") && !$0.hasPrefix(".") }
    }

    /// Throws away every mail to this address.
    func forget(_ address: String) throws {
        for name in try names() {
            let file = folder.appendingPathComponent(name)
            guard let entry = try read(String(name.dropLast(4))), entry.to.lowercased().contains(address.lowercased()) else { continue }
            try FileManager.default.removeItem(at: file)
        }
    }

    /// The newest first.
    package func newest(limit: Int) throws -> [Entry] {
        try names().sorted(by: >).prefix(min(limit, Self.mostListed)).compactMap { try read(String($0.dropLast(4))) }
    }

    /// One mail by its id, as `newest` gave it; nil for any other name.
    package func read(_ id: String) throws -> Entry? {
        guard !id.isEmpty, id.utf8.count <= 100, id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 })
        else {
            return nil
        }
        guard let bytes = FileManager.default.contents(atPath: folder.appendingPathComponent("\(id).eml").path) else { return nil }
        let message = String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n")
        let (headers, body) = Self.split(message)
        return Entry(
            id: id, from: headers["from"] ?? "", to: headers["to"] ?? "", subject: headers["subject"] ?? "",
            sentAt: Timestamp(microseconds: Int64(id.prefix { $0 != "-" }) ?? 0), text: Self.text(of: body, headers["content-type"] ?? ""))
    }

    // MARK: - Reading what `MailText` writes

    private static func split(_ text: some StringProtocol) -> (headers: [String: String], body: String) {
        guard let end = text.range(of: "\n\n") else { return ([:], "") }
        var headers: [String: String] = [:]
        for line in String(text[..<end.lowerBound]).replacing("\n ", with: " ").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = decoded(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return (headers, String(text[end.upperBound...]))
    }

    private static func text(of body: String, _ contentType: String) -> String {
        guard let boundary = contentType.components(separatedBy: "boundary=\"").dropFirst().first?.components(separatedBy: "\"").first
        else {
            return body
        }
        for part in body.components(separatedBy: "--\(boundary)").dropFirst() {
            let (headers, content) = split(part.drop { $0 == "\n" })
            guard headers["content-type"]?.hasPrefix("text/plain") == true else { continue }
            guard headers["content-transfer-encoding"] == "base64" else { return content }
            return Data(base64Encoded: content, options: .ignoreUnknownCharacters).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        return ""
    }

    /// A header with its encoded words read; between two of them the space does not count (RFC 2047, 6.2).
    private static func decoded(_ header: some StringProtocol) -> String {
        var out = ""
        var wasEncoded = false
        for word in header.split(separator: " ") {
            let bytes =
                word.hasPrefix("=?utf-8?B?") && word.hasSuffix("?=") ? Data(base64Encoded: String(word.dropFirst(10).dropLast(2))) : nil
            if !out.isEmpty, !(wasEncoded && bytes != nil) { out += " " }
            out += bytes.map { String(decoding: $0, as: UTF8.self) } ?? String(word)
            wasEncoded = bytes != nil
        }
        return out
    }
}
