#include <stdlib.h>
#include <string.h>

#include "box.h"

// The order in which pairs and next visit a table is the order of its keys, not of hashes that differ between two runs:
// 1, 2, 3 …, then other numbers, then texts bytewise, then false and true, then the one table or function.

enum { RANK_POSITION = 0, RANK_NUMBER = 1, RANK_TEXT = 2, RANK_FALSE = 3, RANK_TRUE = 4, RANK_OBJECT = 5 };

/// The string stays where it is: the value must stay anchored.
static key read_key(lua_State *L, int index) {
    key result = {.rank = RANK_OBJECT};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        result.is_integer = lua_isinteger(L, index);
        if (result.is_integer) result.integer = lua_tointeger(L, index);
        else result.number = lua_tonumber(L, index);
        result.rank = result.is_integer && result.integer >= 1 ? RANK_POSITION : RANK_NUMBER;
        break;
    case LUA_TSTRING:
        result.rank = RANK_TEXT;
        result.bytes = lua_tolstring(L, index, &result.length);
        break;
    case LUA_TBOOLEAN: result.rank = lua_toboolean(L, index) ? RANK_TRUE : RANK_FALSE; break;
    default: break;
    }
    return result;
}

static int compare(const void *left_key, const void *right_key) {
    const key *left = left_key, *right = right_key;
    if (left->rank != right->rank) return left->rank < right->rank ? -1 : 1;
    if (left->rank == RANK_TEXT) {
        size_t shared = left->length < right->length ? left->length : right->length;
        int order = memcmp(left->bytes, right->bytes, shared);
        return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
    }
    if (left->rank > RANK_TEXT) return 0;
    if (left->is_integer && right->is_integer) return (left->integer > right->integer) - (left->integer < right->integer);
    // A long double holds every 64-bit integer and every double.
    long double a = left->is_integer ? (long double)left->integer : (long double)left->number;
    long double b = right->is_integer ? (long double)right->integer : (long double)right->number;
    return (a > b) - (a < b);
}

static void push_key(lua_State *L, const key *key) {
    switch (key->rank) {
    case RANK_TEXT: lua_pushlstring(L, key->bytes, key->length); return;
    case RANK_FALSE: lua_pushboolean(L, 0); return;
    case RANK_TRUE: lua_pushboolean(L, 1); return;
    default:
        if (key->is_integer) lua_pushinteger(L, key->integer);
        else lua_pushnumber(L, key->number);
    }
}

static int two_objects(lua_State *L) {
    return luaL_error(L, "two keys of this table are tables or functions, which have no fixed order; use texts or numbers as keys");
}

/// Insertion sort keeps qsort's memory and calls away from the small tables that nearly all are.
static void sort(key *keys, size_t count) {
    if (count > 24) {
        qsort(keys, count, sizeof *keys, compare);
        return;
    }
    for (size_t next = 1; next < count; next++) {
        key taken = keys[next];
        size_t place = next;
        for (; place > 0 && compare(&keys[place - 1], &taken) > 0; place--) keys[place] = keys[place - 1];
        keys[place] = taken;
    }
}

key *keys_sorted(lua_State *L, int table, size_t *count) {
    table = lua_absindex(L, table);
    luaL_checkstack(L, 8, NULL);
    size_t room = 0;
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        lua_pop(L, 1);
        room++;
    }
    box_charge(box_of(L), room * 4);
    key *keys = lua_newuserdatauv(L, (room + 1) * sizeof(key), 0);
    lua_pushnil(L);
    int object = lua_gettop(L);
    size_t found = 0;
    uint64_t bytes = 0;
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        lua_pop(L, 1);
        keys[found] = read_key(L, -1);
        bytes += keys[found].length;
        if (keys[found].rank == RANK_OBJECT) {
            if (!lua_isnil(L, object)) two_objects(L);
            lua_pushvalue(L, -1);
            lua_replace(L, object);
        }
        found++;
    }
    box_charge(box_of(L), bytes / 16);
    sort(keys, found);
    *count = found;
    return keys;
}

/// Upvalues: the keys in order, how many were given out.
static int step(lua_State *L) {
    if (!view_table(L, 1)) return luaL_error(L, "pairs lost its table");
    int table = lua_gettop(L);
    lua_Integer place = lua_tointeger(L, lua_upvalueindex(2));
    for (;;) {
        if (lua_rawgeti(L, lua_upvalueindex(1), ++place) == LUA_TNIL) return 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, table) != LUA_TNIL) break;
        lua_pop(L, 2);
        box_charge(box_of(L), 1);
    }
    lua_pushinteger(L, place);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

int keys_pairs(lua_State *L) {
    luaL_argcheck(L, view_table(L, 1), 1, "table expected");
    int table = lua_gettop(L);
    size_t count;
    const key *keys = keys_sorted(L, table, &count);
    int object = lua_gettop(L);
    lua_createtable(L, (int)count, 0);
    for (size_t index = 0; index < count; index++) {
        if (keys[index].rank == RANK_OBJECT) lua_pushvalue(L, object);
        else push_key(L, &keys[index]);
        lua_rawseti(L, -2, (lua_Integer)index + 1);
    }
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, step, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/// The least key above the given one: a scan, except along 1, 2, 3 ….
int keys_next(lua_State *L) {
    lua_settop(L, 2);
    luaL_argcheck(L, view_table(L, 1), 1, "table expected");
    int table = lua_gettop(L);
    bool first = lua_isnoneornil(L, 2);
    lua_settop(L, table);
    key after = {0};
    if (!first) after = read_key(L, 2);
    lua_Integer position = first ? 1 : after.rank == RANK_POSITION && after.integer < LUA_MAXINTEGER ? after.integer + 1 : 0;
    if (position > 0) {
        lua_pushinteger(L, position);
        if (lua_rawgeti(L, table, position) != LUA_TNIL) return 2;
        lua_settop(L, table);
    }
    lua_pushnil(L);
    int best_at = lua_gettop(L);
    key best = {0};
    bool found = false;
    uint64_t scanned = 0;
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        lua_pop(L, 1);
        key candidate = read_key(L, -1);
        scanned += 2 + candidate.length / 16;
        if (found && best.rank == RANK_OBJECT && candidate.rank == RANK_OBJECT) return two_objects(L);
        if ((first || compare(&candidate, &after) > 0) && (!found || compare(&candidate, &best) < 0)) {
            best = candidate;
            found = true;
            lua_pushvalue(L, -1);
            lua_replace(L, best_at);
        }
    }
    box_charge(box_of(L), scanned / 4);
    if (!found) return 1;
    lua_settop(L, best_at);
    lua_pushvalue(L, best_at);
    lua_rawget(L, table);
    return 2;
}
