#pragma once

#include <string.h>

#include "LuaShim.h"

// What both fuzzers run a policy in: as tight as it may be, so that many runs fit into a second.

static inline luashim *make_room(void) {
    luashim_limits limits = {
        .fuel = 30000,
        .cpu_nanoseconds = 2000000000,
        .memory_bytes = 1 << 20,
        .string_bytes = 64 << 10,
        .allocation_bytes = 4 << 20,
        .depth = 12,
        .nodes = 500,
    };
    luashim *box = luashim_create(&limits);
    if (box == NULL) __builtin_trap();
    static const uint8_t actions[] = {LUASHIM_LIST, 1, 0, 0, 0, LUASHIM_STRING, 9, 0, 0, 0, 's', 'e', 'n', 'd', '_', 'm', 'a', 'i', 'l'};
    static const uint8_t request[] = {LUASHIM_LIST, 3, 0, 0, 0, LUASHIM_STRING, 7, 0, 0, 0, 'r', 'e', 'q', 'u', 'e', 's', 't',
                                      LUASHIM_STRING, 4, 0, 0, 0, 'u', 's', 'e', 'r', LUASHIM_STRING, 1, 0, 0, 0, 'n'};
    static const uint8_t user[] = {LUASHIM_LIST, 3, 0, 0, 0, LUASHIM_STRING, 12, 0, 0, 0, 'r', 'e', 'q', 'u', 'e', 's', 't', '.', 'u', 's',
                                   'e', 'r', LUASHIM_STRING, 2, 0, 0, 0, 'i', 'd', LUASHIM_STRING, 4, 0, 0, 0, 'r', 'o', 'l', 'e'};
    if (luashim_actions(box, actions, sizeof actions) != LUASHIM_OK) __builtin_trap();
    if (luashim_shape(box, request, sizeof request) != LUASHIM_OK) __builtin_trap();
    if (luashim_shape(box, user, sizeof user) != LUASHIM_OK) __builtin_trap();
    return box;
}

/// Reads every byte of the report, so that a sanitizer sees one that is not there.
static inline uint64_t read_report(const luashim *box, luashim_status status) {
    luashim_report report = luashim_last(box);
    uint64_t sum = strlen(report.message) + strlen(report.path) + report.fuel;
    if (status == LUASHIM_OK)
        for (size_t index = 0; index < report.answer_length; index++) sum += report.answer[index];
    if (report.live_bytes > (1 << 20) || report.fuel > 30000) __builtin_trap();
    return sum;
}
