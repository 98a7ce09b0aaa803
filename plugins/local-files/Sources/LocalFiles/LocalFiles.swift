import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(LocalFiles()) }

struct LocalFiles: Plugin {
    let id = "local-files"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        Instance(store: LocalStore(folder: context.folder, clock: context.clock))
    }

    private struct Instance: PluginInstance {
        let store: LocalStore
        var fileStore: (any FileStore)? { store }
    }
}
