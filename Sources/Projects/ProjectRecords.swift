import Store
import Tenancy

extension Projects {
    package var personRecords: RoomRecords {
        RoomRecords(
            "projects", store: store,
            [
                PersonTable(
                    "project_all", by: "created_by", .tenant, shows: ["project_id", "name", "state", "created_at", "changed_at"],
                    .bare("projects are the organisation's")),
                PersonTable(
                    "project_object_all", by: "made_by", .tenant, shows: ["file_id", "path", "bytes", "state", "made_at"],
                    .bare("files are the organisation's")),
            ])
    }
}
