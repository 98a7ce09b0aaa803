import Foundation

/// How many threads that only compute are worth having.
package enum Processors {
    /// Processors of this process: the machine's, or fewer where a container or a unit of systemd allows less time than that
    /// (`cpu.max` of cgroup v2, rounded up; the least of all groups above it). Never 0.
    package static let count = count(
        machine: ProcessInfo.processInfo.activeProcessorCount, groups: URL(fileURLWithPath: "/sys/fs/cgroup"),
        own: (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "")

    /// - Parameter own: `0::/system.slice/coditectd.service`, a line of `/proc/self/cgroup`.
    static func count(machine: Int, groups: URL, own: String) -> Int {
        let path = own.split(separator: "\n").first { $0.hasPrefix("0::/") }?.dropFirst(4) ?? ""
        var group = groups
        var least = max(1, machine)
        for step in [""] + path.split(separator: "/").filter({ $0 != ".." }) {
            if !step.isEmpty { group.appendPathComponent(String(step)) }
            let text = (try? String(contentsOf: group.appendingPathComponent("cpu.max"), encoding: .utf8)) ?? ""
            let words = text.split { $0 == " " || $0 == "\n" }
            // "max 100000" bounds nothing.
            guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else { continue }
            least = min(least, max(1, quota / period + (quota % period == 0 ? 0 : 1)))
        }
        return least
    }
}
