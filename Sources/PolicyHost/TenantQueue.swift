import Vocabulary

/// Who waits for one thread: the tenants in turn, one item each, so that nobody waits for more than one item of each other tenant.
struct TenantQueue<Item> {
    private let most: Int
    private let mostOfOne: Int
    private var waiting: [TenantID: [Item]] = [:]
    /// Tenants with something waiting, whose turn is next first.
    private var turns: [TenantID] = []
    private(set) var count = 0

    init(most: Int, ofOne: Int) {
        self.most = most
        mostOfOne = ofOne
    }

    var isEmpty: Bool { turns.isEmpty }

    /// False where too many wait, of this tenant or of all.
    mutating func append(_ item: Item, of tenant: TenantID) -> Bool {
        let before = waiting[tenant]?.count ?? 0
        guard count < most, before < mostOfOne else { return false }
        if before == 0 { turns.append(tenant) }
        waiting[tenant, default: []].append(item)
        count += 1
        return true
    }

    mutating func next() -> Item? {
        guard !turns.isEmpty else { return nil }
        let tenant = turns.removeFirst()
        guard let first = waiting[tenant]?.removeFirst() else { return nil }
        count -= 1
        if waiting[tenant]?.isEmpty == true { waiting[tenant] = nil } else { turns.append(tenant) }
        return first
    }
}
