/// One setting: a literal from which `coditect.yaml`, the environment name, the check and the reference page are made.
package struct Setting<Value: SettingValue>: Sendable {
    /// Dotted path in `coditect.yaml`: `seats.lease_ttl_seconds`. The environment name is `CODITECT_SEATS_LEASE_TTL_SECONDS`.
    package let path: String
    package let `default`: Value
    /// What is accepted, for the check.
    package let accepts: @Sendable (Value) -> Bool
    /// What is accepted, for a person: `60 … 86400`.
    package let range: String
    /// Why it exists and why this default.
    package let reason: String
    /// A name of the contract (SPEC 14) that also sets it: `DATABASE_URL`.
    package let environment: String?
    package let isSecret: Bool

    package init(
        _ path: String, default: Value, range: String, accepts: @escaping @Sendable (Value) -> Bool = { _ in true }, reason: String,
        environment: String? = nil, isSecret: Bool = false
    ) {
        self.path = path
        self.default = `default`
        self.accepts = accepts
        self.range = range
        self.reason = reason
        self.environment = environment
        self.isSecret = isSecret
    }
    package var erased: AnySetting {
        AnySetting(
            path: path, type: Value.typeName, default: isSecret ? "–" : `default`.text, range: range, reason: reason,
            environment: environment,
            isSecret: isSecret,
            check: { text in
                guard let value = Value(text: text) else { return "is not \(Value.typeName)" }
                return accepts(value) ? nil : "is outside \(range)"
            })
    }
}

extension Setting where Value == Int {
    package init(_ path: String, default: Int, in range: ClosedRange<Int>, reason: String, environment: String? = nil) {
        self.init(
            path, default: `default`, range: "\(range.lowerBound) … \(range.upperBound)", accepts: { range.contains($0) }, reason: reason,
            environment: environment)
    }
}

package protocol SettingValue: Sendable {
    static var typeName: String { get }
    init?(text: String)
    var text: String { get }
}
extension Int: SettingValue {
    package static var typeName: String { "a whole number" }
    package init?(text: String) { self.init(text) }
    package var text: String { String(self) }
}
extension String: SettingValue {
    package static var typeName: String { "a text" }
    package init?(text: String) { self = text }
    package var text: String { self }
}
extension Bool: SettingValue {
    package static var typeName: String { "true or false" }
    package init?(text: String) {
        switch text.lowercased() {
        case "true", "1", "yes", "on": self = true
        case "false", "0", "no", "off": self = false
        default: return nil
        }
    }
    package var text: String { self ? "true" : "false" }
}
extension [String]: SettingValue {
    package static var typeName: String { "a comma-separated list" }
    package init?(text: String) {
        self = text.split(separator: ",").map { String($0.drop(while: { $0 == " " })) }.filter { !$0.isEmpty }
    }
    package var text: String { joined(separator: ",") }
}

/// A setting without its type, for registers and checks.
package struct AnySetting: Sendable {
    package let path: String
    package let type: String
    package let `default`: String
    package let range: String
    package let reason: String
    package let environment: String?
    package let isSecret: Bool
    /// Nil if the text is accepted, else what is wrong with it.
    package let check: @Sendable (String) -> String?
    package var environmentName: String { "CODITECT_" + path.uppercased().replacing(".", with: "_") }
}

/// The settings in force: defaults, under the file, under the environment. A value is checked before it gets here.
package struct Settings: Sendable {
    private let texts: [String: String]
    package init(_ texts: [String: String] = [:]) { self.texts = texts }
    package subscript<Value>(setting: Setting<Value>) -> Value {
        texts[setting.path].flatMap(Value.init(text:)) ?? setting.default
    }
    /// Where no checked value was given.
    package func isDefault<Value>(_ setting: Setting<Value>) -> Bool { texts[setting.path] == nil }
    package func setting<Value>(_ setting: Setting<Value>, to value: Value) -> Settings {
        Settings(texts.merging([setting.path: value.text]) { _, new in new })
    }
}
