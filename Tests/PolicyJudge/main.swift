import Foundation
import PolicyHost

// policy-judge MISSING STACK_BYTES [--] FILE…: judges files of the shipped set, or others by their paths, in this process, with the defences
// of the bit mask MISSING taken away. For tests: nothing that is shipped can do this.

let words = CommandLine.arguments.dropFirst().filter { $0 != "--" }
guard words.count >= 2, let missing = UInt64(words[words.startIndex]), let stack = Int(words[words.startIndex + 1]) else { exit(64) }
/// What spins without a defence is ended by its own processor time, however busy the machine is.
func allow(seconds: UInt) {
    var used = timespec()
    var most = rlimit()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
    getrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &most)
    most.rlim_cur = UInt(used.tv_sec) + seconds
    setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &most)
}

// Whoever started this may have kept the signal that tells it from its thread, and so from ours.
var wanted = sigset_t()
sigemptyset(&wanted)
sigaddset(&wanted, SIGXCPU)
sigprocmask(SIG_UNBLOCK, &wanted, nil)
signal(SIGXCPU, SIG_DFL)
let shipped = Dictionary(uniqueKeysWithValues: HostileFile.shipped().map { ($0.name, $0) })
let judge = AttackJudge(stackBytes: stack, missing: missing)
for name in words.dropFirst(2) {
    if missing != 0 { allow(seconds: 2) }
    let file = try shipped[name] ?? HostileFile(URL(fileURLWithPath: name), named: name)
    FileHandle.standardOutput.write(Data((judge.judge(file).json + "\n").utf8))
}
