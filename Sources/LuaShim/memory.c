#include <stdlib.h>
#include <string.h>

#include "box.h"

// Lua names what it wants a new block for in place of the old size; a string that is too long is caught before it exists.
// Nothing here ever answers NULL: in 5.4.4 a refused allocation makes a use after free reachable. A breach kills instead.

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SMALL 0
#endif
#endif
#ifndef ARENA_SMALL
#define ARENA_SMALL (ARENA_STEP * ARENA_CLASSES)
#endif
#define ARENA_CHUNK (32 * 1024)

static void ring_open(arena_block *ring) { ring->next = ring->previous = ring; }

static void *ring_take(arena_block *ring, size_t size) {
    arena_block *block = malloc(sizeof(arena_block) + size);
    if (block == NULL) return NULL;
    block->next = ring->next;
    block->previous = ring;
    ring->next->previous = block;
    ring->next = block;
    return block + 1;
}

static void ring_close(arena_block *ring) {
    for (arena_block *block = ring->next; block != ring;) {
        arena_block *next = block->next;
        free(block);
        block = next;
    }
    ring_open(ring);
}

void arena_open(arena *arena) {
    memset(arena, 0, sizeof *arena);
    ring_open(&arena->chunks);
    ring_open(&arena->large);
}

void arena_close(arena *arena) {
    ring_close(&arena->chunks);
    ring_close(&arena->large);
}

static void *arena_take(arena *arena, size_t size) {
    if (size > ARENA_SMALL) return ring_take(&arena->large, size);
    size_t class = (size + ARENA_STEP - 1) / ARENA_STEP - 1;
    void *block = arena->free[class];
    if (block != NULL) {
        arena->free[class] = *(void **)block;
        return block;
    }
    size_t rounded = (class + 1) * ARENA_STEP;
    if (arena->bump_left < rounded) {
        arena->bump = ring_take(&arena->chunks, ARENA_CHUNK);
        if (arena->bump == NULL) {
            arena->bump_left = 0;
            return NULL;
        }
        arena->bump_left = ARENA_CHUNK;
    }
    block = arena->bump;
    arena->bump += rounded;
    arena->bump_left -= rounded;
    return block;
}

static void arena_give(arena *arena, void *block, size_t size) {
    if (size > ARENA_SMALL) {
        arena_block *head = (arena_block *)block - 1;
        head->next->previous = head->previous;
        head->previous->next = head->next;
        free(head);
        return;
    }
    size_t class = (size + ARENA_STEP - 1) / ARENA_STEP - 1;
    *(void **)block = arena->free[class];
    arena->free[class] = block;
}

static bool same_place(size_t old_size, size_t new_size) {
    if (old_size > ARENA_SMALL || new_size > ARENA_SMALL) return false;
    return (old_size + ARENA_STEP - 1) / ARENA_STEP == (new_size + ARENA_STEP - 1) / ARENA_STEP;
}

void *box_allocate(void *context, void *block, size_t old_size, size_t new_size) {
    luashim *box = context;
    if (new_size == 0) {
        if (block != NULL) {
            box->live -= old_size;
            arena_give(&box->arena, block, old_size);
        }
        return NULL;
    }
    // Nearly every object is small, new, and within the limits.
    if (block == NULL && new_size <= ARENA_SMALL && new_size <= box->limits.string_bytes && box->live + new_size <= box->limits.memory_bytes
        && box->allocated + new_size <= box->limits.allocation_bytes) {
        size_t class = (new_size + ARENA_STEP - 1) / ARENA_STEP - 1;
        void *fresh = box->arena.free[class];
        if (fresh != NULL) {
            box->arena.free[class] = *(void **)fresh;
            box->live += new_size;
            box->allocated += new_size;
            return fresh;
        }
    }
    size_t had = block == NULL ? 0 : old_size;
    bool is_text = block == NULL && old_size == LUA_TSTRING;
    if (new_size > had) {
        size_t grown = new_size - had;
        bool breach = is_text && new_size > box->limits.string_bytes + 64 && STANDS(box, string_bytes);
        if (grown > box->limits.memory_bytes || box->live + grown > box->limits.memory_bytes) breach = breach || STANDS(box, memory);
        if (box->allocated + grown > box->limits.allocation_bytes) breach = breach || STANDS(box, allocation);
        if (breach) {
            if (!STANDS(box, never_refuse)) return NULL;
            box_kill(box, LUASHIM_KILLED_MEMORY);
        }
        box->allocated += grown;
    }
    if (block != NULL && same_place(old_size, new_size)) {
        box->live = box->live - had + new_size;
        return block;
    }
    void *fresh = arena_take(&box->arena, new_size);
    if (fresh == NULL) box_kill(box, LUASHIM_KILLED_MEMORY);
    if (block != NULL) {
        memcpy(fresh, block, old_size < new_size ? old_size : new_size);
        arena_give(&box->arena, block, old_size);
    }
    box->live = box->live - had + new_size;
    return fresh;
}
