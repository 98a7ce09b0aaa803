import Foundation
import Testing

@testable import Vocabulary

@Suite struct ProcessorsTests {
    @Test(
        "a quota of this process's group, or of one above it, is what counts; nothing that stands there makes it none or more than the machine has"
    )
    func quotas() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("groups-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let own = "12:cpu:/elsewhere\n0::/system.slice/coditectd.service\n"
        let table: [(slice: String?, unit: String?, cgroup: String, count: Int)] = [
            (nil, nil, own, 64), ("max 100000", "max 100000\n", own, 64), (nil, "200000 100000\n", own, 2), (nil, "150000 100000", own, 2),
            ("100000 100000", "400000 100000", own, 1), (nil, "1000 100000", own, 1), (nil, "900000000 100000", own, 64),
            (nil, "0 0", own, 64), (nil, "-1 100000", own, 64), (nil, "200000", own, 64), (nil, "two 100000", own, 64),
            (nil, "200000 100000", "", 64), (nil, "200000 100000", "0::/", 64), (nil, "200000 100000", "0::/../../system.slice", 64),
            ("9223372036854775807 1", nil, own, 64),
        ]
        for row in table {
            let slice = root.appendingPathComponent("system.slice")
            let unit = slice.appendingPathComponent("coditectd.service")
            try? FileManager.default.removeItem(at: root)
            try FileManager.default.createDirectory(at: unit, withIntermediateDirectories: true)
            try row.slice.map { try Data($0.utf8).write(to: slice.appendingPathComponent("cpu.max")) }
            try row.unit.map { try Data($0.utf8).write(to: unit.appendingPathComponent("cpu.max")) }
            #expect(Processors.count(machine: 64, groups: root, own: row.cgroup) == row.count, "\(row)")
        }
        // In a container its own group is the root.
        try Data("300000 100000\n".utf8).write(to: root.appendingPathComponent("cpu.max"))
        #expect(Processors.count(machine: 64, groups: root, own: "0::/\n") == 3)
        #expect(Processors.count(machine: 0, groups: URL(fileURLWithPath: "/nowhere"), own: "") == 1)
        #expect(Processors.count >= 1 && Processors.count <= ProcessInfo.processInfo.activeProcessorCount)
    }
}
