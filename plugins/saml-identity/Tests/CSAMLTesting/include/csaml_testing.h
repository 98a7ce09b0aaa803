#ifndef CSAML_TESTING_H
#define CSAML_TESTING_H

#include <stddef.h>

/// A new RSA key of so many bits in PEM. To be freed.
char *csaml_testing_key(int bits);
/// An EncryptedAssertion of this element for the key: `algorithm` and `transport` as XML Encryption names them. To be freed; NULL on failure.
char *csaml_testing_encrypt(const char *pem, const char *element, const char *algorithm, const char *transport);
/// The certificate in DER of a key with these dates ("20300101000000Z"), for metadata. Answers its length.
size_t csaml_testing_certificate(const char *pem, const char *begins, const char *ends, unsigned char *der, size_t capacity);

#endif
