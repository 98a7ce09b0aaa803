import Foundation
import Offboarding
import PluginHost
import PluginKit
import Vocabulary

/// The file store in service, as exports lie in it: beside the projects' files, in a folder of their own.
struct ExportFiles: ExportShelves {
    let host: PluginHost
    /// Where new files go.
    let chosen: String

    var current: String? { host.fileStore(chosen).map { _ in chosen } }

    private func store(_ name: String) throws -> any FileStore {
        guard let store = host.fileStore(name) else { throw FileStoreError.unavailable("\(name) is not at work") }
        return store
    }

    func put(_ bytes: [UInt8], _ path: String, of tenant: TenantID, on shelf: String) async throws {
        let key = FileKey(tenant: tenant.description, path: path)
        _ = try await store(shelf).put(FileContent(key, "application/octet-stream", Data(bytes)))
    }
    func read(_ path: String, bytes: Int, of tenant: TenantID, on shelf: String) async throws -> [UInt8] {
        let key = FileKey(tenant: tenant.description, path: path)
        return [UInt8](try await store(shelf).read(FileReading(key: key, offset: 0, length: bytes)).content)
    }
    func delete(_ path: String, of tenant: TenantID, on shelf: String) async throws {
        try await store(shelf).delete(FileKey(tenant: tenant.description, path: path))
    }
    func deleteAll(below prefix: String, of tenant: TenantID, on shelf: String) async throws {
        let store = try store(shelf)
        while true {
            let page = try await store.list(FileListing(tenant: tenant.description, prefix: prefix, limit: 500))
            for file in page.files { try await store.delete(FileKey(tenant: tenant.description, path: file.path)) }
            guard page.hasMore else { return }
        }
    }
}
