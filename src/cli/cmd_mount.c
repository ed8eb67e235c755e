/* SPDX-License-Identifier: ISC */
/* coffer mount: a daemon that serves a vault to the kernel. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/daemon.h"
#include "cli/mount_options.h"
#include "cli/mounted.h"
#include "cli/open.h"
#include "cli/sandbox.h"
#include "cli/signals.h"
#include "fuse/mountpoint.h"
#include "fuse/session.h"
#include "fuse/unmounter.h"

enum { KEY_QUOTA = CLI_KEY_OWN, KEY_NO_SECCOMP };

/* A detached mount that is still in use is not listed either, and may be for
 * ever. */
#define LISTED_NS (5 * (uint64_t)NS_PER_S)

static bool in_foreground;
static struct mount_options words;
static bool words_ready;

static int option(int key, const char *value)
{
	if (!words_ready) {
		mount_options_init(&words);
		words_ready = true;
	}
	if (key == 'o')
		return mount_options_parse(&words, value);
	if (key == KEY_QUOTA)
		return mount_options_quota(&words, "--quota", value);
	if (key == KEY_NO_SECCOMP)
		words.no_sandbox = true;
	else
		in_foreground = true;
	return EXIT_DONE;
}

/* All of one mount. */
struct mounting {
	struct daemon daemon;
	struct uuid uuid;
	char *vault_path; /* resolved, owned */
	char *mountpoint; /* resolved, owned */
	struct vault *vault;
	struct session *session;
	struct control_mount shown;
	struct control *control;
};

static void mounting_release(struct mounting *m)
{
	mem_free(m->vault_path);
	mem_free(m->mountpoint);
	mem_free(m->shown.profile);
}

static int tell_mountpoint(const struct cli *cli, int err, const char *reason)
{
	const char *vault = cli->operands[0], *point = cli->operands[1];

	if (err == ERR_NO_DEVICE)
		return fail_code(EXIT_MOUNTPOINT, "cannot mount %s: %s", vault,
				 reason);
	if (err == ERR_BAD_MOUNTPOINT)
		return fail_code(EXIT_MOUNTPOINT, "cannot mount %s: %s %s%s",
				 vault, point, reason,
				 strcmp(reason, "does not exist") == 0
					 ? "; make it with mkdir"
					 : "");
	if (err == -EPERM)
		return fail_code(EXIT_MOUNTPOINT,
				 "cannot mount %s on %s: not permitted", vault,
				 point);
	return fail_err(err, "cannot mount %s on %s", vault, point);
}

/* Until it has published and ended. */
static int wait_for_end(const struct mounted *m)
{
	auto_free char *text = NULL;
	struct mounted_wait wait;
	int code, r = mounted_wait_begin(m, &wait);

	if (r < 0)
		return r;
	diag(DIAG_INFO, "%s is being unmounted; waiting for that",
	     m->status.mount.vault_path);
	/* However it ended: what it left is found when the vault is opened. */
	r = mounted_wait_end(&wait, &code, &text);
	mounted_wait_release(&wait);
	return r;
}

/*
 * Is it mounted already?  1, 0.  umount(8) returns before the daemon knows of
 * it: one that is ending is waited for, and one whose mount the kernel does not
 * list is given LISTED_NS to notice.
 */
static int is_mounted_already(const struct uuid *uuid)
{
	const uint64_t until = clock_mono_ns() + LISTED_NS;

	for (;;) {
		auto_mounted struct mounted m = MOUNTED_INIT;
		auto_free char *point = NULL;
		int r = mounted_find_uuid(uuid, &m);

		if (r <= 0)
			return r;
		if (m.status.mount.closing && wait_for_end(&m) == 0)
			continue;
		r = mounted_find_kernel(m.status.mount.mountpoint, &point);
		if (r != 0 || clock_mono_ns() > until)
			return 1;
		nanosleep(&(struct timespec){ .tv_nsec = 20 * NS_PER_MS },
			  NULL);
	}
}

static int check_others(const struct cli *cli)
{
	const struct session_options *o = &words.session;

	if ((!o->allow_other && !o->allow_root) || mountpoint_may_let_in())
		return EXIT_DONE;
	return fail_code(EXIT_MOUNTPOINT,
			 "cannot mount %s with %s: for ordinary users "
			 "/etc/fuse.conf has to say user_allow_other",
			 cli->operands[0],
			 o->allow_other ? "allow_other" : "allow_root");
}

/* All that can be known to fail before a passphrase is asked for. */
static int check_before(const struct cli *cli, struct mounting *m,
			const struct vault_options *opts)
{
	const char *reason = NULL;
	char resolved[PATH_MAX];
	int r = open_peek(opts, &m->uuid);

	if (r != EXIT_DONE)
		return r;
	if (!opts->no_state && is_mounted_already(&m->uuid) == 1)
		return open_tell("mount", opts, ERR_IN_USE, NULL);
	r = mountpoint_check_fuse(&reason);
	if (r == 0)
		r = mountpoint_check(cli->operands[1], opts->path,
				     words.session.nonempty, &reason);
	if (r < 0)
		return tell_mountpoint(cli, r, reason);
	r = check_others(cli);
	if (r != EXIT_DONE)
		return r;
	/* The daemon leaves this directory. */
	if (realpath(opts->path, resolved))
		m->vault_path = mem_strdup(resolved);
	if (realpath(cli->operands[1], resolved))
		m->mountpoint = mem_strdup(resolved);
	return m->vault_path && m->mountpoint
		       ? EXIT_DONE
		       : fail_err(-ENOMEM, "cannot mount %s", opts->path);
}

/* As much of what the limits allow as there is. */
static void raise_limits(bool lock_memory)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)!setrlimit(RLIMIT_NOFILE, &l);
	}
	if (getrlimit(RLIMIT_MEMLOCK, &l) < 0)
		return;
	if (lock_memory && geteuid() == 0)
		l.rlim_max = RLIM_INFINITY;
	l.rlim_cur = l.rlim_max;
	(void)!setrlimit(RLIMIT_MEMLOCK, &l);
}

static bool wants_sandbox(void)
{
	return !words.no_sandbox && sandbox_is_supported();
}

static void become_ready(void *arg)
{
	struct mounting *m = arg;
	int r;

	/* Who waits for the mount finds it guarded. */
	daemon_detach(&m->daemon);
	r = wants_sandbox() ? sandbox_enter() : 0;
	if (r < 0)
		diag_err(DIAG_WARNING, r,
			 "the daemon may call whatever it likes: no seccomp "
			 "filter (-o noseccomp does without)");
	daemon_ready(&m->daemon);
}

static int make_session(const struct cli *cli, struct mounting *m)
{
	struct session_options o = words.session;
	const char *reason = NULL;
	int r;

	o.vault = m->vault;
	o.mountpoint = m->mountpoint;
	o.vault_path = m->vault_path;
	if (!o.fsname)
		o.fsname = m->vault_path;
	o.extra = words.extra;
	o.n_extra = words.n_extra;
	o.ready = become_ready;
	o.ready_arg = m;
	r = session_new(&o, &reason, &m->session);
	return r < 0 ? tell_mountpoint(cli, r, reason) : EXIT_DONE;
}

static int start_control(struct mounting *m)
{
	m->shown = (struct control_mount){
		.pid = (uint64_t)getpid(),
		.since_ms = (uint64_t)(clock_wall_ns() / NS_PER_MS),
		.vault_path = m->vault_path,
		.mountpoint = m->mountpoint,
		.profile = mem_strdup(words.profile),
	};
	if (!m->shown.profile)
		return -ENOMEM;
	return control_start(m->vault, m->session, &m->uuid, &m->shown,
			     &m->control);
}

static int serve(const struct cli *cli, struct mounting *m)
{
	enum session_end end = SESSION_UNMOUNTED;
	int r;

	/* Threads inherit the mask; the session reads signals itself. */
	signals_block();
	r = vault_start_background(m->vault);
	if (r < 0)
		return fail_err(r, "cannot mount %s", cli->operands[0]);
	r = start_control(m);
	if (r < 0)
		diag_err(DIAG_WARNING, r,
			 "there is no control socket: `coffer status', `sync' "
			 "and `umount' will not find this mount");
	r = session_run(m->session, &end);
	if (r < 0)
		return fail_err(r, "the mount of %s on %s has ended",
				m->vault_path, m->mountpoint);
	if (end == SESSION_IDLE)
		diag(DIAG_INFO, "%s was idle and is unmounted", m->mountpoint);
	return EXIT_DONE;
}

/* With a line for whoever waits for the end. */
static int close_all(struct mounting *m, int code)
{
	const char *text = code == EXIT_DONE ? "" : "the mount failed";
	int r;

	control_quiesce(m->control);
	session_free(m->session);
	r = vault_close(m->vault);
	if (r < 0) {
		diag_err(DIAG_ERROR, r,
			 "cannot publish all of %s; what was confirmed is kept "
			 "in the local state",
			 m->vault_path);
		text = err_text(r);
		code = exit_code_worse(code, exit_code_of(r));
	}
	control_end(m->control, code, text);
	return code;
}

static int open_and_serve(const struct cli *cli, struct mounting *m,
			  struct vault_options *opts)
{
	int r = 0;

	/* Before there are secrets. */
	if (wants_sandbox() && geteuid() != 0)
		r = unmounter_start(cli->words, cli->n_words);
	if (r < 0)
		return fail_err(r, "cannot mount %s", opts->path);
	raise_limits(opts->lock_memory);
	r = open_vault(cli, opts, &m->vault);
	if (r != EXIT_DONE)
		return r;
	if (vault_is_read_only(m->vault) && !opts->read_only && !opts->no_state)
		diag(DIAG_WARNING, "%s is mounted read-only: %s", opts->path,
		     vault_read_only_reason(m->vault));
	r = make_session(cli, m);
	if (r == EXIT_DONE)
		r = serve(cli, m);
	return close_all(m, r);
}

/* What -o says of passphrases counts where no option does. */
static int merge_options(struct cli *cli)
{
	struct pass_sources *to = &cli->pass;
	const struct pass_sources *from = &words.pass;

	if (!to->has_fd && !to->file && !to->command) {
		to->file = from->file;
		to->command = from->command;
	}
	if (!to->key_file)
		to->key_file = from->key_file;
	to->no_passphrase = to->no_passphrase || from->no_passphrase;
	if (!cli->state_dir)
		cli->state_dir = words.state_dir;
	cli->no_state = cli->no_state || words.vault.no_state;
	if (to->file && to->command)
		return fail_usage("give one of passfile= and passcmd=");
	if (to->no_passphrase && !to->key_file)
		return fail_usage("no_passphrase needs keyfile=");
	if (words.session.allow_other && words.session.allow_root)
		return fail_usage("give one of allow_other and allow_root");
	if (words.session.checks == SESSION_CHECKS_DAEMON &&
	    (words.session.allow_other || words.session.allow_root ||
	     words.session.profile == SESSION_FAST))
		return fail_usage("permissions=daemon is for who mounts alone, "
				  "and not for profile=fast");
	return EXIT_DONE;
}

static int run(struct cli *cli)
{
	struct mounting m = { .daemon = DAEMON_INIT };
	struct vault_options opts;
	int r, code = EXIT_DONE;

	if (!words_ready)
		mount_options_init(&words);
	r = merge_options(cli);
	if (r != EXIT_DONE)
		return r;
	opts = words.vault;
	opts.path = cli->operands[0];
	opts.state_path = cli->state_dir;
	opts.no_state = cli->no_state;
	r = daemon_start(in_foreground, &m.daemon, &code);
	if (r < 0)
		return fail_err(r, "cannot mount %s", opts.path);
	if (r == 1)
		return code;
	code = check_before(cli, &m, &opts);
	if (code == EXIT_DONE)
		code = open_and_serve(cli, &m, &opts);
	unmounter_stop();
	mounting_release(&m);
	mount_options_release(&words);
	return code;
}

static const struct cli_option options[] = {
	{ 'f', "foreground", NULL, "stay in the foreground" },
	{ 'o', "options", "WORDS",
	  "ro, allow_other, profile=NAME, idle=TIME ..." },
	{ KEY_QUOTA, "quota", "SIZE",
	  "no more contents than this, as -o quota=SIZE" },
	{ KEY_NO_SECCOMP, "no-seccomp", NULL,
	  "let the daemon call whatever it likes, as -o noseccomp" },
	{ 0 },
};

const struct cli_command cmd_mount = {
	.name = "mount",
	.operands = "VAULT MOUNTPOINT",
	.summary = "Unlock a vault and mount it; returns when it can be used.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 2,
	.max_operands = 2,
	.options = options,
	.option = option,
	.run = run,
};
