#include <string.h>

#include "box.h"

// What a policy finds: functions, which are shared because nothing can change them, and library tables, of which each
// environment makes its own copy when it first names them. The environment table itself is new for each call.

void environment_give(lua_State *L, const char *name, lua_CFunction function) {
    lua_pushstring(L, name);
    lua_pushcfunction(L, function);
    lua_rawset(L, -3);
}

/// __index of the shared functions: a name that is none of them.
static int find_library(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TTABLE) return 1;
    int library = lua_gettop(L);
    lua_createtable(L, 0, 16);
    lua_pushnil(L);
    while (lua_next(L, library) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

static void keep_library(lua_State *L, const char *name, void (*open)(lua_State *)) {
    lua_pushstring(L, name);
    open(L);
    lua_rawset(L, -3);
}

void environment_open(lua_State *L) {
    lua_newtable(L);
    int libraries = lua_gettop(L);
    keep_library(L, "string", strings_open);
    keep_library(L, "table", tables_open);
    keep_library(L, "math", numbers_open);
    keep_library(L, "utf8", letters_open);

    base_open(L);
    int functions = lua_gettop(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, "__index");
    lua_pushvalue(L, libraries);
    lua_pushcclosure(L, find_library, 1);
    lua_rawset(L, -3);
    lua_setmetatable(L, functions);

    lua_createtable(L, 0, 1);
    lua_pushstring(L, "__index");
    lua_pushvalue(L, functions);
    lua_rawset(L, -3);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT_META);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_FUNCTIONS);

    // All strings share one metatable: it looks into a copy of the string library that no policy can name.
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 1);
    lua_pushstring(L, "__index");
    strings_open(L);
    lua_rawset(L, -3);
    lua_setmetatable(L, -2);
    lua_settop(L, 0);

    // Debian's own libraries were opened to borrow single functions; nothing of them stays reachable.
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

void environment_push(lua_State *L) {
    lua_createtable(L, 0, 4);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT_META);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT);
}
