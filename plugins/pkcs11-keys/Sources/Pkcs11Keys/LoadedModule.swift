import CPkcs11
import Foundation
import PluginKit
import Synchronization

/// A module of the process. It is loaded once and stays; a new version of the plugin's settings or PIN shares it with the one before.
final class LoadedModule: TokenModule, @unchecked Sendable {  // `lock` guards `generation` and every call into the module
    private let module: OpaquePointer
    private var lock = pthread_rwlock_t()
    private var generation = 0

    private static let loaded = Mutex<[String: LoadedModule]>([:])

    static func load(_ path: String) throws -> LoadedModule {
        try loaded.withLock { loaded in
            if let module = loaded[path] { return module }
            var why = [CChar](repeating: 0, count: 400)
            guard let pointer = p11_load(path, &why, why.count) else {
                let reason = String(decoding: why.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                throw PluginRefusal("The PKCS#11 module \(path) cannot be loaded: \(reason). Set module to the library of the HSM's maker.")
            }
            let module = LoadedModule(pointer)
            loaded[path] = module
            return module
        }
    }

    private init(_ module: OpaquePointer) {
        self.module = module
        pthread_rwlock_init(&lock, nil)
    }

    // MARK: - TokenModule

    func begin() throws {
        try inside { module, _ in
            let code = p11_initialize(module)
            if code != 0x191 { try Self.check(code, "C_Initialize") }
        }
    }

    func beginAnew() throws {
        // Whoever is in the module is waited for by nobody: a call that hangs must not make the next one hang.
        guard pthread_rwlock_trywrlock(&lock) == 0 else { return }
        defer { pthread_rwlock_unlock(&lock) }
        generation += 1
        _ = p11_finalize(module)
        try Self.check(p11_initialize(module), "C_Initialize")
    }

    func tokens() throws -> [TokenFound] {
        try inside { module, _ in
            var slots = [UInt](repeating: 0, count: 256)
            var count = UInt(slots.count)
            try Self.check(p11_slots(module, &slots, &count), "C_GetSlotList")
            return slots.prefix(Int(min(count, 256))).compactMap { slot in
                var token = p11_token()
                // A token that is not initialised or just went is none.
                guard p11_token_info(module, slot, &token) == 0 else { return nil }
                return TokenFound(slot: slot, label: Self.text(&token.label), serial: Self.text(&token.serial))
            }
        }
    }

    func offers(_ kind: KeyKind, slot: UInt) throws -> Bool {
        try inside { module, _ in
            var offers: Int32 = 0
            try Self.check(p11_offers(module, slot, kind.code, &offers), "C_GetMechanismInfo")
            return offers == 1
        }
    }

    func open(slot: UInt) throws -> SessionHandle {
        try inside { module, generation in
            var number: UInt = 0
            try Self.check(p11_open_session(module, slot, &number), "C_OpenSession")
            return SessionHandle(number: number, generation: generation)
        }
    }
    func close(_ session: SessionHandle) { _ = try? inside(session, "C_CloseSession") { _ = p11_close_session($0, $1) } }

    func logIn(_ session: SessionHandle, pin: String) throws {
        try inside(session, "C_Login") { module, number in
            let code = p11_login(module, number, pin, pin.utf8.count)
            if code != 0x100 { try Self.check(code, "C_Login") }
        }
    }
    func isLoggedIn(_ session: SessionHandle) throws -> Bool {
        try inside(session, "C_GetSessionInfo") { module, number in
            var isUser: Int32 = 0
            try Self.check(p11_is_user(module, number, &isUser), "C_GetSessionInfo")
            return isUser == 1
        }
    }

    func find(_ half: KeyHalf, named name: String?, limit: Int, _ session: SessionHandle) throws -> [UInt] {
        try inside(session, "C_FindObjects") { module, number in
            var handles = [UInt](repeating: 0, count: limit)
            var count = UInt(limit)
            let which = half == .secret ? P11_PRIVATE : half == .open ? P11_PUBLIC : P11_SYMMETRIC
            try Self.check(
                p11_find(module, number, which, name, name?.utf8.count ?? 0, &handles, &count), "C_FindObjects")
            return Array(handles.prefix(Int(count)))
        }
    }

    func attribute(_ type: UInt, of object: UInt, _ session: SessionHandle) throws -> [UInt8]? {
        try inside(session, "C_GetAttributeValue") { module, number in
            var value = [UInt8](repeating: 0, count: 2_048)
            var size = value.count
            try Self.check(p11_attribute(module, number, object, type, &value, &size), "C_GetAttributeValue")
            return size == 0 ? nil : Array(value.prefix(size))
        }
    }

    func make(_ kind: KeyKind, named name: String, id: [UInt8], _ session: SessionHandle) throws {
        try inside(session, "C_GenerateKeyPair") { module, number in
            try Self.check(p11_make(module, number, kind.code, name, name.utf8.count, id, id.count), "C_GenerateKeyPair")
        }
    }

    func sign(_ data: [UInt8], _ kind: KeyKind, with key: UInt, _ session: SessionHandle) throws -> [UInt8] {
        try inside(session, "C_Sign") { module, number in
            var signature = [UInt8](repeating: 0, count: 1_024)
            var size = signature.count
            try Self.check(p11_sign(module, number, key, kind.code, data, data.count, &signature, &size), "C_Sign")
            return Array(signature.prefix(size))
        }
    }

    func wraps(slot: UInt) throws -> Bool {
        try inside { module, _ in
            var wraps: Int32 = 0
            try Self.check(p11_wraps(module, slot, &wraps), "C_GetMechanismInfo")
            return wraps == 1
        }
    }
    func makeSymmetric(named name: String, id: [UInt8], _ session: SessionHandle) throws {
        try inside(session, "C_GenerateKey") { module, number in
            try Self.check(p11_make_symmetric(module, number, name, name.utf8.count, id, id.count), "C_GenerateKey")
        }
    }
    func crypt(_ data: [UInt8], _ gcm: GCM, with key: UInt, _ session: SessionHandle) throws -> [UInt8] {
        let call = gcm.decrypts ? "C_Decrypt" : "C_Encrypt"
        return try inside(session, call) { module, number in
            var out = [UInt8](repeating: 0, count: data.count + 64)
            var size = out.count
            try Self.check(
                p11_crypt(
                    module, number, key, gcm.decrypts ? 1 : 0, gcm.nonce, gcm.context, gcm.context.count, data, data.count, &out, &size),
                call)
            return Array(out.prefix(size))
        }
    }

    /// For tests: as if another program had logged this one out.
    func logOut(_ session: SessionHandle) throws {
        try inside(session, "C_Logout") { try Self.check(p11_logout($0, $1), "C_Logout") }
    }
    /// For tests.
    func destroy(_ object: UInt, _ session: SessionHandle) throws {
        try inside(session, "C_DestroyObject") { try Self.check(p11_destroy($0, $1, object), "C_DestroyObject") }
    }

    // MARK: - Inside

    private func inside<Value>(_ work: (OpaquePointer, Int) throws -> Value) throws -> Value {
        pthread_rwlock_rdlock(&lock)
        defer { pthread_rwlock_unlock(&lock) }
        return try work(module, generation)
    }
    private func inside<Value>(_ session: SessionHandle, _ call: String, _ work: (OpaquePointer, UInt) throws -> Value) throws -> Value {
        try inside { module, generation in
            guard session.generation == generation else { throw CryptokiFault.lost(call) }
            return try work(module, session.number)
        }
    }
    private static func check(_ code: UInt, _ call: String) throws {
        if code != 0 { throw CryptokiFault(code: code, call: call) }
    }
    private static func text<Characters>(_ characters: inout Characters) -> String {
        withUnsafeBytes(of: &characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
