import Foundation
import PluginKit
import PluginWire
import Synchronization

/// The one plugin of this process, and what the server may ask of it.
final class Guest: Sendable {
    private let library: String
    private let wire: Wire
    private let instance = Mutex<(any PluginInstance)?>(nil)

    init(library: String, wire: Wire) {
        self.library = library
        self.wire = wire
    }

    func desk() -> WireDesk {
        // The server bounds how many calls it makes.
        var desk = WireDesk(maxCalls: 1_000_000)
        desk.on(ToChild.begin) { [self] in try await begin($0) }
        desk.on(ToChild.start) { [self] _ in
            try await working().start()
            return Nothing()
        }
        desk.on(ToChild.drain) { [self] _ in
            await (try? working())?.drain()
            return Nothing()
        }
        desk.on(ToChild.stop) { [self] _ in
            await (try? working())?.stop()
            return Nothing()
        }
        desk.on(ToChild.ping) { $0 }
        desk.on(ToChild.page) { [self] request in
            guard let pages = try working().pages else { throw NothingThere() }
            return try await pages.respond(to: request)
        }
        addPayments(&desk)
        addPolicy(&desk)
        addMail(&desk)
        addCompliance(&desk)
        addIdentity(&desk)
        addKeys(&desk)
        addFiles(&desk)
        addProvisioner(&desk)
        addSupport(&desk)
        return desk
    }

    func working() throws -> any PluginInstance {
        guard let instance = instance.withLock({ $0 }) else { throw NothingThere() }
        return instance
    }
    /// What the plugin provides for one kind.
    func provided<Kind>(_ kind: (any PluginInstance) -> Kind?) throws -> Kind {
        guard let provided = kind(try working()) else { throw NothingThere() }
        return provided
    }

    private func begin(_ beginning: ToChild.Beginning) async throws -> ToChild.Begun {
        let factory = try factory()
        guard factory.id == beginning.id else {
            throw LoadingFailure(
                code: "manifest_disagrees", reason: "plugin.json says the id \(beginning.id), the library says \(factory.id).")
        }
        do { try factory.validate(beginning.settings) } catch { throw LoadingFailure(code: "settings_refused", reason: "\(error)") }
        let made: any PluginInstance
        do { made = try await factory.make(PluginContext(beginning, wire: wire)) } catch {
            throw LoadingFailure(code: "make_failed", reason: "\(error)")
        }
        instance.withLock { $0 = made }
        return ToChild.Begun(made)
    }

    private func factory() throws -> any Plugin {
        guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
            throw LoadingFailure(
                code: "load_failed", reason: "The dynamic linker says: \(dlerror().map { String(cString: $0) } ?? "nothing").")
        }
        guard let symbol = dlsym(handle, PluginEntry.symbol) else {
            throw LoadingFailure(code: "entry_missing", reason: "The library has no entry point \(PluginEntry.symbol).")
        }
        let entry = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafeMutableRawPointer?).self)
        guard let pointer = entry(), let factory = PluginEntry.taken(pointer) else {
            throw LoadingFailure(code: "entry_foreign", reason: "The entry point gave no factory of this kit.")
        }
        return factory
    }
}

struct NothingThere: Error, CustomStringConvertible { var description: String { "the plugin does not provide this" } }
