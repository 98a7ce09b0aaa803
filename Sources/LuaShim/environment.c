#include <string.h>

#include "box.h"

// What a policy finds: functions, which are shared because nothing can change them, and library tables, of which each
// environment makes its own copy when it first names them. The environment table itself is new for each call.

void environment_give(lua_State *L, const char *name, lua_CFunction function) {
    lua_pushstring(L, name);
    lua_pushcfunction(L, function);
    lua_rawset(L, -3);
}

void environment_borrow(lua_State *L, const char *library) {
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},          {LUA_STRLIBNAME, luaopen_string}, {LUA_TABLIBNAME, luaopen_table},
        {LUA_MATHLIBNAME, luaopen_math},    {LUA_UTF8LIBNAME, luaopen_utf8},  {LUA_COLIBNAME, luaopen_coroutine},
        {LUA_OSLIBNAME, luaopen_os},        {LUA_IOLIBNAME, luaopen_io},      {LUA_LOADLIBNAME, luaopen_package},
        {LUA_DBLIBNAME, luaopen_debug},     {NULL, NULL},
    };
    for (const luaL_Reg *entry = libraries; entry->name != NULL; entry++)
        if (strcmp(entry->name, library) == 0) luaL_requiref(L, entry->name, entry->func, 0);
}

void environment_guard(lua_State *L, const guarded *functions, const char *library) {
    uint64_t missing = box_of(L)->missing;
    for (const guarded *entry = functions; entry->name != NULL; entry++) {
        if (entry->defence == NO_DEFENCE || (missing >> entry->defence & 1) == 0) {
            environment_give(L, entry->name, entry->function);
            continue;
        }
        environment_borrow(L, library);
        lua_getfield(L, -1, entry->name);
        lua_remove(L, -2);
        lua_setfield(L, -2, entry->name);
    }
}

/// For tests: into the table on top what the missing defences keep away.
static void give_forbidden(lua_State *L) {
    static const struct {
        int defence;
        const char *library;
        const char *name;
    } forbidden[] = {
        {LUASHIM_DEFENCE_no_coroutines, LUA_COLIBNAME, NULL}, {LUASHIM_DEFENCE_no_load, LUA_GNAME, "load"},
        {LUASHIM_DEFENCE_no_load, LUA_GNAME, "dofile"},       {LUASHIM_DEFENCE_no_load, LUA_GNAME, "loadfile"},
        {LUASHIM_DEFENCE_no_collectgarbage, LUA_GNAME, "collectgarbage"}, {LUASHIM_DEFENCE_no_print, LUA_GNAME, "print"},
        {LUASHIM_DEFENCE_no_print, LUA_GNAME, "warn"},        {LUASHIM_DEFENCE_no_os, LUA_OSLIBNAME, NULL},
        {LUASHIM_DEFENCE_no_io, LUA_IOLIBNAME, NULL},         {LUASHIM_DEFENCE_no_package, LUA_LOADLIBNAME, NULL},
        {LUASHIM_DEFENCE_no_debug, LUA_DBLIBNAME, NULL},
    };
    uint64_t missing = box_of(L)->missing;
    for (size_t index = 0; index < sizeof forbidden / sizeof *forbidden; index++) {
        if ((missing >> forbidden[index].defence & 1) == 0) continue;
        environment_borrow(L, forbidden[index].library);
        if (forbidden[index].name != NULL) {
            lua_getfield(L, -1, forbidden[index].name);
            lua_remove(L, -2);
        }
        lua_setfield(L, -2, forbidden[index].name != NULL ? forbidden[index].name : forbidden[index].library);
    }
}

/// __index of the shared functions: a name that is none of them.
static int find_library(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TTABLE || !STANDS(box_of(L), library_copies)) return 1;
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
    if (box_of(L)->missing != 0) give_forbidden(L);
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
    if (!STANDS(box_of(L), fresh_environment)) {
        if (lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT) == LUA_TTABLE) return;
        lua_pop(L, 1);
    }
    lua_createtable(L, 0, 4);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT_META);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENT);
}
