import ArgumentParser
import Composition
import Foundation

extension PolicyCommand {
    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A furnished folder for a policy: it checks, its tests pass, and it changes nothing until you do.")
        @OptionGroup var places: Places
        @Argument(help: "feature/rule, like seats/contractor-hours.") var path: String
        @Option(help: "The hook that it answers.") var hook = "on_seat_request"

        func run() async throws {
            for file in try PolicyDesk(try await places.options()).make(path, hook: hook) { say("wrote \(file)") }
            say("name it in init.lua to have it asked: platform = { \"\(path)\", … }")
        }
    }

    struct REPL: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "repl", abstract: "Lua at a prompt, as a policy would run it: the same libraries, the same budgets.")
        @OptionGroup var places: Places

        func run() async throws {
            var repl = try PolicyDesk(try await places.options()).repl()
            let isTerminal = isatty(STDIN_FILENO) == 1
            if isTerminal { say(":help lists what can be done") }
            while true {
                if isTerminal { print("> ", terminator: "") }
                fflush(nil)
                guard let line = readLine(), let shown = repl.take(line) else { return }
                if !shown.isEmpty { say(shown) }
            }
        }
    }
}
