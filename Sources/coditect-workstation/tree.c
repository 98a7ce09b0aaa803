#define _GNU_SOURCE
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_self(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

static DIR *folder_in(int parent, const char *name) {
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) return NULL;
    DIR *folder = fdopendir(descriptor);
    if (!folder) close(descriptor);
    return folder;
}

/// One entry costs at least this: many empty files are no way around the quota.
enum { ENTRY_BYTES = 512 };

static bool count(int parent, const char *name, uint64_t limit, uint64_t *used, int depth) {
    if (depth > MAX_DEPTH) return true;
    DIR *folder = folder_in(parent, name);
    // What may not be read is looked at once it may; what went away meanwhile holds nothing.
    if (!folder && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0) folder = folder_in(parent, name);
    if (!folder) return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
    bool exceeds = false;
    struct dirent *entry;
    while (!exceeds && (entry = readdir(folder))) {
        if (is_self(entry->d_name)) continue;
        struct stat status;
        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        *used += (uint64_t)status.st_blocks * 512 + ENTRY_BYTES;
        exceeds = *used > limit || (S_ISDIR(status.st_mode) && count(dirfd(folder), entry->d_name, limit, used, depth + 1));
    }
    closedir(folder);
    return exceeds;
}

bool tree_exceeds(int parent, const char *name, uint64_t limit, uint64_t *used) {
    *used = 0;
    return count(parent, name, limit, used, 0);
}

/// Empties a folder; what lies too deep is moved up to `top`, which is emptied again until nothing is left.
static int empty(int folder_descriptor, int top, int depth, unsigned *moved) {
    int copy = dup(folder_descriptor);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (!folder) {
        if (copy >= 0) close(copy);
        return -1;
    }
    rewinddir(folder);
    int fault = 0;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (is_self(entry->d_name)) continue;
        if (unlinkat(folder_descriptor, entry->d_name, 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM && errno != EACCES) {
            fault = -1;
            continue;
        }
        if (depth >= MAX_DEPTH / 2) {
            char name[32];
            snprintf(name, sizeof name, ".deep-%u", (*moved)++);
            if (renameat(folder_descriptor, entry->d_name, top, name) != 0) fault = -1;
            continue;
        }
        int inner = openat(folder_descriptor, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0 && errno == EACCES && fchmodat(folder_descriptor, entry->d_name, 0700, 0) == 0)
            inner = openat(folder_descriptor, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0) {
            fault = -1;
            continue;
        }
        fchmod(inner, 0700);
        if (empty(inner, top, depth + 1, moved) != 0) fault = -1;
        close(inner);
        if (unlinkat(folder_descriptor, entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT) fault = -1;
    }
    closedir(folder);
    return fault;
}

int tree_remove(int parent, const char *name) {
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return errno == ENOENT ? 0 : -1;
    fchmod(folder, 0700);
    unsigned moved = 0;
    int fault = -1;
    // Each round takes away half of the permitted depth; a path of the longest length is a few thousand folders deep.
    for (int round = 0; round < 4096 && unlinkat(parent, name, AT_REMOVEDIR) != 0; round++) {
        unsigned before = moved;
        fault = empty(folder, folder, 0, &moved);
        if (fault != 0 && moved == before) break;
    }
    close(folder);
    struct stat status;
    return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT ? 0 : -1;
}
