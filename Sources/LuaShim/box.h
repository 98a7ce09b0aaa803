#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdatomic.h>

#include "LuaShim.h"
#include "LuaShimDefences.h"

// Inside the shim. Every function here that takes a lua_State runs under the one lua_pcall of box.c.

/// Instructions between two looks at fuel, clock and memory.
#define BOX_INTERVAL 100
#define ARENA_STEP 16
#define ARENA_CLASSES 32

typedef struct arena_block {
    struct arena_block *next;
    struct arena_block *previous;
} arena_block;

/// Small blocks by size class from chunks, large ones from malloc: all of it can be given back without asking Lua.
typedef struct arena {
    void *free[ARENA_CLASSES];
    char *bump;
    size_t bump_left;
    arena_block chunks;
    arena_block large;
} arena;

struct luashim {
    lua_State *L;
    /// Where a kill lands: past every pcall, handler and to-be-closed variable, for the state is never used again.
    jmp_buf escape;
    luashim_status fate;
    /// Defences that a test took away, by bit.
    uint64_t missing;
    atomic_bool cancelled;
    luashim_limits limits;
    arena arena;

    uint64_t fuel;
    uint64_t allocated;
    uint64_t live;
    /// Live bytes at which the next look collects garbage.
    uint64_t soft;
    /// Live bytes from which garbage is collected between two calls.
    uint64_t idle;
    uint64_t unseen;
    bool timed;
    luashim_meter meter;
    uint64_t cpu_began;
    uint64_t wall_began;
    uint64_t random;

    uint32_t units;
    uint32_t shapes;
    /// The input of the running call, and where in it the objects stand that nobody has read yet, by shape; 0 for none.
    const uint8_t *input;
    size_t input_length;
    uint32_t *unread;
    uint8_t *answer;
    size_t answer_length;
    size_t answer_room;
    int line;
    char message[1024];
    char path[256];
};

/// Places in Lua's registry, close to its own two so that they lie in its array.
enum {
    SLOT_FUNCTIONS = LUA_RIDX_LAST + 2,
    SLOT_LIBRARIES,
    SLOT_ENVIRONMENT_META,
    SLOT_ENVIRONMENT,
    SLOT_VIEW_META,
    SLOT_ANSWER_META,
    SLOT_ACTION_META,
    SLOT_UNITS,
    SLOT_SETTINGS,
    SLOT_DATA,
    SLOT_SHAPES,
    SLOT_SHAPE_NAMES,
    /// For tests: results of chunks that should have run again.
    SLOT_KEPT
};

static inline luashim *box_of(lua_State *L) { return *(luashim **)lua_getextraspace(L); }

#define STANDS(box, defence) (((box)->missing >> LUASHIM_DEFENCE_##defence & 1) == 0)

// memory.c
void arena_open(arena *arena);
void arena_close(arena *arena);
void *box_allocate(void *box, void *block, size_t old_size, size_t new_size);

// limits.c
_Noreturn void box_kill(luashim *box, luashim_status why);
void box_charge(luashim *box, uint64_t units);
/// Kills what has had its time.
void box_look(luashim *box);
void box_tick(lua_State *L, lua_Debug *activation);
void box_begin(luashim *box);
/// Collects garbage if much of it lies about; only where the API may be called.
void box_tidy(lua_State *L);

// environment.c
void environment_open(lua_State *L);
/// Pushes a fresh environment and makes it the current one.
void environment_push(lua_State *L);
void environment_give(lua_State *L, const char *name, lua_CFunction function);
/// The table on top gets the functions; of a defence that is missing Debian's own.
typedef struct guarded {
    const char *name;
    lua_CFunction function;
    int defence;
} guarded;
#define NO_DEFENCE (-1)
void environment_guard(lua_State *L, const guarded *functions, const char *library);
/// Pushes a library as Debian has it.
void environment_borrow(lua_State *L, const char *library);

// libraries: each pushes a table of its functions
void base_open(lua_State *L);
void strings_open(lua_State *L);
void tables_open(lua_State *L);
void numbers_open(lua_State *L);
void letters_open(lua_State *L);

// base.c
/// Pushes what tostring gives: never an address.
void base_text(lua_State *L, int index);
/// Pushes a string that names the type, views as tables.
const char *base_type_name(lua_State *L, int index);

// keys.c
typedef struct key {
    int rank;
    bool is_integer;
    lua_Integer integer;
    lua_Number number;
    const char *bytes;
    size_t length;
} key;
/// Pushes scratch memory that holds the keys of the table in their fixed order; leaves the one object key, or nil, above it.
key *keys_sorted(lua_State *L, int table, size_t *count);
int keys_pairs(lua_State *L);
int keys_next(lua_State *L);

// views.c
void views_open(lua_State *L);
/// Makes the table on top read-only for policies; with a label, reading a name that is not there is an error.
void view_wrap(lua_State *L, const char *label);
bool view_is(lua_State *L, int index);
/// Pushes the table at index, all of it decoded, or the one under a view; false and nothing pushed if it is neither.
bool view_table(lua_State *L, int index);

// answers.c
void answers_open(lua_State *L);
/// Whether the value was made by a constructor of that kind: SLOT_ANSWER_META or SLOT_ACTION_META.
bool answer_is(lua_State *L, int index, int slot);
int answers_action(lua_State *L);

/// Pushes the metatable of the next shape; `names` is its label and its names.
void shape_make(lua_State *L, int names);
/// Decodes what is still unread in the object at index, if it is one of the input.
void shape_settle(lua_State *L, int index);

// wire.c
/// Pushes the next value of the buffer.
void wire_decode(lua_State *L, const uint8_t *bytes, size_t length, bool as_view, const char *label);
/// Pushes the call's input: objects in it are decoded when they are first read.
void wire_decode_input(lua_State *L);
/// Pushes the object of the input that stands at the offset.
void wire_decode_unread(lua_State *L, uint32_t offset);
/// Appends the value to the box's answer.
void wire_encode(lua_State *L, int index, bool describes);

// text.c
/// A string in the making, bounded by the string limit; its memory is anchored in the Lua stack.
typedef struct text {
    lua_State *L;
    int slot;
    char *bytes;
    size_t length;
    size_t room;
    char local[256];
} text;
void text_open(text *text, lua_State *L);
char *text_reserve(text *text, size_t count);
void text_add(text *text, const char *bytes, size_t length);
void text_byte(text *text, char byte);
void text_push(text *text);
/// Valid UTF-8 without NUL.
bool text_is_plain(const char *bytes, size_t length);

// format.c, pattern.c
int format_string(lua_State *L);
int pattern_find(lua_State *L);
int pattern_match(lua_State *L);
int pattern_gmatch(lua_State *L);
int pattern_gsub(lua_State *L);
