#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

// create, load, bind, call, destroy: each enters Lua through `enter` and nowhere else.

#define SOURCE_BYTES (256 * 1024)
#define SOURCE_JUMPS 4000
/// Between two looks of the compiler at the clock.
#define SOURCE_PIECE 128
/// Garbage that may at least lie about between two calls of a warm state; of a large one, half of what it keeps.
#define IDLE_GARBAGE (512 * 1024)

static int panic(lua_State *L) { box_kill(box_of(L), LUASHIM_ERROR); }

/// Runs where the error was raised: finds the author's line before the stack is gone. Never calls what the author gave.
static int blame(lua_State *L) {
    luashim *box = box_of(L);
    if (!STANDS(box, blame)) {
        luaL_tolstring(L, 1, NULL);
        lua_replace(L, 1);
    }
    if (box->line == 0) {
        lua_Debug activation;
        for (int level = 0; level < 50 && lua_getstack(L, level, &activation); level++) {
            lua_getinfo(L, "Sl", &activation);
            if (activation.currentline > 0) {
                box->line = activation.currentline;
                break;
            }
        }
    }
    if (lua_type(L, 1) == LUA_TSTRING) {
        size_t length;
        const char *text = lua_tolstring(L, 1, &length);
        int line = 0, taken = 0;
        if (sscanf(text, "policy:%d: %n", &line, &taken) == 1 && taken > 0) {
            if (box->line == 0) box->line = line;
            text += taken;
            length -= (size_t)taken;
        }
        if (length >= sizeof box->message) length = sizeof box->message - 1;
        memcpy(box->message, text, length);
        box->message[length] = 0;
    } else {
        snprintf(box->message, sizeof box->message, "raised a %s value; raise a text", base_type_name(L, 1));
    }
    lua_settop(L, 0);
    lua_pushnil(L);
    return 1;
}

/// A collection costs what the state keeps, so a state that keeps much is swept when there is more to gain.
static void sweep(luashim *box) {
    if (box->live <= box->idle) return;
    lua_gc(box->L, LUA_GCCOLLECT);
    uint64_t garbage = box->live / 2;
    box->idle = box->live + (garbage > IDLE_GARBAGE ? garbage : IDLE_GARBAGE);
}

static luashim_status enter(luashim *box, lua_CFunction body, void *argument) {
    if (box->fate != LUASHIM_OK && STANDS(box, dead)) return LUASHIM_DEAD;
    box_begin(box);
    if (STANDS(box, stack) && luashim_stack_left() < LUASHIM_STACK_LEAST) {
        snprintf(box->message, sizeof box->message, "the thread's stack is too small for a policy");
        return LUASHIM_ERROR;
    }
    if (setjmp(box->escape) != 0) return box->fate;
    if (atomic_load_explicit(&box->cancelled, memory_order_relaxed)) box_kill(box, LUASHIM_CANCELLED);
    lua_State *L = box->L;
    lua_settop(L, 0);
    if (STANDS(box, phase_reset) || lua_gethook(L) == NULL) lua_sethook(L, box_tick, LUA_MASKCOUNT, BOX_INTERVAL);
    lua_pushcfunction(L, blame);
    lua_pushcfunction(L, body);
    lua_pushlightuserdata(L, argument);
    int outcome = lua_pcall(L, 1, 0, 1);
    if (STANDS(box, phase_reset)) lua_sethook(L, NULL, 0, 0);
    lua_settop(L, 0);
    sweep(box);
    if (outcome == LUA_OK) return LUASHIM_OK;
    if (box->message[0] == 0) {
        const char *why = outcome == LUA_ERRERR ? "an error while handling an error" : "an error without a text";
        snprintf(box->message, sizeof box->message, "%s", why);
    }
    return LUASHIM_ERROR;
}

static int open_environment(lua_State *L) {
    lua_gc(L, LUA_GCSTOP);
    views_open(L);
    answers_open(L);
    environment_open(L);
    static const int tables[] = {SLOT_UNITS, SLOT_SETTINGS, SLOT_DATA, SLOT_SHAPES, SLOT_SHAPE_NAMES, SLOT_KEPT};
    for (size_t index = 0; index < sizeof tables / sizeof *tables; index++) {
        lua_newtable(L);
        lua_rawseti(L, LUA_REGISTRYINDEX, tables[index]);
    }
    return 0;
}

luashim *luashim_create(const luashim_limits *limits) { return luashim_create_without(limits, 0); }

luashim *luashim_create_without(const luashim_limits *limits, uint64_t missing) {
    luashim *box = calloc(1, sizeof *box);
    if (box == NULL) return NULL;
    box->limits = *limits;
    box->missing = missing;
    box->fate = LUASHIM_OK;
    arena_open(&box->arena);
    if (setjmp(box->escape) == 0) {
        box->L = lua_newstate(box_allocate, box);
        if (box->L != NULL) {
            *(luashim **)lua_getextraspace(box->L) = box;
            lua_atpanic(box->L, panic);
            if (enter(box, open_environment, NULL) == LUASHIM_OK) return box;
        }
    }
    luashim_destroy(box);
    return NULL;
}

void luashim_destroy(luashim *box) {
    if (box == NULL) return;
    // lua_close would run policies' to-be-closed code in a state that may be half changed; there is nothing but memory to give back.
    arena_close(&box->arena);
    free(box->answer);
    free(box->unread);
    free(box);
}

void luashim_cancel(luashim *box) { atomic_store_explicit(&box->cancelled, true, memory_order_relaxed); }

typedef struct bytes {
    const uint8_t *at;
    size_t length;
} bytes;

static int keep_actions(lua_State *L) {
    const bytes *names = lua_touserdata(L, 1);
    wire_decode(L, names->at, names->length, false, NULL);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_FUNCTIONS);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -2);
    for (lua_Integer index = 1; index <= count; index++) {
        lua_rawgeti(L, -2, index);
        luaL_checktype(L, -1, LUA_TSTRING);
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, answers_action, 1);
        lua_rawset(L, -3);
    }
    return 0;
}

luashim_status luashim_actions(luashim *box, const uint8_t *names, size_t length) {
    bytes argument = {names, length};
    return enter(box, keep_actions, &argument);
}

static int keep_shape(lua_State *L) {
    luashim *box = box_of(L);
    const bytes *names = lua_touserdata(L, 1);
    wire_decode(L, names->at, names->length, false, NULL);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPES);
    shape_make(L, lua_absindex(L, -2));
    lua_rawseti(L, -2, ++box->shapes);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SHAPE_NAMES);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, box->shapes);
    return 0;
}

luashim_status luashim_shape(luashim *box, const uint8_t *names, size_t length) {
    bytes argument = {names, length};
    uint32_t *unread = realloc(box->unread, (box->shapes + 1) * sizeof *unread);
    if (unread == NULL) return LUASHIM_KILLED_MEMORY;
    box->unread = unread;
    unread[box->shapes] = 0;
    return enter(box, keep_shape, &argument);
}

/// A few lines at a time: the compiler walks some lists anew for each item, so that a file of `a or a or …` costs seconds, and no hook
/// sees it.
static const char *read_piece(lua_State *L, void *context, size_t *length) {
    luashim *box = box_of(L);
    bytes *source = context;
    const char *piece = (const char *)source->at;
    *length = source->length < SOURCE_PIECE ? source->length : SOURCE_PIECE;
    source->at += *length;
    source->length -= *length;
    if (STANDS(box, compile_clock)) box_look(box);
    return *length > 0 ? piece : NULL;
}

/// How often a jump is spelt, in comments and texts as well. The compiler takes each out of a list that it moves up, all at one label.
static int jumps_in(const char *text, size_t length) {
    int count = 0;
    for (size_t index = 0; index + 4 <= length; index++) {
        if (text[index] == 'g') count += memcmp(text + index, "goto", 4) == 0;
        else if (text[index] == 'b') count += length - index >= 5 && memcmp(text + index, "break", 5) == 0;
    }
    return count;
}

static int compile(lua_State *L) {
    luashim *box = box_of(L);
    bytes *source = lua_touserdata(L, 1);
    if (source->length > SOURCE_BYTES && STANDS(box, source_bound))
        return luaL_error(L, "the file is longer than %d bytes", SOURCE_BYTES);
    if (STANDS(box, jump_bound) && jumps_in((const char *)source->at, source->length) > SOURCE_JUMPS)
        return luaL_error(L, "more than %d goto and break in one file", SOURCE_JUMPS);
    const char *kinds = STANDS(box, text_only) ? "t" : "bt";
    if (lua_load(L, read_piece, source, "=policy", kinds) != LUA_OK) {
        // Of what the compiler raises at run time, `blame` was told already.
        if (lua_isnil(L, -1)) lua_pushstring(L, box->message);
        return lua_error(L);
    }
    // The chunk was born with Lua's own globals; it runs with nothing until a call gives it an environment.
    lua_pushnil(L);
    lua_setupvalue(L, -2, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_UNITS);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, ++box->units);
    return 0;
}

luashim_status luashim_load(luashim *box, const char *source, size_t length, uint32_t *unit) {
    bytes argument = {(const uint8_t *)source, length};
    luashim_status status = enter(box, compile, &argument);
    if (status == LUASHIM_OK) *unit = box->units - 1;
    return status;
}

typedef struct binding {
    uint32_t unit;
    bytes settings;
    bytes data;
} binding;

static int bind(lua_State *L) {
    const binding *binding = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_SETTINGS);
    bool as_view = STANDS(box_of(L), read_only);
    wire_decode(L, binding->settings.at, binding->settings.length, as_view, "settings");
    lua_rawseti(L, -2, (lua_Integer)binding->unit + 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_DATA);
    wire_decode(L, binding->data.at, binding->data.length, as_view, "data");
    lua_rawseti(L, -2, (lua_Integer)binding->unit + 1);
    return 0;
}

luashim_status luashim_bind(
    luashim *box, uint32_t unit, const uint8_t *settings, size_t settings_length, const uint8_t *data, size_t data_length) {
    binding argument = {unit, {settings, settings_length}, {data, data_length}};
    return enter(box, bind, &argument);
}

static void push_bound(lua_State *L, int slot, uint32_t unit) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, slot);
    lua_rawgeti(L, -1, (lua_Integer)unit + 1);
    lua_remove(L, -2);
}

/// Calls the chunk at 1.
static void run_chunk(lua_State *L, uint32_t unit) {
    luashim *box = box_of(L);
    bool keeps = !STANDS(box, fresh_chunk);
    if (keeps) {
        push_bound(L, SLOT_KEPT, unit);
        if (!lua_isnil(L, -1)) return;
        lua_pop(L, 1);
    }
    if (!STANDS(box, armed_early)) lua_sethook(L, NULL, 0, 0);
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (!STANDS(box, armed_early)) lua_sethook(L, box_tick, LUA_MASKCOUNT, BOX_INTERVAL);
    if (keeps) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_KEPT);
        lua_pushvalue(L, -2);
        lua_rawseti(L, -2, (lua_Integer)unit + 1);
        lua_pop(L, 1);
    }
}

static int run(lua_State *L) {
    const luashim_request *request = lua_touserdata(L, 1);
    luashim *box = box_of(L);
    box->random = request->seed;
    box->input = request->input;
    box->input_length = request->input_length;
    lua_settop(L, 0);
    push_bound(L, SLOT_UNITS, request->unit);  // 1: the chunk
    if (!lua_isfunction(L, 1)) return luaL_error(L, "no such unit");
    environment_push(L);
    lua_setupvalue(L, 1, 1);
    run_chunk(L, request->unit);  // 2: what the chunk returns
    if (request->entry != NULL) {
        bool found = lua_istable(L, 2);
        if (found) {
            lua_pushstring(L, request->entry);
            found = lua_rawget(L, 2) == LUA_TFUNCTION;
        }
        if (found) {
            lua_Debug activation;
            lua_pushvalue(L, -1);
            lua_getinfo(L, ">S", &activation);
            wire_decode_input(L);
            push_bound(L, SLOT_SETTINGS, request->unit);
            push_bound(L, SLOT_DATA, request->unit);
            lua_call(L, 3, 1);
            lua_replace(L, 2);
            box->line = activation.linedefined;
        } else if (!request->entry_optional) {
            return luaL_error(L, "has no function %s", request->entry);
        }
    }
    lua_settop(L, 2);
    wire_encode(L, 2, request->describes);
    lua_pushnil(L);
    lua_setupvalue(L, 1, 1);
    return 0;
}

luashim_status luashim_call(luashim *box, const luashim_request *request) { return enter(box, run, (void *)request); }

luashim_report luashim_last(const luashim *box) {
    luashim_report report = {
        .answer = box->answer,
        .answer_length = box->answer_length,
        .message = box->message,
        .line = box->line,
        .path = box->path,
        .fuel = box->limits.fuel - box->fuel,
        .allocated_bytes = box->allocated,
        .live_bytes = box->live,
    };
    return report;
}
