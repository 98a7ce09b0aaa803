import ArgumentParser
import Foundation
import LicenseClient
import Vocabulary

struct Activate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bind a licence to this device, and keep its signed file for 72 hours without the network.",
        discussion: "The key is on your licence page. Case, spaces, and O for 0 do not matter. Give - to read it from standard input.")
    @Argument(help: "The licence key, or - for standard input.") var key: String
    @OptionGroup var options: ServerOptions
    @OptionGroup var deviceOptions: DeviceOptions
    @Flag(help: "Keep the signed file encrypted: only this device opens it.") var encrypt = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let key = key == "-" ? readLine(strippingNewline: true) ?? "" : key
            let platform = try platform(options.server, folder)
            let device = try DeviceIdentity.find(named: deviceOptions.device, folder: folder, machine: thisMachine)
            let activation = Activation(platform: platform, folder: folder, clock: DeviceClock(), device: device, encrypts: encrypt)
            let license = try activation.activate(key: key, machineName: Device.hostname)
            output.say(
                "Activated on this device: \(Report(license: license).oneLine).",
                ["activated": true, "server": .string(platform.name), "hardware_id": .string(device.id), "license": license])
        }
    }
}

struct Deactivate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take the licence off this device, so that another can have its place.")
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let held = try HeldLicense.load(folder)
            let platform = try Platform(held.server, transport: SystemTransport())
            let device = try DeviceIdentity.of(held, folder: folder, machine: thisMachine)
            try Activation(platform: platform, folder: folder, clock: DeviceClock(), device: device).deactivate()
            output.say("The licence is no longer active on this device.", ["activated": false])
        }
    }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What the licence of this device is worth; judged from the signed file when the server is away.",
        discussion: """
            Ends with 0 while the licence, or a seat that was borrowed, may be used on this device, so that scripts can ask. Else with \
            77 if it may not, 78 if it is not active here.
            """)
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let borrowed = BorrowedSeats(folder, now: DeviceClock().now())
            var report: Report
            do {
                let held = try HeldLicense.load(folder)
                report = try Self.report(held, folder)
            } catch let error as LicenseClientError where error.code == .notActivated && !borrowed.holding.isEmpty {
                report = Report(notice: "No licence is activated on this device: when the borrowed seat is over, the server is needed.")
            }
            let account = folder.read(Account.self, Account.file)
            report.account = account.map { ($0.email, $0.server) }
            report.holders = Self.holders(folder)
            report.borrowed = borrowed
            Console.say(
                output.json
                    ? Console.text(report.json) : report.lines(.ofStandardOutput(), now: DeviceClock().now()).joined(separator: "\n"))
            if let code = report.exitCode { throw ExitCode(code.rawValue) }
        }
    }

    private static func report(_ held: HeldLicense, _ folder: StateFolder) throws -> Report {
        let platform = try Platform(held.server, transport: SystemTransport())
        let device = try DeviceIdentity.of(held, folder: folder, machine: thisMachine)
        let activation = Activation(platform: platform, folder: folder, clock: DeviceClock(), device: device)
        do {
            let isCopied = held.hardwareID.map { $0 != device.id } ?? false
            let validation = try activation.validate { fault in
                Console.complain("the renewed licence file could not be kept: \(fault)")
            }
            return Report(validation: validation, server: held.server, isCopied: isCopied)
        } catch let error as LicenseClientError where [.unreachable, .serverError, .badAnswer].contains(error.code) {
            // A server in trouble is as good as none.
            return Report(offline: held, reason: error) { try activation.judge() }
        }
    }

    /// How many processes of this device hold a seat now.
    static func holders(_ folder: StateFolder) -> Int {
        let seats = folder.inner("seats")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: seats.url.path)) ?? []
        return names.reduce(0) { $0 + SeatHolders.count(in: seats.inner($1)) }
    }
}
