import Store
import Tenancy

extension Provisioning {
    package var personRecords: RoomRecords {
        RoomRecords(
            "provisioning", store: parts.floor.store,
            [
                PersonTable(
                    "workstation_all", .tenant, shows: ["workstation_id", "state", "size", "active_at", "created_at", "changed_at"],
                    .bare("it is deleted because its member is none any more; its row tells that it was"))
            ])
    }
}
