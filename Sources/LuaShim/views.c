#include <string.h>

#include "box.h"

// A view is a userdata over a table that no policy can reach: settings and data are decoded once for a state and stay as they are.
// A shape is the metatable of one object of a hook's input: a misspelt name is an error instead of a silent nil.

typedef struct view {
    char label[24];
} view;

bool view_is(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_VIEW_META);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

bool view_table(lua_State *L, int index) {
    if (lua_istable(L, index)) {
        lua_pushvalue(L, index);
        return true;
    }
    if (!view_is(L, index)) return false;
    lua_getiuservalue(L, index, 1);
    return true;
}

/// Pushes the names of a table's keys, joined: at most what fits a message.
static void push_names(lua_State *L, int table) {
    table = lua_absindex(L, table);
    size_t count;
    key *keys = keys_sorted(L, table, &count);
    text names;
    text_open(&names, L);
    for (size_t index = 0; index < count && names.length < 400; index++) {
        if (keys[index].rank != 2) continue;
        if (names.length > 0) text_add(&names, ", ", 2);
        text_add(&names, keys[index].bytes, keys[index].length);
    }
    text_push(&names);
}

static int view_index(lua_State *L) {
    const view *view = lua_touserdata(L, 1);
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) == LUA_TNIL && view->label[0] != 0) {
        push_names(L, 3);
        base_text(L, 2);
        return luaL_error(L, "there is no %s.%s; there is: %s", view->label, lua_tostring(L, -1), lua_tostring(L, -2));
    }
    return 1;
}

static int view_length(lua_State *L) {
    lua_getiuservalue(L, 1, 1);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

static int view_write(lua_State *L) { return luaL_error(L, "settings and data are read only"); }

void views_open(lua_State *L) {
    lua_createtable(L, 0, 4);
    environment_give(L, "__index", view_index);
    environment_give(L, "__newindex", view_write);
    environment_give(L, "__len", view_length);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_VIEW_META);
}

void view_wrap(lua_State *L, const char *label) {
    view *made = lua_newuserdatauv(L, sizeof(view), 1);
    memset(made, 0, sizeof *made);
    if (label != NULL) strncpy(made->label, label, sizeof made->label - 1);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_VIEW_META);
    lua_setmetatable(L, -2);
}

/// __index of an object of the input: upvalues are the set of its names and what to call it.
static int shape_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL && lua_type(L, 2) == LUA_TSTRING) {
        push_names(L, lua_upvalueindex(1));
        return luaL_error(
            L, "%s has no field %s; it has: %s", lua_tostring(L, lua_upvalueindex(2)), lua_tostring(L, 2), lua_tostring(L, -1));
    }
    lua_pushnil(L);
    return 1;
}

void shape_make(lua_State *L, int names) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, "__index");
    lua_newtable(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, names);
    for (lua_Integer index = 2; index <= count; index++) {
        lua_rawgeti(L, names, index);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    lua_rawgeti(L, names, 1);
    lua_pushcclosure(L, shape_index, 2);
    lua_rawset(L, -3);
}
