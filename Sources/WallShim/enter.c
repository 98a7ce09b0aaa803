#define _GNU_SOURCE
#include "WallShim.h"
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// Landlock, by its numbers: Debian's headers are older than many kernels. https://docs.kernel.org/userspace-api/landlock.html
#define LANDLOCK_CREATE 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT 446
#define FS_EXECUTE (1ULL << 0)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)

struct landlock_rules {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};
struct landlock_below {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

static int fail(char *why, size_t bytes, const char *what) {
    snprintf(why, bytes, "%s: %s", what, strerror(errno));
    return -1;
}

static int limit(int resource, uint64_t value) {
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    return setrlimit(resource, &both);
}

/// Files: only what is named may be read, nothing written, made or executed. Sockets and signals to others, where the kernel knows them.
static int wall_off_files(const prison_terms *terms, int *version, char *why, size_t bytes) {
    long known = syscall(LANDLOCK_CREATE, NULL, 0, 1);
    if (known < 1) return fail(why, bytes, "this kernel has no Landlock, so files cannot be walled off");
    *version = (int)known;
    // Rights 0 to 12 came with version 1, 13 (refer), 14 (truncate) and 15 (device ioctl) with 2, 3 and 5.
    uint64_t rights = known >= 5 ? 0xFFFF : known >= 3 ? 0x7FFF : known >= 2 ? 0x3FFF : 0x1FFF;
    struct landlock_rules rules = {.fs = rights, .net = known >= 4 ? 3 : 0, .scoped = known >= 6 ? 3 : 0};
    size_t size = known >= 6 ? 24 : known >= 4 ? 16 : 8;
    int set = (int)syscall(LANDLOCK_CREATE, &rules, size, 0);
    if (set < 0) return fail(why, bytes, "Landlock refused its rules");
    for (const char *const *path = terms->readable; *path; path++) {
        int place = open(*path, O_PATH | O_CLOEXEC);
        if (place < 0) continue;
        int folder = open(*path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct landlock_below below = {.allowed = FS_READ_FILE | (folder >= 0 ? FS_READ_DIR : 0), .parent = place};
        if (folder >= 0) close(folder);
        long added = syscall(LANDLOCK_ADD_RULE, set, 1, &below, 0);
        // A rule hangs on the inode, and that of the process's own folder in /proc lives only as long as somebody holds it.
        if (strncmp(*path, "/proc/", 6) != 0) close(place);
        if (added != 0) {
            close(set);
            return fail(why, bytes, "Landlock refused a path");
        }
    }
    long done = syscall(LANDLOCK_RESTRICT, set, 0);
    close(set);
    return done == 0 ? 0 : fail(why, bytes, "Landlock could not be entered");
}

static int give_up_capabilities(void) {
    for (int capability = 0; capability <= 63; capability++) {
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) continue;
        // Without the right to do so there is nothing to drop that could come back: no_new_privs stands.
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) return -1;
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, none);
}

static bool stands_alone(void) {
    // A second thread would stay outside of the walls.
    FILE *file = fopen("/proc/self/status", "re");
    if (!file) return false;
    char line[256];
    int threads = 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Threads: %d", &threads) == 1) break;
    }
    fclose(file);
    return threads == 1;
}

int prison_enter(const prison_terms *terms, int *landlock, char *why, size_t bytes) {
    // Each heap of a thread reserves 64 MiB of the address space that is limited here.
    mallopt(M_ARENA_MAX, 2);
    if (!stands_alone()) {
        snprintf(why, bytes, "the process has more than one thread");
        return -1;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(why, bytes, "no_new_privs");
    if (wall_off_files(terms, landlock, why, bytes) != 0) return -1;
    if (limit(RLIMIT_AS, terms->memory_bytes) != 0 || limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_FSIZE, 0) != 0 || limit(RLIMIT_NOFILE, 64) != 0
        || limit(RLIMIT_MEMLOCK, 0) != 0 || limit(RLIMIT_MSGQUEUE, 0) != 0 || limit(RLIMIT_NICE, 0) != 0)
        return fail(why, bytes, "the limits of the process");
    if (give_up_capabilities() != 0) return fail(why, bytes, "the capabilities");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail(why, bytes, "the dumpable flag");
    // The server may have died before this line: then its parent is another, and its end of the socket is closed, which the reader sees.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail(why, bytes, "the parent's death");
    if (prison_close_system_calls() != 0) return fail(why, bytes, "seccomp");
    return 0;
}
