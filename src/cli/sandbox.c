/* SPDX-License-Identifier: ISC */
#include "cli/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define SANDBOX_ARCH AUDIT_ARCH_RISCV64
#else
#define SANDBOX_ARCH 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/*
 * Whatever the arguments are.  The kernel asks the filter once for each of
 * these and remembers the answer (since 5.11, where the answer depends on
 * nothing else), so the order does not matter.
 */
static const int allowed[] = {
	/* The device, the control socket, what they are waited for with. */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_eventfd2, SYS_signalfd4, SYS_accept4, SYS_accept, SYS_recvfrom,
	SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_shutdown, SYS_getsockopt,
	SYS_setsockopt, SYS_pipe2, SYS_dup, SYS_dup3,
#ifdef SYS_dup2
	SYS_dup2,
#endif
	/* Files of the vault and of the local state, /proc and /sys. */
	SYS_openat, SYS_close, SYS_pread64, SYS_pwrite64, SYS_preadv,
	SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_fsync,
	SYS_fdatasync, SYS_sync_file_range, SYS_ftruncate, SYS_fallocate,
	SYS_fadvise64, SYS_fcntl, SYS_flock, SYS_fstat, SYS_newfstatat,
	SYS_statx, SYS_statfs, SYS_fstatfs, SYS_getdents64, SYS_linkat,
	SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_fchmod,
	SYS_fchmodat, SYS_faccessat, SYS_readlinkat, SYS_getcwd,
#ifdef SYS_open
	SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_rename,
	SYS_unlink, SYS_mkdir, SYS_rmdir,
#endif
#ifdef SYS_renameat
	SYS_renameat,
#endif
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
	/* The end of the mount; without CAP_SYS_ADMIN it does nothing. */
	SYS_umount2,
	/* Memory. */
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mlock, SYS_mlock2,
	SYS_munlock, SYS_mincore,
	/* Threads: their start, locks and end.  A process that was forked would
	 * stand under the same filter; and what clone3 is for stands in
	 * memory, where no filter can see it. */
	SYS_clone,
#ifdef SYS_clone3
	SYS_clone3,
#endif
	SYS_futex, SYS_set_robust_list, SYS_get_robust_list,
	SYS_set_tid_address, SYS_sched_yield, SYS_sched_getaffinity,
	SYS_sched_getparam, SYS_sched_getscheduler, SYS_gettid, SYS_exit,
	SYS_exit_group, SYS_membarrier,
#ifdef SYS_rseq
	SYS_rseq,
#endif
	/* Signals to this process. */
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_restart_syscall,
	/* Time, chance, who and where we are. */
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
	SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_sysinfo, SYS_uname,
	SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid,
	SYS_getegid, SYS_getgroups, SYS_getrusage, SYS_times, SYS_getcpu,
	SYS_wait4, SYS_waitid,
#ifdef SYS_time
	SYS_time,
#endif
};

/* ---------------------------------------------------------------- the program */

#define PROGRAM_MAX (2 * array_len(allowed) + 48)

struct program {
	struct sock_filter at[PROGRAM_MAX];
	unsigned short n;
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t yes,
		uint8_t no)
{
	p->at[p->n++] = (struct sock_filter){ code, yes, no, k };
}

static void load(struct program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct program *p, uint32_t what)
{
	put(p, BPF_RET | BPF_K, what, 0, 0);
}

static void refuse(struct program *p, int err)
{
	answer(p, SECCOMP_RET_ERRNO | ((uint32_t)err & SECCOMP_RET_DATA));
}

static void load_number(struct program *p)
{
	load(p, offsetof(struct seccomp_data, nr));
}

/* The lower half of an argument: all that an int or a flag word has. */
static size_t argument(unsigned i)
{
	size_t at = offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	at += sizeof(uint32_t);
#endif
	return at;
}

/* Allowed if none of `bits` is in its argument. */
static void rule_without(struct program *p, int number, unsigned arg,
			 uint32_t bits)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 5);
	load(p, argument(arg));
	put(p, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
	refuse(p, EPERM);
}

/* Allowed if the argument is this. */
static void rule_is(struct program *p, int number, unsigned arg, uint32_t value)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4);
	load(p, argument(arg));
	put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
	refuse(p, EPERM);
}

static void build(struct program *p)
{
	p->n = 0;
	/* Another machine's numbers, by a call made as its programs do: no
	 * part of this one does that. */
	load(p, offsetof(struct seccomp_data, arch));
	put(p, BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0);
	answer(p, SECCOMP_RET_KILL_PROCESS);
	load_number(p);
	for (size_t i = 0; i < array_len(allowed); i++) {
		put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
		answer(p, SECCOMP_RET_ALLOW);
	}
	rule_without(p, SYS_mmap, 2, PROT_EXEC);
	rule_without(p, SYS_mprotect, 2, PROT_EXEC);
	rule_is(p, SYS_tgkill, 0, (uint32_t)getpid());
	rule_is(p, SYS_prlimit64, 0, 0);
	refuse(p, EPERM);
}

/* ---------------------------------------------------------------- entering */

/* It replaces allocators by way of the loader. */
static bool is_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "/vgpreload_");
}

bool sandbox_is_supported(void)
{
	return SANDBOX_ARCH != 0 && !IS_SANITIZED && !is_under_valgrind();
}

static int set_filter(const struct sock_fprog *prog, unsigned flags)
{
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);

	if (r < 0)
		return -errno;
	/* A thread that has a filter we do not know. */
	return r > 0 ? -ESRCH : 0;
}

int sandbox_enter(void)
{
	const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC;
	struct program p;
	struct sock_fprog prog;
	int r;

	build(&p);
	prog = (struct sock_fprog){ .len = p.n, .filter = p.at };
	/* Without it only root may set a filter. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
		return -errno;
	/* Kernels before 4.14 do not log. */
	r = set_filter(&prog, flags | SECCOMP_FILTER_FLAG_LOG);
	if (r == -EINVAL)
		r = set_filter(&prog, flags);
	return r == -EINVAL ? -ENOSYS : r;
}
