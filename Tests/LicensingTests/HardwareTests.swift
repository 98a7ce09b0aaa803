import Catalog
import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Licensing

struct HardwareTests {
    // MARK: The rule

    struct Case: CustomTestStringConvertible, Sendable {
        let equal: Int
        let known: Int
        let told: Int
        /// The rules under which these are one device.
        let same: Set<HardwareMatch>
        var testDescription: String { "\(equal) equal of \(known) known and \(told) told" }
    }
    static let cases: [Case] = [
        Case(equal: 0, known: 4, told: 4, same: []),
        Case(equal: 0, known: 0, told: 4, same: []),
        Case(equal: 0, known: 0, told: 0, same: []),
        Case(equal: 1, known: 4, told: 4, same: [.any]),
        Case(equal: 1, known: 2, told: 2, same: [.any]),
        Case(equal: 2, known: 4, told: 4, same: [.any, .two]),
        Case(equal: 3, known: 4, told: 4, same: [.any, .two, .most]),
        Case(equal: 4, known: 4, told: 4, same: [.any, .two, .most, .all]),
        Case(equal: 2, known: 2, told: 2, same: [.any, .two, .most, .all]),
        Case(equal: 2, known: 3, told: 3, same: [.any, .two, .most]),
        Case(equal: 2, known: 2, told: 3, same: [.any, .two, .most]),
        Case(equal: 2, known: 3, told: 2, same: [.any, .two, .most]),
        // Half is not most, from either side: else the components of two devices would be both.
        Case(equal: 4, known: 4, told: 8, same: [.any, .two]),
        Case(equal: 4, known: 8, told: 4, same: [.any, .two]),
        Case(equal: 5, known: 8, told: 8, same: [.any, .two, .most]),
        Case(equal: 7, known: 8, told: 8, same: [.any, .two, .most]),
        Case(equal: 7, known: 8, told: 7, same: [.any, .two, .most]),
        Case(equal: 8, known: 8, told: 8, same: [.any, .two, .most, .all]),
    ]

    @Test("how many equal components make two devices one", arguments: cases)
    func rule(_ value: Case) {
        for match in HardwareMatch.allCases {
            #expect(match.isSame(equal: value.equal, known: value.known, told: value.told) == value.same.contains(match), "\(match)")
        }
    }

    @Test("the rules are nested, symmetric and never drop by one more equal component")
    func order() {
        for known in 0...8 {
            for told in 2...8 {
                for equal in 0...min(known, told) {
                    func holds(_ match: HardwareMatch, _ count: Int) -> Bool { match.isSame(equal: count, known: known, told: told) }
                    if holds(.all, equal) { #expect(holds(.most, equal)) }
                    if holds(.most, equal) { #expect(holds(.two, equal)) }
                    if holds(.two, equal) { #expect(holds(.any, equal)) }
                    for match in HardwareMatch.allCases {
                        #expect(holds(match, equal) == match.isSame(equal: equal, known: told, told: known))
                        if equal > 0, holds(match, equal - 1), match != .all { #expect(holds(match, equal)) }
                    }
                }
            }
        }
    }

    @Test("no set of components is most of two devices that share none")
    func union() {
        for first in 2...8 {
            for second in 2...8 {
                for ofFirst in 0...first {
                    for ofSecond in 0...second where (2...8).contains(ofFirst + ofSecond) {
                        let told = ofFirst + ofSecond
                        let isBoth =
                            HardwareMatch.most.isSame(equal: ofFirst, known: first, told: told)
                            && HardwareMatch.most.isSame(equal: ofSecond, known: second, told: told)
                        #expect(!isBoth)
                    }
                }
            }
        }
    }

    // MARK: What a device may say

    static let unfit: [[String: String]] = [
        [:], ["cpu": "a"], Dictionary(uniqueKeysWithValues: (0..<9).map { ("c\($0)", "v\($0)") }), ["cpu": "", "mac": "b"],
        ["cpu": "  \t", "mac": "b"], ["cpu": "\u{0}", "mac": "b"], ["cpu": "\u{a0}\u{2003}\u{200b}", "mac": "b"],
        ["cpu": "unknown", "mac": "Unknown"],
        ["CPU": "a", "mac": "b"], ["": "a", "mac": "b"], ["c=pu": "a", "mac": "b"], ["1cpu": "a", "mac": "b"], ["c/u": "a", "mac": "b"],
        [String(repeating: "c", count: 33): "a", "mac": "b"], ["cpu": String(repeating: "a", count: 257), "mac": "b"],
        ["çpu": "a", "mac": "b"],
    ]

    @Test("blank values, fillers that stand for several, and too few or too many components are refused", arguments: unfit)
    func refused(_ components: [String: String]) {
        let problem = #expect(throws: Problem.self) { try Hardware(id: "hw", components: components) }
        #expect(problem?.code == CommonProblems.invalid.code)
        #expect(problem?.status == 422)
    }

    @Test("two to eight components are taken, up to the longest")
    func accepted() throws {
        _ = try Hardware(id: "hw", components: ["cpu": "a", "mac": "b"])
        _ = try Hardware(id: "hw", components: Dictionary(uniqueKeysWithValues: (0..<8).map { ("c\($0)", "v\($0)") }))
        _ = try Hardware(id: "hw", components: [String(repeating: "c", count: 32): String(repeating: "a", count: 256), "mac": "b"])
    }

    // MARK: Devices

    /// The room, with one tier that matches by `match`.
    struct Bench: Sendable {
        let house: LicenseHouse
        let key: String
        let license: LicenseID

        static func make(_ match: HardwareMatch?, devices: JSONValue = 100) async throws -> Bench {
            var tier: [String: JSONValue] = [
                "id": "team", "name": "Team", "prices": ["month": ["amount_minor": 2900]], "seats_per_unit": 1, "devices": devices,
            ]
            if let match { tier["hardware_match"] = .string(match.rawValue) }
            let house = try await LicenseHouse.make(tiers: ["api": 1, "currency": "USD", "tiers": [.object(tier)]])
            let detail = try await house.issued(quantity: 1)
            return Bench(house: house, key: detail.key, license: detail.license.id)
        }
        static func hardware(_ id: String, _ components: [String: String] = [:]) throws -> Hardware {
            components.isEmpty ? Hardware(id: id) : try Hardware(id: id, components: components)
        }
        func activate(_ id: String, _ components: [String: String] = [:]) async throws -> ActivationChange {
            try await house.licenses.activate(
                key: key, try Self.hardware(id, components), machineName: "desk of \(id)", house.act(.anonymous))
        }
        func validate(_ id: String, _ components: [String: String] = [:]) async throws -> Validation {
            try await house.licenses.validate(key: key, try Self.hardware(id, components), now: house.now)
        }
        func deactivate(_ id: String, _ components: [String: String] = [:]) async throws -> ActivationChange {
            try await house.licenses.deactivate(key: key, try Self.hardware(id, components), house.act(.anonymous))
        }
        func parts() async throws -> [(device: [UInt8], digest: [UInt8], parts: Int)] {
            try await house.test.store.kernelRead(KernelReason("test.look")) { db in
                try db.rows(SQL("test.parts", "SELECT device, digest, parts FROM activation_part_all")).map {
                    (try $0.blob(0), try $0.blob(1), try $0.int(2))
                }
            }
        }
    }
    static let desk: [String: String] = ["cpu": "c1", "board": "b1", "disk": "d1", "mac": "m1"]
    static func other(_ changed: Set<String>) -> [String: String] {
        Dictionary(uniqueKeysWithValues: desk.map { ($0.key, changed.contains($0.key) ? "new \($0.key)" : $0.value) })
    }

    @Test("a device whose id changed is the same activation as far as its tier's rule goes", arguments: HardwareMatch.allCases)
    func sameDevice(_ match: HardwareMatch) async throws {
        for (changed, count) in [([], 0), (["disk"], 1), (["disk", "mac"], 2), (["disk", "mac", "cpu"], 3)] as [(Set<String>, Int)] {
            let bench = try await Bench.make(match)
            let first = try await bench.activate("old", Self.desk)
            let then = try await bench.activate("new", Self.other(changed))
            let isSame = match.isSame(equal: 4 - count, known: 4, told: 4)
            #expect((then.activation.id == first.activation.id) == isSame, "\(changed)")
            #expect(then.license.activations == (isSame ? 1 : 2))
            #expect(try await bench.parts().count == (isSame ? 4 : 8))
            #expect(then.activation.machineName == (isSame ? "desk of old" : "desk of new"))
        }
    }

    @Test("the file of a device whose id changed is bound to the id that asked; validate only tells, activate moves the activation")
    func moves() async throws {
        let bench = try await Bench.make(nil, devices: 1)
        let first = try await bench.activate("old", Self.desk)
        let asked = try await bench.validate("new", Self.other(["disk"]))
        #expect(asked.code == .valid)
        #expect(asked.file?.license["hardware_id_sha256"] == "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437")
        #expect(asked.file?.license["activation_id"] == .string(first.activation.id.description))
        // Nothing was written: the old id is still the one that is known, and the new one alone is not.
        #expect(try await bench.validate("old").code == .valid)
        #expect(try await bench.validate("new").code == .activationLimitReached)
        #expect(try await bench.house.journal().filter { $0.hasPrefix("device.") } == ["device.activated"])

        bench.house.test.clock.advance(by: .hours(1))
        let moved = try await bench.activate("new", Self.other(["disk"]))
        #expect(moved.activation.id == first.activation.id)
        #expect(moved.activation.activatedAt == first.activation.activatedAt)
        #expect(moved.license.activations == 1)
        #expect(try await bench.validate("new").code == .valid)
        #expect(try await bench.validate("old").code == .activationLimitReached)
        #expect(try await bench.house.journal().filter { $0.hasPrefix("device.") } == ["device.activated", "device.changed"])
        // Again is nothing new, and a client that names no components leaves those that are known.
        _ = try await bench.activate("new", Self.other(["disk"]))
        _ = try await bench.activate("new")
        #expect(try await bench.house.journal().filter { $0 == "device.changed" }.count == 1)
        #expect(try await bench.parts().count == 4)
        // What the device is known by now counts, not what it was once.
        #expect(try await bench.validate("third", Self.other(["disk", "mac"])).code == .valid)
        #expect(try await bench.validate("third", Self.other(["cpu", "mac"])).code == .activationLimitReached)
    }

    @Test("a device that was activated without components gets them at its next activation")
    func later() async throws {
        let bench = try await Bench.make(.most, devices: 1)
        let first = try await bench.activate("hw")
        #expect(try await bench.validate("other", Self.desk).code == .activationLimitReached)
        #expect(try await bench.activate("hw", Self.desk).activation == first.activation)
        #expect(try await bench.validate("other", Self.desk).code == .valid)
    }

    @Test("components take a licence off its device, and go with it")
    func deactivate() async throws {
        let bench = try await Bench.make(.most)
        let first = try await bench.activate("old", Self.desk)
        await #expect(throws: LicenseProblems.notActivated) { try await bench.deactivate("new", Self.other(["disk", "mac"])) }
        let off = try await bench.deactivate("new", Self.other(["disk"]))
        #expect(off.activation.id == first.activation.id)
        #expect(off.license.activations == 0)
        #expect(try await bench.parts().isEmpty)
        #expect(try await bench.validate("old", Self.desk).code == .notActivated)
    }

    // MARK: Hostile devices

    @Test("devices that share a component stay several under most, two and all")
    func sharedComponent() async throws {
        for match in [HardwareMatch.most, .two, .all] {
            let bench = try await Bench.make(match)
            for number in 0..<5 {
                let own = ["cpu": "Ryzen 9", "board": "b\(number)", "disk": "d\(number)", "mac": "m\(number)"]
                #expect(try await bench.activate("hw-\(number)", own).license.activations == number + 1)
            }
        }
    }

    @Test("a device that names the components of many devices is one of them at the most, and frees no place")
    func claimsAll() async throws {
        for match in HardwareMatch.allCases {
            let bench = try await Bench.make(match, devices: 3)
            for number in 0..<3 { _ = try await bench.activate("hw-\(number)", ["cpu": "c\(number)", "mac": "m\(number)"]) }
            // Under names of its own choice it cannot name them at all; under theirs only one value for each.
            let greedy = ["cpu": "c0", "mac": "m1", "cpu2": "c1", "mac2": "m0", "cpu3": "c2", "mac3": "m2"]
            let told = try? await bench.activate("greedy", greedy)
            #expect((told != nil) == (match == .any), "\(match)")
            let known = try #require(try await bench.house.licenses.activations(of: bench.license, tenant: bench.house.tenant))
            #expect(known.count == 3)
            #expect(Set(known.map(\.device)).count == 3)
        }
    }

    @Test("the same value under another name is another component")
    func otherName() async throws {
        let bench = try await Bench.make(.any, devices: 1)
        _ = try await bench.activate("hw", ["cpu": "x", "mac": "y"])
        #expect(try await bench.validate("other", ["cpu": "y", "mac": "x"]).code == .activationLimitReached)
        #expect(try await bench.validate("other", ["cpu": "x", "mac": "z"]).code == .valid)
    }

    @Test("the device that shares the most is meant, then the one that named the fewest, then always the same one")
    func best() async throws {
        let bench = try await Bench.make(.any)
        let weak = try await bench.activate("weak", ["cpu": "c", "mac": "m1", "disk": "d1"])
        let strong = try await bench.activate("strong", ["board": "b", "disk": "d2", "mac": "m2"])
        #expect(weak.activation.id != strong.activation.id)
        func meant(_ components: [String: String]) async throws -> JSONValue? {
            try await bench.validate("new", components).file?.license["activation_id"]
        }
        #expect(try await meant(["cpu": "c", "board": "b", "disk": "d2"]) == .string(strong.activation.id.description))
        #expect(try await meant(["cpu": "c", "mac": "m1", "board": "b"]) == .string(weak.activation.id.description))
        let tie = try await meant(["cpu": "c", "board": "b"])
        for _ in 0..<5 { #expect(try await meant(["cpu": "c", "board": "b"]) == tie) }
    }

    @Test("a known id counts before any component")
    func idFirst() async throws {
        let bench = try await Bench.make(.any)
        let first = try await bench.activate("first", Self.desk)
        let second = try await bench.activate("second", ["cpu": "c2", "mac": "m2"])
        let told = try await bench.validate("second", Self.desk)
        #expect(told.file?.license["activation_id"] == .string(second.activation.id.description))
        #expect(first.activation.id != second.activation.id)
    }

    @Test("another licence's and another tenant's devices are not known by their components, and no two tenants' digests are equal")
    func strangers() async throws {
        let bench = try await Bench.make(.any, devices: 1)
        _ = try await bench.activate("hw", Self.desk)
        let other = try await bench.house.issued(quantity: 1)
        let asked = try await bench.house.licenses.validate(
            key: other.key, try Hardware(id: "new", components: Self.desk), now: bench.house.now)
        #expect(asked.code == .notActivated)
        let digests = try await bench.parts().map(\.digest)
        let elsewhere = try await Bench.make(.any)
        _ = try await elsewhere.activate("hw", Self.desk)
        // The same words in a house with another tenant's id; the tables hold neither name nor value.
        if elsewhere.house.tenant != bench.house.tenant {
            #expect(Set(digests).isDisjoint(with: try await elsewhere.parts().map(\.digest)))
        }
        for part in try await bench.parts() { for text in Self.desk.values { #expect(!part.digest.contains(Array(text.utf8))) } }
    }

    @Test("64 new ids of one device at once are one activation, and 64 devices on a limit of 10 are exactly 10")
    func races() async throws {
        for (shared, expected) in [(true, 1), (false, 10)] {
            let bench = try await Bench.make(.most, devices: 10)
            let ids = await withTaskGroup(of: Activation.ID?.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        let own = shared ? Self.desk : ["cpu": "c", "board": "b\(number)", "mac": "m\(number)"]
                        return try? await bench.activate("hw-\(number)", own).activation.id
                    }
                }
                return await group.reduce(into: [Activation.ID]()) { all, id in if let id { all.append(id) } }
            }
            #expect(Set(ids).count == expected)
            #expect(ids.count == (shared ? 64 : 10))
            let known = try await bench.house.licenses.activations(of: bench.license, tenant: bench.house.tenant)
            #expect(known?.count == expected)
            #expect(try await bench.parts().count == expected * (shared ? 4 : 3))
        }
    }

    @Test(
        "no statement of the match walks further than its licence's devices that share a part",
        .enabled(if: !PostgresCluster.isWanted, "reads SQLite's plans"))
    func plans() async throws {
        let bench = try await Bench.make(.most)
        for (sql, key) in [
            (LicenseTable.sharing, "tenant_id=? AND license_id=? AND digest=?"),
            (LicenseTable.parts, "tenant_id=? AND license_id=? AND device=?"),
            (LicenseTable.place, "tenant_id=? AND license_id=? AND device=?"),
            (LicenseTable.deleteParts, "tenant_id=? AND license_id=? AND device=?"),
            (LicenseTable.deactivate, "tenant_id=? AND license_id=? AND device=?"),
        ] {
            let plan = try await bench.house.test.store.plan(sql, in: bench.house.tenant)
            #expect(plan.contains { $0.contains(key) }, "\(sql.name): \(plan)")
            // A change through a view walks the rows that the search before it found.
            #expect(!plan.contains { $0.hasPrefix("SCAN activation") && $0.hasSuffix("_all") }, "\(sql.name): \(plan)")
            #expect(!plan.contains { $0.hasSuffix("(tenant_id=? AND license_id=?)") }, "\(sql.name): \(plan)")
        }
    }
}
