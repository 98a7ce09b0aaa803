import ArgumentParser
import Foundation
import LicenseClient
import Vocabulary

/// The command for customers. Knows the platform through its API alone.
@main
struct Coditect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coditect", abstract: "Use CODITECT products: sign in, activate this device, run under a seat.",
        discussion: """
            Begin with:
              coditect login                     sign in
              coditect activate KEY              bind your licence to this device
              coditect seat run -- COMMAND       run COMMAND while holding a seat
              coditect borrow --hours 48         take a seat along where there is no network

            Exit codes: 0 done · 64 wrong usage · 65 a key or a file is damaged or of another device · 69 the server cannot be \
            reached · 73 init found a project already · 74 files cannot be written · 75 not now, try again later · 77 refused · 78 not \
            signed in, not activated, or wrongly set up · seat run: the exit code of its command.
            """,
        version: "coditect 1",
        subcommands: [
            Login.self, Logout.self, Activate.self, Deactivate.self, Status.self, LicenseGroup.self, SeatGroup.self, Borrow.self,
            Return.self, PolicyGroup.self, VerifyGroup.self, Initialize.self, Completion.self,
        ])
}

struct LicenseGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "license", abstract: "The licence of this device.", subcommands: [Status.self])
}

struct SeatGroup: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "seat", abstract: "Floating seats.", subcommands: [SeatRun.self])
}

/// On every command.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the result as JSON; an error as JSON on standard error.") var json = false

    /// Runs a command's body; a failure is one line on standard error, and its exit code.
    func reporting(_ body: () throws -> Void) throws {
        do { try body() } catch let failure as Failure {
            Console.complain(failure, asJSON: json)
            throw ExitCode(failure.code.rawValue)
        } catch let error as LicenseClientError {
            let failure = Failure(error)
            Console.complain(failure, asJSON: json)
            throw ExitCode(failure.code.rawValue)
        }
    }
    /// Prints what was done: for a person, or for a program.
    func say(_ text: String, _ result: JSONValue) { Console.say(json ? Console.text(result) : text) }
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

/// The machine that is read. A debug build can be shown another one, so that tests are several.
var thisMachine: Machine {
    #if DEBUG
        if let root = ProcessInfo.processInfo.environment["CODITECT_TEST_MACHINE"] { return Machine(root: root) }
    #endif
    return Machine()
}

/// The server of a command: the one named, the one signed in to, or the default.
func platform(_ named: String?, _ folder: StateFolder) throws -> Platform {
    let address =
        named ?? folder.read(Account.self, Account.file)?.server ?? ProcessInfo.processInfo.environment["CODITECT_SERVER"]
        ?? "http://127.0.0.1:8080"
    return try Platform(address, transport: SystemTransport())
}

/// Ends the command with a message for a person and a documented exit code (docs/reference/coditect.md).
struct Failure: Error, CustomStringConvertible {
    enum Code: Int32, CaseIterable {
        case usage = 64
        case damaged = 65
        case unreachable = 69
        case exists = 73
        case storage = 74
        case later = 75
        case refused = 77
        case notSetUp = 78
        case interrupted = 130
    }
    let code: Code
    /// Stable, for programs.
    let name: String
    let message: String
    let next: String?
    let retryAfter: Duration?
    var description: String { next.map { "\(message); \($0)" } ?? message }

    init(_ code: Code, _ name: String, _ message: String, next: String? = nil) {
        self.code = code
        self.name = name
        self.message = message
        self.next = next
        retryAfter = nil
    }

    init(_ error: LicenseClientError) {
        code = Self.code(error)
        name = error.code.rawValue
        message = error.message
        next = error.next
        retryAfter = error.retryAfter
    }

    static func code(_ error: LicenseClientError) -> Code {
        switch error.code {
        case .badAddress: .usage
        case .keyMalformed, .fileDamaged, .notAuthentic, .otherDevice: .damaged
        case .unreachable, .serverError, .badAnswer, .offlineGraceOver, .borrowEnded: .unreachable
        case .storage: .storage
        case .rateLimited, .noSeat, .deviceBusy, .leaseEnded, .borrowLimit, .returnedBefore: .later
        case .policyDenied: error.retryAfter == nil ? .refused : .later
        case .notSignedIn, .notActivated, .notBorrowed, .clockBehind, .clockSetBack: .notSetUp
        case .borrowTooLong, .refused, .noLicense, .forced, .superseded, .notHolder, .suspended, .expired, .revoked, .keyUnknown,
            .activationLimit:
            .refused
        case .interrupted: .interrupted
        }
    }

    var json: JSONValue {
        [
            "error": .string(name), "message": .string(message), "next": next.map(JSONValue.string) ?? .null,
            "retry_after_seconds": retryAfter.map { .int($0.wholeSeconds) } ?? .null, "exit_code": .int(Int64(code.rawValue)),
        ]
    }
}
