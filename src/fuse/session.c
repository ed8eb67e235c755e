/* SPDX-License-Identifier: ISC */
#include "fuse/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fuse_lowlevel.h>

#include "base/diag.h"
#include "base/mem.h"
#include "fuse/init.h"
#include "fuse/mountpoint.h"
#include "fuse/session_priv.h"
#include "vault/hold.h"

#define LINGER_S 10

/* libfuse's own words.  It says some lines in pieces. */
static void log_libfuse(enum fuse_log_level level, const char *format,
			va_list args) __attribute__((format(printf, 2, 0)));
static void log_libfuse(enum fuse_log_level level, const char *format,
			va_list args)
{
	static _Thread_local char line[512];
	size_t used = strlen(line);
	char *end;

	vsnprintf(line + used, sizeof(line) - used, format, args);
	end = strchr(line, '\n');
	if (!end && strlen(line) < sizeof(line) - 1)
		return;
	if (end)
		*end = '\0';
	diag(level <= FUSE_LOG_WARNING ? DIAG_WARNING : DIAG_DEBUG, "%s", line);
	line[0] = '\0';
}

static int add_option(struct fuse_args *args, const char *word)
{
	auto_free char *arg = mem_printf("-o%s", word);

	return arg && fuse_opt_add_arg(args, arg) == 0 ? 0 : -ENOMEM;
}

/* libfuse splits at commas, and takes a backslash for an escape. */
static int add_fsname(struct fuse_args *args, const char *name)
{
	auto_free char *escaped = mem_alloc(2 * strlen(name) + 1);
	auto_free char *word = NULL;
	char *to = escaped;

	if (!escaped)
		return -ENOMEM;
	for (; *name; *to++ = *name++) {
		if (*name == ',' || *name == '\\')
			*to++ = '\\';
	}
	*to = '\0';
	word = mem_printf("fsname=%s", escaped);
	return word ? add_option(args, word) : -ENOMEM;
}

static int add_options(struct fuse_args *args, const struct session *s,
		       const struct session_options *o)
{
	const struct {
		bool yes;
		const char *word;
	} words[] = {
		{ true, "subtype=coffer" },
		{ true, "nosuid" },
		{ true, "nodev" },
		{ s->how.read_only, "ro" },
		{ !o->relatime, "noatime" },
		{ o->allow_other, "allow_other" },
		{ o->allow_root, "allow_root" },
		{ !s->how.check_access, "default_permissions" },
	};
	int r = fuse_opt_add_arg(args, "coffer") == 0 ? 0 : -ENOMEM;
	size_t i;

	if (r == 0)
		r = add_fsname(args, o->fsname ? o->fsname : "coffer");
	for (i = 0; r == 0 && i < array_len(words); i++) {
		if (words[i].yes)
			r = add_option(args, words[i].word);
	}
	for (i = 0; r == 0 && i < o->n_extra; i++)
		r = add_option(args, o->extra[i]);
	return r;
}

static int make_fuse_session(struct session *s, const struct session_options *o)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = add_options(&args, s, o);

	if (r == 0) {
		/* It fails for want of memory or for an unknown word. */
		s->se = fuse_session_new(&args, &ops_table, sizeof(ops_table),
					 s);
		if (!s->se)
			r = -EINVAL;
	}
	fuse_opt_free_args(&args);
	return r;
}

static bool holds_inode(void *arg, uint64_t ino)
{
	const struct session *s = arg;

	return inode_table_knows(s->inodes, ino);
}

static int make_parts(struct session *s, const struct session_options *o)
{
	int r = inode_table_new(&s->inodes);

	if (r < 0)
		return r;
	vault_set_holder(s->vault, holds_inode, s);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->init_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->stop_fd < 0 || s->init_fd < 0)
		return -errno;
	return make_fuse_session(s, o);
}

static int mount_here(struct session *s)
{
	int fd, flags;

	errno = 0;
	if (fuse_session_mount(s->se, s->mountpoint) < 0) {
		/* Without a number it was fusermount3, which has spoken. */
		return errno && errno != ECHILD ? -errno : -EPERM;
	}
	fd = fuse_session_fd(s->se);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return fuse_session_custom_io(s->se, &request_io, fd) == 0 ? 0
								   : -ENOMEM;
}

static int make_loop(struct session *s, const struct session_options *o)
{
	const struct loop_options opts = {
		.fd = fuse_session_fd(s->se),
		.n_threads =
			o->n_threads ? o->n_threads : loop_default_threads(),
		.buffer_bytes = INIT_BUFFER_BYTES,
		.lock_memory = o->lock_memory,
		.process = request_process,
		.arg = s,
	};

	return loop_new(&opts, &s->loop);
}

static int resolve(const char *path, char **ret)
{
	char resolved[PATH_MAX];

	if (!realpath(path, resolved))
		return -errno;
	*ret = mem_strdup(resolved);
	return *ret ? 0 : -ENOMEM;
}

static struct session *session_alloc(const struct session_options *o)
{
	struct session *s = mem_zalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->vault = o->vault;
	s->owner = getuid();
	s->how = behaviour_choose(o, s->owner, vault_is_read_only(o->vault));
	s->disguise = (struct disguise){ o->set_uid, o->set_gid, o->set_umask,
					 o->uid,     o->gid,	 o->umask };
	s->idle_s = o->idle_s;
	s->linger_s = o->linger_s ? o->linger_s : LINGER_S;
	s->ready = o->ready;
	s->ready_arg = o->ready_arg;
	s->stop_fd = -1;
	s->init_fd = -1;
	request_counters_init(&s->counters);
	return s;
}

int session_new(const struct session_options *opts, const char **ret_reason,
		struct session **ret)
{
	struct session *s;
	int r = mountpoint_check_fuse(ret_reason);

	if (r == 0)
		r = mountpoint_check(opts->mountpoint, opts->vault_path,
				     opts->nonempty, ret_reason);
	if (r < 0)
		return r;
	*ret_reason = NULL;
	s = session_alloc(opts);
	if (!s)
		return -ENOMEM;
	fuse_set_log_func(log_libfuse);
	r = resolve(opts->mountpoint, &s->mountpoint);
	if (r == 0)
		r = make_parts(s, opts);
	if (r == 0)
		r = mount_here(s);
	if (r == 0)
		r = make_loop(s, opts);
	if (r < 0) {
		session_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void session_stop(struct session *s)
{
	const uint64_t one = 1;

	(void)!write(s->stop_fd, &one, sizeof(one));
}

void session_close_device(struct session *s)
{
	int fds[2];

	/* libfuse takes a connection for severed, and leaves the mount point
	 * alone, if polling the device gives POLLERR.  So does the end of a
	 * pipe nobody reads. */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	close(fds[0]);
	(void)!dup3(fds[1], fuse_session_fd(s->se), O_CLOEXEC);
	close(fds[1]);
}

static void end_mount(struct session *s)
{
	dev_t top;

	if (s->dev) {
		/* Dead or alive, but ours. */
		if (mountpoint_top(s->mountpoint, &top) == 1 && top == s->dev)
			(void)!mountpoint_unmount(s->mountpoint, true);
		session_close_device(s);
	}
	/* Never served: libfuse unmounts what it has just mounted. */
	fuse_session_unmount(s->se);
	fuse_session_destroy(s->se);
}

static void let_go(void *arg, uint64_t ino)
{
	struct session *s = arg;

	vault_let_go(s->vault, ino);
}

void session_free(struct session *s)
{
	if (!s)
		return;
	if (s->inodes) {
		diag(DIAG_DEBUG, "the kernel knew %" PRIu64 " inodes at the end",
		     inode_table_count(s->inodes));
		inode_table_drain(s->inodes, let_go, s);
		vault_set_holder(s->vault, NULL, NULL);
	}
	if (s->left_behind)
		return;
	if (s->se)
		end_mount(s);
	loop_free(s->loop);
	inode_table_free(s->inodes);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	if (s->init_fd >= 0)
		close(s->init_fd);
	mem_free(atomic_load(&s->features));
	mem_free(s->mountpoint);
	mem_free(s);
}

const char *session_features(const struct session *s)
{
	const char *text = atomic_load(&s->features);

	return text ? text : "not mounted yet";
}

uint64_t session_count_inodes(const struct session *s)
{
	return inode_table_count(s->inodes);
}

void session_get_stats(const struct session *s, struct request_stats *ret)
{
	request_counters_get(&s->counters, ret);
}
