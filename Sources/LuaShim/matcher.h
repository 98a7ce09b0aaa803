#pragma once

#include "box.h"

#define CAPTURES 32
#define DEEPEST 200
#define STEPS 100000
#define SETTLED 32768
#define OPEN (-1)
#define PLACE (-2)

typedef struct matcher {
    lua_State *L;
    const char *start;
    const char *end;
    const char *pattern_end;
    uint64_t steps;
    uint64_t budget;
    int depth;
    int level;
    struct {
        const char *at;
        ptrdiff_t length;
    } captures[CAPTURES];
} matcher;

/// Charges what was spent so far.
void matcher_settle(matcher *m);
/// The end of the match of the pattern from p on at s, or NULL.
const char *matcher_run(matcher *m, const char *s, const char *p);
