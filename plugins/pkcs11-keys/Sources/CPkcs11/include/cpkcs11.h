// The few calls of PKCS#11 (OASIS, 2.40 and 3.0) that keys and signatures need, over a module that is loaded at run time. Declarations are
// our own, so that nothing but a compiler is needed to build. Each call gives the module's own return value; 0 is CKR_OK.
#pragma once

#include <stddef.h>

#pragma clang assume_nonnull begin

typedef struct p11_module p11_module;

enum p11_kind { P11_ES256 = 1, P11_ED25519 = 2, P11_RSA_PSS = 3 };

typedef struct {
    char label[33];
    char serial[17];
    unsigned long flags;
} p11_token;

/// Loads the module; NULL and the reason in `why` where it is none. Never unloaded, as modules do not survive that.
p11_module *_Nullable p11_load(const char *path, char *why, size_t why_size);

unsigned long p11_initialize(const p11_module *module);
unsigned long p11_finalize(const p11_module *module);
/// Slots with a token in them; `*count` holds the room, then how many there are.
unsigned long p11_slots(const p11_module *module, unsigned long *slots, unsigned long *count);
unsigned long p11_token_info(const p11_module *module, unsigned long slot, p11_token *token);
/// Whether the token makes keys and signatures of this kind: 1 or 0.
unsigned long p11_offers(const p11_module *module, unsigned long slot, enum p11_kind kind, int *offers);

unsigned long p11_open_session(const p11_module *module, unsigned long slot, unsigned long *session);
unsigned long p11_close_session(const p11_module *module, unsigned long session);
unsigned long p11_login(const p11_module *module, unsigned long session, const char *pin, size_t pin_size);
unsigned long p11_logout(const p11_module *module, unsigned long session);
/// 1 while the user is logged in.
unsigned long p11_is_user(const p11_module *module, unsigned long session, int *is_user);

enum p11_class { P11_PUBLIC = 2, P11_PRIVATE = 3, P11_SYMMETRIC = 4 };

/// Handles of keys of this class, of this label or, with NULL, of all.
unsigned long p11_find(const p11_module *module, unsigned long session, enum p11_class which, const char *_Nullable label, size_t label_size,
                       unsigned long *handles, unsigned long *count);
/// `*size` holds the room, then what was written. An attribute that cannot be told has size 0.
unsigned long p11_attribute(const p11_module *module, unsigned long session, unsigned long object, unsigned long type,
                            unsigned char *value, size_t *size);
/// Makes a pair: on the token, private, sensitive, not extractable, for signatures only.
unsigned long p11_make(const p11_module *module, unsigned long session, enum p11_kind kind, const char *label, size_t label_size,
                       const unsigned char *id, size_t id_size);
/// `data`: the digest for ES256 and RSA-PSS, the message for Ed25519.
unsigned long p11_sign(const p11_module *module, unsigned long session, unsigned long key, enum p11_kind kind, const unsigned char *data,
                       size_t data_size, unsigned char *signature, size_t *signature_size);
/// Whether the token makes AES-256 keys and encrypts with them in GCM: 1 or 0.
unsigned long p11_wraps(const p11_module *module, unsigned long slot, int *wraps);
/// Makes an AES-256 key: on the token, private, sensitive, not extractable, to encrypt and decrypt only.
unsigned long p11_make_symmetric(const p11_module *module, unsigned long session, const char *label, size_t label_size,
                                 const unsigned char *id, size_t id_size);
/// AES-GCM with a nonce of 12 bytes and a tag of 16 behind the ciphertext. `*out_size` holds the room, then what was written.
unsigned long p11_crypt(const p11_module *module, unsigned long session, unsigned long key, int decrypts, const unsigned char *nonce,
                        const unsigned char *context, size_t context_size, const unsigned char *data, size_t data_size,
                        unsigned char *out, size_t *out_size);
unsigned long p11_destroy(const p11_module *module, unsigned long session, unsigned long object);

#pragma clang assume_nonnull end
