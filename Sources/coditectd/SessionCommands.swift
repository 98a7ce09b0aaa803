import ArgumentParser
import Composition
import Foundation
import Vocabulary

struct Sessions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Signed-in sessions by what opened them.", subcommands: [Revoke.self])

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End every session that one key of an identity provider opened, and list what was done with each.",
            discussion: "For a provider's key in wrong hands. With a server running, name it: --server http://127.0.0.1:8080")
        @OptionGroup var places: Places
        @Option(help: "The key as sessions remember it: oidc:THUMBPRINT; sso inspect lists a provider's.") var issuedBy: String
        @Option(help: "FROM..TO in ISO 8601, by when the session was opened; TO is not included.") var between: String
        @Option(help: "The running server's address on this machine.") var server: String?
        @Flag(help: "List only; end nothing.") var dryRun = false
        @Flag(help: "One JSON object a line.") var json = false

        func run() async throws {
            let span = try SessionDesk.Span(between)
            let found: [JSONValue]
            if let server {
                found = try await SessionDesk.ask(server, issuedBy: issuedBy, span, isTrial: dryRun)
            } else {
                found = try await SessionDesk.revoke(try await places.options(), issuedBy: issuedBy, span, isTrial: dryRun)
            }
            for session in found { show(session) }
            let active = found.count { $0["was_active"]?.bool == true }
            warn("\(found.count) sessions, \(active) of them \(dryRun ? "still good; nothing was ended" : "ended now")")
        }

        private func show(_ session: JSONValue) {
            if json { return say(String(decoding: (try? session.encoded()) ?? Data(), as: UTF8.self)) }
            func text(_ name: String) -> String { session[name]?.string ?? "-" }
            let standing = session["was_active"]?.bool == true ? (dryRun ? "active" : "ended") : "over before"
            say(
                "\(text("id"))  \(standing)  user \(text("user_id"))  tenant \(text("tenant_id"))  \(text("factor"))  opened \(text("created_at"))"
            )
            for deed in session["acts"]?.array ?? [] {
                func said(_ name: String) -> String { deed[name]?.string ?? "-" }
                say("    \(said("at"))  \(said("action"))  \(said("subject"))  \(said("outcome"))")
            }
        }
    }
}
