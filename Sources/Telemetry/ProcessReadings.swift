import Foundation
import Vocabulary

extension Metrics {
    /// Memory, processor time and open files of this process, under the names that Prometheus' own clients use.
    package func addProcessReadings(startedAt: Timestamp) {
        let pageSize = Double(sysconf(Int32(_SC_PAGESIZE)))
        reading("process_resident_memory_bytes", "Resident memory size in bytes.") {
            let fields = ProcessFiles.text("/proc/self/statm")?.split(separator: " ") ?? []
            return fields.count > 1 ? Double(fields[1]).map { $0 * pageSize } : nil
        }
        reading("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", type: "counter") {
            var usage = rusage()
            guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
            let seconds = { (time: timeval) in Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
            return seconds(usage.ru_utime) + seconds(usage.ru_stime)
        }
        reading("process_open_fds", "Number of open file descriptors.") {
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map { Double($0.count) }
        }
        reading("process_start_time_seconds", "Start time of the process since unix epoch in seconds.") { Double(startedAt.seconds) }
    }
}

private enum ProcessFiles {
    /// A file of `/proc`, whose size is not known before it is read.
    static func text(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
