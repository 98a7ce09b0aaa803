import Vocabulary

extension Project.State: LifecycleState {}

/// The life of a project. A deleted one comes back until it is purged; its row leaves with its last file.
package let projectLifecycle = Lifecycle<Project.State>(
    "Project", "What may still be done with a project and its files.", initial: [.active],
    [
        Transition(
            "archive", "archived", from: [.active], to: .archived, by: [.customer], why: "its files stay readable and change no more"),
        Transition("reopen", "reopened", from: [.archived], to: .active, by: [.customer], why: "work goes on"),
        Transition(
            "delete", "deleted", from: [.active, .archived], to: .deleted, by: [.customer],
            why: "it is out of sight, counts no more as a project, and its files are kept a while"),
        Transition(
            "restore", "restored", from: [.deleted], to: .active, by: [.customer],
            why: "within the days that deleted ones are kept, if the tier allows one more"),
        Transition(
            "purge", "purge_started", from: [.active, .archived, .deleted], to: .purging, by: [.time, .kernel],
            why: "those days are over, or the tenant's data is purged: file after file leaves the store, then the row"),
    ])

/// What the row of an object says of the bytes in the store.
package enum FileObjectState: String, LifecycleState {
    /// Bytes may be there, in part or whole: the room is reserved.
    case declared
    /// They are there, proved, and a version of a file.
    case stored
    /// They leave: the row stays until the store has let go.
    case dropped
}

/// The life of one content. The row comes before the first byte and leaves after the last, so that no crash leaves one without the other.
package let fileObjectLifecycle = Lifecycle<FileObjectState>(
    "Upload", "What lies in a file store, and why.", initial: [.declared],
    [
        Transition(
            "complete", "stored", from: [.declared], to: .stored, by: [.customer],
            why: "the store has the declared bytes and their content is what the type says"),
        Transition(
            "abandon", "abandoned", from: [.declared], to: .dropped, by: [.customer, .time, .kernel],
            why: "its maker gives up, its hours are over, or its content is refused"),
        Transition(
            "remove", "removed", from: [.stored], to: .dropped, by: [.customer, .kernel],
            why: "the file is removed, newer versions push it out, or its project is purged"),
    ])
