import Foundation
import Synchronization
import Testing
import Vocabulary

struct AccountTests {
    static func tokens(_ generation: Int) -> JSONValue {
        [
            "access_token": .string("access-\(generation)"), "refresh_token": .string("refresh-\(generation)"), "token_type": "Bearer",
            "expires_in": 86_400,
        ]
    }

    @Test("login keeps tokens that only their owner reads, and logout ends the session on both sides")
    func login() throws {
        let platform = try FakePlatform { request in
            switch request.path {
            case "/api/v1/auth/login":
                request.body["password"]?.string == "correct horse battery"
                    ? (200, Self.tokens(1)) : (401, ["error": "credentials_invalid", "message": "Mail address or password is wrong."])
            default: (204, nil)
            }
        }
        defer { platform.close() }
        let shell = try Shell()
        let wrong = try shell.run("login", "--server", platform.address, "--email", "a@example.com", "--password-stdin", input: "guess\n")
        #expect(wrong.code == 77)
        #expect(wrong.err == "coditect: mail address or password is wrong; check both, or set a new password: \(platform.address)/forgot\n")
        let right = try shell.run(
            "login", "--server", platform.address, "--email", "a@example.com", "--password-stdin", input: "correct horse battery\n")
        #expect(right.code == 0)
        #expect(right.out == "Signed in to \(platform.address) as a@example.com.\n")
        let mode = try FileManager.default.attributesOfItem(atPath: shell.file("account.json").path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try shell.run("logout").code == 0)
        #expect(platform.requests.last?.path == "/api/v1/auth/logout")
        #expect(platform.requests.last?.token == "access-1")
        #expect(!FileManager.default.fileExists(atPath: shell.file("account.json").path))
        #expect(try shell.run("seat", "run", "--", "true").code == 78)
    }

    @Test("passwords and keys go over the network protected, or not at all")
    func plainText() throws {
        let shell = try Shell()
        let outcome = try shell.run("login", "--server", "http://example.com", "--email", "a@example.com", "--password-stdin", input: "x\n")
        #expect(outcome.code == 64)
        #expect(outcome.err.contains("use https"))
        #expect(try shell.run("login", "--server", "ftp://127.0.0.1", "--email", "a", "--password-stdin", input: "x\n").code == 64)
    }

    @Test("a password on standard input is never taken for a mail address")
    func passwordNeedsMail() throws {
        let platform = try FakePlatform { _ in (500, nil) }
        defer { platform.close() }
        let outcome = try Shell().run("login", "--server", platform.address, "--password-stdin", input: "secret\n")
        #expect(outcome.code == 64)
        #expect(outcome.err == "coditect: standard input has the password; give --email\n")
        #expect(platform.requests.isEmpty)
    }

    @Test("a server that is away is named, with its own exit code")
    func away() throws {
        let shell = try Shell()
        let outcome = try shell.run("login", "--server", "http://127.0.0.1:1", "--email", "a", "--password-stdin", input: "x\n")
        #expect(outcome.code == 69)
        #expect(outcome.err.hasPrefix("coditect: http://127.0.0.1:1 cannot be reached"))
    }

    @Test("many processes whose token ran out spend the refresh token once")
    func rotation() async throws {
        let spent = Mutex<Set<String>>([])
        let platform = try FakePlatform { request in
            switch request.path {
            case "/api/v1/auth/refresh":
                let token = request.body["refresh_token"]?.string ?? ""
                let isFirst = spent.withLock { $0.insert(token).inserted }
                return isFirst ? (200, Self.tokens(2)) : (401, ["error": "refresh_invalid", "message": "The session has ended."])
            case "/api/v1/licenses/acquire":
                guard request.token == "access-2" else { return (401, ["error": "unauthenticated", "message": "Sign in."]) }
                return (429, ["error": "no_seats_available", "seats_used": 1, "seats_total": 1, "retry_after": 312])
            default: return (404, ["error": "not_found"])
            }
        }
        defer { platform.close() }
        for expiresIn in [86_400.0, -10] {
            spent.withLock { $0 = [] }
            let shell = try Shell()
            try shell.signIn(platform, expiresIn: expiresIn)
            let codes = try await withThrowingTaskGroup(of: Int32.self) { group in
                for index in 0..<6 {
                    let wait = try shell.start(["seat", "run", "--device", "d\(index)", "--", "true"]).wait
                    group.addTask { wait().code }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes == [75, 75, 75, 75, 75, 75])
            #expect(spent.withLock { $0 } == ["refresh-1"])
        }
    }
}
