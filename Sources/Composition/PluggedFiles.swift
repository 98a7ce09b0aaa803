import Licensing
import PluginHost
import Projects
import Vocabulary

/// The file stores in service, as Projects asks for them.
struct PluggedFiles: FileShelves {
    let host: PluginHost
    /// Where new files go.
    let chosen: String

    var current: (name: String, store: any FileStore)? { host.fileStore(chosen).map { (chosen, $0) } }
    func shelf(_ name: String) -> (any FileStore)? { host.fileStore(name) }
}

extension ProjectAllowance {
    /// What the tenant's licences grant, each limit at its widest; without a usable licence no project.
    static func granted(by licenses: Licenses) -> @Sendable (TenantID, Timestamp) async throws -> ProjectAllowance {
        { tenant, now in
            let limits = try await licenses.features(tenant, now: now).limits
            func limit(_ name: String, otherwise: Int64?) -> Int64? { limits[name].map { $0.int } ?? otherwise }
            return ProjectAllowance(projects: limit("projects", otherwise: 0), bytes: limit("storage_bytes", otherwise: nil))
        }
    }
}
