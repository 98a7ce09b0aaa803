import Foundation
import Testing
import Vocabulary

struct TimestampTests {
    @Test(
        "a time is printed as ISO 8601 with Z and read back",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1_800_000_000_000_000, "2027-01-15T08:00:00Z"), (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"), (4_102_444_800_123_456, "2100-01-01T00:00:00.123456Z"),
        ] as [(Int64, String)])
    func roundTrip(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).iso8601 == text)
        #expect(Timestamp(iso8601: text)?.microseconds == microseconds)
    }

    @Test("offsets and fractions are understood")
    func offsets() {
        #expect(Timestamp(iso8601: "2026-11-21T10:30:00+01:30") == Timestamp(iso8601: "2026-11-21T09:00:00Z"))
        #expect(
            Timestamp(iso8601: "2026-11-21T09:00:00.5Z")?.microseconds
                == Timestamp(iso8601: "2026-11-21T09:00:00Z").map { $0.microseconds + 500_000 })
    }

    @Test(
        "what is not a time with a zone is refused",
        arguments: [
            "", "2026-11-21", "2026-11-21T09:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-21T24:00:00Z",
            "2026-11-21T09:00:00Zx",
            "2026-11-21T09:00:00.Z", "2026-11-21 09:00:00Z", "x026-11-21T09:00:00Z", "2026-11-21T09:00:00+0100", "2026-04-31T00:00:00Z",
        ])
    func refused(text: String) { #expect(Timestamp(iso8601: text) == nil) }

    @Test("every day of 400 years goes to the calendar and back")
    func calendar() {
        var previous = ""
        for day in stride(from: Int64(-80_000), to: 66_097, by: 1) {
            let moment = Timestamp(seconds: day * 86_400)
            #expect(Timestamp(iso8601: moment.iso8601) == moment)
            if day > -25_567 { #expect(previous < moment.iso8601) }
            previous = moment.iso8601
        }
    }
}

struct IdentifierTests {
    struct Fixed: Entropy {
        func bytes(_ count: Int) -> [UInt8] { Array(repeating: 0xff, count: count) }
    }

    @Test("an id is a UUIDv7: time first, version and variant set")
    func version7() {
        let id: TenantID = Fixed().id(Timestamp(microseconds: 0x0123_4567_89ab * 1_000))
        #expect(id.description == "01234567-89ab-7fff-bfff-ffffffffffff")
        #expect(TenantID(id.description) == id)
    }

    @Test("ids sort by the time of their making")
    func ordered() {
        let entropy = SystemEntropy()
        let ids: [TenantID] = (0..<100).map { entropy.id(Timestamp(microseconds: Int64($0) * 1_000)) }
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == 100)
    }

    @Test("reading and writing agree with the library's, in either case, and order is that of the bytes")
    func peers() {
        var ids: [UUID] = []
        for _ in 0..<500 {
            let id = UUID()
            #expect(id.canonical == id.uuidString.lowercased())
            #expect(UUID(canonical: id.uuidString) == id && UUID(canonical: id.canonical) == id)
            ids.append(id)
        }
        #expect(ids.sorted(by: UUID.precedes) == ids.sorted { $0.uuidString < $1.uuidString })
    }

    @Test(
        "only the 36-character form is an id",
        arguments: [
            "", "x", "01234567-89ab-7fff-bfff-fffffffffff", "{01234567-89ab-7fff-bfff-ffffffffffff}",
            "01234567-89ab-7fff-bfff-ffffffffffff0",
            "01234567089ab-7fff-bfff-ffffffffffff", "01234567-89ab-7fff-bfff-fffffffffffg", "01234567-89ab-7fff-bfff-fffffffffff\u{e9}",
        ])
    func refused(text: String) { #expect(TenantID(text) == nil) }
}

struct SettingTests {
    static let ttl = Setting("seats.lease_ttl_seconds", default: 360, in: 60...86_400, reason: "a test")

    @Test("a setting has its default until a checked value is given, and says what is wrong with a bad one")
    func checks() {
        #expect(Settings()[Self.ttl] == 360)
        #expect(Settings(["seats.lease_ttl_seconds": "90"])[Self.ttl] == 90)
        #expect(Self.ttl.erased.environmentName == "CODITECT_SEATS_LEASE_TTL_SECONDS")
        #expect(Self.ttl.erased.check("90") == nil)
        #expect(Self.ttl.erased.check("59") == "is outside 60 … 86400")
        #expect(Self.ttl.erased.check("soon") == "is not a whole number")
    }
}
