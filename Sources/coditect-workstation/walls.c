#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Landlock, by its numbers: Debian's headers are older than many kernels. https://docs.kernel.org/userspace-api/landlock.html
enum { LANDLOCK_CREATE = 444, LANDLOCK_ADD_RULE = 445, LANDLOCK_RESTRICT = 446, BENEATH = 1, PORT = 2 };
#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define NET_BIND (1ULL << 0)
#define NET_CONNECT (1ULL << 1)

struct landlock_rules { uint64_t fs, net, scoped; };
struct landlock_below { uint64_t allowed; int32_t parent; } __attribute__((packed));
struct landlock_port { uint64_t allowed, port; };

/// Programs and what they read to run at all. Of /etc only what is nobody's secret; /proc shows of others what the kernel shows to all.
static const char *const common[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/proc", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf",
    "/etc/resolv.conf", "/etc/services", "/etc/protocols", "/etc/mime.types", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/fonts",
    "/etc/os-release", "/etc/debian_version", NULL};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", NULL};

static int allow(int set, int place, uint64_t rights) {
    struct stat status;
    if (fstat(place, &status) != 0) return -1;
    struct landlock_below below = {.allowed = S_ISDIR(status.st_mode) ? rights : rights & OF_FILES, .parent = place};
    return (int)syscall(LANDLOCK_ADD_RULE, set, BENEATH, &below, 0);
}

static int allow_path(int set, const char *path, uint64_t rights) {
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) return 0;
    int done = allow(set, place, rights);
    close(place);
    return done;
}

static const char *wall_off(const struct terms *terms, int disk) {
    long known = syscall(LANDLOCK_CREATE, NULL, 0, 1);
    if (known < 1) return "this kernel has no Landlock";
    // Rights 0 to 12 came with version 1, 13 (refer), 14 (truncate) and 15 (device ioctl) with 2, 3 and 5.
    uint64_t rights = known >= 5 ? 0xFFFF : known >= 3 ? 0x7FFF : known >= 2 ? 0x3FFF : 0x1FFF;
    struct landlock_rules rules = {
        .fs = rights, .net = known < 4 ? 0 : terms->connects ? NET_BIND : NET_BIND | NET_CONNECT, .scoped = known >= 6 ? 3 : 0};
    int set = (int)syscall(LANDLOCK_CREATE, &rules, known >= 6 ? 24UL : known >= 4 ? 16UL : 8UL, 0);
    if (set < 0) return "Landlock refused its rules";
    uint64_t reads = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
    uint64_t uses = (FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV) & rights;
    int faults = allow(set, disk, rights);
    for (const char *const *path = common; *path; path++) faults |= allow_path(set, *path, reads);
    for (char *const *path = terms->readable; *path; path++) faults |= allow_path(set, *path, reads);
    faults |= allow_path(set, terms->command[0] ? terms->command : "/proc/self/exe", reads);
    for (const char *const *path = devices; *path; path++) faults |= allow_path(set, *path, uses);
    if (rules.net) {
        struct landlock_port own = {.allowed = rules.net, .port = (uint64_t)terms->port};
        faults |= (int)syscall(LANDLOCK_ADD_RULE, set, PORT, &own, 0);
    }
    if (faults == 0) faults = (int)syscall(LANDLOCK_RESTRICT, set, 0);
    close(set);
    return faults == 0 ? NULL : "Landlock could not be entered";
}

static int limit(int resource, uint64_t value) {
    struct rlimit held;
    if (getrlimit(resource, &held) != 0) return -1;
    if (held.rlim_max != RLIM_INFINITY && value > held.rlim_max) value = held.rlim_max;
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    return setrlimit(resource, &both);
}

/// A server that runs as root lends nothing of it: no capability is left, and none comes with a program.
static int give_up_capabilities(void) {
    if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED, 0, 0, 0) != 0
        && errno != EPERM)
        return -1;
    for (int capability = 0; capability <= 63; capability++) {
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) return -1;
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, none);
}

/// So many processors, another set for each port.
static void share_processors(const struct terms *terms) {
    cpu_set_t may, mine;
    if (sched_getaffinity(0, sizeof may, &may) != 0 || CPU_COUNT(&may) <= terms->processors) return;
    CPU_ZERO(&mine);
    for (int at = terms->port % CPU_SETSIZE, seen = 0; seen < CPU_SETSIZE && CPU_COUNT(&mine) < terms->processors; at = (at + 1) % CPU_SETSIZE, seen++) {
        if (CPU_ISSET(at, &may)) CPU_SET(at, &mine);
    }
    sched_setaffinity(0, sizeof mine, &mine);
}

const char *enter_walls(const struct terms *terms, int disk) {
    umask(0077);
    share_processors(terms);
    setpriority(PRIO_PROCESS, 0, 10);
    // Of all that the server's user runs: nobody begins more than this. What is its own is counted by the keeper.
    if (limit(RLIMIT_NPROC, MAX_PROCESSES) != 0 || limit(RLIMIT_FSIZE, terms->disk_bytes) != 0 || limit(RLIMIT_DATA, terms->memory_bytes) != 0
        || limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_NOFILE, 1024) != 0 || limit(RLIMIT_MEMLOCK, 65536) != 0 || limit(RLIMIT_MSGQUEUE, 0) != 0)
        return "the limits could not be set";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs could not be set";
    const char *fault = wall_off(terms, disk);
    if (fault) return fault;
    return give_up_capabilities() == 0 ? NULL : "the capabilities could not be given up";
}
