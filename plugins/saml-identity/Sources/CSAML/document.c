#include "csaml_internal.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An answer with many groups has some hundred elements, a federation's metadata some thousand.
enum { MAX_BYTES = 1 << 20, MAX_TAGS = 20000, MAX_EQUALS_IN_TAG = 256, MAX_NAMESPACES = 2000, MAX_DEPTH = 48, MAX_IN_SCOPE = 40 };

void csaml_say(char *why, const char *sentence) { snprintf(why, CSAML_WHY, "%s", sentence); }

/// Some steps of the parser and of canonicalisation are quadratic in attributes of a tag and in declared namespaces: these are counted before it sees a byte.
static bool is_bounded(csaml_bytes text, char *why) {
    size_t tags = 0, equals = 0, namespaces = 0;
    for (size_t at = 0; at < text.count; at++) {
        switch (text.bytes[at]) {
        case 0: csaml_say(why, "the document holds a NUL"); return false;
        case '<': tags++; equals = 0; break;
        case '=': equals++; break;
        case 'x':
            if (text.count - at > 5 && memcmp(text.bytes + at, "xmlns", 5) == 0) namespaces++;
            break;
        default: break;
        }
        if (tags > MAX_TAGS || equals > MAX_EQUALS_IN_TAG || namespaces > MAX_NAMESPACES) {
            csaml_say(why, "the document has too many elements, attributes or namespaces");
            return false;
        }
    }
    return true;
}

// A document that a stranger may have made has no type: no entities to swell, no files to read, no attributes that appear from nowhere.
static void refuse_type(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system) {
    (void)name, (void)external, (void)system;
    xmlParserCtxtPtr parser = context;
    parser->_private = "the document has a document type";
    xmlStopParser(parser);
}
static void refuse_comment(void *context, const xmlChar *value) {
    (void)value;
    xmlParserCtxtPtr parser = context;
    parser->_private = "the document holds a comment";
    xmlStopParser(parser);
}
static void refuse_instruction(void *context, const xmlChar *target, const xmlChar *data) {
    (void)target, (void)data;
    xmlParserCtxtPtr parser = context;
    parser->_private = "the document holds a processing instruction";
    xmlStopParser(parser);
}

static bool is_shallow(const xmlNode *node, int depth) {
    if (depth > MAX_DEPTH) return false;
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && !is_shallow(child, depth + 1)) return false;
    }
    return true;
}

/// Canonicalisation searches all namespaces in scope for each of them at each element: two thousand of them kept it busy for minutes.
static bool is_narrow(const xmlNode *node, int scope) {
    for (const xmlNs *space = node->nsDef; space; space = space->next) scope++;
    if (scope > MAX_IN_SCOPE) return false;
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && !is_narrow(child, scope)) return false;
    }
    return true;
}

csaml_document *csaml_parse(csaml_bytes text, char *why) {
    if (!csaml_ready(why)) return NULL;
    if (text.count == 0 || text.count > MAX_BYTES) {
        csaml_say(why, "the document is empty or too large");
        return NULL;
    }
    if (!is_bounded(text, why)) return NULL;
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (!parser) {
        csaml_say(why, "there is no memory for the document");
        return NULL;
    }
    parser->sax->internalSubset = refuse_type;
    parser->sax->externalSubset = refuse_type;
    parser->sax->comment = refuse_comment;
    parser->sax->processingInstruction = refuse_instruction;
    // Also where it says that it is written otherwise, it is read as UTF-8 or not at all. CDATA becomes text, so that what is text to one reader is text to all.
    xmlDocPtr tree = xmlCtxtReadMemory(
        parser, (const char *)text.bytes, (int)text.count, NULL, "UTF-8", XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    const char *refused = parser->_private;
    bool is_fine = tree && parser->wellFormed && parser->nsWellFormed && !refused && !tree->intSubset && !tree->extSubset;
    xmlFreeParserCtxt(parser);
    xmlNodePtr root = is_fine ? xmlDocGetRootElement(tree) : NULL;
    if (root && !is_shallow(root, 1)) {
        refused = "the document is nested too deeply";
        root = NULL;
    }
    if (root && !is_narrow(root, 0)) {
        refused = "the document has too many namespaces in one place";
        root = NULL;
    }
    csaml_document *document = root ? malloc(sizeof *document) : NULL;
    if (!document) {
        csaml_say(why, refused ? refused : "the document is not well-formed XML in UTF-8");
        xmlFreeDoc(tree);
        return NULL;
    }
    document->tree = tree;
    return document;
}

void csaml_free(csaml_document *document) {
    if (!document) return;
    xmlFreeDoc(document->tree);
    free(document);
}

static const char *space_of(const xmlNs *space) { return space && space->href ? (const char *)space->href : ""; }

static void visit(const xmlNode *node, const csaml_visitor *visitor) {
    visitor->begin(visitor->context, space_of(node->ns), (const char *)node->name);
    for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
        xmlChar *value = xmlNodeListGetString(node->doc, attribute->children, 1);
        visitor->attribute(visitor->context, space_of(attribute->ns), (const char *)attribute->name, value ? (const char *)value : "");
        xmlFree(value);
    }
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) visit(child, visitor);
        if (child->type == XML_TEXT_NODE && child->content) visitor->text(visitor->context, (const char *)child->content);
    }
    visitor->end(visitor->context);
}
void csaml_visit(const csaml_document *document, const csaml_visitor *visitor) { visit(xmlDocGetRootElement(document->tree), visitor); }

bool csaml_is(const xmlNode *node, const char *space, const char *name) {
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0 && strcmp(space_of(node->ns), space) == 0;
}
size_t csaml_count(xmlNodePtr parent, const char *space, const char *name) {
    size_t count = 0;
    for (xmlNodePtr child = parent->children; child; child = child->next) count += csaml_is(child, space, name) ? 1 : 0;
    return count;
}
xmlNodePtr csaml_only(xmlNodePtr parent, const char *space, const char *name) {
    if (csaml_count(parent, space, name) != 1) return NULL;
    for (xmlNodePtr child = parent->children; child; child = child->next) {
        if (csaml_is(child, space, name)) return child;
    }
    return NULL;
}
bool csaml_has(xmlNodePtr node, const char *attribute, const char *value) {
    xmlChar *held = xmlGetNoNsProp(node, BAD_CAST attribute);
    bool is_same = held && strcmp((const char *)held, value) == 0;
    xmlFree(held);
    return is_same;
}
bool csaml_allows(xmlNodePtr node, const char *const *algorithms) {
    for (; *algorithms; algorithms++) {
        if (csaml_has(node, "Algorithm", *algorithms)) return true;
    }
    return false;
}
