#include "LuaShimDefences.h"

static const luashim_defence table[] = {
#define X(name, what, against, file) {#name, what, against, file},
    LUASHIM_DEFENCES(X)
#undef X
};

_Static_assert(LUASHIM_DEFENCE_COUNT <= 64, "one bit each");

const luashim_defence *luashim_defence_at(size_t number) { return number < LUASHIM_DEFENCE_COUNT ? &table[number] : NULL; }
