import Foundation
import PluginKit

extension PluginBench {
    /// The plugin under test, made as a server makes it: in this process, or, where `CODITECT_PRISON` names the server's prison
    /// (`libcoditect-prison.so`) and `CODITECT_PRISON_PLUGIN` the plugin's built library, in a child process. A test that gets its plugin here
    /// and asks nothing but the kit's calls of it holds for both.
    public static func made(_ plugin: any Plugin, _ context: PluginContext) async throws -> any PluginInstance {
        guard let place = ProcessInfo.processInfo.environment["CODITECT_PRISON"] else {
            try plugin.validate(context.settings)
            return try await plugin.make(context)
        }
        guard let handle = dlopen(place, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), let symbol = dlsym(handle, PluginEntry.symbol) else {
            throw PluginRefusal("\(place) is no prison: \(dlerror().map { String(cString: $0) } ?? "nothing is known")")
        }
        let entry = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafeMutableRawPointer?).self)
        guard let pointer = entry(), let prison = PluginEntry.taken(pointer) else { throw PluginRefusal("\(place) is of another kit.") }
        return try await prison.make(context)
    }
    /// Whether `made` makes plugins in child processes.
    public static var isIsolating: Bool { ProcessInfo.processInfo.environment["CODITECT_PRISON"] != nil }
}
