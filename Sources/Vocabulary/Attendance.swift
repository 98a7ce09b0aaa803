/// Whether somebody waits at a connection for what a task does: then a part that does not answer is given up sooner than for work that nobody
/// waits for.
package enum Attendance {
    @TaskLocal package static var isAwaited = false
    /// How long what is done next has waited for its turn already.
    @TaskLocal package static var waited = Duration.zero
}
