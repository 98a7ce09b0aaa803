#include "redis_shim.h"

#include <hiredis/read.h>
#include <stdlib.h>
#include <string.h>

struct rr_reader {
    redisReader *inner;
    rr_node *nodes;
    int32_t count, room, max_nodes;
    char *arena;
    size_t used, arena_room;
    size_t max_bytes;
    // Bytes fed since the last whole answer.
    size_t pending;
    // The answer before was handed out: the next begins anew.
    int is_taken;
    const char *reason;
};

static rr_node *add(const redisReadTask *task, rr_kind kind) {
    rr_reader *reader = task->privdata;
    if (reader->is_taken) {
        reader->count = 0;
        reader->used = 0;
        reader->is_taken = 0;
    }
    if (reader->count >= reader->max_nodes) {
        reader->reason = "an answer of too many parts";
        return NULL;
    }
    if (reader->count == reader->room) {
        int32_t room = reader->room ? reader->room * 2 : 64;
        rr_node *nodes = realloc(reader->nodes, (size_t)room * sizeof *nodes);
        if (!nodes) return NULL;
        reader->nodes = nodes;
        reader->room = room;
    }
    rr_node *node = &reader->nodes[reader->count++];
    node->kind = kind;
    node->count = 0;
    node->value = 0;
    return node;
}

// hiredis wants an object for each part; ours are all one and the same.
static char whole;

static void *text(const redisReadTask *task, char *bytes, size_t count) {
    rr_reader *reader = task->privdata;
    rr_kind kind = task->type == REDIS_REPLY_ERROR ? RR_ERROR : task->type == REDIS_REPLY_STATUS ? RR_STATUS : RR_TEXT;
    rr_node *node = add(task, kind);
    if (!node) return NULL;
    if (count > reader->max_bytes) {
        reader->reason = "an answer too long";
        return NULL;
    }
    if (reader->used + count > reader->arena_room) {
        size_t room = reader->arena_room ? reader->arena_room : 1024;
        while (room < reader->used + count) room *= 2;
        char *arena = realloc(reader->arena, room);
        if (!arena) return NULL;
        reader->arena = arena;
        reader->arena_room = room;
    }
    if (count) memcpy(reader->arena + reader->used, bytes, count);
    node->count = (int32_t)count;
    node->value = (int64_t)reader->used;
    reader->used += count;
    return &whole;
}
static void *list(const redisReadTask *task, int count) {
    rr_reader *reader = task->privdata;
    rr_node *node = add(task, RR_LIST);
    if (!node) return NULL;
    // Refused by what it announces: nobody waits for two thousand million members.
    if (count < 0 || count > reader->max_nodes - reader->count) {
        reader->reason = "an answer of too many parts";
        return NULL;
    }
    node->count = count;
    return &whole;
}
static void *number(const redisReadTask *task, long long value) {
    rr_node *node = add(task, RR_INTEGER);
    if (!node) return NULL;
    node->value = value;
    return &whole;
}
static void *none(const redisReadTask *task) { return add(task, RR_NONE) ? &whole : NULL; }
static void drop(void *object) { (void)object; }

static redisReplyObjectFunctions functions = {text, list, number, none, drop};

rr_reader *rr_open(size_t max_bytes, int32_t max_nodes) {
    rr_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    reader->inner = redisReaderCreateWithFunctions(&functions);
    if (!reader->inner) {
        free(reader);
        return NULL;
    }
    reader->inner->privdata = reader;
    reader->max_bytes = max_bytes;
    reader->max_nodes = max_nodes;
    return reader;
}

void rr_close(rr_reader *reader) {
    if (!reader) return;
    redisReaderFree(reader->inner);
    free(reader->nodes);
    free(reader->arena);
    free(reader);
}

int rr_feed(rr_reader *reader, const char *bytes, size_t count) {
    reader->pending += count;
    // Counted without what answers before it brought: no more than one read beside the bound.
    if (reader->inner->len - reader->inner->pos + count > reader->max_bytes || reader->pending > reader->max_bytes * 2) {
        reader->reason = "an answer too long";
        return 0;
    }
    if (redisReaderFeed(reader->inner, bytes, count) == REDIS_OK) return 1;
    reader->reason = reader->inner->errstr;
    return 0;
}

rr_state rr_next(rr_reader *reader) {
    void *reply = NULL;
    if (redisReaderGetReply(reader->inner, &reply) != REDIS_OK) {
        if (!reader->reason) reader->reason = reader->inner->errstr;
        return RR_BROKEN;
    }
    if (!reply) return RR_MORE;
    reader->is_taken = 1;
    reader->pending = reader->inner->len - reader->inner->pos;
    return RR_READY;
}

const rr_node *rr_nodes(const rr_reader *reader, int32_t *count) {
    *count = reader->count;
    return reader->nodes;
}
const char *rr_arena(const rr_reader *reader) { return reader->arena; }
const char *rr_reason(const rr_reader *reader) { return reader->reason ? reader->reason : "broken"; }
