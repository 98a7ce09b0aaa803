import Foundation
import PluginKit

/// Where a plugin's code runs.
package enum PluginIsolation: String, Sendable, Hashable, CaseIterable {
    /// In the server's own process: fast, and trusted like the server.
    case inProcess = "in_process"
    /// In a child process behind walls.
    case process
}

/// What the operator says of one plugin's prison, beside the plugin's own settings and under names that no plugin may use.
package struct PluginConfinement: Sendable, Hashable {
    /// Where the operator says nothing, only what is signed or shipped with the server runs in process.
    package var isolation = PluginIsolation.process
    var isSaid = false
    /// Address space of the child. A Swift process maps about 170 MiB before it holds anything.
    package var memoryBytes: UInt64 = 1_073_741_824
    /// A call that takes longer ends the child.
    package var callSeconds = 120
    /// Processor time that the child may use up while no call comes back; more ends it.
    package var cpuSeconds = 20

    /// What its folder may hold, where it has one.
    package var folderBytes: Int64 = 10_737_418_240

    package static let names = ["isolation", "isolation_memory_bytes", "isolation_call_seconds", "isolation_cpu_seconds", "folder_bytes"]
    static let folder: ClosedRange<Int64> = 1_048_576...1_125_899_906_842_624
    static let memory: ClosedRange<Int64> = 402_653_184...68_719_476_736
    static let seconds: ClosedRange<Int64> = 1...3_600

    package init() {}

    /// Takes the reserved names out of `given`; throws a `Refusal` of what is wrong with them.
    init(takenFrom given: inout [String: JSONValue], plugin id: String, variable: (String) -> String?) throws {
        var faults: [String] = []
        for name in PluginConfinement.names {
            let place = "CODITECT_" + "plugins_\(id)_\(name)".uppercased().replacing("-", with: "_")
            var value = given.removeValue(forKey: name)
            if let text = variable(place), !text.isEmpty { value = Int64(text).map { .int($0) } ?? .string(text) }
            guard let value, !value.isNull else { continue }
            switch name {
            case "isolation":
                if let known = value.string.flatMap(PluginIsolation.init) {
                    isolation = known
                    isSaid = true
                } else {
                    faults.append("The setting isolation must be one of in_process, process.")
                }
            case "isolation_memory_bytes":
                if let number = PluginConfinement.number(value, PluginConfinement.memory, name, &faults) { memoryBytes = UInt64(number) }
            case "isolation_call_seconds":
                if let number = PluginConfinement.number(value, PluginConfinement.seconds, name, &faults) { callSeconds = Int(number) }
            case "folder_bytes":
                if let number = PluginConfinement.number(value, PluginConfinement.folder, name, &faults) { folderBytes = number }
            default:
                if let number = PluginConfinement.number(value, PluginConfinement.seconds, name, &faults) { cpuSeconds = Int(number) }
            }
        }
        guard faults.isEmpty else { throw Refusal(.settingsInvalid, faults.joined(separator: " ")) }
    }

    private static func number(_ value: JSONValue, _ range: ClosedRange<Int64>, _ name: String, _ faults: inout [String]) -> Int64? {
        if let number = value.int, range.contains(number) { return number }
        faults.append("The setting \(name) must lie between \(range.lowerBound) and \(range.upperBound).")
        return nil
    }
}

/// The program that children run, and how they are brought back.
package struct PluginPrison: Sendable {
    package var program: URL
    package var rules: ChildRules

    package init(program: URL = PluginPrison.besideThisProgram, rules: ChildRules = ChildRules()) {
        self.program = program
        self.rules = rules
    }

    package static let programName = "coditect-plugin-child"
    /// Beside the running program, where the build and a release put it.
    package static var besideThisProgram: URL {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(programName)
    }
}
