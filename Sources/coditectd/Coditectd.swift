import ArgumentParser
import Composition
import Foundation
import HookEngine
import Vocabulary

@main
struct Coditectd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coditectd", abstract: "The CODITECT platform server and its operator's tools.", version: Release.version,
        subcommands: [
            Serve.self, Migrate.self, Regions.self, BackupCommand.self, RestoreCommand.self, PolicyCommand.self, Decisions.self, Audit.self,
            ComplianceCommand.self, Keys.self,
            SecretsCommand.self, Plugins.self, Sessions.self, Jobs.self, MailCommand.self, RetentionCommand.self, Doctor.self,
            Simulate.self,
            ReferenceCommand.self,
        ])
}

/// Where a server's things lie; the same for every command.
struct Places: ParsableArguments {
    @Option(help: "The data directory; made if missing.")
    var data = "data"
    @Option(help: "The settings file; default: coditect.yaml in the data directory, if there is one.")
    var config: String?
    @Option(help: "The directory of policies; default: policies beside the program, else in this folder.")
    var policies: String?
    @Option(help: "The directory of built plugins; default: plugins beside the program.")
    var plugins: String?

    /// Ends with 75 where a key service that must open a secret is away.
    func options() async throws -> PlatformOptions {
        let reading = try reading()
        return try await told { try await reading.whole() }
    }

    /// For commands that need none of the server's own secrets, as `bare` gives it.
    func reading() throws -> OptionsReading {
        let dataFolder = URL(fileURLWithPath: data)
        let file = config.map { URL(fileURLWithPath: $0) } ?? dataFolder.appendingPathComponent("coditect.yaml")
        var text: String?
        if FileManager.default.fileExists(atPath: file.path) {
            text = try String(contentsOf: file, encoding: .utf8)
        } else if config != nil {
            throw Refusal("there is no settings file \(file.path)")
        }
        return OptionsReading(
            data: dataFolder, policies: try folder(policies, "policies"), plugins: try folder(plugins, "plugins"), yaml: text,
            file: file.lastPathComponent, environment: ProcessInfo.processInfo.environment)
    }

    /// The policies that somebody names apart from `--policies`, or those beside the program.
    func policies(_ given: String?) throws -> URL { try folder(given, "policies") }

    /// The named folder, or the one of that name beside the program, or in the current folder.
    private func folder(_ given: String?, _ name: String) throws -> URL {
        if let given { return URL(fileURLWithPath: given) }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let program = URL(fileURLWithPath: own).deletingLastPathComponent()
        for candidate in [program.appendingPathComponent(name), URL(fileURLWithPath: name)]
        where FileManager.default.fileExists(atPath: candidate.path) {
            return candidate
        }
        return URL(fileURLWithPath: name)
    }
}

/// A refusal that the person at the terminal can act on; printed without a trace.
struct Refusal: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = Shown.lines(description) }
}

/// What may work later ends with 75.
func told<Value>(_ work: () async throws -> Value) async throws -> Value {
    do { return try await work() } catch let problem as OperatorProblem where problem.kind == .late {
        warn("Error: \(problem)")
        throw Exit.temporary
    }
}

/// Exit codes of sysexits.h that scripts can use.
enum Exit {
    static let usage = ExitCode(64)
    static let data = ExitCode(65)
    static let unavailable = ExitCode(69)
    static let temporary = ExitCode(75)
    static let configuration = ExitCode(78)
}

/// What others wrote may stand in it: signs that steer a terminal are shown, not sent.
func say(_ text: String) { print(Shown.lines(text)) }
func warn(_ text: String) { FileHandle.standardError.write(Data((Shown.lines(text) + "\n").utf8)) }
