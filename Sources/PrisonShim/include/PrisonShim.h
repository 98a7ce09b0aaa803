#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What a child process that is not trusted is started with. The walls that a plugin's builds around itself are in WallShim.

/// Starts `program` with an empty environment, its standard input and output on /dev/null, `stderr_end` as standard error, `socket_end` as descriptor 3
/// and no other descriptor, in a session of its own, signals at their defaults. The child dies with the calling *thread*: that must live as long as it.
/// Gives 0 or an errno.
int prison_spawn(const char *program, char *const arguments[], int socket_end, int stderr_end, pid_t *child);

/// Starts `program` with `environment`, `stdout_end` as standard output, the other standard streams on /dev/null and no other descriptor, in the
/// caller's session, signals at their defaults. Gives 0 or an errno.
int prison_spawn_heard(const char *program, char *const arguments[], char *const environment[], int stdout_end, pid_t *child);

/// Both ends closed on exec. Gives 0 or an errno.
int prison_socketpair(int ends[2]);
int prison_pipe(int ends[2]);

/// Processor time that the process has used, in nanoseconds; -1 where it is gone.
int64_t prison_processor_time(pid_t child);
