import Foundation
import RoomTesting

/// Takes requests from standard input, a line each, and gives answers to standard output as they come.
final class DeskWindow: Sendable {
    private let desk: Desk
    private let output = Guarded(())
    init(desk: Desk) { self.desk = desk }

    /// Reads until the input ends, on a thread of its own, since reading blocks; then the process ends.
    func open() async {
        tell("ready")
        Thread { [self] in
            var rest: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let size = read(0, &buffer, buffer.count)
                guard size > 0 else { exit(0) }
                rest += buffer[..<size]
                let lines = rest.split(separator: 10, omittingEmptySubsequences: false)
                for line in lines.dropLast() { take(String(decoding: line, as: UTF8.self)) }
                rest = Array(lines.last ?? [])
            }
        }.start()
        while true { try? await Task.sleep(for: .seconds(3_600)) }
    }

    private func tell(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        output.with { _ in
            var sent = 0
            while sent < bytes.count {
                let part = bytes[sent...].withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
                guard part > 0 else { exit(0) }
                sent += part
            }
        }
    }

    private func take(_ line: String) {
        let words = line.split(separator: " ")
        guard words.count >= 3, let moment = Int64(words[1]) else {
            complain("not a request: \(line)")
            exit(65)
        }
        let number = words[0]
        if words[2] == "frozen" {
            desk.clock.jump(to: moment)
            return tell("{\"id\":\(number),\"status_code\":200}")
        }
        desk.clock.pass(to: moment) { desk.time.tick() }
        if words[2] == "wall" {
            desk.clock.step(offset: words.count > 3 ? Int64(words[3]) ?? 0 : 0)
            return tell("{\"id\":\(number),\"status_code\":200}")
        }
        let request = Array(words.dropFirst(2))
        Task { [self] in
            do {
                let answer = try await desk.answer(request)
                tell("{\"id\":\(number),\"status_code\":\(answer)}")
            } catch {
                complain("\(line): \(error)")
                tell("{\"id\":\(number),\"status_code\":500,\"error\":\"fault\"}")
            }
        }
    }
}

@Sendable func complain(_ line: String) { FileHandle.standardError.write(Data("seat-desk: \(line)\n".utf8)) }
