/// What a module answered to a call, if not CKR_OK.
struct CryptokiFault: Error, Hashable, CustomStringConvertible {
    let code: UInt
    let call: String

    static let names: [UInt: String] = [
        0x02: "HOST_MEMORY", 0x03: "SLOT_ID_INVALID", 0x05: "GENERAL_ERROR", 0x06: "FUNCTION_FAILED", 0x10: "ATTRIBUTE_READ_ONLY",
        0x13: "ATTRIBUTE_VALUE_INVALID", 0x20: "DATA_INVALID", 0x21: "DATA_LEN_RANGE", 0x40: "ENCRYPTED_DATA_INVALID",
        0x41: "ENCRYPTED_DATA_LEN_RANGE", 0x30: "DEVICE_ERROR", 0x31: "DEVICE_MEMORY",
        0x32: "DEVICE_REMOVED", 0x54: "FUNCTION_NOT_SUPPORTED", 0x60: "KEY_HANDLE_INVALID", 0x62: "KEY_SIZE_RANGE",
        0x63: "KEY_TYPE_INCONSISTENT", 0x68: "KEY_FUNCTION_NOT_PERMITTED", 0x70: "MECHANISM_INVALID", 0x71: "MECHANISM_PARAM_INVALID",
        0x82: "OBJECT_HANDLE_INVALID", 0x90: "OPERATION_ACTIVE", 0x91: "OPERATION_NOT_INITIALIZED", 0xa0: "PIN_INCORRECT",
        0xa1: "PIN_INVALID", 0xa2: "PIN_LEN_RANGE", 0xa3: "PIN_EXPIRED", 0xa4: "PIN_LOCKED", 0xb0: "SESSION_CLOSED", 0xb1: "SESSION_COUNT",
        0xb3: "SESSION_HANDLE_INVALID", 0xb5: "SESSION_READ_ONLY", 0xd0: "TEMPLATE_INCOMPLETE", 0xd1: "TEMPLATE_INCONSISTENT",
        0xe0: "TOKEN_NOT_PRESENT", 0xe1: "TOKEN_NOT_RECOGNIZED", 0x100: "USER_ALREADY_LOGGED_IN", 0x101: "USER_NOT_LOGGED_IN",
        0x102: "USER_PIN_NOT_INITIALIZED", 0x104: "ANOTHER_USER_ALREADY_LOGGED_IN", 0x105: "TOO_MANY_TYPES", 0x140: "CURVE_NOT_SUPPORTED",
        0x190: "CRYPTOKI_NOT_INITIALIZED", 0x191: "CRYPTOKI_ALREADY_INITIALIZED",
    ]
    var name: String { CryptokiFault.names[code] ?? "0x" + String(code, radix: 16) }
    var description: String { "\(call) said CKR_\(name)" }

    static func lost(_ call: String) -> CryptokiFault { CryptokiFault(code: 0xb3, call: call) }

    /// Session, login, token or module are not what they were: to be begun anew.
    var isLoss: Bool { [0x03, 0x05, 0x06, 0x30, 0x32, 0x60, 0x82, 0x90, 0x91, 0xb0, 0xb3, 0xe0, 0xe1, 0x101, 0x190].contains(code) }
    /// The token does not take the PIN; trying again brings it nearer to its lock.
    var isPIN: Bool { [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0x102].contains(code) }
    /// May pass without an operator.
    var isPassing: Bool { isLoss || [0x02, 0x31, 0xb1].contains(code) }
}

/// A session of one generation of the module: of the time between two initialisations, after which old numbers mean new sessions.
struct SessionHandle: Sendable, Hashable {
    let number: UInt
    let generation: Int
}

enum KeyHalf { case secret, open, symmetric }

/// A PKCS#11 module, as far as it is used here. Every call blocks its thread for as long as the HSM takes.
protocol TokenModule: Sendable {
    /// Initialises the module where nobody did; harmless otherwise.
    func begin() throws
    /// Ends and begins anew, so that tokens that came are seen. Not while another thread is in the module: then nothing happens.
    func beginAnew() throws
    func tokens() throws -> [TokenFound]
    func offers(_ kind: KeyKind, slot: UInt) throws -> Bool
    func open(slot: UInt) throws -> SessionHandle
    func close(_ session: SessionHandle)
    func logIn(_ session: SessionHandle, pin: String) throws
    func isLoggedIn(_ session: SessionHandle) throws -> Bool
    /// Objects of one name, or of all; at most `limit`.
    func find(_ half: KeyHalf, named name: String?, limit: Int, _ session: SessionHandle) throws -> [UInt]
    /// Nil for what cannot be told.
    func attribute(_ type: UInt, of object: UInt, _ session: SessionHandle) throws -> [UInt8]?
    func make(_ kind: KeyKind, named name: String, id: [UInt8], _ session: SessionHandle) throws
    func sign(_ data: [UInt8], _ kind: KeyKind, with key: UInt, _ session: SessionHandle) throws -> [UInt8]
    /// Whether the token has AES-256 in GCM.
    func wraps(slot: UInt) throws -> Bool
    func makeSymmetric(named name: String, id: [UInt8], _ session: SessionHandle) throws
    func crypt(_ data: [UInt8], _ gcm: GCM, with key: UInt, _ session: SessionHandle) throws -> [UInt8]
}

/// One use of AES-GCM; the tag stands behind the ciphertext.
struct GCM: Sendable {
    let decrypts: Bool
    let nonce: [UInt8]
    let context: [UInt8]
}

struct TokenFound: Sendable, Hashable {
    let slot: UInt
    let label: String
    let serial: String
}
