/* SPDX-License-Identifier: ISC */
/* coffer umount: publish, unmount, wait until the daemon has ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/elsewhere.h"
#include "cli/mounted.h"
#include "fuse/mountpoint.h"

static bool is_lazy;

static int option(int key, const char *value)
{
	(void)key;
	(void)value;
	is_lazy = true;
	return EXIT_DONE;
}

/* Who only asks about file systems, as df(1) does, keeps each of them busy for
 * a moment. */
#define MOMENTS 10
#define MOMENT_NS (50 * NS_PER_MS)

/* How long the daemon may take to notice that it is unmounted. */
#define SERVED_TRIES 30
#define SERVED_MS 100u

static int unmount(const char *point)
{
	int r = mountpoint_unmount(point, is_lazy);

	for (int i = 0; r == -EBUSY && i < MOMENTS; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = MOMENT_NS }, NULL);
		r = mountpoint_unmount(point, is_lazy);
	}
	if (r == -EBUSY)
		return fail_code(
			EXIT_IN_USE,
			"cannot unmount %s: files in it are open, or "
			"it is somebody's working directory; fuser -vm "
			"shows whose, --lazy detaches it",
			point);
	if (r == -EPERM)
		return fail_code(EXIT_FAILED,
				 "cannot unmount %s: it is another user's",
				 point);
	return r < 0 ? fail_err(r, "cannot unmount %s", point) : EXIT_DONE;
}

/* How the daemon ended. */
static int report(const char *vault_path, int code, const char *text)
{
	if (code == EXIT_DONE)
		return code;
	return fail_code(code,
			 "unmounted, but not all of %s could be published: %s; "
			 "what was confirmed is kept in the local state, "
			 "`coffer sync' tries again",
			 vault_path, text);
}

/* 1, 0: is its daemon still serving?  Not if it only publishes. */
static int is_served(const struct mounted *m)
{
	auto_mounted struct mounted now = MOUNTED_INIT;
	int r = mounted_find_uuid(&m->uuid, &now);

	if (r <= 0)
		return r;
	return now.status.mount.pid == m->status.mount.pid &&
	       !now.status.mount.closing;
}

/*
 * Detached here, it may be mounted elsewhere still, or files of it be open
 * (--lazy); whoever says umount means that the vault is to be closed.
 */
static void see_it_end(const struct mounted *m, const struct mounted_wait *wait,
		       dev_t dev)
{
	auto_free char *where = NULL;
	int r = 1;

	for (int i = 0; r > 0 && i < SERVED_TRIES; i++) {
		if (mounted_wait_is_over(wait, SERVED_MS))
			return;
		r = is_served(m);
	}
	if (r <= 0)
		return;
	r = dev ? elsewhere_find(dev, &where) : 0;
	diag(DIAG_WARNING,
	     "%s is unmounted, but %s%s; what is open there is cut off in a "
	     "moment",
	     m->status.mount.mountpoint,
	     r > 0 ? "mounted " : "in use elsewhere, or files in it are open",
	     r > 0 ? where : "");
	r = mounted_wait_hurry(wait);
	if (r < 0)
		diag_err(DIAG_WARNING, r, "telling the daemon of %s to end",
			 m->status.mount.mountpoint);
}

/* What the kernel has taken and not passed on yet would be cut off as well. */
static void write_back(const char *point)
{
	int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (syncfs(fd) < 0)
		diag_err(DIAG_WARNING, -errno, "writing back %s", point);
	close(fd);
}

/* Takes it away, unless umount(8) did. */
static int detach(const struct mounted *m, dev_t *ret_dev)
{
	const struct control_mount *mount = &m->status.mount;
	int r;

	if (mount->closing)
		return EXIT_DONE;
	r = mountpoint_top(mount->mountpoint, ret_dev);
	if (r == 0)
		return EXIT_DONE;
	if (strcmp(mount->profile, "fast") == 0)
		write_back(mount->mountpoint);
	return unmount(mount->mountpoint);
}

static int end_daemon(const struct mounted *m)
{
	const struct control_mount *mount = &m->status.mount;
	auto_free char *text = NULL;
	struct mounted_wait wait;
	dev_t dev = 0;
	int code, r;

	r = mounted_wait_begin(m, &wait);
	if (r < 0)
		return fail_err(r, "cannot reach the daemon of %s",
				mount->mountpoint);
	code = detach(m, &dev);
	if (code == EXIT_DONE) {
		see_it_end(m, &wait, dev);
		r = mounted_wait_end(&wait, &code, &text);
		if (r < 0)
			code = fail_code(EXIT_FAILED,
					 "the daemon of %s ended without a "
					 "word; what was confirmed is kept in "
					 "the local state, the next mount "
					 "publishes it",
					 mount->mountpoint);
		else
			code = report(mount->vault_path, code, text);
	}
	mounted_wait_release(&wait);
	return code;
}

/* A mount whose daemon was killed. */
static int clear_away(const char *operand, const char *point)
{
	int code = unmount(point);

	if (code != EXIT_DONE)
		return code;
	diag(DIAG_WARNING,
	     "%s: the daemon of this mount was gone already; what was "
	     "confirmed is kept in the local state",
	     operand);
	return EXIT_DONE;
}

static int run(struct cli *cli)
{
	const char *operand = cli->operands[0];
	auto_mounted struct mounted m = MOUNTED_INIT;
	auto_free char *point = NULL;
	int r = mounted_find(operand, &m);

	if (r == 1)
		return end_daemon(&m);
	if (r == 0)
		r = mounted_find_kernel(operand, &point);
	if (r == 1)
		return clear_away(operand, point);
	if (r < 0)
		return fail_err(r, "cannot unmount %s", operand);
	return fail_code(EXIT_FAILED,
			 "cannot unmount %s: no vault is mounted there; "
			 "`coffer status' lists the mounts",
			 operand);
}

static const struct cli_option options[] = {
	{ 'l', "lazy", NULL, "detach it even if it is in use" },
	{ 0 },
};

const struct cli_command cmd_umount = {
	.name = "umount",
	.operands = "VAULT|MOUNTPOINT",
	.summary = "Publish everything, unmount, wait until the daemon has "
		   "ended.",
	.groups = CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = options,
	.option = option,
	.run = run,
};
