#include <string.h>

#include "box.h"

// What a policy answers with. Each constructor remembers the line that called it, so that a decision can name its rule and a
// mistake its place; misuse is an error at that line which lists what is accepted.

bool answer_is(lua_State *L, int index, int slot) {
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, slot);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static int author_line(lua_State *L) {
    lua_Debug activation;
    if (!lua_getstack(L, 1, &activation)) return 0;
    lua_getinfo(L, "l", &activation);
    return activation.currentline;
}

/// Makes a userdata of kind, line and the payload on top: nothing that a policy has can change it.
static void make(lua_State *L, const char *kind, int meta) {
    lua_newuserdatauv(L, 0, 3);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 3);
    lua_pushstring(L, kind);
    lua_setiuservalue(L, -2, 1);
    lua_pushinteger(L, author_line(L));
    lua_setiuservalue(L, -2, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, meta);
    lua_setmetatable(L, -2);
}

static void take_table(lua_State *L, const char *usage) {
    if (lua_gettop(L) > 1 || !(lua_isnone(L, 1) || lua_istable(L, 1)))
        luaL_error(L, "wrong use, got %s; write %s", lua_gettop(L) > 1 ? "several values" : base_type_name(L, 1), usage);
    if (lua_isnone(L, 1)) lua_newtable(L);
}

static int answers_allow(lua_State *L) {
    take_table(L, "allow{ term = value }, or allow{} without terms");
    make(L, "allow", SLOT_ANSWER_META);
    return 1;
}

static bool is_reason(const char *text, size_t length) {
    if (length == 0 || length > 64 || text[0] < 'a' || text[0] > 'z') return false;
    for (size_t index = 0; index < length; index++) {
        char byte = text[index];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_')) return false;
    }
    return true;
}

static int answers_deny(lua_State *L) {
    size_t length = 0;
    const char *reason = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &length) : NULL;
    if (reason == NULL || !is_reason(reason, length)) {
        return luaL_error(
            L, "deny takes a reason of a-z, 0-9 and _, at most 64 and a letter first, like deny(\"outside_hours\"); got %s",
            reason == NULL ? base_type_name(L, 1) : "another text");
    }
    if (lua_gettop(L) > 2 || !(lua_isnoneornil(L, 2) || lua_istable(L, 2)))
        return luaL_error(L, "deny takes { retry_after_seconds = … } after the reason, or nothing");
    lua_settop(L, 2);
    lua_newtable(L);
    lua_pushvalue(L, 1);
    lua_setfield(L, 3, "reason");
    if (lua_istable(L, 2)) {
        lua_pushnil(L);
        while (lua_next(L, 2) != 0) {
            if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "retry_after_seconds") != 0) {
                base_text(L, -2);
                return luaL_error(L, "deny has no option %s; accepted: retry_after_seconds", lua_tostring(L, -1));
            }
            if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > 31536000)
                return luaL_error(L, "retry_after_seconds is a whole number, 1 … 31536000");
            lua_setfield(L, 3, "retry_after_seconds");
        }
    }
    make(L, "deny", SLOT_ANSWER_META);
    return 1;
}

/// plan{ action{}, …, delegate = {…} }: the payload is {actions, delegate}.
static int answers_plan(lua_State *L) {
    take_table(L, "plan{ action{ field = value }, … }, or plan{} to do nothing");
    lua_newtable(L);
    int payload = lua_gettop(L);
    lua_newtable(L);
    lua_Integer length = (lua_Integer)lua_rawlen(L, 1);
    for (lua_Integer index = 1; index <= length; index++) {
        box_charge(box_of(L), 1);
        lua_rawgeti(L, 1, index);
        if (!answer_is(L, -1, SLOT_ACTION_META))
            return luaL_error(
                L, "item %I of plan is a %s; items are actions, like send_mail{ template = \"…\" }", (LUAI_UACINT)index,
                base_type_name(L, -1));
        lua_rawseti(L, -2, index);
    }
    lua_setfield(L, payload, "actions");
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        box_charge(box_of(L), 1);
        if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && lua_tointeger(L, -2) <= length) {
            lua_pop(L, 1);
        } else if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "delegate") == 0) {
            lua_setfield(L, payload, "delegate");
        } else {
            base_text(L, -2);
            return luaL_error(L, "plan has no option %s; accepted: actions, and delegate = { names }", lua_tostring(L, -1));
        }
    }
    make(L, "plan", SLOT_ANSWER_META);
    return 1;
}

/// Upvalue: the action's name.
int answers_action(lua_State *L) {
    const char *name = lua_tostring(L, lua_upvalueindex(1));
    if (lua_gettop(L) > 1 || !(lua_isnone(L, 1) || lua_istable(L, 1)))
        return luaL_error(L, "wrong use of %s; write %s{ field = value }, or %s{}", name, name, name);
    if (lua_gettop(L) == 0) lua_newtable(L);
    make(L, name, SLOT_ACTION_META);
    return 1;
}

void answers_open(lua_State *L) {
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_ANSWER_META);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_ACTION_META);
    lua_newtable(L);
    environment_give(L, "allow", answers_allow);
    environment_give(L, "deny", answers_deny);
    environment_give(L, "plan", answers_plan);
    lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_FUNCTIONS);
}
