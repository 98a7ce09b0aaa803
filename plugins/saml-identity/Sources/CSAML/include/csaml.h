#ifndef CSAML_H
#define CSAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// libxml2 and libxmlsec1 as far as SAML needs them. Nothing here is believed: every function takes what a stranger may have made.
// A function that fails writes a sentence without anything of its input into `why`, which holds CSAML_WHY bytes.

#define CSAML_WHY 200

/// A parsed document: UTF-8, no document type, no entities but XML's five, no comments, no processing instructions, bounded in every way.
typedef struct csaml_document csaml_document;

typedef struct {
    const unsigned char *bytes;
    size_t count;
} csaml_bytes;

csaml_document *csaml_parse(csaml_bytes text, char *why);
void csaml_free(csaml_document *document);

/// Told of a document in its order. `space` is "" where there is none.
typedef struct {
    void *context;
    void (*begin)(void *context, const char *space, const char *name);
    void (*attribute)(void *context, const char *space, const char *name, const char *value);
    void (*text)(void *context, const char *text);
    void (*end)(void *context);
} csaml_visitor;
void csaml_visit(const csaml_document *document, const csaml_visitor *visitor);

/// What a signature covers: the very bytes that were digested, parsed anew. NULL if nothing holds.
///
/// `path` leads from the root to the element, by local names of SAML's assertion namespace; "" is the root. The element's own signature, its only one, must
/// refer to it alone, by its ID, which no other element has, over allow-listed transforms and algorithms, and hold under one of `certificates` (DER): `key` says which.
csaml_document *csaml_verified(csaml_document *document, const char *path, const csaml_bytes *certificates, size_t count, size_t *key, char *why);

/// The assertion inside of the root's only EncryptedAssertion. `keys` are PEM. AES-GCM, or AES-CBC if `takes_cbc`; keys by RSA-OAEP alone.
csaml_document *csaml_decrypted(csaml_document *document, const csaml_bytes *keys, size_t count, bool takes_cbc, char *why);

/// What a certificate or a private key is.
typedef struct {
    /// "RSA" or "EC"; anything else is a failure.
    const char *type;
    int bits;
    /// SHA-256 of the public key (SubjectPublicKeyInfo).
    unsigned char thumbprint[32];
    /// Seconds since 1970; 0 for a private key.
    int64_t ends_at;
} csaml_key;
bool csaml_read_certificate(csaml_bytes der, csaml_key *key, char *why);
bool csaml_read_private_key(csaml_bytes pem, csaml_key *key, char *why);

/// RSA with SHA-256 over bytes; `signature` holds 1,024. Answers the length, 0 on failure.
size_t csaml_sign(csaml_bytes pem, csaml_bytes message, unsigned char *signature, char *why);
/// A document of our own whose root has an ID and an empty signature (SignedInfo, SignatureValue): signed. To be freed by csaml_free_text.
char *csaml_sign_document(csaml_bytes pem, csaml_bytes text, char *why);
void csaml_free_text(char *text);
/// A certificate of that key by itself, the same at each call. `der` holds `capacity` bytes. Answers the length, 0 on failure.
size_t csaml_own_certificate(csaml_bytes pem, unsigned char *der, size_t capacity, char *why);

#endif
