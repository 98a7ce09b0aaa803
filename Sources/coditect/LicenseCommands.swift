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
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let key = key == "-" ? readLine(strippingNewline: true) ?? "" : key
            let platform = try platform(options.server, folder)
            let hardwareID = try Device.hardwareID(named: deviceOptions.device, folder: folder)
            let activation = Activation(platform: platform, folder: folder, clock: DeviceClock())
            let license = try activation.activate(key: key, hardwareID: hardwareID, machineName: Device.hostname)
            output.say(
                "Activated on this device: \(Report(license: license).oneLine).",
                ["activated": true, "server": .string(platform.name), "hardware_id": .string(hardwareID), "license": license])
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
            try Activation(platform: platform, folder: folder, clock: DeviceClock()).deactivate()
            output.say("The licence is no longer active on this device.", ["activated": false])
        }
    }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What the licence of this device is worth; judged from the signed file when the server is away.",
        discussion: "Ends with 0 while the licence may be used on this device, else with 77, so that scripts can ask.")
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let held = try HeldLicense.load(folder)
            let platform = try Platform(held.server, transport: SystemTransport())
            let activation = Activation(platform: platform, folder: folder, clock: DeviceClock())
            var report: Report
            do {
                report = Report(validation: try activation.validate(), server: held.server)
            } catch let error as LicenseClientError where [.unreachable, .serverError].contains(error.code) {
                // A server in trouble is as good as none.
                report = Report(offline: held, reason: error) { try activation.judge(hardwareID: held.hardwareID) }
            }
            let account = folder.read(Account.self, Account.file)
            report.account = account.map { ($0.email, $0.server) }
            report.holders = Self.holders(folder)
            Console.say(
                output.json
                    ? Console.text(report.json) : report.lines(.ofStandardOutput(), now: DeviceClock().now()).joined(separator: "\n"))
            if let code = report.exitCode { throw ExitCode(code.rawValue) }
        }
    }

    /// How many processes of this device hold a seat now.
    static func holders(_ folder: StateFolder) -> Int {
        let seats = folder.inner("seats")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: seats.url.path)) ?? []
        return names.reduce(0) { $0 + SeatHolders.count(in: seats.inner($1)) }
    }
}
