import PluginKit

/// Who is at work for the kinds of which one serves everybody.
extension PluginHost {
    /// The file store of that id; nil where no such plugin is at work.
    package func fileStore(_ id: String) -> (any FileStore)? {
        guard state.withLock({ $0.plugins[id]?.fileStore }) != nil else { return nil }
        return RoutedFileStore(host: self, plugin: id)
    }
    /// Ids of the file stores at work, in order.
    package var fileStores: [String] {
        state.withLock { $0.plugins.values.filter { $0.fileStore != nil }.map(\.loaded.id).sorted() }
    }
    /// The provisioner of that id; nil where no such plugin is at work.
    package func provisioner(_ id: String) -> (any Provisioner)? {
        guard let provisioner = state.withLock({ $0.plugins[id]?.provisioner }) else { return nil }
        return RoutedProvisioner(host: self, plugin: id, offer: provisioner.offer)
    }
    /// Ids of the provisioners at work, in order.
    package var provisioners: [String] {
        state.withLock { $0.plugins.values.filter { $0.provisioner != nil }.map(\.loaded.id).sorted() }
    }
    /// The support desk of that id; nil where no such plugin is at work.
    package func supportDesk(_ id: String) -> (any SupportDesk)? {
        guard state.withLock({ $0.plugins[id]?.supportDesk }) != nil else { return nil }
        return RoutedSupportDesk(host: self, plugin: id)
    }
    /// Ids of the support desks at work, in order.
    package var supportDesks: [String] {
        state.withLock { $0.plugins.values.filter { $0.supportDesk != nil }.map(\.loaded.id).sorted() }
    }
}
