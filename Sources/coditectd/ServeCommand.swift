import ArgumentParser
import Composition
import Foundation
import Vocabulary

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve until SIGTERM or SIGINT, then drain.")

    @OptionGroup var places: Places
    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"
    @Option(help: "The port to listen on; 0 takes a free one.")
    var port = 8080

    func run() async throws {
        // Whoever asks for a reload while we start gets what is read then anyway; unheard, it would end us.
        signal(SIGHUP, SIG_IGN)
        guard (0...65_535).contains(port) else { throw ValidationError("--port is 0 … 65535") }
        let options = try await places.options()
        let platform = try await Platform.open(options)
        // Signals are taken over before the first line is printed: whoever reads it may stop us at once.
        let stop = SignalStop()
        let hangups = SignalHangup {
            platform.reloadKeys()
            platform.reloadPlugins()
            platform.reloadPolicies()
        }
        defer { hangups.end() }
        try await platform.serve(host: host, port: port, until: { await stop.wait() }) { address in
            say("listening on \(address)")
            for line in await platform.greeting(address: address) { say(line) }
            fflush(nil)
        }
        await platform.close()
    }
}

/// Resumes when the process is asked to end.
final class SignalStop: @unchecked Sendable {  // the sources are only kept alive, never touched
    private let stream: AsyncStream<Int32>
    private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.stream = stream
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
    }
    func wait() async {
        for await _ in stream { return }
    }
}

/// SIGHUP reads keys, policies, plugins and the files of secrets again; what is bad is refused and told in the log.
final class SignalHangup {
    private let source: any DispatchSourceSignal
    init(_ reload: @escaping @Sendable () -> Void) {
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "policies.reload"))
        source.setEventHandler(handler: reload)
        source.resume()
    }
    func end() { source.cancel() }
}
