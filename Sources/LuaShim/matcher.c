#include <string.h>

#include "matcher.h"

// Lua's patterns with a budget: every step is counted, a pattern that backtracks without end is an ordinary error, and what was
// spent is charged as fuel, so that a loop around it ends too. Recursion is bounded well below the stack.

void matcher_settle(matcher *m) {
    box_charge(box_of(m->L), m->steps / 2 + 1);
    m->budget -= m->steps;
    m->steps = 0;
}

static void step(matcher *m) {
    ++m->steps;
    if (!STANDS(box_of(m->L), pattern_steps)) return;
    // A long text allows many steps in one call: fuel and clock are looked at on the way.
    if (m->steps >= SETTLED && m->steps <= m->budget) {
        matcher_settle(m);
        return;
    }
    if (m->steps <= m->budget) return;
    m->budget = m->steps;
    matcher_settle(m);
    luaL_error(m->L, "pattern too complex: it backtracks more than %d times", STEPS);
}

static bool in_class(unsigned char byte, char class) {
    bool lower = byte >= 'a' && byte <= 'z', upper = byte >= 'A' && byte <= 'Z', digit = byte >= '0' && byte <= '9';
    bool graphic = byte > 32 && byte < 127, result;
    switch (class | 32) {
    case 'a': result = lower || upper; break;
    case 'c': result = byte < 32 || byte == 127; break;
    case 'd': result = digit; break;
    case 'g': result = graphic; break;
    case 'l': result = lower; break;
    case 'p': result = graphic && !lower && !upper && !digit; break;
    case 's': result = byte == ' ' || (byte >= 9 && byte <= 13); break;
    case 'u': result = upper; break;
    case 'w': result = lower || upper || digit; break;
    case 'z': result = byte == 0; break;
    case 'x': result = digit || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F'); break;
    default: return (unsigned char)class == byte;
    }
    return class >= 'A' && class <= 'Z' ? !result : result;
}

/// One past the single-byte item at p: a byte, a class or a set.
static const char *item_end(matcher *m, const char *p) {
    if (*p == '%') {
        if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[') return p + 1;
    p++;
    if (p < m->pattern_end && *p == '^') p++;
    for (bool first = true;; first = false) {
        if (p >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p == ']' && !first) return p + 1;
        if (*p == '%') p++;
        p++;
    }
}

/// `p` is at '[', `last` at its ']'.
static bool in_set(matcher *m, unsigned char byte, const char *p, const char *last) {
    bool wanted = true;
    if (*++p == '^') {
        wanted = false;
        p++;
    }
    for (; p < last; p++) {
        step(m);
        if (*p == '%') {
            if (in_class(byte, *++p)) return wanted;
        } else if (p + 2 < last && p[1] == '-') {
            if ((unsigned char)p[0] <= byte && byte <= (unsigned char)p[2]) return wanted;
            p += 2;
        } else if ((unsigned char)*p == byte) {
            return wanted;
        }
    }
    return !wanted;
}

static bool fits(matcher *m, const char *s, const char *p, const char *after) {
    step(m);
    if (s >= m->end) return false;
    switch (*p) {
    case '.': return true;
    case '%': return in_class((unsigned char)*s, p[1]);
    case '[': return in_set(m, (unsigned char)*s, p, after - 1);
    default: return *p == *s;
    }
}

static const char *match(matcher *m, const char *s, const char *p);

static const char *repeated(matcher *m, const char *s, const char *p, const char *after) {
    ptrdiff_t count = 0;
    while (fits(m, s + count, p, after)) count++;
    for (; count >= 0; count--) {
        const char *end = match(m, s + count, after + 1);
        if (end != NULL) return end;
    }
    return NULL;
}

static const char *repeated_lazily(matcher *m, const char *s, const char *p, const char *after) {
    for (;; s++) {
        const char *end = match(m, s, after + 1);
        if (end != NULL) return end;
        if (!fits(m, s, p, after)) return NULL;
    }
}

static const char *open_capture(matcher *m, const char *s, const char *p, ptrdiff_t kind) {
    if (m->level >= CAPTURES) luaL_error(m->L, "too many captures");
    m->captures[m->level].at = s;
    m->captures[m->level].length = kind;
    m->level++;
    const char *end = match(m, s, p);
    if (end == NULL) m->level--;
    return end;
}

static const char *close_capture(matcher *m, const char *s, const char *p) {
    int level = m->level - 1;
    while (level >= 0 && m->captures[level].length != OPEN) level--;
    if (level < 0) luaL_error(m->L, "invalid pattern capture");
    m->captures[level].length = s - m->captures[level].at;
    const char *end = match(m, s, p);
    if (end == NULL) m->captures[level].length = OPEN;
    return end;
}

static const char *balanced(matcher *m, const char *s, const char *p) {
    if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->end || *s != *p) return NULL;
    for (int open = 1; ++s < m->end;) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0) return s + 1;
        } else if (*s == *p) {
            open++;
        }
    }
    return NULL;
}

static bool at_frontier(matcher *m, const char *s, const char *set, const char *after) {
    unsigned char before = s == m->start ? 0 : (unsigned char)s[-1], here = s < m->end ? (unsigned char)*s : 0;
    return !in_set(m, before, set, after - 1) && in_set(m, here, set, after - 1);
}

static const char *captured_again(matcher *m, const char *s, char digit) {
    int level = digit - '1';
    if (level < 0 || level >= m->level || m->captures[level].length == OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", level + 1);
    }
    if (m->captures[level].length == PLACE) return NULL;
    size_t length = (size_t)m->captures[level].length;
    m->steps += length / 16;
    step(m);
    return (size_t)(m->end - s) >= length && memcmp(m->captures[level].at, s, length) == 0 ? s + length : NULL;
}

/// The end of the match of the pattern from p on at s, or NULL.
static const char *match_here(matcher *m, const char *s, const char *p) {
    while (p < m->pattern_end) {
        step(m);
        if (*p == '(') {
            if (p + 1 < m->pattern_end && p[1] == ')') return open_capture(m, s, p + 2, PLACE);
            return open_capture(m, s, p + 1, OPEN);
        }
        if (*p == ')') return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end) return s == m->end ? s : NULL;
        if (*p == '%' && p + 1 < m->pattern_end) {
            if (p[1] == 'b') {
                s = balanced(m, s, p + 2);
                if (s == NULL) return NULL;
                p += 4;
                continue;
            }
            if (p[1] == 'f') {
                const char *set = p + 2;
                if (set >= m->pattern_end || *set != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
                p = item_end(m, set);
                if (!at_frontier(m, s, set, p)) return NULL;
                continue;
            }
            if (p[1] >= '0' && p[1] <= '9') {
                s = captured_again(m, s, p[1]);
                if (s == NULL) return NULL;
                p += 2;
                continue;
            }
        }
        const char *after = item_end(m, p);
        char suffix = after < m->pattern_end ? *after : 0;
        if (suffix == '*') return repeated(m, s, p, after);
        if (suffix == '+') return fits(m, s, p, after) ? repeated(m, s + 1, p, after) : NULL;
        if (suffix == '-') return repeated_lazily(m, s, p, after);
        if (suffix == '?') {
            if (fits(m, s, p, after)) {
                const char *end = match(m, s + 1, after + 1);
                if (end != NULL) return end;
            }
            p = after + 1;
            continue;
        }
        if (!fits(m, s, p, after)) return NULL;
        s++;
        p = after;
    }
    return s;
}

static const char *match(matcher *m, const char *s, const char *p) {
    if (++m->depth > DEEPEST && STANDS(box_of(m->L), pattern_depth)) {
        matcher_settle(m);
        luaL_error(m->L, "pattern too complex: nested deeper than %d", DEEPEST);
    }
    const char *end = match_here(m, s, p);
    m->depth--;
    return end;
}

const char *matcher_run(matcher *m, const char *s, const char *p) {
    m->level = 0;
    m->depth = 0;
    step(m);  // an empty pattern has no other
    return match(m, s, p);
}
