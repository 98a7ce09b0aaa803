#ifndef CSAML_INTERNAL_H
#define CSAML_INTERNAL_H

#include "csaml.h"

#include <libxml/tree.h>
#include <openssl/evp.h>

struct csaml_document {
    xmlDocPtr tree;
};

#define NS_ASSERTION "urn:oasis:names:tc:SAML:2.0:assertion"
#define NS_DSIG "http://www.w3.org/2000/09/xmldsig#"
#define NS_ENC "http://www.w3.org/2001/04/xmlenc#"

/// Once in a process. False where the libraries are not what this was built for.
bool csaml_ready(char *why);
void csaml_say(char *why, const char *sentence);
bool csaml_is(const xmlNode *node, const char *space, const char *name);
/// The only child element of that name; NULL if there is none, or more.
xmlNodePtr csaml_only(xmlNodePtr parent, const char *space, const char *name);
size_t csaml_count(xmlNodePtr parent, const char *space, const char *name);
/// Whether `node` has an attribute without a namespace of this value.
bool csaml_has(xmlNodePtr node, const char *attribute, const char *value);
/// Whether the Algorithm of `node` stands in a list that ends with NULL.
bool csaml_allows(xmlNodePtr node, const char *const *algorithms);
EVP_PKEY *csaml_private_key(csaml_bytes pem);

#endif
