import ArgumentParser
import Foundation
import LicenseClient
import Vocabulary

/// What a project wants of this command: a file that is checked in, found from any folder inside. It holds no secret, and it
/// never decides to which server a password or a token goes: it only says which server must be signed in to.
struct Project: Codable, Equatable {
    static let file = "coditect.json"
    var name: String
    var server: String
    var license: String?
    var onLoss: OnLoss?
    var waitSeconds: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, server, license
        case onLoss = "on_loss"
        case waitSeconds = "wait_seconds"
    }

    /// The project of the nearest folder upwards; nil if there is none.
    static func find(from folder: String = FileManager.default.currentDirectoryPath) throws -> (project: Project, path: String)? {
        var place = URL(fileURLWithPath: folder).standardizedFileURL
        while true {
            let path = place.appendingPathComponent(file).path
            if FileManager.default.fileExists(atPath: path) { return (try read(path), path) }
            guard place.path != "/" else { return nil }
            place.deleteLastPathComponent()
        }
    }

    static func read(_ path: String) throws -> Project {
        func wrong(_ reason: String) -> Failure {
            Failure(.notSetUp, "project_invalid", "\(path): \(reason)", next: "see `coditect init --help`")
        }
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)), data.count <= 65_536 else { throw wrong("it cannot be read") }
        guard let json = try? JSONDecoder().decode(JSONValue.self, from: data), let members = json.object else {
            throw wrong("it is not JSON")
        }
        let known = CodingKeys.allCases.map(\.rawValue)
        if let unknown = members.keys.sorted().first(where: { !known.contains($0) }) {
            throw wrong("\(unknown) is none of \(known.joined(separator: ", "))")
        }
        if let choice = members["on_loss"]?.string, OnLoss(rawValue: choice) == nil {
            throw wrong("on_loss is one of \(OnLoss.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        if let wait = members["wait_seconds"], !(wait.int.map { (0...604_800).contains($0) } ?? false) {
            throw wrong("wait_seconds is a number of seconds from 0 to 604800")
        }
        if let id = members["license"], UUID(uuidString: id.string ?? "") == nil { throw wrong("license is the id of a licence") }
        guard members["name"]?.string != nil, members["server"]?.string != nil else { throw wrong("name and server are needed") }
        guard let project = try? JSONDecoder().decode(Project.self, from: data) else { throw wrong("a member has the wrong type") }
        return project
    }
}

struct Initialize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a project folder, whose seat runs all go the same way.",
        discussion: """
            Writes DIR/coditect.json, to be checked in. `coditect seat run` finds it from any folder inside and takes from it:
              server        which server must be signed in to; another one is an error
              license       only seats of this licence (its id, optional)
              on_loss       what happens when the seat is lost: grace, stop or continue
              wait_seconds  how long to wait for a free seat
            Options of a command go before the file.
            """)
    @Argument(help: "The folder; made if it is missing. What is in it stays.", completion: .directory) var dir: String
    @OptionGroup var options: ServerOptions
    @Option(help: "The id of the licence whose seats the project uses.") var license: String?
    @Option(help: "What happens to a command that lost its seat: grace, stop or continue.") var onLoss: OnLoss = .grace
    @Option(help: "How many seconds to wait for a free seat.") var waitSeconds = 0
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let license, UUID(uuidString: license) == nil { throw ValidationError("--license is an id, as on the licence page.") }
        if !(0...604_800).contains(waitSeconds) { throw ValidationError("--wait-seconds is from 0 to 604800.") }
    }

    func run() throws {
        try output.reporting {
            let place = URL(fileURLWithPath: dir).standardizedFileURL
            let target = place.appendingPathComponent(Project.file)
            let name = place.lastPathComponent
            let project = Project(
                name: name, server: try platform(options.server, .standard()).name, license: license?.lowercased(), onLoss: onLoss,
                waitSeconds: waitSeconds)
            do { try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true) } catch {
                throw Failure(
                    .storage, "storage", "cannot make \(place.path): \(error.localizedDescription)", next: "choose another folder")
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            let data = try encoder.encode(project) + Data("\n".utf8)
            let file = open(target.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            if file < 0, errno == EEXIST {
                throw Failure(.exists, "project_exists", "\(target.path) is there already", next: "edit it, or remove it and try again")
            }
            guard file >= 0, data.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == data.count else {
                throw Failure(
                    .storage, "storage", "cannot write \(target.path): \(String(cString: strerror(errno)))",
                    next: "choose another folder, or make room")
            }
            close(file)
            output.say(
                """
                Made the project \(name): \(target.path)
                Next:
                  cd \(dir)
                  coditect seat run -- COMMAND
                """, ["project": .string(name), "file": .string(target.path), "server": .string(project.server)])
        }
    }
}

struct Completion: ParsableCommand {
    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }
    static let configuration = CommandConfiguration(
        abstract: "Print the completion script of a shell.",
        discussion: """
            bash:  coditect completion bash > ~/.local/share/bash-completion/completions/coditect
            zsh:   coditect completion zsh > "${fpath[1]}/_coditect"
            fish:  coditect completion fish > ~/.config/fish/completions/coditect.fish
            """)
    @Argument(help: "bash, zsh or fish.") var shell: Shell
    @OptionGroup var output: OutputOptions

    func run() throws {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        let script = Coditect.completionScript(for: kind)
        output.say(script, ["shell": .string(shell.rawValue), "script": .string(script)])
    }
}
