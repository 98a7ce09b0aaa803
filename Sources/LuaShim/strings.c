#include <string.h>

#include "box.h"

// The string library, byte for byte and in no locale: upper, lower and the classes know ASCII. dump, pack and unpack are not given.

static size_t from_start(lua_Integer place, size_t length) {
    if (place > 0) return (size_t)place;
    if (place == 0 || place < -(lua_Integer)length) return 1;
    return length + (size_t)place + 1;
}

static size_t to_end(lua_State *L, int argument, lua_Integer otherwise, size_t length) {
    lua_Integer place = luaL_optinteger(L, argument, otherwise);
    if (place > (lua_Integer)length) return length;
    if (place >= 0) return (size_t)place;
    return place < -(lua_Integer)length ? 0 : length + (size_t)place + 1;
}

static int string_len(lua_State *L) {
    size_t length;
    luaL_checklstring(L, 1, &length);
    lua_pushinteger(L, (lua_Integer)length);
    return 1;
}

static int string_sub(lua_State *L) {
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    size_t first = from_start(luaL_checkinteger(L, 2), length);
    size_t last = to_end(L, 3, -1, length);
    box_charge(box_of(L), length / 64);
    if (first > last) lua_pushliteral(L, "");
    else lua_pushlstring(L, bytes + first - 1, last - first + 1);
    return 1;
}

static int each_byte(lua_State *L, char (*change)(char), bool backwards) {
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    box_charge(box_of(L), length / 16);
    text result;
    text_open(&result, L);
    char *into = text_reserve(&result, length);
    for (size_t index = 0; index < length; index++) into[index] = change(bytes[backwards ? length - 1 - index : index]);
    result.length = length;
    text_push(&result);
    return 1;
}

static char lowered(char byte) { return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte; }
static char raised(char byte) { return byte >= 'a' && byte <= 'z' ? (char)(byte - 32) : byte; }
static char same(char byte) { return byte; }

static int string_lower(lua_State *L) { return each_byte(L, lowered, false); }
static int string_upper(lua_State *L) { return each_byte(L, raised, false); }
static int string_reverse(lua_State *L) { return each_byte(L, same, true); }

static int string_rep(lua_State *L) {
    size_t length, separator_length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    lua_Integer times = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_length);
    if (times <= 0 || length + separator_length == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    uint64_t most = box_of(L)->limits.string_bytes;
    if ((uint64_t)times > most / (length + separator_length)) return luaL_error(L, "the text would be longer than %d bytes", (int)most);
    size_t unit = length + separator_length, total = unit * (size_t)times - separator_length;
    box_charge(box_of(L), total / 64 + 1);
    text result;
    text_open(&result, L);
    char *into = text_reserve(&result, unit * (size_t)times);
    memcpy(into, bytes, length);
    memcpy(into + length, separator, separator_length);
    // What is there is copied behind itself, twice as much each time.
    for (size_t done = unit; done < total;) {
        size_t next = done < total - done ? done : total - done;
        memcpy(into + done, into, next);
        done += next;
    }
    result.length = total;
    text_push(&result);
    return 1;
}

static int string_byte(lua_State *L) {
    size_t length;
    const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &length);
    lua_Integer place = luaL_optinteger(L, 2, 1);
    size_t first = from_start(place, length);
    size_t last = to_end(L, 3, (lua_Integer)first, length);
    if (first > last) return 0;
    size_t count = last - first + 1;
    if (count > 4096 && STANDS(box_of(L), byte)) return luaL_error(L, "string.byte gives at most 4096 bytes at once");
    luaL_checkstack(L, (int)count, NULL);
    for (size_t index = 0; index < count; index++) lua_pushinteger(L, bytes[first - 1 + index]);
    return (int)count;
}

static int string_char(lua_State *L) {
    int count = lua_gettop(L);
    text result;
    text_open(&result, L);
    box_charge(box_of(L), (uint64_t)count / 4);
    for (int index = 1; index <= count; index++) {
        lua_Integer byte = luaL_checkinteger(L, index);
        luaL_argcheck(L, byte >= 0 && byte <= 255, index, "value out of range");
        text_byte(&result, (char)byte);
    }
    text_push(&result);
    return 1;
}

void strings_open(lua_State *L) {
    static const guarded functions[] = {
        {"byte", string_byte, NO_DEFENCE}, {"char", string_char, NO_DEFENCE},
        {"find", pattern_find, NO_DEFENCE},          {"format", format_string, LUASHIM_DEFENCE_format},
        {"gmatch", pattern_gmatch, NO_DEFENCE},      {"gsub", pattern_gsub, NO_DEFENCE},
        {"len", string_len, NO_DEFENCE},             {"lower", string_lower, NO_DEFENCE},
        {"match", pattern_match, NO_DEFENCE},        {"rep", string_rep, LUASHIM_DEFENCE_rep},
        {"reverse", string_reverse, NO_DEFENCE},     {"sub", string_sub, NO_DEFENCE},
        {"upper", string_upper, NO_DEFENCE},         {NULL, NULL, NO_DEFENCE},
    };
    static const guarded dump[] = {{"dump", NULL, LUASHIM_DEFENCE_no_dump}, {NULL, NULL, NO_DEFENCE}};
    lua_createtable(L, 0, 16);
    environment_guard(L, functions, LUA_STRLIBNAME);
    if (!STANDS(box_of(L), no_dump)) environment_guard(L, dump, LUA_STRLIBNAME);
}
