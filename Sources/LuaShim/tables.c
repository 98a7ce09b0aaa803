#include "box.h"

// The table library over plain tables: raw access, real lengths, bounded counts. A table whose metatable would answer for it is
// refused, for a loop in C that asks metamethods has no hook and no end.

#define UNPACK 32768
#define SORT 65536

static bool answers_for_itself(lua_State *L, int index) {
    static const char *const names[] = {"__index", "__newindex", "__len"};
    if (!lua_getmetatable(L, index)) return false;
    bool does = false;
    for (size_t name = 0; name < 3 && !does; name++) {
        lua_pushstring(L, names[name]);
        does = lua_rawget(L, -2) != LUA_TNIL;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return does;
}

static void check_plain(lua_State *L, int argument) {
    luaL_argcheck(L, !view_is(L, argument), argument, "settings and data are read only");
    luaL_argcheck(L, lua_istable(L, argument), argument, "table expected");
    luaL_argcheck(L, !answers_for_itself(L, argument), argument, "a plain table is expected, without __index, __newindex or __len");
}

/// Replaces a view by what it shows; only for functions that read.
static void check_readable(lua_State *L, int argument) {
    if (view_is(L, argument)) {
        view_table(L, argument);
        lua_replace(L, argument);
        return;
    }
    check_plain(L, argument);
}

static int table_insert(lua_State *L) {
    check_plain(L, 1);
    lua_Integer length = (lua_Integer)lua_rawlen(L, 1), place = length + 1;
    switch (lua_gettop(L)) {
    case 2: break;
    case 3:
        place = luaL_checkinteger(L, 2);
        luaL_argcheck(L, place >= 1 && place <= length + 1, 2, "position out of bounds");
        box_charge(box_of(L), (uint64_t)(length - place + 1) * 2);
        for (lua_Integer index = length; index >= place; index--) {
            lua_rawgeti(L, 1, index);
            lua_rawseti(L, 1, index + 1);
        }
        break;
    default: return luaL_error(L, "table.insert takes a table, maybe a position, and a value");
    }
    lua_rawseti(L, 1, place);
    return 0;
}

static int table_remove(lua_State *L) {
    check_plain(L, 1);
    lua_Integer length = (lua_Integer)lua_rawlen(L, 1), place = luaL_optinteger(L, 2, length);
    bool inside = (length == 0 && place == 0) || (place >= 1 && place <= length + 1);
    luaL_argcheck(L, inside || lua_gettop(L) == 1, 2, "position out of bounds");
    lua_rawgeti(L, 1, place);
    if (place < length) box_charge(box_of(L), (uint64_t)(length - place) * 2);
    for (; place < length; place++) {
        lua_rawgeti(L, 1, place + 1);
        lua_rawseti(L, 1, place);
    }
    if (place >= 1 && place <= length) {
        lua_pushnil(L);
        lua_rawseti(L, 1, place);
    }
    return 1;
}

static int table_move(lua_State *L) {
    check_readable(L, 1);
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), into = luaL_checkinteger(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    check_plain(L, target);
    if (last >= first) {
        uint64_t count = (uint64_t)last - (uint64_t)first;
        luaL_argcheck(L, count < 1000000, 3, "too many elements to move");
        luaL_argcheck(L, into <= LUA_MAXINTEGER - (lua_Integer)count, 4, "destination wrap around");
        box_charge(box_of(L), (count + 1) * 2);
        bool overlaps = into > first && into <= last && lua_rawequal(L, 1, target);
        for (uint64_t done = 0; done <= count; done++) {
            lua_Integer offset = (lua_Integer)(overlaps ? count - done : done);
            lua_rawgeti(L, 1, first + offset);
            lua_rawseti(L, target, into + offset);
        }
    }
    lua_pushvalue(L, target);
    return 1;
}

static int table_concat(lua_State *L) {
    check_readable(L, 1);
    size_t separator_length;
    const char *separator = luaL_optlstring(L, 2, "", &separator_length);
    lua_Integer first = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, (lua_Integer)lua_rawlen(L, 1));
    text result;
    text_open(&result, L);
    for (lua_Integer index = first; index <= last; index++) {
        lua_rawgeti(L, 1, index);
        if (!lua_isstring(L, -1)) return luaL_error(L, "cannot join a %s (at index %I)", base_type_name(L, -1), (LUAI_UACINT)index);
        size_t length;
        const char *bytes = lua_tolstring(L, -1, &length);
        box_charge(box_of(L), 2 + (length + separator_length) / 32);
        text_add(&result, bytes, length);
        lua_pop(L, 1);
        if (index == last) break;
        text_add(&result, separator, separator_length);
    }
    text_push(&result);
    return 1;
}

static int table_pack(lua_State *L) {
    int count = lua_gettop(L);
    box_charge(box_of(L), (uint64_t)count);
    lua_createtable(L, count, 1);
    lua_insert(L, 1);
    for (int index = count; index >= 1; index--) lua_rawseti(L, 1, index);
    lua_pushstring(L, "n");
    lua_pushinteger(L, count);
    lua_rawset(L, 1);
    return 1;
}

static int table_unpack(lua_State *L) {
    check_readable(L, 1);
    lua_Integer first = luaL_optinteger(L, 2, 1), last = luaL_optinteger(L, 3, (lua_Integer)lua_rawlen(L, 1));
    if (first > last) return 0;
    uint64_t count = (uint64_t)last - (uint64_t)first;
    if (count >= UNPACK) return luaL_error(L, "table.unpack gives at most %d values", UNPACK);
    box_charge(box_of(L), count + 1);
    luaL_checkstack(L, (int)count + 1, "too many results to unpack");
    for (uint64_t index = 0; index <= count; index++) lua_rawgeti(L, 1, first + (lua_Integer)index);
    return (int)count + 1;
}

/// Whether the values on top, left below right, are out of order; pops them.
static bool out_of_order(lua_State *L, bool compares) {
    if (!compares) {
        bool less = lua_compare(L, -1, -2, LUA_OPLT);
        lua_pop(L, 2);
        return less;
    }
    lua_pushvalue(L, 2);
    lua_insert(L, -3);
    lua_insert(L, -2);  // comparator, right, left
    lua_call(L, 2, 1);
    bool less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
}

/// Bottom-up merge sort: stable, the same sequence of comparisons everywhere, and no comparator can make it leave its bounds.
/// The author's table is written once, at the end.
static int table_sort(lua_State *L) {
    check_plain(L, 1);
    bool compares = !lua_isnoneornil(L, 2);
    luaL_argcheck(L, !compares || (lua_isfunction(L, 2) && !lua_iscfunction(L, 2)), 2, "a function written in Lua is expected");
    lua_settop(L, 2);
    lua_Integer length = (lua_Integer)lua_rawlen(L, 1);
    luaL_argcheck(L, length <= SORT, 1, "too many elements to sort");
    lua_createtable(L, (int)length, 0);
    lua_createtable(L, (int)length, 0);
    int from = 3, into = 4;
    for (lua_Integer index = 1; index <= length; index++) {
        lua_rawgeti(L, 1, index);
        lua_rawseti(L, from, index);
    }
    for (lua_Integer width = 1; width < length; width *= 2) {
        box_charge(box_of(L), (uint64_t)length * 8);
        for (lua_Integer low = 1; low <= length; low += 2 * width) {
            lua_Integer middle = low + width < length + 1 ? low + width : length + 1;
            lua_Integer high = middle + width < length + 1 ? middle + width : length + 1;
            lua_Integer left = low, right = middle;
            for (lua_Integer place = low; place < high; place++) {
                bool takes_left = left < middle;
                if (takes_left && right < high) {
                    lua_rawgeti(L, from, left);
                    lua_rawgeti(L, from, right);
                    takes_left = !out_of_order(L, compares);
                }
                lua_rawgeti(L, from, takes_left ? left++ : right++);
                lua_rawseti(L, into, place);
            }
        }
        int swapped = from;
        from = into;
        into = swapped;
    }
    for (lua_Integer index = 1; index <= length; index++) {
        lua_rawgeti(L, from, index);
        lua_rawseti(L, 1, index);
    }
    return 0;
}

void tables_open(lua_State *L) {
    static const guarded functions[] = {
        {"concat", table_concat, LUASHIM_DEFENCE_concat}, {"insert", table_insert, LUASHIM_DEFENCE_insert},
        {"move", table_move, LUASHIM_DEFENCE_move},       {"pack", table_pack, NO_DEFENCE},
        {"remove", table_remove, LUASHIM_DEFENCE_remove}, {"sort", table_sort, LUASHIM_DEFENCE_sort},
        {"unpack", table_unpack, LUASHIM_DEFENCE_unpack}, {NULL, NULL, NO_DEFENCE},
    };
    lua_createtable(L, 0, 8);
    environment_guard(L, functions, LUA_TABLIBNAME);
}
