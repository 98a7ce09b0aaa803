#define _GNU_SOURCE
#include "keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// One process keeps one workstation: it holds `lock`, starts the program behind its walls, counts what it takes, and ends all of it when it is told to
// (SIGTERM), when the program ends, takes too much or is not wanted any more. Its last words are in `life`.

enum { SAID_BYTES = 8192, GRACE_MILLIS = 5000 };

static int64_t now_millis(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// The file as a whole or not at all.
static void tell(int place, const char *name, const char *text, size_t bytes) {
    char draft[40];
    snprintf(draft, sizeof draft, "%s.part", name);
    int file = openat(place, draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return;
    bool written = write(file, text, bytes) == (ssize_t)bytes;
    close(file);
    if (written) renameat(place, draft, place, name);
}
static void tell_life(int place, const char *text) { tell(place, "life", text, strlen(text)); }

static void refuse(int report, const char *why) {
    if (write(report, why, strlen(why)) < 0) return;
}

struct run {
    const struct terms *terms;
    int place, said, signals;
    pid_t program;
    char last[SAID_BYTES];
    size_t held;
};

/// Behind the fork: never returns.
static void become_program(struct run *run, int output, int report) {
    const struct terms *terms = run->terms;
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setsid();
    int disk = openat(run->place, "disk", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    int empty = open("/dev/null", O_RDONLY);
    const char *fault = NULL;
    if (disk < 0 || empty < 0 || fchdir(disk) != 0) fault = "there is no disk";
    if (!fault && mkdirat(disk, ".tmp", 0700) != 0 && errno != EEXIST) fault = "there is no room for temporary files";
    if (!fault && (dup2(empty, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)) fault = "its streams cannot be set";
    // The desk goes behind the walls by itself: what it is linked with may lie before them.
    if (!fault && terms->command[0]) fault = enter_walls(terms, disk);
    char home[4200], temporary[4300], mark[4300], port[40], host[400], token[200], shown[300];
    snprintf(home, sizeof home, "HOME=%s/disk", terms->place);
    snprintf(temporary, sizeof temporary, "TMPDIR=%s/disk/.tmp", terms->place);
    snprintf(mark, sizeof mark, "CODITECT_WORKSTATION=%s", terms->place);
    snprintf(port, sizeof port, "WORKSTATION_PORT=%d", terms->port);
    snprintf(host, sizeof host, "WORKSTATION_HOST=%s", terms->host);
    snprintf(token, sizeof token, "WORKSTATION_TOKEN=%s", getenv("WORKSTATION_TOKEN"));
    snprintf(shown, sizeof shown, "WORKSTATION_CONNECTS=%s", terms->connects ? "yes" : "no");
    char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", home, temporary, mark, port, host, token, shown, NULL};
    char own[4096] = "";
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length > 0) own[length] = 0;
    char *const named[] = {(char *)terms->command, NULL};
    terms->given[1] = "desk";
    // Everything but the standard streams and the way to tell of a fault, which closes by itself.
    for (int number = 3; number < 1024; number++) {
        if (number != report) close(number);
    }
    if (!fault) {
        execve(terms->command[0] ? terms->command : own, terms->command[0] ? named : terms->given, environment);
        fault = strerror(errno);
    }
    refuse(report, fault);
    _exit(126);
}

/// Starts it; NULL, or what failed.
static const char *start_program(struct run *run) {
    static char why[160];
    int output[2], report[2];
    if (pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(report, O_CLOEXEC) != 0) return "there are no pipes";
    run->program = fork();
    if (run->program < 0) return "no process can be made";
    if (run->program == 0) become_program(run, output[1], report[1]);
    close(output[1]);
    close(report[1]);
    ssize_t count = read(report[0], why, sizeof why - 1);
    close(report[0]);
    run->said = output[0];
    if (count <= 0) return NULL;
    why[count] = 0;
    waitpid(run->program, NULL, 0);
    return why;
}

static void listen_to(struct run *run) {
    char text[4096];
    ssize_t count;
    while ((count = read(run->said, text, sizeof text)) > 0) {
        // The last words are those that matter.
        size_t bytes = (size_t)count, over = run->held + bytes > SAID_BYTES ? run->held + bytes - SAID_BYTES : 0;
        memmove(run->last, run->last + over, run->held - over);
        run->held -= over;
        memcpy(run->last + run->held, text, bytes);
        run->held += bytes;
    }
    if (count == 0) {
        close(run->said);
        run->said = -1;
    }
}

/// Whoever ended; true where the program itself did.
static bool reap(struct run *run, int *status) {
    bool ended = false;
    int code;
    pid_t gone;
    while ((gone = waitpid(-1, &code, WNOHANG)) > 0) {
        if (gone != run->program) continue;
        ended = true;
        *status = code;
    }
    return ended;
}

/// Nobody of it is left: what descends from the program falls to its keeper.
static void end_all(struct run *run) {
    pid_t found[MAX_PROCESSES];
    size_t count = descendants(getpid(), found, MAX_PROCESSES);
    for (size_t one = 0; one < count; one++) kill(found[one], SIGTERM);
    int64_t until = now_millis() + GRACE_MILLIS;
    while (true) {
        pid_t gone;
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (gone < 0 && errno == ECHILD) return;
        if (run->said >= 0) listen_to(run);
        if (now_millis() >= until) {
            count = descendants(getpid(), found, MAX_PROCESSES);
            for (size_t one = 0; one < count; one++) kill(found[one], SIGKILL);
        }
        struct pollfd asked = {.fd = run->signals, .events = POLLIN};
        poll(&asked, 1, 50);
        struct signalfd_siginfo told;
        while (read(run->signals, &told, sizeof told) > 0) {}
    }
}

static bool server_is_there(const char *path) {
    int file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return false;
    // Asks only: two keepers who took the lock to see it would each be the other's server.
    struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool is_there = fcntl(file, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK;
    close(file);
    return is_there;
}

/// Keeps it until it ends, and says why it did.
static void watch(struct run *run, char *why, size_t bytes) {
    const struct terms *terms = run->terms;
    int64_t begun = now_millis(), alone_since = -1, count_at = 0;
    bool is_ready = false;
    static pid_t found[MAX_PROCESSES];
    while (true) {
        struct pollfd asked[2] = {{.fd = run->signals, .events = POLLIN}, {.fd = run->said, .events = POLLIN}};
        poll(asked, 2, is_ready ? 2000 : 50);
        struct signalfd_siginfo told;
        bool asked_to_end = false;
        while (read(run->signals, &told, sizeof told) > 0) asked_to_end |= told.ssi_signo != SIGCHLD;
        if (run->said >= 0) listen_to(run);
        int status = 0;
        if (reap(run, &status)) {
            if (WIFEXITED(status)) return (void)snprintf(why, bytes, "ended by itself with code %d\n", WEXITSTATUS(status));
            return (void)snprintf(why, bytes, "ended by itself with signal %d\n", WTERMSIG(status));
        }
        if (asked_to_end) return (void)snprintf(why, bytes, "ended: it was told to\n");
        struct stat there;
        if (fstat(run->place, &there) != 0 || there.st_nlink == 0) return (void)snprintf(why, bytes, "ended: its place is gone\n");
        int64_t now = now_millis();
        if (server_is_there(terms->server)) alone_since = -1;
        else if (alone_since < 0) alone_since = now;
        if (alone_since >= 0 && now - alone_since >= (int64_t)terms->orphan_seconds * 1000)
            return (void)snprintf(why, bytes, "ended: no server was there for %d s\n", terms->orphan_seconds);
        size_t count = descendants(getpid(), found, MAX_PROCESSES);
        if (count > (size_t)terms->processes) return (void)snprintf(why, bytes, "ended: more than %d processes\n", terms->processes);
        uint64_t memory = memory_of(found, count);
        if (memory > terms->memory_bytes)
            return (void)snprintf(why, bytes, "ended: it took %llu bytes of memory of %llu\n", (unsigned long long)memory, (unsigned long long)terms->memory_bytes);
        enum listening seen = who_listens(terms->port, found, count);
        if (seen == LISTENS_TO_ALL) return (void)snprintf(why, bytes, "ended: it listens to other machines\n");
        if (!is_ready && seen == LISTENS) {
            is_ready = true;
            tell_life(run->place, "ready\n");
        }
        if (!is_ready && now - begun >= (int64_t)terms->start_seconds * 1000)
            return (void)snprintf(why, bytes, "ended: it did not listen within %d s\n", terms->start_seconds);
        if (now >= count_at) {
            uint64_t used;
            if (tree_exceeds(run->place, "disk", terms->disk_bytes, &used))
                return (void)snprintf(why, bytes, "ended: its disk holds more than %llu bytes\n", (unsigned long long)terms->disk_bytes);
            // Looking takes at most a twentieth of the time.
            int64_t took = now_millis() - now;
            count_at = now_millis() + (took * 20 > 2000 ? took * 20 : 2000);
        }
    }
}

/// Takes the port at `[::1]` for as long as the keeper lives, and listens to nobody there: a browser asks for `name.localhost` there first, and
/// would show the token to whoever on this machine has taken it. False where somebody has; true also where there is no such address.
static bool hold_other_door(int port) {
    int door = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (door < 0) return true;
    // Without SO_REUSEADDR nobody else can take it beside us.
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (bind(door, (struct sockaddr *)&own, sizeof own) == 0) return true;  // open until the process ends
    bool is_taken = errno == EADDRINUSE || errno == EACCES;
    close(door);
    return !is_taken;
}

/// The keeper itself, in a session of its own.
static int live(const struct terms *terms, int place, int lock, int report) {
    static struct run run;
    run = (struct run){.terms = terms, .place = place, .said = -1};
    sigset_t heard;
    sigfillset(&heard);
    sigprocmask(SIG_SETMASK, &heard, NULL);
    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    sigaddset(&heard, SIGTERM);
    sigaddset(&heard, SIGINT);
    sigaddset(&heard, SIGHUP);
    run.signals = signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    // What a keeper that was killed left behind.
    sweep(terms->place);
    char text[80];
    int length = snprintf(text, sizeof text, "%d %llu\n", (int)getpid(), began(getpid()));
    if (run.signals < 0 || ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)length, 0) != length) {
        refuse(report, "its place cannot be written");
        return 1;
    }
    tell_life(place, "starting\n");
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const char *fault = hold_other_door(terms->port) ? start_program(&run) : "another program has its port at [::1]";
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    char why[240];
    if (fault) {
        refuse(report, fault);
        snprintf(why, sizeof why, "ended: it could not be started: %s\n", fault);
    } else {
        close(report);
        watch(&run, why, sizeof why);
        end_all(&run);
        sweep(terms->place);
    }
    tell(place, "said", run.last, run.held);
    tell_life(place, why);
    return fault ? 1 : 0;
}

int open_lock(int place) { return place < 0 ? -1 : openat(place, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600); }

bool take_lock(int lock) {
    // Of this opening, which the keeper inherits: it goes with the last process that has it.
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(lock, F_OFD_SETLK, &whole) == 0;
}

int keep(const struct terms *terms) {
    int place = open(terms->place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int lock = open_lock(place);
    int report[2];
    if (lock < 0 || pipe2(report, O_CLOEXEC) != 0) return fprintf(stderr, "its place is not there"), 1;
    if (!take_lock(lock)) return 3;
    pid_t keeper = fork();
    if (keeper < 0) return fprintf(stderr, "no process can be made"), 1;
    if (keeper > 0) {
        close(report[1]);
        char why[300];
        ssize_t count = read(report[0], why, sizeof why - 1);
        if (count <= 0) return 0;
        why[count] = 0;
        fputs(why, stderr);
        // Until it is gone, so that whoever asks next finds the lock free.
        waitpid(keeper, NULL, 0);
        return 1;
    }
    setsid();
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int number = 0; number < 3; number++) dup2(nothing, number);
    close(report[0]);
    _exit(live(terms, place, lock, report[1]));
}
