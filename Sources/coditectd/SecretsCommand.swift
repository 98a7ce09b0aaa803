import ArgumentParser
import Composition
import Foundation

struct SecretsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets", abstract: "Secrets that a key service keeps: seal them, see whether they open.",
        subcommands: [Seal.self, Rewrap.self, Check.self])

    struct Seal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Read a secret from standard input and print it sealed: only the key service opens it again, and only under this name.",
            discussion:
                "What is printed goes where the secret would: into the file that NAME_FILE names, into systemd's credentials, or into NAME."
        )
        @OptionGroup var places: Places
        @Argument(help: "The secret's name, like STRIPE_SECRET_KEY.") var name: String
        @Option(name: .customLong("in"), help: "The id of the key service plugin; default: the only one at work.") var service: String?
        @Option(help: "The wrapping key's name in it; made if missing.") var key = SecretDesk.defaultKey
        func run() async throws {
            if isatty(STDIN_FILENO) == 1 { warn("the secret, then Ctrl-D:") }
            let given = try FileHandle.standardInput.read(upToCount: SecretDesk.maxBytes + 1) ?? Data()
            let desk = try SecretDesk(try places.reading())
            say(try await told { try await desk.seal(given, name: name, in: service, key: key) })
        }
    }

    struct Rewrap: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seal what lies in files anew under another key, in place. A running server takes it up by itself.")
        @OptionGroup var places: Places
        @Argument(help: "Files with one sealed secret each.") var files: [String]
        @Option(name: .customLong("in"), help: "The id of the key service plugin; default: the one that each lies with.") var service:
            String?
        @Option(help: "The wrapping key's name in it; made if missing.") var key: String
        func run() async throws {
            let desk = try SecretDesk(try places.reading())
            for line in try await told({ try await desk.rewrap(files, in: service, key: key) }) { say(line) }
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say for each secret that a server here reads where it comes from, and whether it can be read and opened.",
            discussion: "Ends with 69 where one cannot. Shows no secret.")
        @OptionGroup var places: Places
        func run() async throws {
            let (lines, isFine) = try await SecretDesk(try places.reading()).check()
            for line in lines { say(line) }
            if !isFine { throw Exit.unavailable }
        }
    }
}
