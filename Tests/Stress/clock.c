/* Clocks of one process, to be preloaded: a wall clock that can be stepped while it runs, and all clocks a whole number of times faster.
 *
 * libfaketime takes an absolute timer on the monotonic clock for one on the wall clock, so that under it such timers do not fire, and
 * moves the environment, by which Swift then no longer finds its arguments. This does neither.
 *
 * STRESS_CLOCK: a file that begins with the offset of the wall clock in nanoseconds, 8 bytes as the machine has them.
 * STRESS_SPEED: how many times faster. STRESS_FIRST: the monotonic nanosecond at which wall clock and true time are level.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static const int64_t second = 1000000000;
static int64_t speed = 1, first;
static const volatile int64_t *offset;
static char is_wall[65536]; /* whether a timer's file descriptor counts by the wall clock */

static int (*next_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    next_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("STRESS_CLOCK"), *times = getenv("STRESS_SPEED"), *level = getenv("STRESS_FIRST");
    if (!path || !times || !level) abort();
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) abort();
    close(file);
    speed = atoll(times);
    first = atoll(level);
    offset = page;
}

static int64_t to_ns(const struct timespec *t) { return (int64_t)t->tv_sec * second + t->tv_nsec; }
static struct timespec from_ns(int64_t ns) {
    return (struct timespec){.tv_sec = ns / second, .tv_nsec = ns % second};
}
static int64_t read_true(clockid_t clock) {
    struct timespec t = {0, 0};
    if (!next_gettime) next_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    next_gettime(clock, &t);
    return to_ns(&t);
}
static int64_t wall(void) {
    int64_t shift = offset ? *offset : 0;
    return read_true(CLOCK_REALTIME) + shift + (speed - 1) * (read_true(CLOCK_MONOTONIC) - first);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *t = from_ns(wall());
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *t = from_ns(read_true(clock) * speed);
        return 0;
    default:
        if (!next_gettime) next_gettime = dlsym(RTLD_NEXT, "clock_gettime");
        return next_gettime(clock, t);
    }
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    (void)zone;
    int64_t now = wall();
    *t = (struct timeval){.tv_sec = now / second, .tv_usec = now % second / 1000};
    return 0;
}
time_t time(time_t *t) {
    time_t now = wall() / second;
    if (t) *t = now;
    return now;
}

/* A moment of the process's own clocks, as the machine has it. */
static struct timespec true_moment(const struct timespec *t, int by_wall) {
    int64_t moment = to_ns(t);
    if (by_wall) return from_ns(read_true(CLOCK_REALTIME) + (moment - wall()) / speed);
    return from_ns(moment / speed);
}
static struct timespec true_length(const struct timespec *t) {
    int64_t length = to_ns(t);
    return from_ns(length > 0 && length < speed ? 1 : length / speed);
}
/* Waits take moments of either clock; those of the wall clock lie far beyond any machine's uptime. */
static struct timespec true_deadline(const struct timespec *t) { return true_moment(t, t->tv_sec > 1000000000); }

int timerfd_create(int clock, int flags) {
    int (*next)(int, int) = dlsym(RTLD_NEXT, "timerfd_create");
    int file = next(clock, flags);
    if (file >= 0 && file < (int)sizeof is_wall) is_wall[file] = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
    return file;
}
int timerfd_settime(int file, int flags, const struct itimerspec *set, struct itimerspec *old) {
    static int (*next)(int, int, const struct itimerspec *, struct itimerspec *);
    if (!next) next = dlsym(RTLD_NEXT, "timerfd_settime");
    if (set->it_value.tv_sec == 0 && set->it_value.tv_nsec == 0) return next(file, flags, set, old);
    struct itimerspec mine = {.it_interval = true_length(&set->it_interval)};
    if (flags & TFD_TIMER_ABSTIME) {
        mine.it_value = true_moment(&set->it_value, file < (int)sizeof is_wall && is_wall[file]);
        if (to_ns(&mine.it_value) <= 0) mine.it_value = (struct timespec){0, 1};
    } else {
        mine.it_value = true_length(&set->it_value);
    }
    return next(file, flags, &mine, old);
}
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict lock, const struct timespec *restrict until) {
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!next) next = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next) next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec mine = true_deadline(until);
    return next(condition, lock, &mine);
}
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    static int (*next)(sem_t *, const struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec mine = true_deadline(until);
    return next(semaphore, &mine);
}
int nanosleep(const struct timespec *length, struct timespec *left) {
    static int (*next)(const struct timespec *, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "nanosleep");
    struct timespec mine = true_length(length);
    return next(&mine, left);
}
int usleep(useconds_t length) {
    struct timespec mine = from_ns((int64_t)length * 1000);
    return nanosleep(&mine, NULL);
}
