import Vocabulary

package enum TenancySettings {
    package static let region = Setting<String>(
        "tenancy.region", default: "us", range: "us, eu, apac", accepts: { Tenant.Region(rawValue: $0) != nil },
        reason: "The region in which a tenant is founded: its data stays in that region's database and files.")
    package static let memberCache = Setting<Int>(
        "tenancy.member_cache_entries", default: 20_000, in: 0...1_000_000,
        reason: "Memberships and tenants kept in memory, exact while one process writes; 0 reads the store at each request.")
    package static let all: [AnySetting] = [region.erased, memberCache.erased]
}
