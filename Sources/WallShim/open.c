#define _GNU_SOURCE
#include "WallShim.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// libdispatch counts its running threads by reading /proc/THREAD/stat, and crashes where it cannot. Landlock shows the child /proc/self/task alone, where
// the same file stands: so `open`, for every library of this process, looks there. The kernel decides as before; nothing else becomes readable by this.

static int opened(const char *path, int flags, mode_t mode) {
    char own[64];
    unsigned thread = 0;
    char rest[8] = "";
    if (path && strlen(path) < 24 && sscanf(path, "/proc/%9u/%6s", &thread, rest) == 2 && strcmp(rest, "stat") == 0) {
        snprintf(own, sizeof own, "/proc/self/task/%u/stat", thread);
        path = own;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPENED(path, flags)                            \
    mode_t mode = 0;                                   \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list list;                                  \
        va_start(list, flags);                         \
        mode = va_arg(list, mode_t);                   \
        va_end(list);                                  \
    }                                                  \
    return opened(path, flags, mode)

int open(const char *path, int flags, ...) { OPENED(path, flags); }
int open64(const char *path, int flags, ...) { OPENED(path, flags); }
