#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "LuaPeer.h"

char *lua_peer_run(const char *source, size_t length) {
    lua_State *L = luaL_newstate();
    if (L == NULL) return strdup("error: no state");
    luaL_openlibs(L);
    int failed = luaL_loadbufferx(L, source, length, "=policy", "t") != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK;
    const char *text = lua_tostring(L, -1);
    if (text == NULL) text = "no text";
    size_t room = strlen(text) + 16;
    char *result = malloc(room);
    if (result != NULL) {
        result[0] = 0;
        if (failed) strcat(result, "error: ");
        strcat(result, text);
    }
    lua_close(L);
    return result;
}
