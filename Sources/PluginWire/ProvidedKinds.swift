import PluginKit

extension PluginInstance {
    /// The kinds that a plugin at work really provides: in this process by its own word, in a child by what the child said. One line a kind.
    package var providedKinds: [PluginKind] {
        var kinds: [PluginKind] = []
        if paymentProvider != nil { kinds.append(.paymentProvider) }
        if policyModule != nil { kinds.append(.policyModule) }
        if notificationChannel != nil { kinds.append(.notificationChannel) }
        if complianceFramework != nil { kinds.append(.complianceFramework) }
        if identityProvider != nil { kinds.append(.identityProvider) }
        if keyService != nil { kinds.append(.keyService) }
        if fileStore != nil { kinds.append(.fileStore) }
        if provisioner != nil { kinds.append(.provisioner) }
        if supportDesk != nil { kinds.append(.supportDesk) }
        return kinds
    }
}
