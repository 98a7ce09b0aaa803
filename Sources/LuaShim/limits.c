#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "box.h"

/// Fuel that long-running C functions may charge between two looks at the clock.
#define LOOK 20000

// A kill jumps out of everything at once. No Lua code runs after it, so there is nothing that could swallow it;
// the half-changed state is never touched again and its memory is given back by the arena.

/// Where the author's code stood; reads only what Lua keeps consistent while it asks for memory.
static int line_of(lua_State *L) {
    lua_Debug activation;
    for (int level = 0; L != NULL && level < 50 && lua_getstack(L, level, &activation); level++) {
        if (lua_getinfo(L, "l", &activation) != 0 && activation.currentline > 0) return activation.currentline;
    }
    return 0;
}

_Noreturn void box_kill(luashim *box, luashim_status why) {
    if (box->missing != 0 && !STANDS(box, sticky) && why == LUASHIM_KILLED_CPU) {
        box->fuel = box->limits.fuel;
        luaL_error(box->L, "out of fuel");
    }
    box->fate = why;
    box->line = line_of(box->L);
    longjmp(box->escape, 1);
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void box_begin(luashim *box) {
    box->fuel = box->limits.fuel;
    box->allocated = 0;
    box->timed = false;
    box->unseen = 0;
    box->soft = box->limits.memory_bytes / 2;
    box->answer_length = 0;
    box->line = 0;
    box->message[0] = 0;
    box->path[0] = 0;
}

/// The coarse wall clock is read at each tick, the thread's processor time only after enough work.
void box_look(luashim *box) {
    box->unseen = 0;
    uint64_t wall = nanoseconds(CLOCK_MONOTONIC_COARSE);
    if (!box->timed) {
        box->timed = true;
        box->cpu_began = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        box->wall_began = wall;
        box->meter = (luashim_meter){.seen = wall, .due = box->limits.cpu_nanoseconds};
        return;
    }
    bool is_over = box->limits.wall_nanoseconds != 0 && wall - box->wall_began >= box->limits.wall_nanoseconds;
    if (luashim_meter_look(&box->meter, wall)) {
        uint64_t spent = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - box->cpu_began;
        is_over = luashim_meter_is_over(&box->meter, spent, box->limits.cpu_nanoseconds) || is_over;
    }
    if (is_over && STANDS(box, clock)) box_kill(box, LUASHIM_KILLED_CPU);
}

static void box_spend(luashim *box, uint64_t units) {
    if (units >= box->fuel && STANDS(box, fuel)) {
        box->fuel = 0;
        box_kill(box, LUASHIM_KILLED_CPU);
    }
    box->fuel -= units < box->fuel ? units : box->fuel;
    box->unseen += units;
    if (box->unseen >= LOOK) box_look(box);
}

void box_charge(luashim *box, uint64_t units) {
    if (STANDS(box, charge)) box_spend(box, units);
}

void box_tidy(lua_State *L) {
    luashim *box = box_of(L);
    if (box->live <= box->soft) return;
    lua_gc(L, LUA_GCCOLLECT);
    uint64_t half = box->limits.memory_bytes / 2;
    uint64_t next = box->live + (box->limits.memory_bytes - box->live) / 2;
    box->soft = next > half ? next : half;
}

void box_tick(lua_State *L, lua_Debug *activation) {
    (void)activation;
    luashim *box = box_of(L);
    box_spend(box, BOX_INTERVAL);
    box_look(box);
    if (atomic_load_explicit(&box->cancelled, memory_order_relaxed)) box_kill(box, LUASHIM_CANCELLED);
    box_tidy(L);
}

size_t luashim_stack_left(void) {
    static _Thread_local char *lowest;
    if (lowest == NULL) {
        pthread_attr_t attributes;
        void *base;
        size_t size;
        if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
        int failed = pthread_attr_getstack(&attributes, &base, &size);
        pthread_attr_destroy(&attributes);
        if (failed != 0) return 0;
        lowest = base;
    }
    char *here = __builtin_frame_address(0);
    return here > lowest ? (size_t)(here - lowest) : 0;
}
