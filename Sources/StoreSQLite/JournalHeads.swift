import Foundation
import Store

/// The last entry of each tenant's segment, kept in step with the transaction: what is undone there is undone here.
struct JournalHeads {
    struct Head {
        var seq: Int64
        var hash: [UInt8]
    }
    private var heads: [UUID: Head] = [:]
    private var changes: [(tenant: UUID, before: Head?)] = []

    subscript(tenant: UUID) -> Head? { heads[tenant] }
    var mark: Int { changes.count }

    mutating func advance(_ tenant: UUID, to head: Head) {
        changes.append((tenant, heads.updateValue(head, forKey: tenant)))
    }
    mutating func undo(to mark: Int) {
        while changes.count > mark {
            let change = changes.removeLast()
            heads[change.tenant] = change.before
        }
    }
    mutating func keep() { changes.removeAll(keepingCapacity: true) }
}
