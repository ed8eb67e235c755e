/* SPDX-License-Identifier: ISC */
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/exit.h"
#include "cli/signals.h"
#include "format/recovery.h"
#include "format/slot.h"

#define CREDENTIAL_NAME "coffer.passphrase"

void credential_release(struct credential *c)
{
	secret_buf_release(&c->passphrase);
	secret_buf_release(&c->key_file);
	secret_buf_release(&c->recovery);
}

struct vault_credential credential_view(const struct credential *c)
{
	return (struct vault_credential){
		.passphrase = c->passphrase.len ? &c->passphrase : NULL,
		.key_file = c->key_file.len ? &c->key_file : NULL,
		.recovery = c->recovery.len ? &c->recovery : NULL,
	};
}

/* ---------------------------------------------------------------- lines */

/* What may be read: a line, or, of recovery words, all lines. */
struct want {
	size_t max;
	bool words;
	const char *noun;
};

static const struct want want_passphrase = { PASSPHRASE_BYTES_MAX, false,
					     "the passphrase" };
static const struct want want_words = { 4 * RECOVERY_TEXT_MAX, true,
					"the recovery key" };

/* Byte by byte: what follows the line is left to whoever reads next.  A pipe
 * or a terminal may give words on several lines; the last one is empty. */
static int read_secret(int fd, const struct want *w, struct secret_buf *ret)
{
	char byte;
	ssize_t n;
	int r = secret_buf_reserve(ret, w->max + 1);

	while (r == 0) {
		r = signals_wait_readable(fd);
		if (r < 0)
			break;
		n = read(fd, &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n == 0 || (n > 0 && byte == '\n' && !w->words))
			break;
		if (n > 0 && ret->len == w->max)
			r = -E2BIG;
		else if (n > 0)
			r = secret_buf_append(ret, &byte, 1);
	}
	mem_wipe(&byte, sizeof(byte));
	return r;
}

static int tell_read(int err, const struct want *w, const char *from)
{
	if (err == -EINTR)
		return fail_code(EXIT_INTERRUPTED, "interrupted; nothing lost");
	if (err == -E2BIG)
		return fail_code(EXIT_FAILED,
				 "cannot read %s from %s: it is longer than "
				 "%zu bytes",
				 w->noun, from, w->max);
	return fail_err(err, "cannot read %s from %s", w->noun, from);
}

static int read_from_fd(int fd, const struct want *w, const char *from,
			struct secret_buf *ret)
{
	int r = read_secret(fd, w, ret);

	return r < 0 ? tell_read(r, w, from) : EXIT_DONE;
}

static int read_from_file(const char *path, const struct want *w,
			  struct secret_buf *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return tell_read(-errno, w, path);
	r = read_from_fd(fd, w, path, ret);
	close(fd);
	return r;
}

/* ---------------------------------------------------------------- command */

static int spawn_shell(const char *command, int out, pid_t *ret_pid)
{
	auto_free char *text = mem_strdup(command);
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, text, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	int r;

	if (!text)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(ret_pid, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFSIGNALED(status))
		return fail_code(EXIT_FAILED,
				 "the command of --passcmd was ended by signal "
				 "%d",
				 WTERMSIG(status));
	if (WEXITSTATUS(status))
		return fail_code(EXIT_FAILED,
				 "the command of --passcmd ended with status "
				 "%d",
				 WEXITSTATUS(status));
	return EXIT_DONE;
}

static int read_from_command(const char *command, const struct want *w,
			     struct secret_buf *ret)
{
	static const char from[] = "the command of --passcmd";
	int fds[2], r, told;
	pid_t pid;
	char rest[256];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return tell_read(-errno, w, from);
	r = spawn_shell(command, fds[1], &pid);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return tell_read(r, w, from);
	}
	r = read_from_fd(fds[0], w, from, ret);
	/* Read to its end: a command that cannot write all fails. */
	while (r == EXIT_DONE && read(fds[0], rest, sizeof(rest)) > 0)
		;
	mem_wipe(rest, sizeof(rest));
	close(fds[0]);
	told = wait_for(pid);
	return r != EXIT_DONE ? r : told;
}

/* ---------------------------------------------------------------- terminal */

static int ask_once(int tty, const char *prompt, const struct want *w,
		    struct secret_buf *ret)
{
	struct want line = *w;
	struct termios before, hidden;
	enum signals_mode mode;
	int r;

	if (tcgetattr(tty, &before) < 0)
		return tell_read(-errno, w, "the terminal");
	hidden = before;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ECHONL;
	/* A stopped program would leave the terminal without echo. */
	hidden.c_cc[VSUSP] = _POSIX_VDISABLE;
	mode = signals_set(SIGNALS_NOTE);
	if (tcsetattr(tty, TCSAFLUSH, &hidden) < 0) {
		r = -errno;
	} else {
		line.words = false;
		dprintf(tty, "%s: ", prompt);
		r = read_secret(tty, &line, ret);
		tcsetattr(tty, TCSAFLUSH, &before);
		if (signals_noted()) {
			dprintf(tty, "\n");
			r = -EINTR;
		}
	}
	signals_set(mode);
	return r < 0 ? tell_read(r, w, "the terminal") : EXIT_DONE;
}

static int ask(const struct want *w, enum pass_purpose purpose,
	       const char *object, struct secret_buf *ret)
{
	auto_secret_buf struct secret_buf again = SECRET_BUF_INIT;
	auto_free char *prompt = NULL;
	int tty, r;

	prompt = mem_printf("%s for %s%s",
			    w->words		   ? "Recovery key"
			    : purpose == PASS_OPEN ? "Passphrase"
						   : "New passphrase",
			    object, w->words ? " (24 words, not shown)" : "");
	if (!prompt)
		return tell_read(-ENOMEM, w, "the terminal");
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return fail_code(EXIT_FAILED,
				 "cannot ask for %s: there is no terminal; use "
				 "--passfile, --passcmd or --pass-fd",
				 w->noun);
	r = ask_once(tty, prompt, w, ret);
	if (r == EXIT_DONE && purpose != PASS_OPEN && ret->len) {
		r = ask_once(tty, "Once more, to be sure", w, &again);
		if (r == EXIT_DONE &&
		    (again.len != ret->len ||
		     !secret_equal(again.data, ret->data, ret->len)))
			r = fail_code(EXIT_FAILED,
				      "the two passphrases differ; nothing was "
				      "changed");
	}
	close(tty);
	return r;
}

/* ---------------------------------------------------------------- sources */

/* The path of systemd's credential if there is one (systemd.exec(5),
 * Credentials); NULL. */
static char *systemd_credential(void)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char *path;

	if (!dir || dir[0] != '/')
		return NULL;
	path = mem_printf("%s/%s", dir, CREDENTIAL_NAME);
	if (path && access(path, F_OK) < 0) {
		mem_free(path);
		path = NULL;
	}
	return path;
}

static int read_by_default(const struct want *w, enum pass_purpose purpose,
			   const char *object, struct secret_buf *ret)
{
	auto_free char *path = NULL;

	if (purpose != PASS_NEW)
		path = systemd_credential();
	if (path)
		return read_from_file(path, w, ret);
	if (!isatty(STDIN_FILENO))
		return read_from_fd(STDIN_FILENO, w, "standard input", ret);
	return ask(w, purpose, object, ret);
}

int passphrase_read(const struct pass_sources *s, enum pass_purpose purpose,
		    const char *object, struct secret_buf *ret)
{
	const struct want *w = s->recovery ? &want_words : &want_passphrase;
	auto_free char *from = NULL;
	int r;

	if (s->has_fd) {
		from = mem_printf("descriptor %d", s->fd);
		r = read_from_fd(s->fd, w, from ? from : "a descriptor", ret);
	} else if (s->file) {
		r = read_from_file(s->file, w, ret);
	} else if (s->command) {
		r = read_from_command(s->command, w, ret);
	} else {
		r = read_by_default(w, purpose, object, ret);
	}
	if (r == EXIT_DONE && !ret->len)
		return fail_code(EXIT_FAILED,
				 "%s for %s is empty; give it by --passfile, "
				 "--passcmd, --pass-fd or on standard input",
				 w->noun, object);
	return r;
}

/* Fills `ret` with the whole file; the size may be a lie (a pipe). */
static int read_whole(int fd, struct secret_buf *ret)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < KEY_FILE_BYTES_MIN || st.st_size > KEY_FILE_BYTES_MAX)
		return ERR_LIMIT;
	if (secret_buf_reserve(ret, (size_t)st.st_size) < 0)
		return -ENOMEM;
	while (ret->len < (size_t)st.st_size) {
		n = read(fd, ret->data + ret->len,
			 (size_t)st.st_size - ret->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : ERR_LIMIT;
		ret->len += (size_t)n;
	}
	return 0;
}

int key_file_read(const char *path, struct secret_buf *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return fail_err(-errno, "cannot read the key file %s", path);
	r = read_whole(fd, ret);
	close(fd);
	if (r == -EINVAL)
		return fail_code(EXIT_FAILED,
				 "cannot use the key file %s: it is no regular "
				 "file",
				 path);
	if (r == ERR_LIMIT)
		return fail_code(
			EXIT_FAILED,
			"cannot use the key file %s: it must have %d "
			"bytes to 1 MiB; head -c 64 /dev/urandom makes "
			"one",
			path, KEY_FILE_BYTES_MIN);
	return r < 0 ? fail_err(r, "cannot read the key file %s", path)
		     : EXIT_DONE;
}

/* Tells which word is wrong before any time is spent on deriving a key. */
static int check_words(const struct secret_buf *words)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad = 0;
	int r = recovery_parse(words, &p, &bad);

	if (r == ERR_MALFORMED && bad)
		return fail_code(EXIT_WRONG_KEY,
				 "cannot read the recovery key: word %u is not "
				 "in the word list",
				 bad);
	if (r == ERR_MALFORMED)
		return fail_code(EXIT_WRONG_KEY,
				 "cannot read the recovery key: these are not "
				 "its 24 words in their order");
	return r < 0 ? fail_err(r, "cannot read the recovery key") : EXIT_DONE;
}

int credential_read(const struct pass_sources *s, enum pass_purpose purpose,
		    const char *object, struct credential *ret)
{
	int r = EXIT_DONE;

	if (s->recovery) {
		r = passphrase_read(s, purpose, object, &ret->recovery);
		return r == EXIT_DONE ? check_words(&ret->recovery) : r;
	}
	if (s->key_file)
		r = key_file_read(s->key_file, &ret->key_file);
	if (r == EXIT_DONE && !s->no_passphrase)
		r = passphrase_read(s, purpose, object, &ret->passphrase);
	return r;
}
