#include <string.h>

#include "box.h"

// The functions without a table: an allow-list. Those whose work is not bounded by their arguments' size charge for it.

const char *base_type_name(lua_State *L, int index) { return view_is(L, index) ? "table" : luaL_typename(L, index); }

static int base_type(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushstring(L, base_type_name(L, 1));
    return 1;
}

void base_text(lua_State *L, int index) {
    index = lua_absindex(L, index);
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        lua_pushvalue(L, index);
        lua_tostring(L, -1);
        return;
    case LUA_TSTRING: lua_pushvalue(L, index); return;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false"); return;
    case LUA_TTABLE:
        if (lua_getmetatable(L, index)) {
            lua_pushstring(L, "__tostring");
            if (lua_rawget(L, -2) == LUA_TFUNCTION) {
                lua_pushvalue(L, index);
                lua_call(L, 1, 1);
                if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "__tostring must give a text, it gave a %s", base_type_name(L, -1));
                lua_remove(L, -2);
                return;
            }
            lua_pop(L, 2);
        }
        lua_pushliteral(L, "table");
        return;
    default: lua_pushstring(L, base_type_name(L, index));
    }
}

static int base_tostring(lua_State *L) {
    luaL_checkany(L, 1);
    base_text(L, 1);
    return 1;
}

static int base_tonumber(lua_State *L) {
    if (lua_type(L, 1) == LUA_TSTRING) box_charge(box_of(L), lua_rawlen(L, 1) / 4);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int base_select(lua_State *L) {
    int count = lua_gettop(L);
    box_charge(box_of(L), (uint64_t)count / 4);
    if (lua_type(L, 1) == LUA_TSTRING && strcmp(lua_tostring(L, 1), "#") == 0) {
        lua_pushinteger(L, count - 1);
        return 1;
    }
    lua_Integer from = luaL_checkinteger(L, 1);
    if (from < 0) from = count + from;
    else if (from > count) from = count;
    luaL_argcheck(L, from >= 1, 1, "index out of range");
    return count - (int)from;
}

static int base_rawequal(lua_State *L) {
    luaL_checkany(L, 1);
    luaL_checkany(L, 2);
    lua_pushboolean(L, lua_rawequal(L, 1, 2));
    return 1;
}

static int base_rawlen(lua_State *L) {
    if (lua_type(L, 1) != LUA_TSTRING) luaL_argcheck(L, view_table(L, 1), 1, "table or string expected");
    else lua_pushvalue(L, 1);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

static int base_rawget(lua_State *L) {
    luaL_checkany(L, 2);
    luaL_argcheck(L, view_table(L, 1), 1, "table expected");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int base_rawset(lua_State *L) {
    if (answer_is(L, 1, SLOT_ANSWER_META) && !STANDS(box_of(L), sealed_answers)) {
        lua_settop(L, 3);
        lua_setiuservalue(L, 1, (int)luaL_checkinteger(L, 2));
        return 1;
    }
    luaL_argcheck(L, lua_istable(L, 1), 1, view_is(L, 1) ? "settings and data are read only" : "table expected");
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

// `setmetatable` installs a private copy of the metamethods it knows, so that nothing can be added later: __gc runs with hooks
// off, __mode is read at collection time, __name and __metatable lie about types. The author's own table is kept beside the copy.

static const char *const metamethods[] = {
    "__index", "__newindex", "__call", "__tostring", "__len", "__eq", "__lt", "__le", "__concat", "__unm", "__add", "__sub", "__mul",
    "__div", "__mod", "__pow", "__idiv", "__band", "__bor", "__bxor", "__bnot", "__shl", "__shr", "__close", NULL,
};
static const char author_key;

static bool is_metamethod(const char *name) {
    for (const char *const *known = metamethods; *known != NULL; known++)
        if (strcmp(*known, name) == 0) return true;
    return false;
}

/// True and the author's metatable pushed if the value has one that setmetatable gave it.
static bool push_authors_metatable(lua_State *L, int index) {
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    if (lua_rawgetp(L, -1, &author_key) == LUA_TTABLE) {
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 2);
    return false;
}

static int base_getmetatable(lua_State *L) {
    luaL_checkany(L, 1);
    if (!push_authors_metatable(L, 1)) lua_pushnil(L);
    return 1;
}

static int base_setmetatable(lua_State *L) {
    int type = lua_type(L, 2);
    luaL_argcheck(L, lua_istable(L, 1), 1, "table expected");
    luaL_argcheck(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
    lua_settop(L, 2);
    if (lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        if (!push_authors_metatable(L, 1) && STANDS(box_of(L), sealed_metatables))
            return luaL_error(L, "the metatable of this table is sealed");
        lua_settop(L, 2);
    }
    if (type == LUA_TNIL) {
        lua_setmetatable(L, 1);
        lua_settop(L, 1);
        return 1;
    }
    luashim *box = box_of(L);
    lua_createtable(L, 0, 4);
    lua_pushnil(L);
    while (lua_next(L, 2) != 0) {
        size_t length;
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &length) : NULL;
        box_charge(box, 1);
        if (name != NULL && length > 2 && name[0] == '_' && name[1] == '_') {
            bool known = is_metamethod(name);
            bool lookup = known && (strcmp(name, "__index") == 0 || strcmp(name, "__newindex") == 0);
            if (!known && STANDS(box, known_metamethods)) return luaL_error(L, "the metamethod %s is not available to policies", name);
            // A chain of callable tables would be followed in C without an end.
            if (!lua_isfunction(L, -1) && !(lookup && (lua_istable(L, -1) || view_is(L, -1))) && STANDS(box, plain_metamethods))
                return luaL_error(L, "%s must be a function%s", name, lookup ? " or a table" : "");
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, 3);
        }
        lua_pop(L, 1);
    }
    lua_pushvalue(L, 2);
    lua_rawsetp(L, 3, &author_key);
    if (!STANDS(box, private_metatable)) lua_pushvalue(L, 2);
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

/// contains(list, value): whether the list holds the value, compared raw.
static int base_contains(lua_State *L) {
    luaL_checkany(L, 2);
    luaL_argcheck(L, view_table(L, 1), 1, "list expected");
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    box_charge(box_of(L), (uint64_t)count);
    bool found = false;
    for (lua_Integer index = 1; index <= count && !found; index++) {
        lua_rawgeti(L, -1, index);
        found = lua_rawequal(L, -1, 2);
        lua_pop(L, 1);
    }
    lua_pushboolean(L, found);
    return 1;
}

void base_open(lua_State *L) {
    static const guarded own[] = {
        {"type", base_type, NO_DEFENCE},
        {"tostring", base_tostring, LUASHIM_DEFENCE_tostring},
        {"select", base_select, NO_DEFENCE},
        {"rawequal", base_rawequal, NO_DEFENCE},
        {"rawlen", base_rawlen, NO_DEFENCE},
        {"rawget", base_rawget, NO_DEFENCE},
        {"rawset", base_rawset, NO_DEFENCE},
        {"getmetatable", base_getmetatable, LUASHIM_DEFENCE_hidden_metatables},
        {"setmetatable", base_setmetatable, NO_DEFENCE},
        {"contains", base_contains, NO_DEFENCE},
        {"pairs", keys_pairs, LUASHIM_DEFENCE_pairs},
        {"next", keys_next, LUASHIM_DEFENCE_pairs},
        {NULL, NULL, NO_DEFENCE},
    };
    static const char *const borrowed[] = {"assert", "error", "ipairs", "pcall", "xpcall", NULL};
    lua_newtable(L);
    int functions = lua_gettop(L);
    environment_guard(L, own, LUA_GNAME);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_FUNCTIONS);  // allow, deny, plan
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, functions);
    }
    environment_borrow(L, LUA_GNAME);
    for (const char *const *name = borrowed; *name != NULL; name++) {
        lua_pushstring(L, *name);
        lua_getfield(L, -2, *name);
        lua_rawset(L, functions);
    }
    lua_pushstring(L, "tonumber");
    lua_getfield(L, -2, "tonumber");
    lua_pushcclosure(L, base_tonumber, 1);
    lua_rawset(L, functions);
    lua_settop(L, functions);
}
