#include "csaml_internal.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xmlsec/crypto.h>
#include <xmlsec/errors.h>
#include <xmlsec/io.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_ready = false;

static void be_silent(const char *file, int line, const char *function, const char *object, const char *subject, int reason, const char *message) {
    (void)file, (void)line, (void)function, (void)object, (void)subject, (void)reason, (void)message;
}
static void prepare(void) {
    // A child behind walls may not read OpenSSL's configuration, and nothing here needs it.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    xmlInitParser();
    if (xmlSecInit() < 0 || xmlSecCheckVersion() != 1) return;
    if (xmlSecOpenSSLAppInit(NULL) < 0 || xmlSecOpenSSLInit() < 0) return;
    // Nothing is ever fetched: no file, no address.
    xmlSecIOCleanupCallbacks();
    xmlSecErrorsSetCallback(be_silent);
    is_ready = true;
}
static void drop(void *context, xmlErrorPtr error) { (void)context, (void)error; }
bool csaml_ready(char *why) {
    pthread_once(&once, prepare);
    // libxml2 keeps this for each thread; without it what a stranger wrote ends on our standard error.
    xmlSetStructuredErrorFunc(NULL, drop);
    if (!is_ready) csaml_say(why, "libxmlsec1 is not the version that this was built with");
    return is_ready;
}

// SAML 2.0 Core 5.4 with what is safe today: XML Signature 1.1 without SHA-1, without shared secrets, without transforms that compute.
#define EXCLUSIVE "http://www.w3.org/2001/10/xml-exc-c14n#"
#define INCLUSIVE "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
static const char *const CANONICAL[] = {EXCLUSIVE, INCLUSIVE, NULL};
static const char *const ENVELOPED[] = {"http://www.w3.org/2000/09/xmldsig#enveloped-signature", NULL};
static const char *const SIGNATURES[] = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", NULL,
};
static const char *const DIGESTS[] = {
    "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512", NULL,
};

enum { MAX_PREFIX_BYTES = 256 };

static bool is_name(const xmlChar *text) {
    size_t length = text ? strlen((const char *)text) : 0;
    if (length == 0 || length > 256) return false;
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = text[at];
        bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_';
        bool is_later = (byte >= '0' && byte <= '9') || byte == '-' || byte == '.';
        if (!is_letter && (at == 0 || !is_later)) return false;
    }
    return true;
}

/// How many attributes that anybody could take for an id have this value, whatever their case or namespace.
static size_t bearers(const xmlNode *node, const xmlChar *id) {
    size_t found = 0;
    for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
        if (xmlStrcasecmp(attribute->name, BAD_CAST "id") != 0) continue;
        xmlChar *value = xmlNodeListGetString(node->doc, attribute->children, 1);
        found += value && xmlStrEqual(value, id) ? 1 : 0;
        xmlFree(value);
    }
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) found += bearers(child, id);
    }
    return found;
}

/// Only these children, in this order, each once; `optional` may stand at the end.
static bool holds_only(xmlNodePtr parent, const char *const *names, const char *optional) {
    for (xmlNodePtr child = parent->children; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE) continue;
        if (*names && csaml_is(child, NS_DSIG, *names)) {
            names++;
        } else if (!*names && optional && csaml_is(child, NS_DSIG, optional)) {
            optional = NULL;
        } else {
            return false;
        }
    }
    return !*names;
}

/// Canonicalisation may be told prefixes to keep; it searches each of them at each element, before anything is verified, so they are few.
static bool tells_little(xmlNodePtr method) {
    xmlNodePtr told = csaml_only(method, EXCLUSIVE, "InclusiveNamespaces");
    if (xmlChildElementCount(method) != (told ? 1 : 0)) return false;
    xmlChar *prefixes = told ? xmlGetNoNsProp(told, BAD_CAST "PrefixList") : NULL;
    bool is_short = !prefixes || xmlStrlen(prefixes) <= MAX_PREFIX_BYTES;
    xmlFree(prefixes);
    return is_short;
}

/// Everything that a signature may say is said here; xmlsec then finds nothing else to do.
static bool is_plain(xmlNodePtr signature, const xmlChar *id, char *why) {
    static const char *const PARTS[] = {"SignedInfo", "SignatureValue", NULL};
    static const char *const INFO[] = {"CanonicalizationMethod", "SignatureMethod", "Reference", NULL};
    static const char *const REFERENCE[] = {"Transforms", "DigestMethod", "DigestValue", NULL};
    xmlNodePtr info = csaml_only(signature, NS_DSIG, "SignedInfo");
    if (!holds_only(signature, PARTS, "KeyInfo") || !info || !holds_only(info, INFO, NULL)) {
        csaml_say(why, "the signature is not one SignedInfo with one Reference");
        return false;
    }
    xmlNodePtr reference = csaml_only(info, NS_DSIG, "Reference");
    if (!holds_only(reference, REFERENCE, NULL)) {
        csaml_say(why, "the signature's Reference has other parts than it needs");
        return false;
    }
    char target[300] = "#";
    strncat(target, (const char *)id, sizeof target - 2);
    if (!csaml_has(reference, "URI", target)) {
        csaml_say(why, "the signature refers to another element than the one that holds it");
        return false;
    }
    xmlNodePtr canonical = csaml_only(info, NS_DSIG, "CanonicalizationMethod");
    if (!csaml_allows(canonical, CANONICAL) || !tells_little(canonical)) {
        csaml_say(why, "the signature is canonicalised in a way that is not accepted");
        return false;
    }
    if (!csaml_allows(csaml_only(info, NS_DSIG, "SignatureMethod"), SIGNATURES)) {
        csaml_say(why, "the signature's algorithm is not accepted: RSA or ECDSA with SHA-256 or better is");
        return false;
    }
    if (!csaml_allows(csaml_only(reference, NS_DSIG, "DigestMethod"), DIGESTS)) {
        csaml_say(why, "the signature's digest is not accepted: SHA-256 or better is");
        return false;
    }
    int place = 0;
    for (xmlNodePtr each = csaml_only(reference, NS_DSIG, "Transforms")->children; each; each = each->next) {
        if (each->type != XML_ELEMENT_NODE) continue;
        bool is_fine = csaml_is(each, NS_DSIG, "Transform") && place < 2 && csaml_allows(each, place == 0 ? ENVELOPED : CANONICAL) && tells_little(each);
        if (!is_fine) place = 9;
        place++;
    }
    if (place < 1 || place > 2) {
        csaml_say(why, "the signature's transforms are not enveloped-signature and canonicalisation");
        return false;
    }
    return true;
}

static bool restricts(xmlSecDSigCtxPtr context) {
    context->flags |= XMLSEC_DSIG_FLAGS_STORE_SIGNEDINFO_REFERENCES | XMLSEC_DSIG_FLAGS_IGNORE_MANIFESTS;
    context->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
    xmlSecTransformId both[] = {
        xmlSecTransformExclC14NId, xmlSecTransformInclC14NId, xmlSecOpenSSLTransformSha256Id, xmlSecOpenSSLTransformSha384Id, xmlSecOpenSSLTransformSha512Id,
    };
    xmlSecTransformId keys[] = {
        xmlSecOpenSSLTransformRsaSha256Id, xmlSecOpenSSLTransformRsaSha384Id, xmlSecOpenSSLTransformRsaSha512Id,
        xmlSecOpenSSLTransformEcdsaSha256Id, xmlSecOpenSSLTransformEcdsaSha384Id, xmlSecOpenSSLTransformEcdsaSha512Id,
    };
    int failed = xmlSecDSigCtxEnableReferenceTransform(context, xmlSecTransformEnvelopedId) < 0;
    for (size_t at = 0; at < sizeof both / sizeof *both; at++) {
        failed |= xmlSecDSigCtxEnableReferenceTransform(context, both[at]) < 0;
        failed |= xmlSecDSigCtxEnableSignatureTransform(context, both[at]) < 0;
    }
    for (size_t at = 0; at < sizeof keys / sizeof *keys; at++) failed |= xmlSecDSigCtxEnableSignatureTransform(context, keys[at]) < 0;
    return !failed;
}

/// The digested bytes if the signature holds under this certificate.
static csaml_document *checked(xmlNodePtr signature, csaml_bytes certificate, char *why) {
    xmlSecDSigCtxPtr context = xmlSecDSigCtxCreate(NULL);
    if (!context) return NULL;
    csaml_document *covered = NULL;
    context->signKey = xmlSecOpenSSLAppKeyLoadMemory(certificate.bytes, (xmlSecSize)certificate.count, xmlSecKeyDataFormatCertDer, NULL, NULL, NULL);
    if (context->signKey && restricts(context) && xmlSecDSigCtxVerify(context, signature) >= 0 && context->status == xmlSecDSigStatusSucceeded
        && xmlSecPtrListGetSize(&context->signedInfoReferences) == 1) {
        xmlSecDSigReferenceCtxPtr reference = xmlSecPtrListGetItem(&context->signedInfoReferences, 0);
        xmlSecBufferPtr digested = reference && reference->status == xmlSecDSigStatusSucceeded ? xmlSecDSigReferenceCtxGetPreDigestBuffer(reference) : NULL;
        if (digested) covered = csaml_parse((csaml_bytes){xmlSecBufferGetData(digested), xmlSecBufferGetSize(digested)}, why);
    }
    xmlSecDSigCtxDestroy(context);
    return covered;
}

csaml_document *csaml_verified(csaml_document *document, const char *path, const csaml_bytes *certificates, size_t count, size_t *key, char *why) {
    if (!csaml_ready(why)) return NULL;
    xmlNodePtr element = xmlDocGetRootElement(document->tree);
    if (*path) element = csaml_only(element, NS_ASSERTION, path);
    xmlNodePtr signature = element ? csaml_only(element, NS_DSIG, "Signature") : NULL;
    if (!signature) {
        csaml_say(why, "the element does not hold one signature");
        return NULL;
    }
    xmlAttrPtr attribute = xmlHasNsProp(element, BAD_CAST "ID", NULL);
    xmlChar *id = attribute ? xmlNodeListGetString(document->tree, attribute->children, 1) : NULL;
    csaml_document *covered = NULL;
    if (!is_name(id)) {
        csaml_say(why, "the signed element has no usable ID");
    } else if (bearers(xmlDocGetRootElement(document->tree), id) != 1) {
        csaml_say(why, "two elements have the ID of the signed one");
    } else if (is_plain(signature, id, why)) {
        // The only id that the document has from here on, so that a reference finds this element or none.
        if (!xmlGetID(document->tree, id)) xmlAddID(NULL, document->tree, id, attribute);
        // What the answer says of keys is never looked at.
        xmlNodePtr info = csaml_only(signature, NS_DSIG, "KeyInfo");
        if (info) {
            xmlUnlinkNode(info);
            xmlFreeNode(info);
        }
        csaml_say(why, "the signature does not hold under any certificate of the provider's metadata");
        for (size_t at = 0; at < count && !covered && xmlGetID(document->tree, id) == attribute; at++) {
            covered = checked(signature, certificates[at], why);
            if (covered) *key = at;
        }
    }
    // What was digested is that element, and nothing was added to it on the way.
    if (covered) {
        xmlNodePtr root = xmlDocGetRootElement(covered->tree);
        if (!csaml_is(root, (const char *)(element->ns ? element->ns->href : BAD_CAST ""), (const char *)element->name) || !csaml_has(root, "ID", (const char *)id)) {
            csaml_say(why, "the signature covers another element than the one that holds it");
            csaml_free(covered);
            covered = NULL;
        }
    }
    xmlFree(id);
    return covered;
}

char *csaml_sign_document(csaml_bytes pem, csaml_bytes text, char *why) {
    csaml_document *document = csaml_parse(text, why);
    if (!document) return NULL;
    xmlNodePtr root = xmlDocGetRootElement(document->tree);
    xmlNodePtr signature = csaml_only(root, NS_DSIG, "Signature");
    xmlAttrPtr attribute = xmlHasNsProp(root, BAD_CAST "ID", NULL);
    xmlChar *id = attribute ? xmlNodeListGetString(document->tree, attribute->children, 1) : NULL;
    xmlSecDSigCtxPtr context = signature && id ? xmlSecDSigCtxCreate(NULL) : NULL;
    char *out = NULL;
    csaml_say(why, "the document could not be signed");
    if (context) {
        xmlAddID(NULL, document->tree, id, attribute);
        context->signKey = xmlSecOpenSSLAppKeyLoadMemory(pem.bytes, (xmlSecSize)pem.count, xmlSecKeyDataFormatPem, NULL, NULL, NULL);
        if (context->signKey && xmlSecDSigCtxSign(context, signature) >= 0 && context->status == xmlSecDSigStatusSucceeded) {
            xmlBufferPtr buffer = xmlBufferCreate();
            if (buffer && xmlNodeDump(buffer, document->tree, root, 0, 0) > 0) out = strdup((const char *)xmlBufferContent(buffer));
            xmlBufferFree(buffer);
        }
        xmlSecDSigCtxDestroy(context);
    }
    xmlFree(id);
    csaml_free(document);
    return out;
}
void csaml_free_text(char *text) { free(text); }
