import Foundation

/// The last entry of each tenant's segment, kept in step with the transaction: what is undone there is undone here.
package struct JournalHeads {
    struct Head {
        var seq: Int64
        var hash: [UInt8]
    }
    package init() {}
    private var heads: [UUID: Head] = [:]
    private var changes: [(tenant: UUID, before: Head?)] = []

    subscript(tenant: UUID) -> Head? { heads[tenant] }
    package var mark: Int { changes.count }

    mutating func advance(_ tenant: UUID, to head: Head) {
        changes.append((tenant, heads.updateValue(head, forKey: tenant)))
    }
    package mutating func undo(to mark: Int) {
        while changes.count > mark {
            let change = changes.removeLast()
            heads[change.tenant] = change.before
        }
    }
    package mutating func keep() { changes.removeAll(keepingCapacity: true) }
}
