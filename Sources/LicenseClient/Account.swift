import Foundation
import Vocabulary

/// Who is signed in, and to which server.
package struct Account: Codable, Sendable {
    package static let file = "account.json"
    package var server: String
    package var email: String
    package var accessToken: String
    package var refreshToken: String
    /// When the access token ends, by this machine's clock: seconds since 1970.
    package var expiresAt: Double

    enum CodingKeys: String, CodingKey {
        case server, email
        case accessToken = "access_token"
        case refreshToken = "refresh_token"
        case expiresAt = "expires_at"
    }

    /// - Parameter refreshToken: the one to go on with, should the answer bring no other.
    package init(server: String, email: String, tokens: JSONValue, refreshToken old: String? = nil, now: Timestamp)
        throws(LicenseClientError)
    {
        guard let access = tokens["access_token"]?.string, let refresh = tokens["refresh_token"]?.string ?? old else {
            throw LicenseClientError(.badAnswer, "the answer of \(server) has no tokens", next: Platform.checkAddress)
        }
        self.server = server
        self.email = email
        accessToken = access
        refreshToken = refresh
        expiresAt = Double(now.seconds + (tokens["expires_in"]?.int ?? 0))
    }

    package static func load(_ folder: StateFolder) throws(LicenseClientError) -> Account {
        guard let account = folder.read(Account.self, file) else {
            let isThere = FileManager.default.fileExists(atPath: folder.path(file))
            throw LicenseClientError(
                .notSignedIn, isThere ? "\(folder.path(file)) cannot be read, or is damaged" : "not signed in", next: "run `coditect login`"
            )
        }
        return account
    }
}

/// How the client proves who asks for a seat.
public enum LicenseCredentials: Sendable {
    /// As whoever ran `coditect login` on this device; tokens are renewed as needed, and by one process at a time.
    case signedIn
    /// An access token that the application has, asked for at each call.
    case token(@Sendable () throws -> String)
}

/// Calls one server as somebody.
package struct Caller: Sendable {
    package let platform: Platform
    let folder: StateFolder
    let credentials: LicenseCredentials
    let clock: any Clock

    package init(platform: Platform, folder: StateFolder, credentials: LicenseCredentials, clock: any Clock) {
        self.platform = platform
        self.folder = folder
        self.credentials = credentials
        self.clock = clock
    }

    /// One call, and once more with fresh tokens if the server does not know the old ones.
    package func post(_ path: String, _ body: JSONValue, key: String? = nil, patience: Duration = Platform.patience) throws -> Answer {
        try call { token in try platform.post(path, body, token: token, key: key, patience: patience) }
    }
    package func get(_ path: String) throws -> Answer { try call { token in try platform.get(path, token: token) } }

    private func call(_ send: (String) throws -> Answer) throws -> Answer {
        switch credentials {
        case .token(let token): return try send(token())
        case .signedIn:
            var account = try Account.load(folder)
            guard account.server == platform.name else {
                throw LicenseClientError(
                    .notSignedIn, "signed in to \(account.server), not to \(platform.name)",
                    next: "run `coditect login --server \(platform.name)`")
            }
            if account.expiresAt - Double(clock.now().seconds) < 60 { account = try refreshed(from: account.accessToken) }
            let answer = try send(account.accessToken)
            guard answer.status == 401 else { return answer }
            return try send(try refreshed(from: account.accessToken).accessToken)
        }
    }

    /// Spends the refresh token: under a lock, because it can be spent once. Another process may have done so meanwhile.
    private func refreshed(from stale: String) throws -> Account {
        try folder.locked("account") {
            let account = try Account.load(folder)
            guard account.accessToken == stale else { return account }
            let body: JSONValue = ["refresh_token": .string(account.refreshToken)]
            // A lost answer: the server gives the same successor to whoever asks again within 30 s.
            let answer: Answer
            do { answer = try platform.post("/api/v1/auth/refresh", body) } catch is Platform.Unreachable {
                answer = try platform.post("/api/v1/auth/refresh", body)
            }
            guard answer.isSuccess else { throw answer.error(platform.name) }
            let fresh = try Account(
                server: account.server, email: account.email, tokens: answer.json, refreshToken: account.refreshToken, now: clock.now())
            try folder.write(fresh, Account.file)
            return fresh
        }
    }
}
