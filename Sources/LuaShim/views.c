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
        shape_settle(L, index);
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

static const char shape_number;

/// __index of an object of the input: upvalues are the set of its names and what to call it. In the set stands true for a value, the
/// shape's number for an object that may still be unread.
static int shape_index(lua_State *L) {
    luashim *box = box_of(L);
    lua_pushvalue(L, 2);
    int known = lua_rawget(L, lua_upvalueindex(1));
    if (known == LUA_TNIL && lua_type(L, 2) == LUA_TSTRING) {
        push_names(L, lua_upvalueindex(1));
        return luaL_error(
            L, "%s has no field %s; it has: %s", lua_tostring(L, lua_upvalueindex(2)), lua_tostring(L, 2), lua_tostring(L, -1));
    }
    if (known == LUA_TNUMBER) {
        lua_Integer shape = lua_tointeger(L, -1);
        uint32_t offset = box->unread[shape];
        if (offset != 0) {
            box->unread[shape] = 0;
            wire_decode_unread(L, offset);
            lua_pushvalue(L, 2);
            lua_pushvalue(L, -2);
            lua_rawset(L, 1);
            return 1;
        }
    }
    lua_pushnil(L);
    return 1;
}

void shape_settle(lua_State *L, int index) {
    index = lua_absindex(L, index);
    if (!lua_getmetatable(L, index)) return;
    if (lua_rawgetp(L, -1, &shape_number) != LUA_TNUMBER) {
        lua_pop(L, 2);
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPE_NAMES);
    lua_rawgeti(L, -1, lua_tointeger(L, -2) + 1);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer place = 2; place <= count; place++) {
        lua_rawgeti(L, -1, place);
        lua_gettable(L, index);
        lua_pop(L, 1);
    }
    lua_pop(L, 4);
}

/// Tells the shape in which this one stands, by its label: `request` for `request.user`. The last of that name is it.
static void join_parent(lua_State *L, const char *label, lua_Integer number) {
    const char *dot = strrchr(label, '.');
    if (dot == NULL) return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPE_NAMES);
    for (lua_Integer other = number; other >= 1; other--) {
        lua_rawgeti(L, -1, other);
        lua_rawgeti(L, -1, 1);
        size_t length;
        const char *name = lua_tolstring(L, -1, &length);
        if (length == (size_t)(dot - label) && memcmp(name, label, length) == 0) {
            lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPES);
            lua_rawgeti(L, -1, other);
            lua_pushstring(L, "__index");
            lua_rawget(L, -2);
            lua_getupvalue(L, -1, 1);
            lua_pushstring(L, dot + 1);
            lua_pushinteger(L, number);
            lua_rawset(L, -3);
            lua_pop(L, 6);
            break;
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

void shape_make(lua_State *L, int names) {
    lua_Integer number = box_of(L)->shapes;
    lua_rawgeti(L, names, 1);
    join_parent(L, luaL_checkstring(L, -1), number);
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, number);
    lua_rawsetp(L, -2, &shape_number);
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
