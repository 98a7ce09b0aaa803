import Composition
import Foundation
import PlatformTesting
import Testing

/// A setting that nobody reads is told, with what was meant.
@Suite struct UnreadSettingTests {
    private static func findings(_ environment: [String: String], yaml: String = "") throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("unread-\(UUID().uuidString)")
        let options = try OptionsReading(
            data: folder, policies: folder, plugins: TestPlatform.plugins, yaml: yaml, file: "test.yaml", environment: environment
        ).bare()
        return DoctorRounds.unread(options)
    }

    @Test("a variable that no setting has is told with the nearest name; one that is read is not")
    func variables() throws {
        let table: [(variable: String, told: String)] = [
            ("CODITECT_SEATS_LEASE_TTL_SECOND", "did you mean CODITECT_SEATS_LEASE_TTL_SECONDS?"),
            ("CODITECT_LEASE_TTL", "is read by nobody"),
            ("CODITECT_PLUGINS_SANDBOX_ISOLATON", "did you mean CODITECT_PLUGINS_SANDBOX_ISOLATION?"),
            ("CODITECT_PLUGINS_NOBODY_ISOLATION", "is read by nobody"), ("STRIPE_SECRT_KEY", "did you mean STRIPE_SECRET_KEY?"),
            ("STRIPE_SECRET_KEY_FIL", "did you mean STRIPE_SECRET_KEY_FILE?"), ("CODITECT_MASTER_KYE", "did you mean CODITECT_MASTER_KEY?"),
        ]
        for (variable, told) in table {
            let found = try Self.findings([variable: "7"])
            #expect(found.count == 1 && found[0].contains(variable) && found[0].contains(told), "\(variable): \(found)")
        }
        let read = [
            "CODITECT_SEATS_LEASE_TTL_SECONDS": "300", "CODITECT_PLUGINS_SANDBOX_ISOLATION": "process", "STRIPE_SECRET_KEY": "sk",
            "PATH": "/bin",
            "CODITECT_MASTER_KEY_FILE": "/dev/null", "CODITECT_SERVER": "https://x.test", "HOME": "/", "STRIPE": "1",
            // A pod beside a service named coditect.
            "CODITECT_SERVICE_HOST": "10.0.0.1", "CODITECT_SERVICE_PORT_HTTP": "8080", "CODITECT_PORT": "tcp://10.0.0.1:8080",
            "CODITECT_PORT_8080_TCP_ADDR": "10.0.0.1", "CODITECT_DB_PORT": "tcp://10.0.0.2:5432",
        ]
        for (name, value) in read where name != "CODITECT_MASTER_KEY_FILE" { #expect(try Self.findings([name: value]).isEmpty, "\(name)") }
    }

    @Test("settings under the id of no plugin are told, and many are told in bounds")
    func plugins() throws {
        let found = try Self.findings([:], yaml: "plugins:\n  strpe:\n    api_base: x\n  require_signed: false\n  sandbox: {}\n")
        #expect(found.count == 1 && found[0].contains("plugins.strpe") && found[0].contains("did you mean plugins.stripe?"), "\(found)")
        let many = Dictionary(uniqueKeysWithValues: (0..<500).map { ("CODITECT_X\($0)", "1") })
        #expect(try Self.findings(many).count == 21)
    }
}
