import Store
import Vocabulary

/// What the room keeps, and how long.
package enum ProjectRetention {
    package static let kinds = [
        RetentionKind(
            "projects", "Projects with their files; deleted ones can come back for a time", .tenant,
            tables: ["project_all", "project_file_all", "project_share_all", "project_usage_all"],
            [
                RetentionDuty(
                    .contract,
                    "what was deleted by mistake is restored; \(ProjectSettings.keepDays.path) says for how many days, at the "
                        + "moment of deleting", from: "it is not deleted, or the moment that its deletion named", clock: "purge_at", .moment
                )
            ], end: .deleted, job: RetentionJob(Projects.sweepKind), probe: RetentionProbe("project_all", by: "project_id")),
        RetentionKind(
            "uploads", "Contents of files; of uploads that were never completed, what had come", .tenant,
            tables: ["project_object_all", "project_piece_all"],
            [
                RetentionDuty(
                    .contract, "an upload is completed within its hours, and a version stays as long as its project",
                    from: "it is the content of a file, or the end of the upload", clock: "due_at", .fixed(Projects.lateness))
            ], end: .deleted, job: RetentionJob(Projects.sweepKind), probe: RetentionProbe("project_object_all", by: "object_id"),
            spared: "nobody could read what never became a file; the contents of files stay with their project"),
    ]
}
