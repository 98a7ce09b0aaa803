#include "box.h"

// math and utf8: single functions borrowed from Debian's library where their work is bounded, a generator seeded by the decision.

/// splitmix64: one addition and a mix, the same everywhere.
static uint64_t draw(luashim *box) {
    uint64_t mixed = box->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static int math_random(lua_State *L) {
    luashim *box = box_of(L);
    lua_Integer low = 1, high;
    switch (lua_gettop(L)) {
    case 0: lua_pushnumber(L, (lua_Number)(draw(box) >> 11) * 0x1p-53); return 1;
    case 1:
        high = luaL_checkinteger(L, 1);
        if (high == 0) {  // all bits
            lua_pushinteger(L, (lua_Integer)draw(box));
            return 1;
        }
        break;
    case 2:
        low = luaL_checkinteger(L, 1);
        high = luaL_checkinteger(L, 2);
        break;
    default: return luaL_error(L, "wrong number of arguments");
    }
    luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t number = draw(box);
    if (span != 0) {
        // Draws below the remainder would favour small numbers.
        uint64_t remainder = (0 - span) % span;
        while (number < remainder) number = draw(box);
        number %= span;
    }
    lua_pushinteger(L, (lua_Integer)((uint64_t)low + number));
    return 1;
}

static void borrow(lua_State *L, int from, int into, const char *const *names) {
    for (; *names != NULL; names++) {
        lua_pushstring(L, *names);
        lua_getfield(L, from, *names);
        lua_rawset(L, into);
    }
}

void numbers_open(lua_State *L) {
    static const char *const names[] = {
        "abs", "ceil", "floor", "fmod", "max", "min", "modf", "sqrt", "tointeger", "type", "ult", "huge", "pi", "maxinteger", "mininteger",
        NULL,
    };
    lua_createtable(L, 0, 16);
    int library = lua_gettop(L);
    environment_borrow(L, LUA_MATHLIBNAME);
    borrow(L, lua_gettop(L), library, names);
    lua_settop(L, library);
    static const guarded functions[] = {{"random", math_random, LUASHIM_DEFENCE_random}, {NULL, NULL, NO_DEFENCE}};
    environment_guard(L, functions, LUA_MATHLIBNAME);
}

/// Upvalue: the function of Debian's library whose work grows with its first argument.
static int by_length(lua_State *L) {
    size_t length;
    luaL_checklstring(L, 1, &length);
    box_charge(box_of(L), length / 8);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int letters_char(lua_State *L) {
    box_charge(box_of(L), (uint64_t)lua_gettop(L) * 16);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int letters_codepoint(lua_State *L) {
    luaL_checkstring(L, 1);
    lua_Integer first = luaL_optinteger(L, 2, 1), last = luaL_optinteger(L, 3, first);
    if (last < 0) last += (lua_Integer)lua_rawlen(L, 1) + 1;
    if (first < 0) first += (lua_Integer)lua_rawlen(L, 1) + 1;
    if (last >= first && (uint64_t)last - (uint64_t)first >= 4096 && STANDS(box_of(L), codepoint))
        return luaL_error(L, "utf8.codepoint reads at most 4096 bytes at once");
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void letters_open(lua_State *L) {
    static const char *const plain[] = {"charpattern", "codes", NULL};
    static const char *const charged[] = {"len", "offset", NULL};
    lua_createtable(L, 0, 8);
    int library = lua_gettop(L);
    environment_borrow(L, LUA_UTF8LIBNAME);
    int debian = lua_gettop(L);
    borrow(L, debian, library, plain);
    for (const char *const *name = charged; *name != NULL; name++) {
        lua_pushstring(L, *name);
        lua_getfield(L, debian, *name);
        lua_pushcclosure(L, by_length, 1);
        lua_rawset(L, library);
    }
    lua_pushstring(L, "codepoint");
    lua_getfield(L, debian, "codepoint");
    lua_pushcclosure(L, letters_codepoint, 1);
    lua_rawset(L, library);
    lua_pushstring(L, "char");
    lua_getfield(L, debian, "char");
    lua_pushcclosure(L, letters_char, 1);
    lua_rawset(L, library);
    lua_settop(L, library);
}
