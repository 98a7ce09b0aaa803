import ArgumentParser
import Composition
import Foundation

extension PolicyCommand {
    struct Attack: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run hostile policies and say what came of each; without files, the set that is shipped with the kernel.",
            discussion: """
                The head of a file names the outcomes that are right and the time it may take:

                  -- class: dos
                  -- attack: plain endless loop.
                  -- expect: KILLED_CPU
                  -- within: 250

                OK          ran to its end and did no harm
                ERR         refused, by an ordinary error
                KILLED_CPU  ran out of fuel or processor time
                KILLED_MEM  ran out of memory or allocation
                ESCAPED     returned a text that begins so, or changed what its neighbour sees
                DRIFTED     two runs of it differ in answer or fuel
                REVIVED     ran again in a state that was killed
                CRASHED     ended the process, which runs apart for that reason
                HUNG        gave no answer

                Each file runs on a thread whose stack is exactly 1 MB, with 20 million instructions, 50 ms of processor time, 8 MiB a state,
                256 KiB a string and 256 MiB of allocation in all. Exit code: 0 if each file got what its head says, in time (without a head:
                one of the first four); 65 if not; 66 if a file cannot be read.
                """)
        @Argument(help: "Hostile files.") var files: [String] = []
        @Flag(help: "One line of JSON for each file: file, outcome, ms, detail.") var json = false
        @Option(help: "Instructions.") var fuel: UInt64 = 20_000_000
        @Option(help: "Processor time in milliseconds.") var cpuMilliseconds: Int = 50
        @Option(help: "Live memory of a state.") var memoryBytes: UInt64 = 8 << 20
        @Option(help: "One string.") var stringBytes: UInt64 = 256 << 10
        @Option(help: "Allocation of a call in all.") var allocationBytes: UInt64 = 256 << 20
        @Option(help: "Stack of the thread.") var stackBytes: Int = AttackDesk.stackBytes
        @Option(help: "Seconds without an answer after which a file counts as hung.") var patience = 10
        /// The child's side: judges in this process.
        @Flag(help: .hidden) var here = false
        /// For a starting server: small budgets, out of everybody's way.
        @Flag(help: .hidden) var gently = false

        func validate() throws {
            guard (1...600_000).contains(cpuMilliseconds) else { throw ValidationError("--cpu-milliseconds is 1 … 600000") }
            guard (1...UInt64.max / 2).contains(fuel) else { throw ValidationError("--fuel is at least 1") }
            guard (64 << 10...1 << 30).contains(memoryBytes) else { throw ValidationError("--memory-bytes is 65536 … 1073741824") }
            guard (64...1 << 30).contains(stringBytes) else { throw ValidationError("--string-bytes is 64 … 1073741824") }
            guard (64 << 10...1 << 40).contains(allocationBytes) else { throw ValidationError("--allocation-bytes is 65536 … 2^40") }
            guard (16 << 10...1 << 30).contains(stackBytes) else { throw ValidationError("--stack-bytes is 16384 … 1073741824") }
            guard (1...3_600).contains(patience) else { throw ValidationError("--patience is 1 … 3600") }
        }

        func run() async throws {
            let desk = AttackDesk(
                fuel: fuel, cpu: .milliseconds(cpuMilliseconds), memoryBytes: memoryBytes, stringBytes: stringBytes,
                allocationBytes: allocationBytes, stackBytes: stackBytes)
            if here {
                try desk.judgeHere(files, gently: gently) { FileHandle.standardOutput.write(Data(($0.json + "\n").utf8)) }
                return
            }
            do {
                let rows = try desk.judge(files, again: arguments, patience: .seconds(patience)) { row in
                    if json {
                        say(row.json)
                        fflush(nil)
                    }
                }
                if !json { table(rows) }
                if rows.contains(where: { !$0.isRight }) { throw Exit.data }
            } catch let fault as OperatorProblem {
                warn("\(fault)")
                throw ExitCode(66)
            }
        }

        private var arguments: [String] {
            [
                "policy", "attack", "--here", "--fuel", "\(fuel)", "--cpu-milliseconds", "\(cpuMilliseconds)", "--memory-bytes",
                "\(memoryBytes)", "--string-bytes", "\(stringBytes)", "--allocation-bytes", "\(allocationBytes)", "--stack-bytes",
                "\(stackBytes)",
            ]
        }

        private func table(_ rows: [AttackDesk.Row]) {
            let width = rows.map(\.file.count).max() ?? 0
            func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
            for row in rows {
                let time = padded(String(format: "%.1f", row.milliseconds), 8)
                let within = padded(row.within.map { String(format: "%.0f", $0) } ?? "–", 5)
                say(
                    "\(row.isRight ? "ok  " : "BAD ")  \(padded(row.file, width))  \(padded(row.outcome, 10))  \(time) of \(within) ms  "
                        + "expected \(row.expected.isEmpty ? "–" : row.expected.joined(separator: "|"))"
                        + (row.isRight ? "" : "  \(row.detail)"))
            }
            let wrong = rows.count { !$0.isRight }
            say("\(rows.count) files, \(wrong == 0 ? "all contained" : "\(wrong) not as their heads say")")
        }
    }
}
