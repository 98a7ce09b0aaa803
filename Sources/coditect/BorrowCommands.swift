import ArgumentParser
import Foundation
import LicenseClient
import Vocabulary

struct Borrow: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a seat along where there is no network.",
        discussion: """
            The seat is this device's until its end, with or without the server: `coditect seat run` uses it when the server cannot be \
            reached. Borrowing again lends it for longer. `coditect return` brings it home early.
            """)
    @Option(help: "For how long: 1 to 168; policy may allow fewer.") var hours: Int
    @Option(help: "The licence's id; else that of this device's activation, else the oldest with a free seat.") var license: String?
    @OptionGroup var deviceOptions: DeviceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let license, UUID(uuidString: license) == nil { throw ValidationError("--license is an id, as on the licence page.") }
        if !Borrower.hours.contains(hours) { throw ValidationError("--hours is from 1 to 168.") }
    }

    func run() throws {
        try output.reporting {
            let folder = StateFolder.standard()
            let account = try Account.load(folder)
            var options = LicenseClient.Options()
            options.license = license
            options.device = deviceOptions.device
            options.machine = thisMachine
            let client = try LicenseClient(server: account.server, application: "coditect", options: options)
            let seat = try client.borrow(hours: hours)
            let until = Timestamp(seconds: Int64(seat.until.timeIntervalSince1970))
            output.say(
                "Borrowed: a seat is this device's until \(Moments.text(until)), with or without the network.",
                ["borrowed": true, "license_id": .string(seat.license), "until": .string(until.iso8601)])
        }
    }
}

struct Return: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a borrowed seat home before its end.",
        discussion: "A device may do so once until the end that the seat had; the next one comes home by itself.")
    @OptionGroup var deviceOptions: DeviceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.reporting {
            let account = try Account.load(.standard())
            var options = LicenseClient.Options()
            options.device = deviceOptions.device
            options.machine = thisMachine
            let client = try LicenseClient(server: account.server, application: "coditect", options: options)
            try client.returnBorrowed()
            output.say("The seat is home.", ["borrowed": false])
        }
    }
}

/// The seats that the folder keeps, each judged on the device that borrowed it.
struct BorrowedSeats: Sendable {
    struct Seat: Sendable {
        let license: String
        let until: Timestamp
        let device: String?
    }
    private(set) var holding: [Seat] = []
    /// Why the others do not hold; those that are merely over are left out.
    private(set) var faults: [LicenseClientError] = []

    init() {}
    init(_ folder: StateFolder, now: Timestamp) {
        for seat in HeldSeat.all(folder) {
            do {
                let found = try seat.check(try DeviceIdentity.of(seat, folder: folder, machine: thisMachine), now: now)
                holding.append(Seat(license: seat.licenseID, until: found.expiresAt, device: seat.device))
            } catch let error as LicenseClientError where error.code != .borrowEnded { faults.append(error) } catch {}
        }
    }
}
