import Foundation
import LicenseClient

/// Works while it has a seat.   render SERVER [SECONDS]
@main
struct Render {
    static func main() throws {
        var options = LicenseClient.Options()
        options.log = { line in
            if line.level >= .info { FileHandle.standardError.write(Data("\(line.event): \(line.message)\n".utf8)) }
        }
        options.device = ProcessInfo.processInfo.environment["RENDER_DEVICE"]
        let client = try LicenseClient(server: CommandLine.arguments[1], application: "render", version: "2.1", options: options)
        let seat: Seat
        do throws(LicenseClientError) { seat = try client.acquire() } catch {
            FileHandle.standardError.write(Data("render: \(error) (\(error.code.rawValue))\n".utf8))
            exit(75)
        }
        defer { seat.release() }
        FileHandle.standardOutput.write(Data("working\n".utf8))
        var left = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 1 : 1
        while left > 0, seat.isUsable {
            Thread.sleep(forTimeInterval: 1)
            left -= 1
        }
    }
}
