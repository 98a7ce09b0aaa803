#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The only door to Lua. Nothing here raises, jumps or runs a policy outside its limits; every call returns a status.
// A state is used by one thread at a time, any thread whose stack has LUASHIM_STACK_BYTES left; only luashim_cancel may come from another.

/// Bytes of C stack that a call may need: 200 nested C levels, each with a matcher's captures.
#define LUASHIM_STACK_BYTES (1024 * 1024)
/// A call on a thread with less than this is refused.
#define LUASHIM_STACK_LEAST (384 * 1024)

typedef struct luashim luashim;

typedef enum luashim_status {
    LUASHIM_OK = 0,
    /// Refused by an ordinary error: message, line and path say why. The state stays usable.
    LUASHIM_ERROR = 1,
    /// Out of fuel or processor time. As after every kill, the state is dead.
    LUASHIM_KILLED_CPU = 2,
    /// Out of live memory, of allocation in all, or one string was too long.
    LUASHIM_KILLED_MEMORY = 3,
    LUASHIM_CANCELLED = 4,
    /// An earlier call killed this state.
    LUASHIM_DEAD = 5
} luashim_status;

typedef struct luashim_limits {
    /// Virtual machine instructions, and what C functions charge for work of the same length (about 10 ns a unit).
    uint64_t fuel;
    /// Backstop in processor time of the calling thread, so that a busy machine denies nobody; pauses of the machine are not counted.
    uint64_t cpu_nanoseconds;
    /// For those who would rather be wrong than wait; 0 for none.
    uint64_t wall_nanoseconds;
    uint64_t memory_bytes;
    uint64_t string_bytes;
    uint64_t allocation_bytes;
    /// Nesting and number of the values that cross.
    uint32_t depth;
    uint32_t nodes;
} luashim_limits;

/// No stretch between two looks at the clock counts for more: what took longer was the machine's doing. A host that takes the processor away
/// for a while books that while on the thread that had it, and one such pause would deny whoever was asked at that moment.
#define LUASHIM_LONGEST_STRETCH 20000000u

/// How long a call was at work, in nanoseconds of whatever clock it is shown.
typedef struct luashim_meter {
    uint64_t seen;
    uint64_t worked;
    /// Work from which processor time is asked for.
    uint64_t due;
} luashim_meter;

/// At each look but the first, which only sets `seen` and `due`. Whether it is time to ask for processor time.
static inline bool luashim_meter_look(luashim_meter *meter, uint64_t wall) {
    uint64_t stretch = wall - meter->seen;
    meter->seen = wall;
    meter->worked += stretch < LUASHIM_LONGEST_STRETCH ? stretch : LUASHIM_LONGEST_STRETCH;
    return meter->worked >= meter->due;
}

/// `spent`: processor time of the thread since the first look. Whether the call is over; if not, when to ask again.
static inline bool luashim_meter_is_over(luashim_meter *meter, uint64_t spent, uint64_t limit) {
    if (spent >= limit) return true;
    meter->due = meter->worked + (limit - spent);
    return false;
}

/// What crosses is one flat buffer: a tag, then its payload, little-endian, lengths and counts as 32 bits.
enum {
    LUASHIM_NIL = 0,
    LUASHIM_FALSE = 1,
    LUASHIM_TRUE = 2,
    /// 64 bits.
    LUASHIM_INTEGER = 3,
    /// Length, bytes: valid UTF-8 without NUL.
    LUASHIM_STRING = 4,
    /// Count, values.
    LUASHIM_LIST = 5,
    /// Count, then length, bytes and value of each member; names ascend bytewise on the way out.
    LUASHIM_OBJECT = 6,
    /// Inward only: number of a shape, length of what follows in bytes, then one value for each of its names in their order, nil for what
    /// is absent. Reading another name is an error that lists them. In a call's input each shape stands at most once.
    LUASHIM_SHAPED = 7,
    /// Outward only, what allow, deny and plan made: kind, line, payload as three values.
    LUASHIM_ANSWER = 8,
    /// Outward only, what an action's constructor made: name, line, fields as three values.
    LUASHIM_ACTION = 9,
    /// Outward only and only where asked for: the line at which a function is defined, 32 bits.
    LUASHIM_FUNCTION = 10
};

typedef struct luashim_request {
    uint32_t unit;
    /// The function to call in the table that the chunk returns; NULL for what the chunk itself returns.
    const char *entry;
    /// The function's first argument; settings and data of the unit are the second and third.
    const uint8_t *input;
    size_t input_length;
    /// Seeds math.random.
    uint64_t seed;
    /// For files that describe something: functions cross as LUASHIM_FUNCTION instead of being refused, and a table with both names
    /// and positions crosses as an object whose positions are named #1, #2, ….
    bool describes;
    /// If the chunk's result is no table with this entry, the result itself is the answer.
    bool entry_optional;
} luashim_request;

typedef struct luashim_report {
    const uint8_t *answer;
    size_t answer_length;
    const char *message;
    /// Line of the author's file to blame, 0 where none is known.
    int32_t line;
    /// Where in the answer a refused value stood: `prices[1].amount_minor`.
    const char *path;
    uint64_t fuel;
    uint64_t allocated_bytes;
    uint64_t live_bytes;
} luashim_report;

/// NULL if there is no memory for it.
luashim *luashim_create(const luashim_limits *limits);
/// Names of action constructors, as a list of strings. Before the first load.
luashim_status luashim_actions(luashim *box, const uint8_t *names, size_t length);
/// A list of strings: what to call the object in messages, then the names of its fields. Shapes are numbered from 0; that of an object
/// in another, `request.user` in `request`, comes after it.
luashim_status luashim_shape(luashim *box, const uint8_t *names, size_t length);
/// Compiles text, never bytecode, and runs nothing. Units are numbered from 0.
luashim_status luashim_load(luashim *box, const char *source, size_t length, uint32_t *unit);
/// Settings and data of a unit; policies see them read-only.
luashim_status luashim_bind(
    luashim *box, uint32_t unit, const uint8_t *settings, size_t settings_length, const uint8_t *data, size_t data_length);
/// Runs the chunk in a fresh environment, then its entry. Nothing that it made survives the call.
luashim_status luashim_call(luashim *box, const luashim_request *request);
/// Of the last call; what it points to holds until the next.
luashim_report luashim_last(const luashim *box);
/// Ends a running call at its next hundred instructions. Callable from any thread.
void luashim_cancel(luashim *box);
void luashim_destroy(luashim *box);

/// Bytes of stack that the calling thread has left below this call, 0 if unknown.
size_t luashim_stack_left(void);

/// The file that Lua itself was loaded from; NULL if unknown. `build` gets what its linker named it by, in hexadecimal, as it was loaded, whatever
/// lies in that place by now; an empty text where it was not named, or where there is no room.
const char *luashim_library(char *build, size_t room);

#include "LuaShimDefences.h"
