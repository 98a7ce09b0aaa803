import Foundation
import Vocabulary

/// Who is signed in, and to which server.
struct Account: Codable, Sendable {
    static let file = "account.json"
    var server: String
    var email: String
    var accessToken: String
    var refreshToken: String
    /// When the access token ends, by this machine's clock.
    var expiresAt: Date

    /// - Parameter refreshToken: the one to go on with, should the answer bring no other.
    init(server: String, email: String, tokens: JSONValue, refreshToken old: String? = nil, now: Date = Date()) throws {
        guard let access = tokens["access_token"]?.string, let refresh = tokens["refresh_token"]?.string ?? old else {
            throw Failure(.refused, "the server's answer has no tokens")
        }
        self.server = server
        self.email = email
        accessToken = access
        refreshToken = refresh
        expiresAt = now.addingTimeInterval(TimeInterval(tokens["expires_in"]?.int ?? 0))
    }

    static func load(_ folder: Folder) throws -> Account {
        guard let account = folder.read(Account.self, file) else { throw Failure(.notSetUp, "not signed in: run `coditect login`") }
        return account
    }
}

/// Calls the platform as the user who is signed in.
struct SignedIn: Sendable {
    let folder: Folder
    let platform: Platform

    init(folder: Folder) throws {
        self.folder = folder
        platform = try Platform(Account.load(folder).server)
    }

    func post(_ path: String, _ body: JSONValue) throws -> Answer { try call { try platform.post(path, body, token: $0) } }

    /// One call, and once more with fresh tokens if the server does not know the old ones.
    private func call(_ send: (String) throws -> Answer) throws -> Answer {
        var account = try Account.load(folder)
        if account.expiresAt.timeIntervalSinceNow < 60 { account = try refreshed(from: account.accessToken) }
        let answer = try send(account.accessToken)
        guard answer.status == 401 else { return answer }
        return try send(refreshed(from: account.accessToken).accessToken)
    }

    /// Spends the refresh token: under a lock, because it can be spent once. Another process may have done so meanwhile.
    private func refreshed(from stale: String) throws -> Account {
        try folder.locked("account") {
            let account = try Account.load(folder)
            guard account.accessToken == stale else { return account }
            let answer = try platform.post("/api/v1/auth/refresh", ["refresh_token": .string(account.refreshToken)])
            guard answer.isSuccess else { throw Failure(.notSetUp, "signed out: \(answer.sentence); run `coditect login`") }
            let fresh = try Account(server: account.server, email: account.email, tokens: answer.json, refreshToken: account.refreshToken)
            try folder.write(fresh, Account.file)
            return fresh
        }
    }
}

/// The server of a command: the one named, the one signed in to, or the default.
func server(_ named: String?, _ folder: Folder) -> String {
    named ?? folder.read(Account.self, Account.file)?.server ?? ProcessInfo.processInfo.environment["CODITECT_SERVER"]
        ?? "http://127.0.0.1:8080"
}

/// Says who could not be reached.
func reaching<Value>(_ platform: Platform, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as Platform.Unreachable {
        throw Failure(.unreachable, "\(platform.name) cannot be reached: \(error.reason)")
    }
}
