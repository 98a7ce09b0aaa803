import Foundation
import Testing
import Vocabulary

@testable import Signing

/// Whether others who know only the public keys verify what we sign.
@Suite("Interop with OpenSSL's command and Debian's python3-cryptography")
struct PeerTests {
    private let message = Array(PythonJSON.dumps(["expires_at": "2026-11-21T09:30:00Z", "license_id": "l", "session_id": "s"]).utf8)

    @Test("openssl verifies the RSA signature by license-public.pem, with a salt of 478 bytes", .enabled(if: Peers.openssl))
    func opensslVerifiesRSA() async throws {
        let (installation, ring) = try await SharedRing.made.value
        let folder = try Folder()
        let signature = try await ring.sign(message, .licenseRSA)
        let file = folder.url.appendingPathComponent("signature")
        try Data(signature.bytes).write(to: file)
        let data = folder.url.appendingPathComponent("message")
        try Data(message).write(to: data)
        func verify(_ salt: String) throws -> String {
            try Peers.run(
                "/usr/bin/openssl",
                [
                    "dgst", "-sha256", "-verify", installation.directory.appendingPathComponent("license-public.pem").path, "-signature",
                    file.path, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:\(salt)", "-sigopt", "rsa_mgf1_md:sha256",
                    data.path,
                ])
        }
        #expect(try verify("478") == "Verified OK\n")
        #expect(throws: Peers.Failed.self) { try verify("32") }
    }

    @Test(
        "python3-cryptography verifies RSA-PSS with MAX_LENGTH, Ed25519 and ES256 by what we publish",
        .enabled(if: Peers.pythonCryptography, "needs Debian's python3-cryptography"))
    func python() async throws {
        let (_, ring) = try await SharedRing.made.value
        func signed(_ purpose: KeyPurpose) async throws -> JSONValue {
            let signature = try await ring.sign(message, purpose)
            return ["kid": .string(signature.keyID), "hex": .string(Hex.encode(signature.bytes))]
        }
        var all: [JSONValue] = []
        for purpose in KeyPurpose.allCases { all.append(try await signed(purpose)) }
        let input: JSONValue = [
            "message": .string(Hex.encode(message)), "signatures": .array(all),
            "keys": .array((ring.licenseKeysDocument()["keys"]?.array ?? []) + (ring.jwks()["keys"]?.array ?? [])),
        ]
        let output = try Peers.python(
            """
            import json, sys, base64
            from cryptography.hazmat.primitives.asymmetric import rsa, ec, ed25519, padding, utils
            from cryptography.hazmat.primitives import hashes
            from cryptography.exceptions import InvalidSignature
            doc = json.load(sys.stdin)
            raw = lambda t: base64.urlsafe_b64decode(t + '=' * (-len(t) % 4))
            num = lambda t: int.from_bytes(raw(t), 'big')
            keys = {k['kid']: k for k in doc['keys']}
            def check(entry, message):
                key, sig = keys[entry['kid']], bytes.fromhex(entry['hex'])
                if key['kty'] == 'RSA':
                    p = rsa.RSAPublicNumbers(num(key['e']), num(key['n'])).public_key()
                    p.verify(sig, message, padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH), hashes.SHA256())
                elif key['kty'] == 'OKP':
                    ed25519.Ed25519PublicKey.from_public_bytes(raw(key['x'])).verify(sig, message)
                else:
                    p = ec.EllipticCurvePublicNumbers(num(key['x']), num(key['y']), ec.SECP256R1()).public_key()
                    der = utils.encode_dss_signature(int.from_bytes(sig[:32], 'big'), int.from_bytes(sig[32:], 'big'))
                    p.verify(der, message, ec.ECDSA(hashes.SHA256()))
                return key['kty']
            message = bytes.fromhex(doc['message'])
            for entry in doc['signatures']:
                kind = check(entry, message)
                try:
                    check(entry, message + b'x')
                    kind = 'accepted a forgery'
                except InvalidSignature: pass
                print(kind)
            """, input: Data(try CanonicalJSON.encode(input)))
        #expect(output == "EC\nRSA\nOKP\nOKP\n")
    }

    @Test(
        "a signature of python3-cryptography with the longest salt verifies here, one with a shorter salt does not",
        .enabled(if: Peers.pythonCryptography, "needs Debian's python3-cryptography"))
    func pythonSigns() throws {
        let output = try Peers.python(
            """
            import json, sys
            from cryptography.hazmat.primitives.asymmetric import rsa, padding
            from cryptography.hazmat.primitives import hashes, serialization
            message = sys.stdin.buffer.read()
            key = rsa.generate_private_key(65537, 4096)
            sign = lambda n: key.sign(message, padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=n), hashes.SHA256()).hex()
            der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            print(der.hex()); print(sign(padding.PSS.MAX_LENGTH)); print(sign(32)); print(sign(477))
            """, input: Data(message))
        let lines = output.split(separator: "\n").compactMap { Hex.decode(String($0)) }
        try #require(lines.count == 4)
        let key = try AsymmetricKey(privateDER: lines[0], .rsaPSS)
        #expect(key.verify(message, lines[1]))
        #expect(!key.verify(message, lines[2]))
        #expect(!key.verify(message, lines[3]))
        #expect(!key.verify(message + [0], lines[1]))
    }

    @Test("an RSA key of another size, or of another kind, is refused", .enabled(if: Peers.openssl))
    func wrongKeys() throws {
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("key.der")
        _ = try Peers.run(
            "/usr/bin/openssl", ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER", "-out", file.path])
        let small = [UInt8](try Data(contentsOf: file))
        for algorithm in KeyAlgorithm.allCases {
            #expect(throws: SigningFault.self) { _ = try AsymmetricKey(privateDER: small, algorithm) }
        }
        _ = try Peers.run(
            "/usr/bin/openssl",
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-outform", "DER", "-out", file.path])
        let curve = [UInt8](try Data(contentsOf: file))
        for algorithm in KeyAlgorithm.allCases {
            #expect(throws: SigningFault.self) { _ = try AsymmetricKey(privateDER: curve, algorithm) }
        }
        #expect(throws: SigningFault.self) { _ = try AsymmetricKey(privateDER: [1, 2, 3], .ed25519) }
    }

    @Test(
        "numbers are written as Python's shortest digits, many random doubles and all powers of two and ten",
        .enabled(if: Peers.python, "needs /usr/bin/python3"))
    func numbers() throws {
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        var values: [Double] = (-308...308).map { Double("1e\($0)") ?? 0 } + (-1_074...1_023).map { pow(2, Double($0)) }
        while values.count < 200_000 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            let value = Double(bitPattern: state)
            if value.isFinite { values.append(values.count % 2 == 0 ? value : Double(Int64(bitPattern: state) >> 20) / 1_000) }
        }
        let lines = try values.map {
            "\(Hex.encode(withUnsafeBytes(of: $0.bitPattern.bigEndian) { Array($0) })) \(try CanonicalJSON.number($0))"
        }
        let output = try Peers.python(
            """
            import struct, sys, decimal
            bad = 0
            for line in sys.stdin:
                raw, text = line.split()
                value = struct.unpack('>d', bytes.fromhex(raw))[0]
                # The same digits as repr, and the notation of ECMAScript.
                d = decimal.Decimal(repr(value)); sign, digits, exp = d.as_tuple()
                digits = ''.join(map(str, digits)).lstrip('0'); stripped = digits.rstrip('0'); exp += len(digits) - len(stripped); digits = stripped
                if not digits: want = '0'
                else:
                    n, k = len(digits) + exp, len(digits)
                    if k <= n <= 21: want = digits + '0' * (n - k)
                    elif 0 < n <= 21: want = digits[:n] + '.' + digits[n:]
                    elif -6 < n <= 0: want = '0.' + '0' * -n + digits
                    else: want = digits[0] + ('.' + digits[1:] if k > 1 else '') + 'e' + ('+' if n > 0 else '-') + str(abs(n - 1))
                    if sign: want = '-' + want
                if want != text:
                    bad += 1
                    if bad < 5: print(raw, text, want)
            print(bad)
            """, input: Data(lines.joined(separator: "\n").utf8))
        #expect(output == "0\n")
    }
}
