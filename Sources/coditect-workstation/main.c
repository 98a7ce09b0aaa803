#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Started by the plugin local-workstation:
//   begin PLACE HOST COMMAND SERVER PORT DISK MEMORY PROCESSORS PROCESSES START ORPHAN CONNECTS [READABLE…]   the token in WORKSTATION_TOKEN
//   end PLACE          ends it and whatever it left; done where nothing runs
//   used PLACE BYTES   the bytes on its disk; 2 where they are more
//   remove PLACE       takes the place away with all that is in it
//   desk …             as begin: what runs where no command is named, started by the keeper on the disk

static int usage(void) {
    fputs("coditect-workstation is started by the plugin local-workstation\n", stderr);
    return 64;
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 10); }

static bool waits(int lock, int rounds) {
    for (int round = 0; round < rounds; round++) {
        if (take_lock(lock)) return true;
        poll(NULL, 0, 20);
    }
    return false;
}

/// Tells the keeper by its number, if that is still its own: the time at which it began says so, and a handle keeps it so.
static void tell_keeper(int lock, int what) {
    char text[80] = "";
    int pid = 0;
    unsigned long long ticks = 0;
    if (pread(lock, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%d %llu", &pid, &ticks) != 2 || pid <= 1 || ticks == 0) return;
    int held = (int)syscall(SYS_pidfd_open, pid, 0);
    if (held < 0) return;
    if (began(pid) == ticks && !take_lock(lock)) syscall(SYS_pidfd_send_signal, held, what, NULL, 0);
    close(held);
}

static int end(const char *path) {
    int place = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0) return errno == ENOENT ? 0 : 1;
    int lock = open_lock(place);
    close(place);
    if (lock < 0) return fprintf(stderr, "its lock cannot be opened"), 1;
    bool is_free = take_lock(lock);
    // One that has just begun writes its number down a moment later, hence again; its own patience, and some.
    for (int round = 0; round < 10 && !is_free; round++) {
        tell_keeper(lock, SIGTERM);
        is_free = waits(lock, round == 0 ? 500 : 50);
    }
    if (!is_free) {
        tell_keeper(lock, SIGKILL);
        is_free = waits(lock, 100);
    }
    if (!is_free) return fprintf(stderr, "it does not end"), 1;
    sweep(path);
    return 0;
}

int main(int count, char **given) {
    // Whatever the server had open is none of a workstation's.
    for (int number = 3; number < 4096; number++) close(number);
    signal(SIGPIPE, SIG_IGN);
    const char *verb = count > 1 ? given[1] : "";
    bool is_desk = strcmp(verb, "desk") == 0;
    if ((is_desk || strcmp(verb, "begin") == 0) && count >= 14) {
        struct terms terms = {
            .place = given[2], .host = given[3], .command = given[4], .server = given[5], .port = (int)number(given[6]), .disk_bytes = number(given[7]),
            .memory_bytes = number(given[8]), .processors = (int)number(given[9]), .processes = (int)number(given[10]),
            .start_seconds = (int)number(given[11]), .orphan_seconds = (int)number(given[12]), .connects = strcmp(given[13], "yes") == 0,
            .readable = given + 14, .given = given};
        const char *token = getenv("WORKSTATION_TOKEN");
        if (!token || terms.port <= 0 || terms.processors <= 0) return usage();
        if (!is_desk) return keep(&terms);
        const char *fault = enter_walls(&terms, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fault) return fprintf(stderr, "%s", fault), 126;
        return desk(&terms, token);
    }
    if (strcmp(verb, "end") == 0 && count == 3) return end(given[2]);
    if (strcmp(verb, "used") == 0 && count == 4) {
        uint64_t used;
        int place = open(given[2], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool exceeds = tree_exceeds(place, "disk", number(given[3]), &used);
        printf("%llu", (unsigned long long)used);
        return exceeds ? 2 : 0;
    }
    if (strcmp(verb, "remove") == 0 && count == 3) {
        if (tree_remove(AT_FDCWD, given[2]) == 0) return 0;
        return fprintf(stderr, "not all of it could be taken away"), 1;
    }
    return usage();
}
