/// A plugin's factory: one per library, handed out by its C entry point.
///
/// The host calls `validate`, then `make`, then `start` of the instance; at the end `drain`, then `stop`, also when the start got
/// only half way. Nothing of a plugin runs before its manifest, its note, its settings and its secrets were found in order.
public protocol Plugin: Sendable {
    /// The id of `plugin.json`; a library that says another one is refused.
    var id: String { get }

    /// Checks what the schema in `plugin.json` cannot say. No I/O. Throws `PluginRefusal` with a sentence for the operator.
    func validate(_ settings: PluginSettings) throws

    /// Builds the working plugin; starts nothing.
    func make(_ context: PluginContext) async throws -> any PluginInstance
}

extension Plugin {
    public func validate(_ settings: PluginSettings) throws {}
}

/// A plugin at work. What it does not provide stays nil; `plugin.json` must name the same kinds.
public protocol PluginInstance: Sendable {
    /// For the kind `payment_provider`.
    var paymentProvider: (any PaymentProvider)? { get }
    // since 1.2
    /// For the kind `policy_module`.
    var policyModule: (any PolicyModule)? { get }
    /// For the kind `notification_channel`.
    var notificationChannel: (any NotificationChannel)? { get }
    /// For the kind `compliance_framework`.
    var complianceFramework: (any ComplianceFramework)? { get }
    /// For the kind `identity_provider`.
    var identityProvider: (any IdentityProvider)? { get }
    /// For the kind `key_service`.
    var keyService: (any KeyService)? { get }
    /// For the kind `file_store`.
    var fileStore: (any FileStore)? { get }
    /// For the kind `provisioner`.
    var provisioner: (any Provisioner)? { get }
    /// For the kind `support_desk`.
    var supportDesk: (any SupportDesk)? { get }
    // end of 1.2
    /// What it shows to people under `/plugins/{id}/`; needs `"pages": true` in `plugin.json`.
    var pages: (any PluginPages)? { get }

    /// Opens what it holds and starts its tasks. Throws `PluginRefusal` with a sentence for the operator.
    func start() async throws
    /// Takes no new work and finishes what is under way. The host waits for a bounded time.
    func drain() async
    /// Gives everything back. Called once, also after a start that failed half way.
    func stop() async
}

extension PluginInstance {
    public var paymentProvider: (any PaymentProvider)? { nil }
    // since 1.2
    public var policyModule: (any PolicyModule)? { nil }
    public var notificationChannel: (any NotificationChannel)? { nil }
    public var complianceFramework: (any ComplianceFramework)? { nil }
    public var identityProvider: (any IdentityProvider)? { nil }
    public var keyService: (any KeyService)? { nil }
    public var fileStore: (any FileStore)? { nil }
    public var provisioner: (any Provisioner)? { nil }
    public var supportDesk: (any SupportDesk)? { nil }
    // end of 1.2
    public var pages: (any PluginPages)? { nil }
    public func start() async throws {}
    public func drain() async {}
    public func stop() async {}
}

/// Why a plugin does not start: one sentence for the operator, without secrets.
public struct PluginRefusal: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    public var reason: String
    public init(_ reason: String) { self.reason = reason }
    public var description: String { reason }
}

/// What a plugin can be; the raw value stands in `plugin.json`.
public struct PluginKind: RawRepresentable, Sendable, Hashable, Codable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let paymentProvider = PluginKind(rawValue: "payment_provider")
    /// Every kind of this kit.
    public static let all: [PluginKind] = [
        paymentProvider,
        // since 1.2
        policyModule,
        notificationChannel,
        complianceFramework,
        identityProvider,
        keyService,
        fileStore,
        provisioner,
        supportDesk,
        // end of 1.2
    ]
}

/// The way through C. A plugin writes exactly this:
///
///     @c(coditect_plugin_entry)
///     public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(MyPlugin()) }
public enum PluginEntry {
    /// The symbol that the host looks up.
    public static let symbol = "coditect_plugin_entry"
    /// The factory as an opaque pointer that holds one reference.
    public static func retained(_ plugin: any Plugin) -> UnsafeMutableRawPointer {
        Unmanaged.passRetained(PluginBox(plugin)).toOpaque()
    }
    /// For hosts: takes that reference over. Nil when the object is not of this very kit.
    public static func taken(_ pointer: UnsafeMutableRawPointer) -> (any Plugin)? {
        (Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue() as? PluginBox)?.plugin
    }
}

final class PluginBox: Sendable {
    let plugin: any Plugin
    init(_ plugin: any Plugin) { self.plugin = plugin }
}
