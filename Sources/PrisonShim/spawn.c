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

int prison_spawn(const char *program, char *const arguments[], int socket_end, int stderr_end, pid_t *child) {
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
    char *const environment[] = {NULL};
    // A server whose own standard streams are closed may hold our ends below 4, where the order of the copies would overwrite them.
    int socket_copy = fcntl(socket_end, F_DUPFD_CLOEXEC, 10);
    int stderr_copy = fcntl(stderr_end, F_DUPFD_CLOEXEC, 10);
    if (socket_copy < 0 || stderr_copy < 0) fault = errno;
    if (!fault) fault = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!fault) fault = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!fault) fault = posix_spawn_file_actions_adddup2(&actions, stderr_copy, 2);
    if (!fault) fault = posix_spawn_file_actions_adddup2(&actions, socket_copy, 3);
    if (!fault) fault = posix_spawn_file_actions_addclosefrom_np(&actions, 4);
    if (!fault) fault = posix_spawnattr_setsigmask(&attributes, &none);
    if (!fault) fault = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!fault) fault = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    if (!fault) fault = posix_spawn(child, program, &actions, &attributes, arguments, environment);
    if (socket_copy >= 0) close(socket_copy);
    if (stderr_copy >= 0) close(stderr_copy);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

int64_t prison_processor_time(pid_t child) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &used) != 0) return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}
