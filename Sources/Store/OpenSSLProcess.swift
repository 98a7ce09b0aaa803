import COpenSSL

/// How the library lives in this process.
package enum OpenSSLProcess {
    /// The library stays usable until the process is gone. Otherwise it takes itself down as the process exits, under whatever thread
    /// still uses it, and a clean exit ends in a crash. To be touched before anything else of the library is used.
    package static let staysToTheEnd: Bool = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
}
