import ArgumentParser
import Foundation
import LicenseClient
import Vocabulary

struct Login: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sign in. Tokens are kept in files that only you can read, and renewed as needed.",
        discussion: "For scripts: echo \"$PASSWORD\" | coditect login --email you@example.com --password-stdin")
    @OptionGroup var options: ServerOptions
    @Option(help: "Your mail address; asked for if it is missing.") var email: String?
    @Flag(help: "Read the password from standard input.") var passwordStdin = false
    @Flag(help: "Sign in by a browser, here or elsewhere: shows a code to enter there.") var device = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let platform = try platform(options.server, folder)
            if device {
                guard email == nil, !passwordStdin else {
                    throw Failure(
                        .usage, "usage", "--device takes no address and no password", next: "leave --email and --password-stdin out")
                }
                return try signInByBrowser(platform, folder)
            }
            // Standard input has the password; its first line is no mail address.
            if passwordStdin && email == nil { throw Failure(.usage, "usage", "standard input has the password", next: "give --email") }
            guard let email = email ?? Console.ask("Mail address"), !email.isEmpty else {
                throw Failure(.usage, "usage", "a mail address is needed", next: "give --email")
            }
            let password = passwordStdin ? readLine(strippingNewline: true) : Console.askSecret("Password")
            guard let password, !password.isEmpty else {
                throw Failure(.usage, "usage", "a password is needed", next: "type it, or give --password-stdin")
            }
            let answer: Answer
            do {
                answer = try platform.post("/api/v1/auth/login", ["email": .string(email), "password": .string(password)])
            } catch let silence as Platform.Unreachable { throw silence.error }
            if answer.status == 401 {
                throw Failure(
                    .refused, answer.code, answer.sentence, next: "check both, or set a new password: \(platform.name)/forgot")
            }
            guard answer.isSuccess else { throw answer.error(platform.name) }
            if answer.json["mfa_required"]?.bool == true {
                throw Failure(
                    .refused, "second_factor_needed", "this account has a second factor, which a browser asks for",
                    next: "run `coditect login --device`")
            }
            let account = try Account(server: platform.name, email: email, tokens: answer.json, now: DeviceClock().now())
            try folder.locked("account") { try folder.write(account, Account.file) }
            output.say(
                "Signed in to \(platform.name) as \(email).",
                ["server": .string(platform.name), "email": .string(email), "signed_in": true])
        }
    }

    private func signInByBrowser(_ platform: Platform, _ folder: StateFolder) throws {
        let login = DeviceLogin(platform: platform, tell: { Console.complain($0) }, wait: { Thread.sleep(forTimeInterval: Double($0)) })
        let answer: Answer
        do { answer = try login.run() } catch let silence as Platform.Unreachable { throw silence.error }
        let email = answer.json["user"]?["email"]?.string ?? ""
        let account = try Account(server: platform.name, email: email, tokens: answer.json, now: DeviceClock().now())
        try folder.locked("account") { try folder.write(account, Account.file) }
        output.say(
            "Signed in to \(platform.name) as \(email).",
            ["server": .string(platform.name), "email": .string(email), "signed_in": true])
    }
}

struct Logout: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sign out, here and on the server.")
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            guard let account = folder.read(Account.self, Account.file) else {
                output.say("Nobody is signed in.", ["signed_in": false, "ended_on_server": false])
                return
            }
            // The tokens go in any case; a server that is away forgets the session when it ends by itself.
            defer { try? folder.locked("account") { folder.remove(Account.file) } }
            var isEnded = false
            do {
                let platform = try Platform(account.server, transport: SystemTransport())
                let caller = Caller(platform: platform, folder: folder, credentials: .signedIn, clock: DeviceClock())
                let answer = try caller.post("/api/v1/auth/logout", [:])
                isEnded = answer.isSuccess || answer.status == 401
                if !isEnded { Console.complain("the server did not end the session: \(answer.sentence)") }
            } catch let silence as Platform.Unreachable {
                Console.complain("the server cannot be reached (\(silence.reason)): signed out here only")
            } catch let error as LicenseClientError where error.code == .notSignedIn {
                isEnded = true
            }
            output.say("Signed out.", ["signed_in": false, "ended_on_server": .bool(isEnded)])
        }
    }
}
