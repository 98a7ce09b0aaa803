#include "csaml_testing.h"

#include <libxml/parser.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmlenc.h>
#include <xmlsec/xmlsec.h>

// The other side of the plugin's tests: what a provider does, by the same libraries but none of the plugin's own code.

char *csaml_testing_key(int bits) {
    EVP_PKEY *key = EVP_RSA_gen((unsigned)bits);
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL, *held = NULL;
    if (key && out && PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long length = BIO_get_mem_data(out, &held);
        text = strndup(held, (size_t)length);
    }
    BIO_free(out);
    EVP_PKEY_free(key);
    return text;
}

size_t csaml_testing_certificate(const char *pem, const char *begins, const char *ends, unsigned char *der, size_t capacity) {
    BIO *source = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(source, NULL, NULL, NULL);
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), begins);
    ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), ends);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"a provider", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    unsigned char *out = NULL;
    size_t length = 0;
    if (X509_sign(certificate, key, EVP_sha256()) > 0) {
        int made = i2d_X509(certificate, &out);
        if (made > 0 && (size_t)made <= capacity) memcpy(der, out, length = (size_t)made);
    }
    OPENSSL_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(source);
    return length;
}

static const char TEMPLATE[] =
    "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\""
    " Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"%s\"/><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">"
    "<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"%s\"/><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>"
    "<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>";

char *csaml_testing_encrypt(const char *pem, const char *element, const char *algorithm, const char *transport) {
    char template[2000];
    snprintf(template, sizeof template, TEMPLATE, algorithm, transport);
    xmlDocPtr document = xmlReadMemory(template, (int)strlen(template), NULL, NULL, 0);
    xmlNodePtr root = xmlDocGetRootElement(document);
    xmlSecKeysMngrPtr keys = xmlSecKeysMngrCreate();
    char *out = NULL;
    if (xmlSecOpenSSLAppDefaultKeysMngrInit(keys) >= 0) {
        xmlSecKeyPtr key = xmlSecOpenSSLAppKeyLoadMemory((const xmlSecByte *)pem, (xmlSecSize)strlen(pem), xmlSecKeyDataFormatPem, NULL, NULL, NULL);
        xmlSecOpenSSLAppDefaultKeysMngrAdoptKey(keys, key);
        xmlSecEncCtxPtr context = xmlSecEncCtxCreate(keys);
        context->encKey = xmlSecKeyGenerate(xmlSecOpenSSLKeyDataAesId, strstr(algorithm, "256") ? 256 : 128, xmlSecKeyDataTypeSession);
        if (xmlSecEncCtxBinaryEncrypt(context, xmlFirstElementChild(root), (const xmlSecByte *)element, (xmlSecSize)strlen(element)) >= 0) {
            xmlBufferPtr buffer = xmlBufferCreate();
            if (xmlNodeDump(buffer, document, root, 0, 0) > 0) out = strdup((const char *)xmlBufferContent(buffer));
            xmlBufferFree(buffer);
        }
        xmlSecEncCtxDestroy(context);
    }
    xmlSecKeysMngrDestroy(keys);
    xmlFreeDoc(document);
    return out;
}
