import Store
import Tenancy
import Vocabulary

extension Notifications {
    /// How a tenant's mails look goes with it.
    package var closure: RoomClosure { RoomClosure("notifications", store: store, rows: [TenantRows("mail_brand_all", by: "tenant_id")]) }
}

/// What mails leave behind of a person: what was sent, how it fared, and, without a mail plugin, the mails themselves.
package struct NotificationErasure: PersonErasure {
    private static let erasing = KernelReason("notifications.erase_person")
    let room: Notifications
    /// Nil where mails leave the house.
    let mailbox: Mailbox?
    package let name = "notifications"
    package init(_ room: Notifications, mailbox: Mailbox?) {
        self.room = room
        self.mailbox = mailbox
    }

    package func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder] {
        if let mailbox, let address = try? await room.addresses.address(of: person) { try mailbox.forget(address.email) }
        try await room.store.kernel(Self.erasing, .flushed) { db in
            for statement in NotificationTable.ofPerson { try db.run(statement, person) }
        }
        return []
    }
}
