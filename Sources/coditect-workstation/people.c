#define _GNU_SOURCE
#include "keeper.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Reads at most `bytes` - 1 bytes of a file of /proc; -1 where there is none.
static ssize_t read_proc(const char *path, char *into, size_t bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    size_t held = 0;
    ssize_t count;
    while (held < bytes - 1 && (count = read(file, into + held, bytes - 1 - held)) > 0) held += (size_t)count;
    close(file);
    into[held] = 0;
    return (ssize_t)held;
}

/// What stands behind the name of a process in its `stat`, which may hold any sign.
static const char *stat_of(pid_t pid, char *text, size_t bytes) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_proc(path, text, bytes) <= 0) return NULL;
    const char *end = strrchr(text, ')');
    return end && end[1] ? end + 2 : NULL;
}

unsigned long long began(pid_t pid) {
    char text[1024];
    const char *rest = stat_of(pid, text, sizeof text);
    unsigned long long ticks = 0;
    // The 22nd of stat(5), the 20th behind the name.
    if (!rest || sscanf(rest, "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &ticks) != 1) return 0;
    return ticks;
}

static bool is_number(const char *name) { return isdigit((unsigned char)name[0]) != 0; }

size_t descendants(pid_t of, pid_t *found, size_t most) {
    static struct { pid_t pid, parent; bool is_ours; } all[65536];
    size_t count = 0, ours = 0;
    DIR *folder = opendir("/proc");
    if (!folder) return 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) && count < sizeof all / sizeof *all) {
        if (!is_number(entry->d_name)) continue;
        char text[1024];
        int parent = 0;
        char state = 0;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        const char *rest = stat_of(pid, text, sizeof text);
        if (!rest || sscanf(rest, "%c %d", &state, &parent) != 2 || state == 'Z' || state == 'X') continue;
        all[count].pid = pid;
        all[count].parent = parent;
        all[count++].is_ours = false;
    }
    closedir(folder);
    bool grew = true;
    while (grew) {
        grew = false;
        for (size_t one = 0; one < count; one++) {
            if (all[one].is_ours) continue;
            bool is_child = all[one].parent == of;
            for (size_t held = 0; !is_child && held < ours; held++) is_child = all[one].parent == found[held];
            if (!is_child || ours == most) continue;
            all[one].is_ours = grew = true;
            found[ours++] = all[one].pid;
        }
    }
    return ours;
}

uint64_t memory_of(const pid_t *found, size_t count) {
    uint64_t pages = 0;
    for (size_t one = 0; one < count; one++) {
        char path[64], text[256];
        unsigned long resident = 0, shared = 0;
        snprintf(path, sizeof path, "/proc/%d/statm", (int)found[one]);
        if (read_proc(path, text, sizeof text) > 0 && sscanf(text, "%*s %lu %lu", &resident, &shared) == 2 && resident > shared)
            pages += resident - shared;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void sweep(const char *place) {
    char mark[4200];
    int length = snprintf(mark, sizeof mark, "CODITECT_WORKSTATION=%s", place);
    if (length <= 0 || (size_t)length >= sizeof mark) return;
    static char text[262144];
    // Again until a look finds nobody: who is being ended may have begun another.
    for (int round = 0; round < 100; round++) {
        bool found = false;
        DIR *folder = opendir("/proc");
        if (!folder) return;
        struct dirent *entry;
        while ((entry = readdir(folder))) {
            if (!is_number(entry->d_name)) continue;
            pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
            if (pid == getpid()) continue;
            // Held first, read then: what is ended is what was read, whoever gets its number.
            int held = (int)syscall(SYS_pidfd_open, pid, 0);
            if (held < 0) continue;
            char path[64];
            snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
            ssize_t bytes = read_proc(path, text, sizeof text);
            bool is_ours = false;
            for (char *at = text; bytes > 0 && at < text + bytes && !is_ours; at += strlen(at) + 1) is_ours = strcmp(at, mark) == 0;
            if (is_ours && syscall(SYS_pidfd_send_signal, held, SIGKILL, NULL, 0) == 0) {
                found = true;
                struct pollfd gone = {.fd = held, .events = POLLIN};
                poll(&gone, 1, 2000);
            }
            close(held);
        }
        closedir(folder);
        if (!found) return;
    }
}

static bool holds_socket(const pid_t *found, size_t count, unsigned long inode) {
    char wanted[48];
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    for (size_t one = 0; one < count; one++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd", (int)found[one]);
        DIR *folder = opendir(path);
        if (!folder) continue;
        struct dirent *entry;
        bool holds = false;
        while (!holds && (entry = readdir(folder))) {
            char target[48];
            ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
            if (length <= 0) continue;
            target[length] = 0;
            holds = strcmp(target, wanted) == 0;
        }
        closedir(folder);
        if (holds) return true;
    }
    return false;
}

enum listening who_listens(int port, const pid_t *found, size_t count) {
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    static const char *const loopback[] = {"0100007F", "00000000000000000000000001000000"};
    enum listening seen = NOBODY_LISTENS;
    for (int table = 0; table < 2; table++) {
        FILE *file = fopen(tables[table], "re");
        if (!file) continue;
        char line[512];
        while (fgets(line, sizeof line, file)) {
            char address[40];
            unsigned at, state;
            unsigned long inode;
            if (sscanf(line, " %*[^:]: %32[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %lu", address, &at, &state, &inode) != 4) continue;
            if (state != 0x0A || (int)at != port || !holds_socket(found, count, inode)) continue;
            if (strcmp(address, loopback[table]) != 0) {
                fclose(file);
                return LISTENS_TO_ALL;
            }
            seen = LISTENS;
        }
        fclose(file);
    }
    return seen;
}
