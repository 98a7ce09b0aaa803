#pragma once

#include <stddef.h>

/// Runs a chunk in Debian's Lua with its own libraries, as our yardstick. Gives the text that it returns, or `error: ` and its message;
/// the caller frees it.
char *lua_peer_run(const char *source, size_t length);
