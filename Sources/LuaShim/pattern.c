#define _GNU_SOURCE
#include <string.h>

#include "matcher.h"

// find, match, gmatch, gsub over the matcher.

static void prepare(matcher *m, lua_State *L, const char *s, size_t length, const char *p, size_t pattern_length) {
    m->L = L;
    m->start = s;
    m->end = s + length;
    m->pattern_end = p + pattern_length;
    m->steps = 0;
    m->budget = STEPS + 16 * (uint64_t)length;
    m->depth = m->level = 0;
}

static void push_capture(matcher *m, int index, const char *s, const char *end) {
    if (index >= m->level) {
        if (index != 0) luaL_error(m->L, "invalid capture index %%%d", index + 1);
        lua_pushlstring(m->L, s, (size_t)(end - s));
        return;
    }
    ptrdiff_t length = m->captures[index].length;
    if (length == OPEN) luaL_error(m->L, "unfinished capture");
    if (length == PLACE) lua_pushinteger(m->L, m->captures[index].at - m->start + 1);
    else lua_pushlstring(m->L, m->captures[index].at, (size_t)length);
}

/// The captures, or the whole match where there are none and `s` is given.
static int push_captures(matcher *m, const char *s, const char *end) {
    int count = m->level == 0 && s != NULL ? 1 : m->level;
    luaL_checkstack(m->L, count + 4, "too many captures");
    for (int index = 0; index < count; index++) push_capture(m, index, s, end);
    return count;
}

/// In linear time, whatever both hold.
static const char *find_plain(lua_State *L, const char *s, size_t length, const char *p, size_t pattern_length) {
    if (pattern_length == 0) return s;
    if (STANDS(box_of(L), plain_find)) return memmem(s, length, p, pattern_length);
    for (const char *at = s; pattern_length <= length - (size_t)(at - s); at++)
        if (memcmp(at, p, pattern_length) == 0) return at;
    return NULL;
}

/// Whether the pattern is more than a text. As in Debian's, `)` alone is none of the signs that tell.
static bool has_specials(const char *p, size_t length) {
    for (size_t index = 0; index < length; index++)
        if (p[index] != 0 && strchr("^$*+?.([%-", p[index]) != NULL) return true;
    return false;
}

static int search(lua_State *L, bool find) {
    size_t length, pattern_length;
    const char *s = luaL_checklstring(L, 1, &length);
    const char *p = luaL_checklstring(L, 2, &pattern_length);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    size_t begin = from > 0 ? (size_t)from - 1 : from == 0 || from < -(lua_Integer)length ? 0 : length + (size_t)from;
    if (begin > length) {
        lua_pushnil(L);
        return 1;
    }
    bool plain = find && (lua_toboolean(L, 4) || !has_specials(p, pattern_length));
    if (plain) {
        box_charge(box_of(L), (length - begin) / 8 + pattern_length / 8);
        const char *at = find_plain(L, s + begin, length - begin, p, pattern_length);
        if (at == NULL) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - s + 1);
        lua_pushinteger(L, at - s + (lua_Integer)pattern_length);
        return 2;
    }
    matcher m;
    prepare(&m, L, s, length, p, pattern_length);
    bool anchored = pattern_length > 0 && *p == '^';
    if (anchored) p++;
    for (const char *at = s + begin; at <= m.end; at++) {
        const char *end = matcher_run(&m, at, p);
        if (end != NULL) {
            matcher_settle(&m);
            if (!find) return push_captures(&m, at, end);
            lua_pushinteger(L, at - s + 1);
            lua_pushinteger(L, end - s);
            return push_captures(&m, NULL, NULL) + 2;
        }
        if (anchored) break;
    }
    matcher_settle(&m);
    lua_pushnil(L);
    return 1;
}

int pattern_find(lua_State *L) { return search(L, true); }
int pattern_match(lua_State *L) { return search(L, false); }

/// Upvalues: text, pattern, where to look next, where the last match ended.
static int gmatch_step(lua_State *L) {
    size_t length, pattern_length;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &length);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &pattern_length);
    size_t next = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    matcher m;
    prepare(&m, L, s, length, p, pattern_length);
    for (; next <= length; next++) {
        const char *end = matcher_run(&m, s + next, p);
        if (end != NULL && end - s != last) {
            matcher_settle(&m);
            lua_pushinteger(L, end - s);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&m, s + next, end);
        }
    }
    matcher_settle(&m);
    lua_pushinteger(L, (lua_Integer)length + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

int pattern_gmatch(lua_State *L) {
    size_t length;
    luaL_checklstring(L, 1, &length);
    luaL_checkstring(L, 2);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    size_t begin = from > 0 ? (size_t)from - 1 : from == 0 || from < -(lua_Integer)length ? 0 : length + (size_t)from;
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(begin > length ? length + 1 : begin));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_step, 4);
    return 1;
}

static void add_template(matcher *m, text *result, const char *s, const char *end) {
    size_t length;
    const char *template = lua_tolstring(m->L, 3, &length);
    for (size_t index = 0; index < length; index++) {
        if (template[index] != '%') {
            text_byte(result, template[index]);
            continue;
        }
        char sign = ++index < length ? template[index] : 0;
        if (sign == '%') {
            text_byte(result, '%');
        } else if (sign == '0') {
            text_add(result, s, (size_t)(end - s));
        } else if (sign >= '1' && sign <= '9') {
            push_capture(m, sign - '1', s, end);
            size_t capture_length;
            const char *capture = lua_tolstring(m->L, -1, &capture_length);
            text_add(result, capture, capture_length);
            lua_pop(m->L, 1);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
    m->steps += length;
}

static void add_replacement(matcher *m, text *result, const char *s, const char *end, int type) {
    lua_State *L = m->L;
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_template(m, result, s, end);
        return;
    }
    matcher_settle(m);
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end), 1);
    } else {
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        text_add(result, s, (size_t)(end - s));
    } else {
        if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", base_type_name(L, -1));
        size_t length;
        const char *bytes = lua_tolstring(L, -1, &length);
        text_add(result, bytes, length);
    }
    lua_pop(L, 1);
}

int pattern_gsub(lua_State *L) {
    size_t length, pattern_length;
    const char *s = luaL_checklstring(L, 1, &length);
    const char *p = luaL_checklstring(L, 2, &pattern_length);
    int type = view_is(L, 3) ? LUA_TTABLE : lua_type(L, 3);
    luaL_argcheck(
        L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3, "string/function/table expected");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1), count = 0;
    bool anchored = pattern_length > 0 && *p == '^';
    const char *last = NULL, *at = s;
    matcher m;
    text result;
    text_open(&result, L);
    prepare(&m, L, s, length, p, pattern_length);
    if (anchored) p++;
    while (count < most) {
        const char *end = matcher_run(&m, at, p);
        if (end != NULL && end != last) {
            count++;
            add_replacement(&m, &result, at, end, type);
            at = last = end;
        } else if (at < m.end) {
            text_byte(&result, *at++);
        } else {
            break;
        }
        if (anchored) break;
    }
    matcher_settle(&m);
    text_add(&result, at, (size_t)(m.end - at));
    text_push(&result);
    lua_pushinteger(L, count);
    return 2;
}
