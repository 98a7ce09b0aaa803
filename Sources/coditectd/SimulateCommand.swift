import ArgumentParser
import Composition
import Foundation
import HookEngine
import Simulation
import Synchronization
import Vocabulary

struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Live a scripted life, many random ones, or a tenant's coming months, in virtual time, and print what happens. Reaches nobody.",
        discussion:
            "With --tenant a copy of the server's data is lived on, under the policies in force and, where --policies names a candidate, under "
            + "that too; what differs is told. Ends with 65 where something was found that must not be. docs/how-to/simulate.md tells more."
    )
    @OptionGroup var places: Places
    @Argument(help: "The script, YAML; with --tenant what happens meanwhile at the provider.") var script: String?
    @Option(help: "So many tenants with random lives, in the place of a script.") var tenants: Int?
    @Option(help: "How long random lives are looked at, in days; default: 400.") var days: Int?
    @Option(help: "Look ahead: the coming months of this tenant, by its id.") var tenant: String?
    @Option(help: "How many months ahead; default: 18.") var months: Int?
    @Option(help: "The policies in force, for --tenant; default: policies beside the program, else in this folder.") var inForce: String?
    @Option(help: "The same seed gives the same lives, to the byte.") var seed: Int?
    @Option(help: "How it is printed: text or jsonl.") var format = "text"
    @Option(help: "Where a picture of it is written, SVG.") var svg: String?
    @Flag(help: "Print what was found and counted alone.") var quiet = false

    func validate() throws {
        guard ["text", "jsonl"].contains(format) else { throw ValidationError("--format is text or jsonl") }
        if tenant == nil {
            guard (script != nil) != (tenants != nil) else { throw ValidationError("name a script, or say --tenants or --tenant") }
            guard months == nil, inForce == nil else { throw ValidationError("--months and --in-force go with --tenant") }
        } else {
            guard tenants == nil, days == nil else { throw ValidationError("--tenants and --days do not go with --tenant") }
        }
        guard tenants.map({ (1...RandomLives.mostTenants).contains($0) }) ?? true else {
            throw ValidationError("--tenants is 1 to \(RandomLives.mostTenants)")
        }
        guard (1...3_660).contains(days ?? 400) else { throw ValidationError("--days is 1 to 3660") }
        guard (1...ForecastOrder.mostMonths).contains(months ?? 18) else {
            throw ValidationError("--months is 1 to \(ForecastOrder.mostMonths)")
        }
        guard (seed ?? 0) >= 0 else { throw ValidationError("--seed is 0 or more") }
    }

    func run() async throws {
        let ends = FolderKeeper()
        defer { ends.yieldToSignal() }
        if let tenant { return try await lookAhead(tenant) }
        let timeline = try await lived()
        try draw(timeline)
        print(SimulateOutput.text(timeline, format: format, quiet: quiet), terminator: "")
        if !timeline.findings.isEmpty { throw Exit.data }
    }

    private func draw(_ timeline: Timeline) throws {
        if let svg { try Data(TimelinePicture(timeline).svg.utf8).write(to: URL(fileURLWithPath: svg)) }
    }

    // MARK: - Scripts and dice

    private func lived() async throws -> Timeline {
        var lived = try chosen()
        if let seed, script != nil { lived.seed = UInt64(seed) }
        do { return try await SimulationDesk(policies: try places.reading().policies).live(lived) } catch let refused as ScriptRefused {
            throw Refusal(refused.description)
        }
    }

    private func chosen() throws -> Script {
        if let tenants { return RandomLives(tenants: tenants, days: days ?? 400, seed: UInt64(seed ?? 1)).script() }
        return try read(script ?? "", start: nil)
    }

    private func read(_ name: String, start: Timestamp?) throws -> Script {
        let file = URL(fileURLWithPath: name)
        guard let data = FileManager.default.contents(atPath: file.path) else { throw Refusal("there is no script \(file.path)") }
        guard let text = String(data: data, encoding: .utf8) else { throw Refusal("\(file.lastPathComponent) is not UTF-8") }
        do { return try ScriptFile.read(text, name: file.lastPathComponent, start: start) } catch let refused as ScriptRefused {
            throw Refusal(refused.description)
        }
    }

    // MARK: - Looking ahead

    private func lookAhead(_ name: String) async throws {
        guard let id = TenantID(name) else { throw ValidationError("--tenant is a tenant's id") }
        let server = try await places.options()
        let now = Timestamp(seconds: server.clock.now().seconds)
        var order = ForecastOrder(tenant: id, from: now, policies: try places.policies(inForce))
        if places.policies != nil { order.candidate = server.policies }
        (order.months, order.seed) = (months ?? 18, UInt64(seed ?? 1))
        if let script { order.script = try read(script, start: now) }
        let looked = order
        let forecast: Forecast
        do { forecast = try await told({ try await SimulationDesk.forecast(looked, over: server) }) } catch let refused as ScriptRefused {
            throw Refusal(refused.description)
        }
        try draw(forecast.lanes)
        let text = format == "jsonl" ? forecast.jsonLines : Shown.lines(forecast.text(limit: quiet ? 0 : nil))
        print(text, terminator: "")
        if !forecast.findings.isEmpty { throw Exit.data }
    }
}

/// Takes away what a simulation wrote when it is ended by a signal.
private final class FolderKeeper {
    private let sources: [any DispatchSourceSignal]
    private final class Ending: Sendable { let isIt = Atomic(false) }
    private let ending = Ending()

    init() {
        sources = [SIGTERM, SIGINT, SIGHUP].map { [ending] number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                ending.isIt.store(true, ordering: .sequentiallyConsistent)
                SimulationDesk.endWithoutFolders(128 + number)
            }
            source.resume()
            return source
        }
    }

    /// Returns, unless a signal has come: a simulation whose folder has just been taken away fails, and its error must not overtake the signal's code.
    func yieldToSignal() {
        while ending.isIt.load(ordering: .sequentiallyConsistent) { pause() }
    }
}

/// How a timeline is printed. What others wrote may stand in it: signs that steer a terminal are shown, not sent.
enum SimulateOutput {
    static func text(_ timeline: Timeline, format: String, quiet: Bool) -> String {
        if format == "jsonl" { return timeline.jsonLines }
        return Shown.lines(timeline.text(limit: quiet ? 0 : nil))
    }
}
