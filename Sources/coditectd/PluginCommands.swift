import ArgumentParser
import Composition
import Foundation
import Vocabulary

struct Plugins: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin", abstract: "Plugins: make, check, list, switch on and off, upgrade, take back.",
        subcommands: [
            List.self, Check.self, New.self, Seal.self, Enable.self, Disable.self, Upgrade.self, Promote.self, Withdraw.self, Reload.self,
        ])

    /// Says what came of it. What was looked at and refused ends with 65, as `check` does, and what may work later with 75.
    private static func tell(_ lines: () async throws -> [String]) async throws {
        do { for line in try await lines() { coditectd.say(line) } } catch let problem as OperatorProblem {
            guard problem.kind != .impossible else { throw problem }
            warn("Error: \(problem)")
            throw problem.kind == .refused ? Exit.data : Exit.temporary
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every plugin: version, kinds, state, digest, settings, names of its secrets, and how its upgrade does.")
        @OptionGroup var places: Places
        @Flag(help: "One JSON object a line, as the API answers.") var json = false
        func run() async throws { for line in try PluginDesk(try places.reading().bare()).list(json: json) { say(line) } }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Load plugins as the server would, say what became of each, and unload.",
            discussion:
                "Payment providers are also asked what every one must refuse: forged webhooks. Compliance frameworks are tried by the whole conformance kit. Ends with 65 where one is refused."
        )
        @OptionGroup var places: Places
        @Argument(help: "One plugin's folder, or a folder of them; default: --plugins.") var path: String?
        @Option(help: "Where they run meanwhile: in_process or process; default: as in the server.") var isolation: String?
        func run() async throws {
            let (lines, isFine) = try await PluginDesk.check(try places.reading().bare(), path: path, isolation: isolation)
            for line in lines { say(line) }
            if !isFine { throw Exit.data }
        }
    }

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A package that builds, passes the conformance kits and is yours to change, anywhere on this machine.")
        @Argument(help: "What it is to be, like payment or policy: each folder of the kit's template.") var kind: String
        @Argument(help: "Its id, like acme.") var name: String
        @Option(help: "The folder to make; default: what the template says, like acme-payments.") var into: String?
        @Option(help: "The folder with sdk, sdk-testing and template; default: kit beside the program or its folder, else the source tree.")
        var kit: String?
        func run() async throws {
            let (place, files) = try PluginScaffold(kit: kit).make(kind, name, into: into)
            for file in files { say("wrote \(file)") }
            let here = URL(fileURLWithPath: ".").standardizedFileURL.path + "/"
            say("next: cd \(place.hasPrefix(here) ? String(place.dropFirst(here.count)) : place) && make test && make plugin")
        }
    }

    struct Seal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write plugin.sha256 beside a plugin's files, for its publisher to sign.",
            discussion: "sha256sum -c reads it. The server refuses files that it does not list so.")
        @Argument(help: "The folder with plugin.json and the library.") var path: String
        func run() async throws { for line in try PluginDesk.seal(path) { say(line) } }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Switch a plugin on; it is checked and started as at the server's start.")
        @OptionGroup var places: Places
        @Argument(help: "The plugin's id.") var id: String
        func run() async throws { try await Plugins.tell { try await PluginDesk(try places.reading().bare()).order(.enable, to: id) } }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Switch a plugin off: calls under way end first. It stays off over restarts.")
        @OptionGroup var places: Places
        @Argument(help: "The plugin's id.") var id: String
        func run() async throws { try await Plugins.tell { try await PluginDesk(try places.reading().bare()).order(.disable, to: id) } }
    }

    struct Upgrade: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a new version beside the old one for some tenants, or, without --share and --tenants, in its place.",
            discussion:
                "The new version waits in the plugins folder as a folder whose name ends in .next, or lies where --from says. A call that began with a version ends with it. If the new one fails more often than the old, it is taken back by itself."
        )
        @OptionGroup var places: Places
        @Argument(help: "The plugin's id.") var id: String
        @Option(help: "Percent of the tenants, like 10 or 0.5; always the same ones, and more of them with a larger share.") var share:
            Double?
        @Option(help: "Ids of tenants that get it in any case, parted by commas.") var tenants: String?
        @Option(help: "The folder with the new version's plugin.json and library.") var from: String?

        func validate() throws {
            if let share, !(0...100).contains(share) { throw ValidationError("--share is 0 … 100") }
        }
        func run() async throws {
            let named = tenants?.split(separator: ",").map(String.init)
            for tenant in named ?? [] where TenantID(tenant) == nil { throw Refusal("'\(tenant)' is no tenant's id") }
            let order = PluginOffice.Order.upgrade(
                from: from.map { URL(fileURLWithPath: $0) }, basisPoints: share.map { Int($0 * 100) }, tenants: named)
            try await Plugins.tell { try await PluginDesk(try places.reading().bare()).order(order, to: id) }
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put the new version in the place of the old one for everybody; the old one drains.")
        @OptionGroup var places: Places
        @Argument(help: "The plugin's id.") var id: String
        func run() async throws { try await Plugins.tell { try await PluginDesk(try places.reading().bare()).order(.promote, to: id) } }
    }

    struct Withdraw: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take the new version back, beside the old one or promoted already.")
        @OptionGroup var places: Places
        @Argument(help: "The plugin's id.") var id: String
        @Option(help: "Why; it is kept with the upgrade and in the audit log.") var reason = "withdrawn by an operator"
        func run() async throws {
            try await Plugins.tell { try await PluginDesk(try places.reading().bare()).order(.withdraw(reason: reason), to: id) }
        }
    }

    struct Reload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the running server read the plugins folder and the files of secrets now, and wait until it has.",
            discussion: "It does so by itself within seconds of a change.")
        @OptionGroup var places: Places
        func run() async throws { try await Plugins.tell { try await PluginDesk(try places.reading().bare()).reload() } }
    }
}
