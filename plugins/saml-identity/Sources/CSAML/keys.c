#include "csaml_internal.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

static bool describe(EVP_PKEY *key, csaml_key *out, char *why) {
    unsigned char *spki = NULL;
    int length = i2d_PUBKEY(key, &spki);
    bool is_done = length > 0 && EVP_Digest(spki, (size_t)length, out->thumbprint, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(spki);
    out->bits = EVP_PKEY_get_bits(key);
    out->type = EVP_PKEY_is_a(key, "RSA") ? "RSA" : EVP_PKEY_is_a(key, "EC") ? "EC" : NULL;
    if (!is_done || !out->type) {
        csaml_say(why, "the key is neither RSA nor on an elliptic curve");
        return false;
    }
    if (strcmp(out->type, "RSA") == 0 ? out->bits < 2048 || out->bits > 8192 : out->bits < 256) {
        csaml_say(why, "the key is too short, or longer than anybody needs: RSA has 2,048 to 8,192 bits, a curve at least 256");
        return false;
    }
    return true;
}

bool csaml_read_certificate(csaml_bytes der, csaml_key *out, char *why) {
    if (!csaml_ready(why)) return false;
    const unsigned char *at = der.bytes;
    X509 *certificate = der.count > 0 && der.count <= 16384 ? d2i_X509(NULL, &at, (long)der.count) : NULL;
    bool is_fine = certificate && at == der.bytes + der.count && X509_get0_pubkey(certificate);
    if (!is_fine) {
        csaml_say(why, "what stands there is no X.509 certificate");
    } else {
        is_fine = describe(X509_get0_pubkey(certificate), out, why);
        struct tm ends = {0};
        out->ends_at = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &ends) == 1 ? (int64_t)timegm(&ends) : 0;
    }
    X509_free(certificate);
    return is_fine;
}

static int no_passphrase(char *buffer, int size, int writes, void *context) {
    (void)buffer, (void)size, (void)writes, (void)context;
    return -1;
}
EVP_PKEY *csaml_private_key(csaml_bytes pem) {
    BIO *source = pem.count > 0 && pem.count <= 65536 ? BIO_new_mem_buf(pem.bytes, (int)pem.count) : NULL;
    EVP_PKEY *key = source ? PEM_read_bio_PrivateKey(source, NULL, no_passphrase, NULL) : NULL;
    BIO_free(source);
    return key;
}

bool csaml_read_private_key(csaml_bytes pem, csaml_key *out, char *why) {
    if (!csaml_ready(why)) return false;
    EVP_PKEY *key = csaml_private_key(pem);
    out->ends_at = 0;
    bool is_fine = key && describe(key, out, why);
    if (!key || (is_fine && strcmp(out->type, "RSA") != 0)) {
        csaml_say(why, "what stands there is no RSA private key in PEM without a passphrase");
        is_fine = false;
    }
    EVP_PKEY_free(key);
    return is_fine;
}

size_t csaml_sign(csaml_bytes pem, csaml_bytes message, unsigned char *signature, char *why) {
    EVP_PKEY *key = csaml_ready(why) ? csaml_private_key(pem) : NULL;
    EVP_MD_CTX *context = key ? EVP_MD_CTX_new() : NULL;
    size_t length = 1024;
    bool is_signed = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1
        && EVP_DigestSign(context, signature, &length, message.bytes, message.count) == 1;
    if (!is_signed) csaml_say(why, "the request could not be signed");
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return is_signed ? length : 0;
}

/// Nothing in it changes from one call to the next, and an RSA signature (PKCS #1 v1.5) has no randomness.
static bool fill(X509 *certificate, EVP_PKEY *key) {
    unsigned char *spki = NULL, digest[32];
    int length = i2d_PUBKEY(key, &spki);
    bool is_done = length > 0 && EVP_Digest(spki, (size_t)length, digest, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(spki);
    if (!is_done) return false;
    digest[0] = (digest[0] & 0x7F) | 0x40;
    BIGNUM *serial = BN_bin2bn(digest, 16, NULL);
    is_done = serial && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
    BN_free(serial);
    X509_NAME *name = X509_get_subject_name(certificate);
    return is_done && X509_set_version(certificate, 2) && ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20200101000000Z")
        && ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "20600101000000Z")
        && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"coditect saml", -1, -1, 0)
        && X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

size_t csaml_own_certificate(csaml_bytes pem, unsigned char *der, size_t capacity, char *why) {
    EVP_PKEY *key = csaml_ready(why) ? csaml_private_key(pem) : NULL;
    X509 *certificate = key ? X509_new() : NULL;
    size_t length = 0;
    if (certificate && fill(certificate, key)) {
        unsigned char *out = NULL;
        int made = i2d_X509(certificate, &out);
        if (made > 0 && (size_t)made <= capacity) {
            memcpy(der, out, (size_t)made);
            length = (size_t)made;
        }
        OPENSSL_free(out);
    }
    if (length == 0) csaml_say(why, "no certificate could be made of the key");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return length;
}
