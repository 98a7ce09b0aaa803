// The keeper of one workstation on this machine: `plugins/local-workstation` starts it, and it outlives the server.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What a workstation may have; all of it comes from the plugin.
struct terms {
    const char *place;    // holds `disk`, `lock`, `life`, `said`
    const char *host;     // under which people reach it
    const char *command;  // empty: the desk below
    const char *server;   // locked while a server is there; its path
    int port;
    uint64_t disk_bytes, memory_bytes;
    int processors, processes, start_seconds, orphan_seconds;
    bool connects;
    char *const *readable;  // ends with NULL
    char **given;           // all of it as it came, for the desk
};

enum { MAX_PROCESSES = 4096, MAX_DEPTH = 128 };

// tree.c
/// Bytes on the disk under a folder, of which no link is followed; true where it is more than `limit`, too deep or too many.
bool tree_exceeds(int parent, const char *name, uint64_t limit, uint64_t *used);
/// Takes away a folder with everything in it, however deep, and follows nothing.
int tree_remove(int parent, const char *name);

// people.c: processes
/// Everything that descends from a process, without itself.
size_t descendants(pid_t of, pid_t *found, size_t most);
/// The memory that these hold for themselves alone.
uint64_t memory_of(const pid_t *found, size_t count);
/// Ends every process that was started for this place and outlived its keeper.
void sweep(const char *place);
/// When a process began, in the kernel's ticks: with its number the only name that is never given twice. 0: there is none.
unsigned long long began(pid_t pid);
enum listening { NOBODY_LISTENS, LISTENS, LISTENS_TO_ALL };
/// Whether one of these listens at the port, and at this machine's own address only.
enum listening who_listens(int port, const pid_t *found, size_t count);

// walls.c
/// Shuts the calling process in: `disk` is all that it may change. Returns NULL, or what failed.
const char *enter_walls(const struct terms *terms, int disk);

// desk.c
/// What runs where the operator named no command: says, to who shows the token, that the place is there.
int desk(const struct terms *terms, const char *token);

// keep.c
int open_lock(int place);
/// Whoever has it keeps the workstation; false where another does.
bool take_lock(int lock);
int keep(const struct terms *terms);
