#define _GNU_SOURCE
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// The filter refuses with EPERM instead of killing: a library that tries something and goes on without it must be able to.

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the prison knows the system calls of x86-64 and AArch64 only"
#endif

#define WORD(place) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(place))
#define NUMBER offsetof(struct seccomp_data, nr)
#define LOW(index) (offsetof(struct seccomp_data, args) + 8 * (index))
#define HIGH(index) (LOW(index) + 4)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOWED(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), ALLOW
/// Otherwise jumps over the next `count` instructions.
#define ONLY(name, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, (count))

int prison_close_system_calls(void) {
    struct sock_filter rules[] = {
        WORD(offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        WORD(NUMBER),
        // The descriptors that it holds.
        ALLOWED(read), ALLOWED(write), ALLOWED(readv), ALLOWED(writev), ALLOWED(pread64), ALLOWED(close), ALLOWED(lseek),
        ALLOWED(sendto), ALLOWED(recvfrom), ALLOWED(shutdown), ALLOWED(fstat), ALLOWED(getdents64), ALLOWED(ppoll), ALLOWED(eventfd2), ALLOWED(pipe2),
        ALLOWED(epoll_create1), ALLOWED(epoll_ctl), ALLOWED(epoll_pwait), ALLOWED(timerfd_create), ALLOWED(timerfd_settime), ALLOWED(timerfd_gettime),
        // Looking at files; what may be opened is Landlock's to say.
        ALLOWED(newfstatat), ALLOWED(statx), ALLOWED(faccessat), ALLOWED(faccessat2), ALLOWED(readlinkat), ALLOWED(getcwd), ALLOWED(statfs), ALLOWED(fstatfs),
        // Memory and threads.
        ALLOWED(mmap), ALLOWED(munmap), ALLOWED(mprotect), ALLOWED(mremap), ALLOWED(madvise), ALLOWED(brk), ALLOWED(futex), ALLOWED(set_robust_list),
        ALLOWED(get_robust_list), ALLOWED(set_tid_address), ALLOWED(rseq), ALLOWED(membarrier), ALLOWED(sched_yield), ALLOWED(sched_getaffinity),
        ALLOWED(sched_getparam), ALLOWED(sched_getscheduler), ALLOWED(sched_get_priority_max), ALLOWED(sched_get_priority_min), ALLOWED(getcpu),
        ALLOWED(exit), ALLOWED(exit_group),
        // Signals to itself, time, chance, and who it is.
        ALLOWED(rt_sigaction), ALLOWED(rt_sigprocmask), ALLOWED(rt_sigreturn), ALLOWED(rt_sigsuspend), ALLOWED(rt_sigtimedwait), ALLOWED(sigaltstack), ALLOWED(restart_syscall), ALLOWED(nanosleep),
        ALLOWED(clock_nanosleep), ALLOWED(clock_gettime), ALLOWED(clock_getres), ALLOWED(gettimeofday), ALLOWED(getrandom), ALLOWED(getpid), ALLOWED(gettid),
        ALLOWED(getppid), ALLOWED(getuid), ALLOWED(geteuid), ALLOWED(getgid), ALLOWED(getegid), ALLOWED(uname), ALLOWED(sysinfo), ALLOWED(getrusage),
        ALLOWED(times),
#if defined(__x86_64__)
        ALLOWED(pause), ALLOWED(poll), ALLOWED(epoll_wait), ALLOWED(stat), ALLOWED(lstat), ALLOWED(access), ALLOWED(readlink), ALLOWED(arch_prctl), ALLOWED(time),
#endif
        // Opening, for reading alone.
        ONLY(openat, 4),
        WORD(LOW(2)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY), 1, 0),
        ALLOW,
        REFUSE(EPERM),
        // Flags of descriptors; never an owner, to whom the kernel would send signals.
        ONLY(fcntl, 8),
        WORD(LOW(1)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFD, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETFD, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFL, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETFL, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 1, 0),
        REFUSE(EPERM),
        ALLOW,
        // A thread, never a process. clone3 hides its flags in memory; the C library falls back where it is unknown.
        ONLY(clone, 6),
        WORD(HIGH(0)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        WORD(LOW(0)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
        ALLOW,
        REFUSE(EPERM),
        ONLY(clone3, 1),
        REFUSE(ENOSYS),
        // A signal to one of its own threads, as abort sends it.
        ONLY(tgkill, 4),
        WORD(LOW(0)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 0, 1),
        ALLOW,
        REFUSE(EPERM),
        // Reading its limits, not setting them.
        ONLY(prlimit64, 8),
        WORD(LOW(0)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
        WORD(LOW(2)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        WORD(HIGH(2)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        ALLOW,
        REFUSE(EPERM),
        // Naming a thread.
        ONLY(prctl, 5),
        WORD(LOW(0)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_NAME, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_GET_NAME, 0, 1),
        ALLOW,
        REFUSE(EPERM),
        REFUSE(EPERM),
    };
    struct sock_fprog program = {.len = (unsigned short)(sizeof rules / sizeof rules[0]), .filter = rules};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
