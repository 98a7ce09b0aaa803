#pragma once

#include <stddef.h>
#include <stdint.h>

// hiredis' reader of answers, within bounds. What a server says is laid out flat: nodes in the order in which they came, a list
// before its members, texts in one arena. Nothing here is thread-safe.

typedef enum {
    RR_TEXT = 1,
    RR_LIST = 2,
    RR_INTEGER = 3,
    RR_NONE = 4,
    RR_STATUS = 5,
    RR_ERROR = 6
} rr_kind;

typedef struct {
    int32_t kind;
    // Bytes of a text, members of a list.
    int32_t count;
    // Where the text begins in the arena, or the integer.
    int64_t value;
} rr_node;

typedef struct rr_reader rr_reader;

typedef enum { RR_READY = 1, RR_MORE = 0, RR_BROKEN = -1 } rr_state;

// NULL without memory. max_bytes: of one answer as it comes over the wire; max_nodes: its texts, numbers and lists together.
rr_reader *rr_open(size_t max_bytes, int32_t max_nodes);
void rr_close(rr_reader *reader);
// False: what came is past the bounds or no answer at all; the connection is of no more use.
int rr_feed(rr_reader *reader, const char *bytes, size_t count);
// RR_READY: one whole answer stands in rr_nodes and rr_arena until the next call.
rr_state rr_next(rr_reader *reader);
const rr_node *rr_nodes(const rr_reader *reader, int32_t *count);
const char *rr_arena(const rr_reader *reader);
// Why the reader is broken.
const char *rr_reason(const rr_reader *reader);
