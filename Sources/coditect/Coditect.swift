import ArgumentParser

/// The command for customers. Knows the platform through its API alone.
@main
struct Coditect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coditect", abstract: "Use CODITECT products: sign in, activate this device, run under a seat.",
        discussion: """
            Exit codes: 0 done · 64 wrong usage · 69 the server cannot be reached · 75 no seat is free, try again later · \
            77 refused · 78 not signed in or not activated · `seat run`: the exit code of its command, or 126 and 127 if it cannot be run.
            """,
        subcommands: [Login.self, Logout.self, Activate.self, Deactivate.self, LicenseGroup.self, Status.self, SeatGroup.self])
}

struct LicenseGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "license", abstract: "The licence of this device.", subcommands: [Status.self])
}

struct SeatGroup: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "seat", abstract: "Floating seats.", subcommands: [SeatRun.self])
}

/// Which server, and which device: the same on every command that needs them.
struct ServerOptions: ParsableArguments {
    @Option(help: "The platform's address; else the one signed in to, else CODITECT_SERVER, else http://127.0.0.1:8080.")
    var server: String?
}
struct DeviceOptions: ParsableArguments {
    @Option(help: "A name for this device, instead of its hardware id.")
    var device: String?
}

/// Ends the command with a message for a person and a documented exit code.
struct Failure: Error, CustomStringConvertible {
    enum Code: Int32 {
        case usage = 64
        case unreachable = 69
        case later = 75
        case refused = 77
        case notSetUp = 78
    }
    let code: Code
    let message: String
    var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// Runs a command's body; a failure is one line on standard error.
func reporting(_ body: () throws -> Void) throws {
    do { try body() } catch let failure as Failure {
        Console.complain(failure.message)
        throw ExitCode(failure.code.rawValue)
    }
}
