import ArgumentParser
import Composition
import Vocabulary

struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Work that goes on by itself: what waits, what was given up. Runs beside a server.",
        subcommands: [List.self, Dead.self, Retry.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What is due, running and given up, by kind.")
        @OptionGroup var places: Places
        func run() async throws {
            let desk = try await JobsDesk(try await places.options())
            let lines = try await desk.backlog()
            await desk.close()
            for line in lines { say(line) }
            if lines.isEmpty { say("no job waits") }
        }
    }

    struct Dead: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Jobs that were given up, newest first, and why.")
        @OptionGroup var places: Places
        @Flag(help: "One JSON object a line.") var json = false
        func run() async throws {
            let desk = try await JobsDesk(try await places.options())
            let lines = try await desk.dead(json: json)
            await desk.close()
            for line in lines { say(line) }
            if lines.isEmpty, !json { say("no job was given up") }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a job another go, with all its attempts. A running server takes it up within 30 s.")
        @OptionGroup var places: Places
        @Argument(help: "The job's id, as 'jobs dead' lists it.") var job: String
        func run() async throws {
            let desk = try await JobsDesk(try await places.options())
            do { try await desk.retry(job) } catch {
                await desk.close()
                throw error
            }
            await desk.close()
            say("\(job) is due")
        }
    }
}
