import Foundation
import PluginKit
import Testing

@testable import Pkcs11Keys

extension ConformanceTests {
    @Test(
        "how many signatures a second softhsm2 makes; claims nothing",
        .enabled(if: ProcessInfo.processInfo.environment["CODITECT_MEASURE"] != nil), arguments: KeyKind.allCases)
    func speed(_ kind: KeyKind) async throws {
        let keys = try Stand().keys(sessions: 2)
        try await keys.start()
        let key = try await keys.makeKey(KeyRequest(name: "speed-\(kind.code.rawValue)", algorithm: kind.algorithm))
        let count = kind == .rsaPSS ? 400 : 8_000
        let clock = ContinuousClock()
        let span = try await clock.measure {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        for number in 0..<(count / 8) {
                            let message = Data("\(task) \(number)".utf8)
                            let request = SigningRequest(key: key.name, algorithm: kind.algorithm, input: .message(message))
                            _ = try await keys.sign(request)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        print(
            "\(kind.rawValue): \(Int(Double(count) / (Double(span.components.attoseconds) / 1e18 + Double(span.components.seconds)))) signatures a second"
        )
        await keys.stop()
    }
}
