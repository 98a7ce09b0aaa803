import Store
import Vocabulary

extension Leases {
    /// A member who may take no seats any more keeps none: what is held is given back, but for seats that are out with a file, which nobody
    /// can call home before it ends.
    package func subscribers() -> [EventSubscriber] {
        [
            EventSubscriber(MemberAccessChanged.self, subscriber: "seats") { change, _, act in
                guard !change.permissions.contains(SeatPermissions.acquire.name) else { return }
                try await releaseAll(
                    LeaseQuery(tenant: change.tenant, user: change.user, limit: 100), note: "membership_\(change.reason)", act)
            }
        ]
    }
}
