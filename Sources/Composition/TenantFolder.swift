import Foundation
import HookEngine
import PolicyHost
import StorePostgres
import TenantPolicies
import Vocabulary

/// A tenant's own policies in a folder at a desk: `init.lua` and what it names.
package enum TenantFolder {
    static func read(_ path: String) throws -> TenantBundle {
        let folder = URL(fileURLWithPath: path)
        guard FileManager.default.fileExists(atPath: folder.appending(path: "init.lua").path) else {
            throw OperatorProblem("there is no init.lua in \(folder.path); it returns { tenant = { \"feature/rule\", … } }")
        }
        return try TenantBundle(folder: folder)
    }

    /// A line for a person, or what is wrong.
    package static func check(_ path: String) throws -> (line: String, findings: [String]) {
        do {
            let checked = try TenantPolicyChecker.examine(try read(path), definitions: PlatformRegister.hooks)
            let hooks = checked.hooks.isEmpty ? "no hook" : checked.hooks.joined(separator: ", ")
            return ("the policies can be uploaded: \(checked.hash.short), \(hooks), \(checked.tests) tests passed", [])
        } catch let refusal as PolicyRefusal {
            return ("", refusal.findings.map(\.description))
        }
    }
}

extension PolicyQuestions {
    /// Those versions of tenants' own policies that the database still has, read beside a server that may run.
    func bundles(_ names: Set<TenantSetName>) async throws -> [TenantSetName: TenantBundle] {
        let data = try DataDirectory(options.data, isShared: true)
        guard !names.isEmpty, Ground.isShared(options) || FileManager.default.fileExists(atPath: data.database.path) else { return [:] }
        let store = try Ground.store(data, options, sealer: try Ground.sealer(data, options), topics: [:])
        var found: [TenantSetName: TenantBundle] = [:]
        do {
            try await (store as? PostgresStore)?.begin(try PlatformRegister.migrations())
            for name in names {
                if let files = try await TenantPolicies.files(name.hash, of: name.tenant, in: store) {
                    found[name] = try TenantBundle(files)
                }
            }
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        return found
    }
}
