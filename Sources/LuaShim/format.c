#include <math.h>
#include <stdio.h>
#include <string.h>

#include "box.h"

// string.format without %p, with widths and precisions of at most two digits, and no addresses in %s.

#define ITEM_BYTES 512  // %99.99f of the largest double

typedef struct item {
    char spec[16];
    char conversion;
    bool modified;
} item;

/// The flags that a conversion takes; NULL for what is no conversion.
static const char *flags_of(char conversion, bool *precision) {
    *precision = conversion != 'c' && conversion != 'q';
    switch (conversion) {
    case 'd':
    case 'i': return "-+0 ";
    case 'u': return "-0";
    case 'o':
    case 'x':
    case 'X': return "-#0";
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G': return "-+#0 ";
    case 'c':
    case 's': return "-";
    case 'q': return "";
    default: return NULL;
    }
}

static const char *read_item(lua_State *L, const char *at, const char *end, item *item) {
    const char *start = at;
    while (at < end && *at != 0 && strchr("-+ #0", *at) != NULL) at++;
    size_t flags = (size_t)(at - start);
    for (int digits = 0; at < end && *at >= '0' && *at <= '9' && digits < 2; digits++) at++;
    bool has_precision = at < end && *at == '.', takes_precision = false;
    if (has_precision) {
        at++;
        for (int digits = 0; at < end && *at >= '0' && *at <= '9' && digits < 2; digits++) at++;
    }
    const char *accepted = at < end ? flags_of(*at, &takes_precision) : NULL;
    if (accepted == NULL || flags > 5 || strspn(start, accepted) < flags || (has_precision && !takes_precision))
        luaL_error(L, "invalid conversion '%%%s' to 'format'", lua_pushlstring(L, start, (size_t)(at - start) + (at < end ? 1 : 0)));
    size_t length = (size_t)(at - start);
    item->modified = length > 0;
    item->conversion = *at == 'i' ? 'd' : *at;
    item->spec[0] = '%';
    memcpy(item->spec + 1, start, length);
    item->spec[length + 1] = 0;
    return at + 1;
}

static void add_quoted(lua_State *L, text *result, int argument) {
    if (lua_type(L, argument) != LUA_TSTRING) {
        if (lua_isinteger(L, argument) && lua_tointeger(L, argument) == LUA_MININTEGER) {
            text_add(result, "0x8000000000000000", 18);  // no decimal literal means it
            return;
        }
        if (lua_isinteger(L, argument) || lua_isboolean(L, argument) || lua_isnil(L, argument)) {
            base_text(L, argument);
            size_t length;
            const char *bytes = lua_tolstring(L, -1, &length);
            text_add(result, bytes, length);
            lua_pop(L, 1);
            return;
        }
        if (lua_type(L, argument) != LUA_TNUMBER) luaL_argerror(L, argument, "value has no literal form");
        lua_Number number = lua_tonumber(L, argument);
        char shown[40];
        const char *odd = number != number ? "(0/0)" : number == HUGE_VAL ? "1e9999" : number == -HUGE_VAL ? "-1e9999" : NULL;
        if (odd != NULL) text_add(result, odd, strlen(odd));
        else text_add(result, shown, (size_t)snprintf(shown, sizeof shown, "%a", number));
        return;
    }
    size_t length;
    const char *bytes = lua_tolstring(L, argument, &length);
    text_byte(result, '"');
    for (size_t index = 0; index < length; index++) {
        char byte = bytes[index];
        if (byte == '"' || byte == '\\' || byte == '\n') {
            text_byte(result, '\\');
            text_byte(result, byte);
        } else if ((unsigned char)byte < 32 || byte == 127) {
            bool digit_follows = index + 1 < length && bytes[index + 1] >= '0' && bytes[index + 1] <= '9';
            char escape[8];
            int printed = snprintf(escape, sizeof escape, digit_follows ? "\\%03d" : "\\%d", (unsigned char)byte);
            text_add(result, escape, (size_t)printed);
        } else {
            text_byte(result, byte);
        }
    }
    text_byte(result, '"');
}

static void add_string(lua_State *L, text *result, const item *item, int argument) {
    base_text(L, argument);
    size_t length;
    const char *bytes = lua_tolstring(L, -1, &length);
    box_charge(box_of(L), length / 32);
    if (!item->modified) {
        text_add(result, bytes, length);
    } else {
        luaL_argcheck(L, strlen(bytes) == length, argument, "a text with NUL cannot have a width");
        char spec[20];
        snprintf(spec, sizeof spec, "%ss", item->spec);
        size_t most = length > 100 ? length : 100;
        char *into = text_reserve(result, most + 1);
        result->length += (size_t)snprintf(into, most + 1, spec, bytes);
    }
    lua_pop(L, 1);
}

static void add_item(lua_State *L, text *result, const item *item, int argument) {
    char spec[20], *into;
    int printed;
    switch (item->conversion) {
    case 'q':
        if (item->modified) luaL_error(L, "%%q takes no width");
        add_quoted(L, result, argument);
        return;
    case 's': add_string(L, result, item, argument); return;
    case 'c': {
        lua_Integer byte = luaL_checkinteger(L, argument);
        snprintf(spec, sizeof spec, "%sc", item->spec);
        into = text_reserve(result, ITEM_BYTES);
        printed = snprintf(into, ITEM_BYTES, spec, (int)(unsigned char)byte);
        break;
    }
    case 'd':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
        lua_Integer number = luaL_checkinteger(L, argument);
        snprintf(spec, sizeof spec, "%sll%c", item->spec, item->conversion);
        into = text_reserve(result, ITEM_BYTES);
        printed = snprintf(into, ITEM_BYTES, spec, (long long)number);
        break;
    }
    default: {
        lua_Number number = luaL_checknumber(L, argument);
        snprintf(spec, sizeof spec, "%s%c", item->spec, item->conversion);
        into = text_reserve(result, ITEM_BYTES);
        printed = snprintf(into, ITEM_BYTES, spec, number);
    }
    }
    if (printed < 0 || printed >= ITEM_BYTES) luaL_error(L, "a number too long to format");
    result->length += (size_t)printed;
}

int format_string(lua_State *L) {
    int last = lua_gettop(L), argument = 1;
    size_t length;
    const char *at = luaL_checklstring(L, 1, &length);
    const char *end = at + length;
    box_charge(box_of(L), length / 16 + (uint64_t)last * 4);
    text result;
    text_open(&result, L);
    while (at < end) {
        if (*at != '%') {
            text_byte(&result, *at++);
        } else if (++at < end && *at == '%') {
            text_byte(&result, *at++);
        } else {
            item item;
            if (++argument > last) return luaL_argerror(L, argument, "no value");
            at = read_item(L, at, end, &item);
            add_item(L, &result, &item, argument);
        }
    }
    text_push(&result);
    return 1;
}
