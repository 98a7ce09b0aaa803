import ArgumentParser
import Foundation
import Vocabulary

struct Login: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sign in. Tokens are kept in files that only you can read.")
    @OptionGroup var options: ServerOptions
    @Option(help: "Your mail address; asked for if it is missing.") var email: String?
    @Flag(help: "Read the password from standard input.") var passwordStdin = false

    func run() throws {
        try reporting {
            let folder = Folder.standard()
            let platform = try Platform(server(options.server, folder))
            guard let email = email ?? Console.ask("Mail address"), !email.isEmpty else {
                throw Failure(.usage, "a mail address is needed")
            }
            let password = passwordStdin ? readLine(strippingNewline: true) : Console.askSecret("Password")
            guard let password, !password.isEmpty else { throw Failure(.usage, "a password is needed") }
            let answer = try reaching(platform) {
                try platform.post("/api/v1/auth/login", ["email": .string(email), "password": .string(password)])
            }
            guard answer.isSuccess else { throw Failure(answer.status == 429 ? .later : .refused, answer.sentence) }
            if answer.json["mfa_required"]?.bool == true {
                throw Failure(
                    .refused, "this account has a second factor, which this command cannot ask for: sign in with an account that has none")
            }
            let account = try Account(server: platform.name, email: email, tokens: answer.json)
            try folder.locked("account") { try folder.write(account, Account.file) }
            Console.say("Signed in to \(platform.name) as \(email).")
        }
    }
}

struct Logout: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sign out, here and on the server.")

    func run() throws {
        try reporting {
            let folder = Folder.standard()
            guard folder.read(Account.self, Account.file) != nil else {
                Console.say("Nobody is signed in.")
                return
            }
            // The tokens go in any case; a server that is away forgets the session when it ends by itself.
            defer { try? folder.locked("account") { folder.remove(Account.file) } }
            do {
                let answer = try SignedIn(folder: folder).post("/api/v1/auth/logout", [:])
                if !answer.isSuccess && answer.status != 401 { Console.complain("the server did not end the session: \(answer.sentence)") }
            } catch let error as Platform.Unreachable {
                Console.complain("the server cannot be reached (\(error.reason)): signed out here only")
            } catch is Failure {
                // Signed out on the server already.
            }
            Console.say("Signed out.")
        }
    }
}
