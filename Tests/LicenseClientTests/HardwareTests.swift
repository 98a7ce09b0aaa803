import Foundation
import LicenseFormat
import LicenseTesting
import Synchronization
import Testing
import Vocabulary

@testable import LicenseClient

/// What a device says of itself, and what becomes of a folder that is copied to another one.
struct HardwareTests {
    @Test("a machine is read as its files tell it: built-in cards and disks, the lowest address, no fillers, nothing twice")
    func read() throws {
        let fake = try FakeMachine()
        #expect(
            fake.machine.parts == [
                "machine": "10123456789abcdef0123456789abcde", "mac": "02:00:5e:00:53:01", "board": "uuid-1", "disk": "serial-1",
                "cpu": "Ryzen 9",
            ])
        // What comes and goes does not count.
        try fake.card("docker0", "02:00:00:00:00:01", isBuiltIn: false)
        try fake.card("wlan0", "02:00:00:00:00:02", isPermanent: false)
        try fake.card("enx1", "02:00:00:00:00:03", bus: "pci0/usb1")
        try fake.card("eth1", "00:00:00:00:00:00")
        try fake.disk("aaa", "serial-0", isRemovable: true)
        try fake.disk("abc", "serial-0", bus: "pci0/usb1")
        #expect(fake.machine.parts["mac"] == "02:00:5e:00:53:01" && fake.machine.parts["disk"] == "serial-1")
        try fake.card("eth2", "00:00:5e:00:53:99")
        #expect(fake.machine.parts["mac"] == "00:00:5e:00:53:99")
        for filler in ["To Be Filled By O.E.M.", "Default string", "00000000-0000-0000-0000-000000000000", "none", " ", "FFFF"] {
            try fake.write("sys/class/dmi/id/product_uuid", filler)
            #expect(fake.machine.parts["board"] == nil, "\(filler)")
            #expect(fake.machine.parts.count == 4)
        }
        try fake.write("sys/class/dmi/id/board_serial", "SERIAL-1")
        #expect(fake.machine.parts["board"] == "SERIAL-1")
        #expect(fake.machine.parts["disk"] == nil, "the same text under two names is one part")
        try fake.write("proc/cpuinfo", "CPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd0c\n")
        #expect(fake.machine.parts["cpu"] == "0x41/0x1/0xd0c")
        #expect(Machine(root: "/nowhere").parts.isEmpty && Machine(root: "/nowhere").id == nil)
    }

    @Test("nothing that was read leaves the machine as it was read, and two licences see two devices")
    func salted() throws {
        let fake = try FakeMachine()
        let folder = StateFolder(url: fake.root.appendingPathComponent("state"))
        let device = try DeviceIdentity.find(named: nil, folder: folder, machine: fake.machine)
        let (one, other) = (device.components("KEY1"), device.components("KEY2"))
        #expect(Set(one.keys) == ["machine", "mac", "board", "disk", "cpu"])
        #expect(one.values.allSatisfy { $0.count == 64 && $0.allSatisfy(\.isHexDigit) })
        #expect(Set(one.values).isDisjoint(with: other.values))
        #expect(one == device.components("KEY1"))
        let sent = "\(one)\(device.id)"
        for raw in fake.machine.parts.values { #expect(!sent.contains(raw)) }
        // As the other clients compute it.
        #expect(one["cpu"] == "88f8b9ec132e203362754c10470db55f311c26d055fef3efbb71f31e5f55f621")
        #expect(DeviceIdentity(id: "x", isNamed: false, parts: ["cpu": "Ryzen 9"]).components("KEY1").isEmpty)
        #expect(try DeviceIdentity.find(named: "demo", folder: folder, machine: fake.machine).components("KEY1").isEmpty)
    }

    @Test(
        "two lists may be of one machine if more than half of either is equal, or there is too little to tell",
        arguments: [
            (["a", "b", "c", "d"], ["a", "b", "c", "d"], true), (["a", "b", "c", "d"], ["a", "b", "c", "x"], true),
            (["a", "b", "c", "d"], ["a", "b", "x", "y"], false), (["a", "b", "c"], ["a", "b"], true), (["a", "b"], ["a", "x"], false),
            (["a", "b", "c", "d", "e"], ["d", "e"], false), (["a"], ["b"], true), ([], ["a", "b"], true),
        ])
    func rule(_ known: [String], _ told: [String], _ isOne: Bool) {
        func parts(_ values: [String]) -> [String: String] {
            Dictionary(uniqueKeysWithValues: values.enumerated().map { ("\($0.offset)", $0.element) })
        }
        // By name and value: the place in the list is the name here.
        let (a, b) = (
            parts(known), Dictionary(uniqueKeysWithValues: told.map { ("\(known.firstIndex(of: $0) ?? 9 + told.firstIndex(of: $0)!)", $0) })
        )
        #expect(DeviceIdentity.mayBeOne(a, b) == isOne)
    }

    @Test("the page on clients names each part that is read, and no other")
    func documented() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/explanation/clients.md")
        let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n").map(String.init)
        let start = try #require(lines.firstIndex { $0.hasPrefix("| part |") })
        let rows = lines[(start + 2)...].prefix { $0.hasPrefix("|") }
        let fake = try FakeMachine()
        #expect(Set(rows.map { String($0.dropFirst(3).prefix { $0 != "`" }) }) == Set(fake.machine.parts.keys))
    }

    /// Activates on `fake` against a platform that signs for whatever id asks.
    static func activated(
        on fake: FakeMachine, encrypted: Bool = false
    ) async throws -> (bench: Bench, client: LicenseClient, sent: @Sendable () -> [JSONValue]) {
        let bench = SeatKeeperTests.bench()
        let folder = StateFolder(url: bench.folder)
        let device = try DeviceIdentity.find(named: nil, folder: folder, machine: fake.machine)
        let maker = try await FileMaker(for: [device.id], issuedAt: bench.clock.now())
        let keys = maker.ring.licenseKeysDocument()
        let key = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: SystemEntropy())
        bench.platform.answer { asked in
            guard asked.path.hasSuffix("activate") || asked.path.hasSuffix("validate") else { return (200, keys) }
            let id = asked.body["hardware_id"]?.string ?? ""
            var answer: [String: JSONValue] = [
                "valid": true, "code": "valid", "activation": [:], "license": maker.answerLicense, "file": maker.file(id),
            ]
            if asked.body["encrypt"]?.bool == true, let signed = try? SignedLicenseFile(maker.file(id)),
                let box = try? EncryptedLicenseFile(signed, key: key, hardwareID: id, entropy: SystemEntropy())
            {
                answer["file"] = .null
                answer["encrypted_file"] = box.json
            }
            return (200, .object(answer))
        }
        let client = try bench.client {
            $0.device = nil
            $0.machine = fake.machine
            $0.encryptsFile = encrypted
        }
        try client.activate(key: key)
        return (bench, client, { bench.platform.asked.map(\.body).filter { $0["license_key"] != nil } })
    }

    static func refusal(_ body: () throws -> Void) -> LicenseClientError? {
        do { try body() } catch { return error as? LicenseClientError }
        return nil
    }

    @Test(
        "a folder copied to another machine is refused there without the network, in clear and encrypted, and goes on here",
        arguments: [false, true])
    func copied(_ encrypted: Bool) async throws {
        let (here, there) = (try FakeMachine(1), try FakeMachine(2))
        let (bench, client, sent) = try await Self.activated(on: here, encrypted: encrypted)
        #expect(sent().count == 1 && sent()[0]["hardware"]?.object?.count == 5)
        bench.platform.answer { _ in nil }
        #expect(try client.offlineLicense().tier == "team")
        let copy = try bench.client {
            $0.device = nil
            $0.machine = there.machine
        }
        let error = try #require(Self.refusal { _ = try copy.offlineLicense() })
        #expect(error.code == .otherDevice && error.message.contains("made for another device"))
        #expect(error.next == "run `coditect activate KEY` on this one")
        // The copy's machine took the id along as well: a cloned disk in other hardware.
        try there.write("etc/machine-id", try #require(here.machine.id))
        #expect(
            Self.refusal { _ = try bench.client { ($0.device, $0.machine) = (nil, there.machine) }.offlineLicense() }?.code == .otherDevice)
        // A new disk or card is no other machine.
        try here.write("sys/block/nvme0n1/serial", "serial-9")
        try here.remove("sys/class/net/eth0")
        #expect(try bench.client { ($0.device, $0.machine) = (nil, here.machine) }.offlineLicense().tier == "team")
    }

    @Test("a machine without an id of its own keeps a random one, and a copied folder gets another one elsewhere")
    func randomID() throws {
        let (here, there) = (try FakeMachine(1), try FakeMachine(2))
        for fake in [here, there] { try fake.remove("etc/machine-id") }
        let folder = StateFolder(url: here.root.appendingPathComponent("state"))
        func id(_ fake: FakeMachine) throws -> String { try DeviceIdentity.find(named: nil, folder: folder, machine: fake.machine).id }
        let first = try id(here)
        #expect(first.hasPrefix("device-") && DeviceIdentity.isMade(first))
        #expect(try id(here) == first)
        let copy = try id(there)
        #expect(copy != first)
        #expect(try id(there) == copy)
    }

    @Test(
        "an encrypted file stands in the folder with nothing that tells what it says, and opens on its device; renewed, it stays encrypted")
    func encryptedFile() async throws {
        let fake = try FakeMachine()
        let (bench, client, sent) = try await Self.activated(on: fake, encrypted: true)
        #expect(sent()[0]["encrypt"] == true)
        let path = bench.folder.appendingPathComponent("license.json")
        func text() throws -> String { try String(contentsOf: path, encoding: .utf8) }
        for secret in ["private_projects", "offline_until", "signatures", client.hardwareID] { #expect(!(try text().contains(secret))) }
        #expect(try client.offlineLicense().features == ["private_projects"])
        let before = try text()
        // Another process, which was not told to encrypt.
        _ = try bench.client { ($0.device, $0.machine) = (nil, fake.machine) }.activation.validate()
        #expect(try text() != before && !text().contains("offline_until"))
        // One bit of the box.
        let changed = try text().replacing(#/"box" : "../#) { String($0.output.dropLast()) + ($0.output.last == "0" ? "1" : "0") }
        try Data(changed.utf8).write(to: path)
        #expect(Self.refusal { _ = try client.offlineLicense() }?.message.contains("does not open here") == true)
    }

    @Test("when the machine's id or a part of it changed, the server is told once, and the device keeps its licence")
    func changed() async throws {
        let fake = try FakeMachine()
        let (bench, client, sent) = try await Self.activated(on: fake)
        _ = try client.activation.validate()
        #expect(sent().count == 2, "nothing changed: nothing to tell")
        try fake.write("sys/block/nvme0n1/serial", "serial-9")
        let after = try bench.client { ($0.device, $0.machine) = (nil, fake.machine) }
        _ = try after.activation.validate()
        #expect(bench.platform.asked.filter { $0.path.hasSuffix("activate") }.count == 2)
        _ = try after.activation.validate()
        #expect(bench.platform.asked.filter { $0.path.hasSuffix("activate") }.count == 2)
        #expect(sent().last?["hardware"]?["disk"] != sent().first?["hardware"]?["disk"])
    }

    @Test("a program with keys of its own believes no file that they did not sign")
    func pinned() async throws {
        let fake = try FakeMachine()
        let (bench, _, _) = try await Self.activated(on: fake)
        let theirs = try JSONEncoder().encode(try await FileMaker(keys: FileMaker.theirs).ring.licenseKeysDocument())
        let client = try bench.client { ($0.device, $0.machine, $0.publicKeys) = (nil, fake.machine, theirs) }
        #expect(Self.refusal { _ = try client.offlineLicense() }?.code == .notAuthentic)
    }
}
