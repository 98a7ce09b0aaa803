import Foundation
import PlatformTesting
import Vocabulary

/// Somebody at a client, in transcripts.
struct Customer {
    let platform: TestPlatform
    var token = ""
    static let password = "maple-otter-lantern-42"

    static func form(_ email: String, _ organization: String = "Analytical Engines") -> JSONValue {
        [
            "email": .string(email), "password": .string(password), "first_name": "Ada", "last_name": "Lovelace",
            "organization": .string(organization),
        ]
    }

    /// Signed up, verified and signed in.
    static func member(_ platform: TestPlatform, _ email: String = "ada@example.com") async throws -> Customer {
        _ = await platform.call("POST", "/api/v1/auth/signup", form(email))
        try await platform.runDue()
        let verified = await platform.call("POST", "/api/v1/auth/verify-email", ["token": .string(try platform.mailToken(to: email))])
        guard verified.status == 200 else { throw Unexpected(what: "verify-email", answer: verified) }
        try await platform.runDue()
        let login = await platform.call("POST", "/api/v1/auth/login", ["email": .string(email), "password": .string(password)])
        guard let token = login["access_token"]?.string else { throw Unexpected(what: "login", answer: login) }
        return Customer(platform: platform, token: token)
    }

    func call(_ method: String, _ target: String, _ body: JSONValue? = nil, key: String? = nil) async -> TestPlatform.Answer {
        await platform.call(method, target, body, token: token, headers: key.map { ["idempotency-key": $0] } ?? [:])
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let what: String
    let answer: TestPlatform.Answer
    var description: String { "\(what): \(answer.status) \(answer.text)" }
}

extension TestPlatform {
    struct NoMail: Error { let address: String }

    /// The token of the newest mail to an address, read from the file as a person's mail program would.
    func mailToken(to address: String) throws -> String {
        let folder = data.appendingPathComponent("mailbox")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".eml") }.sorted(by: >)
        for file in files {
            let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
            guard text.contains("<\(address)>") else { continue }
            for part in text.components(separatedBy: "\r\n\r\n") {
                let body = part.components(separatedBy: "\r\n--")[0]
                if let range = body.range(of: "token=") { return String(body[range.upperBound...].prefix { !$0.isWhitespace }) }
            }
        }
        throw NoMail(address: address)
    }
}
