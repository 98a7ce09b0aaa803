import Licensing
import Store
import Vocabulary

/// Seats kept for some, and the queue of those who wait.
extension SQLLeaseLedger {
    private static let lookReason = KernelReason("seats.reservations")
    private static let queueReason = KernelReason("seats.queue")

    package func reservations(_ license: License.ID, tenant: TenantID) async throws -> [ReservationView] {
        try await store.kernelRead(Self.lookReason) { [time, licenses] db in
            let now = try time.look(in: db)
            return try db.within(tenant) { db in
                guard try licenses.seatLicense(license, in: db) != nil else { throw CommonProblems.notFound }
                return try db.rows(SeatTable.reservationList, license, now).map { row in
                    let id: Reservation.ID = try row.id(0)
                    let members: [UserID] = try db.rows(SeatTable.reservationMembers, id).map { try $0.id(0) }
                    return ReservationView(
                        reservation: Reservation(
                            id: id, license: try row.id(1), name: try row.text(2), seats: try row.int(3), members: members),
                        live: try row.int(4))
                }
            }
        }
    }

    package func reserve(
        _ license: License.ID, name: String, seats: Int, members: [UserID], tenant: TenantID, _ act: Act
    ) async throws {
        try await decision(tenant, Self.lookReason) { [self] db in
            let now = try time.look(in: db)
            try db.within(tenant) { db in
                guard let found = try licenses.seatLicense(license, in: db) else { throw CommonProblems.notFound }
                let known = try db.rows(SeatTable.reservationList, license, now)
                let own = try known.first { try $0.text(2) == name }
                let others = try known.filter { try $0.text(2) != name }.reduce(0) { $0 + (try $1.int(3)) }
                guard others + seats <= found.seats else {
                    throw SeatProblems.reservedTooMany.with(["reserved": .int(Int64(others)), "seats_total": .int(Int64(found.seats))])
                }
                let id: Reservation.ID
                if let own {
                    id = try own.id(0)
                    try db.run(SeatTable.changeReservation, id, seats)
                    try db.run(SeatTable.dropMembers, id)
                } else {
                    guard known.count < Reservation.mostPerLicense else { throw SeatProblems.reservedTooMany }
                    id = entropy.id(act.now)
                    try db.run(SeatTable.reserve, db.tenant, id, license, name, seats)
                }
                for member in Set(members) { try db.run(SeatTable.reserveMember, db.tenant, id, member) }
                var book = try SeatBook(license, now, in: db)
                book.count(reservations: known.count + (own == nil ? 1 : 0))
                try book.close()
                try db.journal(
                    JournalEntry(
                        "seat.reserved", subject: "license:\(license)",
                        details: ["name": .string(name), "seats": .int(Int64(seats)), "members": .int(Int64(Set(members).count))]), act)
            }
        }
    }

    package func dropReservation(_ license: License.ID, name: String, tenant: TenantID, _ act: Act) async throws {
        try await decision(tenant, Self.lookReason) { [self] db in
            let now = try time.look(in: db)
            try db.within(tenant) { db in
                guard try db.row(SeatTable.dropReservation, license, name) != nil else { throw CommonProblems.notFound }
                var book = try SeatBook(license, now, in: db)
                book.count(reservations: try db.rows(SeatTable.reservationList, license, now).count)
                try book.close()
                try db.journal(
                    JournalEntry("seat.unreserved", subject: "license:\(license)", details: ["name": .string(name)]), act)
            }
        }
    }

    package func queue(_ query: LeaseQuery) async throws -> [Waiter] {
        try await store.kernelRead(Self.queueReason) { [self] db in
            let now = try time.look(in: db)
            let seen = now.microseconds - claimTimeout.microseconds
            return try db.within(query.tenant) { db in
                try db.rows(SeatTable.queue, seen, query.license, query.limit).map { row in
                    Waiter(
                        license: try row.id(0), ticket: try row.uuid(1), user: try row.id(2),
                        waited: now - LedgerTime(microseconds: try row.integer(3)))
                }
            }
        }
    }
}
