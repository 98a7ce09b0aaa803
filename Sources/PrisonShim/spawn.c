#define _GNU_SOURCE
#include "PrisonShim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int prison_socketpair(int ends[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno; }

int prison_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno; }

/// Which of the child's descriptors is which of ours, from 0 on; below 0: /dev/null.
static int spawn(
    const char *program, char *const arguments[], char *const environment[], const int *ends, int count, short flags, pid_t *child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int fault = posix_spawn_file_actions_init(&actions);
    if (fault) return fault;
    fault = posix_spawnattr_init(&attributes);
    if (fault) {
        posix_spawn_file_actions_destroy(&actions);
        return fault;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    // A server whose own standard streams are closed may hold our ends among the first, where the order of the copies would overwrite them.
    int copies[4] = {-1, -1, -1, -1};
    for (int place = 0; place < count && !fault; place++) {
        if (ends[place] < 0) {
            fault = posix_spawn_file_actions_addopen(&actions, place, "/dev/null", place == 0 ? O_RDONLY : O_WRONLY, 0);
            continue;
        }
        copies[place] = fcntl(ends[place], F_DUPFD_CLOEXEC, 10);
        fault = copies[place] < 0 ? errno : posix_spawn_file_actions_adddup2(&actions, copies[place], place);
    }
    if (!fault) fault = posix_spawn_file_actions_addclosefrom_np(&actions, count);
    if (!fault) fault = posix_spawnattr_setsigmask(&attributes, &none);
    if (!fault) fault = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!fault) fault = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flags);
    if (!fault) fault = posix_spawn(child, program, &actions, &attributes, arguments, environment);
    for (int place = 0; place < count; place++) {
        if (copies[place] >= 0) close(copies[place]);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

int prison_spawn(const char *program, char *const arguments[], int socket_end, int stderr_end, pid_t *child) {
    char *const environment[] = {NULL};
    const int ends[] = {-1, -1, stderr_end, socket_end};
    return spawn(program, arguments, environment, ends, 4, POSIX_SPAWN_SETSID, child);
}

int prison_spawn_heard(const char *program, char *const arguments[], char *const environment[], int stdout_end, pid_t *child) {
    const int ends[] = {-1, stdout_end, -1};
    return spawn(program, arguments, environment, ends, 3, 0, child);
}

int64_t prison_processor_time(pid_t child) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &used) != 0) return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}
