#include "csaml_internal.h"

#include <string.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmlenc.h>
#include <xmlsec/xmlsec.h>

#define GCM "http://www.w3.org/2009/xmlenc11#"
static const char *const AUTHENTIC[] = {GCM "aes128-gcm", GCM "aes192-gcm", GCM "aes256-gcm", NULL};
static const char *const CHAINED[] = {NS_ENC "aes128-cbc", NS_ENC "aes192-cbc", NS_ENC "aes256-cbc", NULL};
static const char *const TRANSPORT[] = {NS_ENC "rsa-oaep-mgf1p", NULL};

/// One CipherValue in place, nothing that would have to be fetched.
static bool is_inline(xmlNodePtr encrypted) {
    xmlNodePtr data = csaml_only(encrypted, NS_ENC, "CipherData");
    return data && csaml_only(data, NS_ENC, "CipherValue") && xmlChildElementCount(data) == 1;
}

/// Beside the data, or in its KeyInfo; one recipient.
static xmlNodePtr key_of(xmlNodePtr holder, xmlNodePtr data) {
    xmlNodePtr info = csaml_only(data, NS_DSIG, "KeyInfo");
    size_t inside = info ? csaml_count(info, NS_ENC, "EncryptedKey") : 0, beside = csaml_count(holder, NS_ENC, "EncryptedKey");
    if (inside + beside != 1) return NULL;
    return inside ? csaml_only(info, NS_ENC, "EncryptedKey") : csaml_only(holder, NS_ENC, "EncryptedKey");
}

/// `key` is taken over. The context owns the answer.
static xmlSecEncCtxPtr opened(xmlNodePtr encrypted, xmlSecKeyPtr key, xmlEncCtxMode mode) {
    xmlSecEncCtxPtr context = key ? xmlSecEncCtxCreate(NULL) : NULL;
    if (!context) {
        if (key) xmlSecKeyDestroy(key);
        return NULL;
    }
    context->mode = mode;
    context->encKey = key;
    context->transformCtx.enabledUris = xmlSecTransformUriTypeNone;
    if (!xmlSecEncCtxDecryptToBuffer(context, encrypted) || !context->result) {
        xmlSecEncCtxDestroy(context);
        return NULL;
    }
    return context;
}

static csaml_document *decrypt(xmlNodePtr wrapped, xmlNodePtr data, csaml_bytes pem, char *why) {
    xmlSecKeyPtr own = xmlSecOpenSSLAppKeyLoadMemory(pem.bytes, (xmlSecSize)pem.count, xmlSecKeyDataFormatPem, NULL, NULL, NULL);
    xmlSecEncCtxPtr transport = opened(wrapped, own, xmlEncCtxModeEncryptedKey);
    if (!transport) return NULL;
    xmlSecSize size = xmlSecBufferGetSize(transport->result);
    xmlSecKeyPtr session = NULL;
    if (size == 16 || size == 24 || size == 32) session = xmlSecKeyReadMemory(xmlSecOpenSSLKeyDataAesId, xmlSecBufferGetData(transport->result), size);
    xmlSecEncCtxPtr content = opened(data, session, xmlEncCtxModeEncryptedData);
    xmlSecEncCtxDestroy(transport);
    if (!content) return NULL;
    csaml_document *inside = csaml_parse((csaml_bytes){xmlSecBufferGetData(content->result), xmlSecBufferGetSize(content->result)}, why);
    xmlSecEncCtxDestroy(content);
    return inside;
}

csaml_document *csaml_decrypted(csaml_document *document, const csaml_bytes *keys, size_t count, bool takes_cbc, char *why) {
    if (!csaml_ready(why)) return NULL;
    xmlNodePtr holder = csaml_only(xmlDocGetRootElement(document->tree), NS_ASSERTION, "EncryptedAssertion");
    xmlNodePtr data = holder ? csaml_only(holder, NS_ENC, "EncryptedData") : NULL;
    xmlNodePtr wrapped = data ? key_of(holder, data) : NULL;
    xmlNodePtr method = data ? csaml_only(data, NS_ENC, "EncryptionMethod") : NULL, way = wrapped ? csaml_only(wrapped, NS_ENC, "EncryptionMethod") : NULL;
    if (!method || !way || !is_inline(data) || !is_inline(wrapped)) {
        csaml_say(why, "the encrypted assertion is not one EncryptedData with one EncryptedKey");
        return NULL;
    }
    if (!csaml_allows(method, AUTHENTIC) && !(takes_cbc && csaml_allows(method, CHAINED))) {
        csaml_say(why, takes_cbc ? "the assertion is encrypted otherwise than by AES" : "the assertion is encrypted otherwise than by AES-GCM");
        return NULL;
    }
    if (!csaml_allows(way, TRANSPORT)) {
        csaml_say(why, "the assertion's key is encrypted otherwise than by RSA-OAEP");
        return NULL;
    }
    for (size_t at = 0; at < count; at++) {
        csaml_document *inside = decrypt(wrapped, data, keys[at], why);
        if (inside && csaml_is(xmlDocGetRootElement(inside->tree), NS_ASSERTION, "Assertion")) return inside;
        csaml_free(inside);
    }
    // The same sentence whatever went wrong inside.
    csaml_say(why, "the assertion cannot be decrypted with any key of ours");
    return NULL;
}
