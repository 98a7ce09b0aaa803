#include "cpkcs11.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long rv_t;
typedef unsigned long ulong_t;
typedef struct { ulong_t type; void *value; ulong_t size; } attribute;
typedef struct { ulong_t mechanism; void *parameter; ulong_t size; } mechanism;
typedef struct { ulong_t hash, mgf, salt; } pss_parameters;
typedef struct {
    unsigned char *nonce;
    ulong_t nonce_size, nonce_bits;
    unsigned char *context;
    ulong_t context_size, tag_bits;
} gcm_parameters;
typedef struct { ulong_t min, max, flags; } mechanism_info;
typedef struct { ulong_t slot, state, flags, error; } session_info;
typedef struct {
    void *create, *destroy, *lock, *unlock;
    ulong_t flags;
    void *reserved;
} initialize_arguments;
typedef struct {
    unsigned char label[32], maker[32], model[16], serial[16];
    ulong_t flags, numbers[10];
    unsigned char versions[4], time[16];
} token_info;

/* CK_FUNCTION_LIST: the version, then its functions in the order of the standard. */
typedef struct {
    unsigned char major, minor;
    void *call[68];
} function_list;
enum {
    INITIALIZE = 0, FINALIZE = 1, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, GET_MECHANISM_INFO = 8, OPEN_SESSION = 12, CLOSE_SESSION = 13,
    GET_SESSION_INFO = 15, LOGIN = 18, LOGOUT = 19, DESTROY_OBJECT = 22, GET_ATTRIBUTE_VALUE = 24, FIND_OBJECTS_INIT = 26,
    FIND_OBJECTS = 27, FIND_OBJECTS_FINAL = 28, ENCRYPT_INIT = 29, ENCRYPT = 30, DECRYPT_INIT = 33, DECRYPT = 34, SIGN_INIT = 42,
    SIGN = 43, GENERATE_KEY = 58, GENERATE_KEY_PAIR = 59
};

struct p11_module { function_list *list; };

enum { CKF_OS_LOCKING_OK = 2, CKF_RW_SESSION = 2, CKF_SERIAL_SESSION = 4, CKF_ENCRYPT = 0x100, CKF_SIGN = 0x800,
       CKF_GENERATE = 0x8000, CKF_GENERATE_KEY_PAIR = 0x10000 };
enum { CKU_USER = 1, CKK_AES = 0x1F };
enum { CKA_CLASS = 0, CKA_TOKEN = 1, CKA_PRIVATE = 2, CKA_LABEL = 3, CKA_KEY_TYPE = 0x100, CKA_ID = 0x102, CKA_SENSITIVE = 0x103,
       CKA_ENCRYPT = 0x104, CKA_DECRYPT = 0x105, CKA_WRAP = 0x106, CKA_UNWRAP = 0x107, CKA_SIGN = 0x108, CKA_VERIFY = 0x10A, CKA_DERIVE = 0x10C, CKA_MODULUS_BITS = 0x121,
       CKA_PUBLIC_EXPONENT = 0x122, CKA_VALUE_LEN = 0x161, CKA_EXTRACTABLE = 0x162, CKA_EC_PARAMS = 0x180 };
enum { CKM_RSA_PKCS_KEY_PAIR_GEN = 0, CKM_RSA_PKCS_PSS = 0xD, CKM_SHA256 = 0x250, CKG_MGF1_SHA256 = 2, CKM_EC_KEY_PAIR_GEN = 0x1040,
       CKM_ECDSA = 0x1041, CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055, CKM_EDDSA = 0x1057, CKM_AES_KEY_GEN = 0x1080, CKM_AES_GCM = 0x1087 };
enum { CKR_OK = 0, CKR_FUNCTION_NOT_SUPPORTED = 0x54, CKR_MECHANISM_INVALID = 0x70, CKR_ATTRIBUTE_SENSITIVE = 0x11,
       CKR_ATTRIBUTE_TYPE_INVALID = 0x12 };

#define CALL(module, index, type, ...) \
    ((module)->list->call[index] ? ((type)(module)->list->call[index])(__VA_ARGS__) : CKR_FUNCTION_NOT_SUPPORTED)

p11_module *p11_load(const char *path, char *why, size_t why_size) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(why, why_size, "%s", dlerror());
        return NULL;
    }
    rv_t (*get)(function_list **) = (rv_t(*)(function_list **))dlsym(handle, "C_GetFunctionList");
    function_list *list = NULL;
    if (!get || get(&list) != CKR_OK || !list || list->major < 2) {
        snprintf(why, why_size, "it is no PKCS#11 module of version 2 or later");
        return NULL;
    }
    p11_module *module = malloc(sizeof *module);
    if (module) module->list = list;
    return module;
}

unsigned long p11_initialize(const p11_module *module) {
    initialize_arguments arguments = {.flags = CKF_OS_LOCKING_OK};
    return CALL(module, INITIALIZE, rv_t(*)(void *), &arguments);
}
unsigned long p11_finalize(const p11_module *module) { return CALL(module, FINALIZE, rv_t(*)(void *), NULL); }

unsigned long p11_slots(const p11_module *module, unsigned long *slots, unsigned long *count) {
    ulong_t there = 0;
    /* Asked without room first: modules look for new tokens only then. */
    rv_t rv = CALL(module, GET_SLOT_LIST, rv_t(*)(unsigned char, ulong_t *, ulong_t *), 1, NULL, &there);
    if (rv != CKR_OK) return rv;
    return CALL(module, GET_SLOT_LIST, rv_t(*)(unsigned char, ulong_t *, ulong_t *), 1, slots, count);
}

static void padded(char *out, const unsigned char *text, size_t size) {
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == 0)) size--;
    memcpy(out, text, size);
    out[size] = 0;
}

unsigned long p11_token_info(const p11_module *module, unsigned long slot, p11_token *token) {
    token_info info = {0};
    rv_t rv = CALL(module, GET_TOKEN_INFO, rv_t(*)(ulong_t, token_info *), slot, &info);
    if (rv != CKR_OK) return rv;
    padded(token->label, info.label, sizeof info.label);
    padded(token->serial, info.serial, sizeof info.serial);
    token->flags = info.flags;
    return CKR_OK;
}

static int offers_one(const p11_module *module, ulong_t slot, ulong_t which, ulong_t flag, ulong_t bits, rv_t *rv) {
    mechanism_info info = {0};
    *rv = CALL(module, GET_MECHANISM_INFO, rv_t(*)(ulong_t, ulong_t, mechanism_info *), slot, which, &info);
    return *rv == CKR_OK && (info.flags & flag) && (bits == 0 || (info.min <= bits && bits <= info.max));
}

unsigned long p11_offers(const p11_module *module, unsigned long slot, enum p11_kind kind, int *offers) {
    static const ulong_t making[] = {0, CKM_EC_KEY_PAIR_GEN, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN};
    static const ulong_t signing[] = {0, CKM_ECDSA, CKM_EDDSA, CKM_RSA_PKCS_PSS};
    /* Sizes of elliptic keys are told in bits by some and in bytes by others. */
    ulong_t bits = kind == P11_RSA_PSS ? 4096 : 0;
    rv_t rv = CKR_OK;
    *offers = 0;
    if (!offers_one(module, slot, making[kind], CKF_GENERATE_KEY_PAIR, bits, &rv)) return rv == CKR_MECHANISM_INVALID ? CKR_OK : rv;
    if (!offers_one(module, slot, signing[kind], CKF_SIGN, bits, &rv)) return rv == CKR_MECHANISM_INVALID ? CKR_OK : rv;
    *offers = 1;
    return CKR_OK;
}

unsigned long p11_open_session(const p11_module *module, unsigned long slot, unsigned long *session) {
    return CALL(module, OPEN_SESSION, rv_t(*)(ulong_t, ulong_t, void *, void *, ulong_t *), slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                NULL, NULL, session);
}
unsigned long p11_close_session(const p11_module *module, unsigned long session) {
    return CALL(module, CLOSE_SESSION, rv_t(*)(ulong_t), session);
}
unsigned long p11_login(const p11_module *module, unsigned long session, const char *pin, size_t pin_size) {
    return CALL(module, LOGIN, rv_t(*)(ulong_t, ulong_t, void *, ulong_t), session, CKU_USER, (void *)pin, pin_size);
}
unsigned long p11_logout(const p11_module *module, unsigned long session) { return CALL(module, LOGOUT, rv_t(*)(ulong_t), session); }
unsigned long p11_is_user(const p11_module *module, unsigned long session, int *is_user) {
    session_info info = {0};
    rv_t rv = CALL(module, GET_SESSION_INFO, rv_t(*)(ulong_t, session_info *), session, &info);
    *is_user = info.state == 1 || info.state == 3;
    return rv;
}

unsigned long p11_find(const p11_module *module, unsigned long session, enum p11_class which, const char *label, size_t label_size,
                       unsigned long *handles, unsigned long *count) {
    ulong_t class = which;
    unsigned char yes = 1;
    attribute wanted[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, 1}, {CKA_LABEL, (void *)label, label_size}};
    rv_t rv = CALL(module, FIND_OBJECTS_INIT, rv_t(*)(ulong_t, attribute *, ulong_t), session, wanted, label ? 3 : 2);
    if (rv != CKR_OK) return rv;
    ulong_t room = *count, found = 0;
    *count = 0;
    while (*count < room) {
        rv = CALL(module, FIND_OBJECTS, rv_t(*)(ulong_t, ulong_t *, ulong_t, ulong_t *), session, handles + *count, room - *count, &found);
        if (rv != CKR_OK || found == 0 || found > room - *count) break;
        *count += found;
    }
    rv_t end = CALL(module, FIND_OBJECTS_FINAL, rv_t(*)(ulong_t), session);
    return rv != CKR_OK ? rv : end;
}

unsigned long p11_attribute(const p11_module *module, unsigned long session, unsigned long object, unsigned long type,
                            unsigned char *value, size_t *size) {
    attribute one = {type, value, *size};
    rv_t rv = CALL(module, GET_ATTRIBUTE_VALUE, rv_t(*)(ulong_t, ulong_t, attribute *, ulong_t), session, object, &one, 1);
    int is_untold = rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID;
    *size = rv != CKR_OK || one.size > *size ? 0 : one.size;
    return is_untold ? CKR_OK : rv;
}

unsigned long p11_make(const p11_module *module, unsigned long session, enum p11_kind kind, const char *label, size_t label_size,
                       const unsigned char *id, size_t id_size) {
    static unsigned char p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    /* RFC 8410's identifier; modules from before PKCS#11 3.0 know the curve by its name alone. */
    static unsigned char edwards[] = {6, 3, 0x2b, 0x65, 0x70};
    static unsigned char edwards_name[] = {0x13, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};
    unsigned char yes = 1, no = 0, exponent[] = {1, 0, 1};
    ulong_t bits = 4096, public = 0, private = 0;
    attribute hidden[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &no, 1}, {CKA_SIGN, &yes, 1},
        {CKA_DECRYPT, &no, 1}, {CKA_UNWRAP, &no, 1}, {CKA_DERIVE, &no, 1}, {CKA_LABEL, (void *)label, label_size},
        {CKA_ID, (void *)id, id_size},
    };
    attribute shown[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &no, 1}, {CKA_VERIFY, &yes, 1}, {CKA_LABEL, (void *)label, label_size},
        {CKA_ID, (void *)id, id_size}, {CKA_EC_PARAMS, p256, sizeof p256}, {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
    };
    mechanism how = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    ulong_t size = 6;
    if (kind == P11_ED25519) {
        how.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN;
        shown[5] = (attribute){CKA_EC_PARAMS, edwards, sizeof edwards};
    } else if (kind == P11_RSA_PSS) {
        how.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
        shown[5] = (attribute){CKA_MODULUS_BITS, &bits, sizeof bits};
        size = 7;
    }
    typedef rv_t (*generate)(ulong_t, mechanism *, attribute *, ulong_t, attribute *, ulong_t, ulong_t *, ulong_t *);
    ulong_t rest = sizeof hidden / sizeof *hidden;
    rv_t rv = CALL(module, GENERATE_KEY_PAIR, generate, session, &how, shown, size, hidden, rest, &public, &private);
    if (rv != CKR_OK && kind == P11_ED25519) {
        shown[5] = (attribute){CKA_EC_PARAMS, edwards_name, sizeof edwards_name};
        rv = CALL(module, GENERATE_KEY_PAIR, generate, session, &how, shown, size, hidden, rest, &public, &private);
    }
    return rv;
}

unsigned long p11_sign(const p11_module *module, unsigned long session, unsigned long key, enum p11_kind kind, const unsigned char *data,
                       size_t data_size, unsigned char *signature, size_t *signature_size) {
    pss_parameters pss = {CKM_SHA256, CKG_MGF1_SHA256, 478};
    mechanism how = {kind == P11_ES256 ? CKM_ECDSA : CKM_EDDSA, NULL, 0};
    if (kind == P11_RSA_PSS) how = (mechanism){CKM_RSA_PKCS_PSS, &pss, sizeof pss};
    rv_t rv = CALL(module, SIGN_INIT, rv_t(*)(ulong_t, mechanism *, ulong_t), session, &how, key);
    if (rv != CKR_OK) return rv;
    ulong_t size = *signature_size;
    rv = CALL(module, SIGN, rv_t(*)(ulong_t, const unsigned char *, ulong_t, unsigned char *, ulong_t *), session, data, data_size,
              signature, &size);
    *signature_size = rv == CKR_OK && size <= *signature_size ? size : 0;
    return rv;
}

unsigned long p11_wraps(const p11_module *module, unsigned long slot, int *wraps) {
    rv_t rv = CKR_OK;
    /* Sizes of AES keys, too, are told in bits by some and in bytes by others. */
    *wraps = offers_one(module, slot, CKM_AES_KEY_GEN, CKF_GENERATE, 0, &rv) && offers_one(module, slot, CKM_AES_GCM, CKF_ENCRYPT, 0, &rv);
    return rv == CKR_MECHANISM_INVALID ? CKR_OK : rv;
}

unsigned long p11_make_symmetric(const p11_module *module, unsigned long session, const char *label, size_t label_size,
                                 const unsigned char *id, size_t id_size) {
    unsigned char yes = 1, no = 0;
    ulong_t class = P11_SYMMETRIC, type = CKK_AES, size = 32, key = 0;
    attribute template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}, {CKA_VALUE_LEN, &size, sizeof size}, {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1},
        {CKA_WRAP, &no, 1}, {CKA_UNWRAP, &no, 1}, {CKA_SIGN, &no, 1}, {CKA_VERIFY, &no, 1}, {CKA_DERIVE, &no, 1},
        {CKA_LABEL, (void *)label, label_size}, {CKA_ID, (void *)id, id_size},
    };
    mechanism how = {CKM_AES_KEY_GEN, NULL, 0};
    return CALL(module, GENERATE_KEY, rv_t(*)(ulong_t, mechanism *, attribute *, ulong_t, ulong_t *), session, &how, template,
                sizeof template / sizeof *template, &key);
}

unsigned long p11_crypt(const p11_module *module, unsigned long session, unsigned long key, int decrypts, const unsigned char *nonce,
                        const unsigned char *context, size_t context_size, const unsigned char *data, size_t data_size,
                        unsigned char *out, size_t *out_size) {
    gcm_parameters gcm = {(void *)nonce, 12, 96, context_size ? (void *)context : NULL, context_size, 128};
    mechanism how = {CKM_AES_GCM, &gcm, sizeof gcm};
    rv_t rv = CALL(module, decrypts ? DECRYPT_INIT : ENCRYPT_INIT, rv_t(*)(ulong_t, mechanism *, ulong_t), session, &how, key);
    if (rv != CKR_OK) return rv;
    ulong_t size = *out_size;
    rv = CALL(module, decrypts ? DECRYPT : ENCRYPT, rv_t(*)(ulong_t, const unsigned char *, ulong_t, unsigned char *, ulong_t *), session,
              data, data_size, out, &size);
    *out_size = rv == CKR_OK && size <= *out_size ? size : 0;
    return rv;
}

unsigned long p11_destroy(const p11_module *module, unsigned long session, unsigned long object) {
    return CALL(module, DESTROY_OBJECT, rv_t(*)(ulong_t, ulong_t), session, object);
}
