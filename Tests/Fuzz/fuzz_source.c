#include "room.h"

// Whatever a tenant may upload: bytes that are compiled, then run twice; both runs must end alike.

static const uint8_t settings[] = {LUASHIM_OBJECT, 2, 0, 0, 0, 5, 0, 0, 0, 'l', 'i', 'm', 'i', 't', LUASHIM_INTEGER, 5, 0, 0, 0, 0, 0, 0, 0,
                                   4, 0, 0, 0, 'l', 'i', 's', 't', LUASHIM_LIST, 2, 0, 0, 0, LUASHIM_TRUE, LUASHIM_FALSE};
static const uint8_t input[] = {LUASHIM_SHAPED, 0, 0, 0, 0, 28, 0, 0, 0, LUASHIM_SHAPED, 1, 0, 0, 0, 10, 0, 0, 0, LUASHIM_STRING, 3, 0, 0, 0,
                                'a', 'b', 'c', LUASHIM_TRUE, LUASHIM_NIL, LUASHIM_INTEGER, 7, 0, 0, 0, 0, 0, 0, 0};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    luashim *box = make_room();
    uint32_t unit = 0;
    luashim_status status = luashim_load(box, (const char *)data, length, &unit);
    read_report(box, LUASHIM_ERROR);
    if (status == LUASHIM_OK) {
        if (luashim_bind(box, unit, settings, sizeof settings, settings, sizeof settings) != LUASHIM_OK) __builtin_trap();
        luashim_request request = {
            .unit = unit,
            .entry = "on_call",
            .input = input,
            .input_length = sizeof input,
            .seed = 7,
            .entry_optional = true,
            .describes = length % 2 == 1,
        };
        luashim_status first = luashim_call(box, &request);
        uint64_t seen = read_report(box, first);
        luashim_status second = luashim_call(box, &request);
        uint64_t again = read_report(box, second);
        bool killed = first == LUASHIM_KILLED_CPU || first == LUASHIM_KILLED_MEMORY;
        if (killed && second != LUASHIM_DEAD) __builtin_trap();
        // What the first call left as garbage may be what the second lacks; anything else is the same.
        if (!killed && second != LUASHIM_KILLED_MEMORY && second != LUASHIM_KILLED_CPU && (first != second || seen != again)) __builtin_trap();
    }
    luashim_destroy(box);
    return 0;
}
