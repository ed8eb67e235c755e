/* SPDX-License-Identifier: ISC */
#include "vault/log/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/mem.h"
#include "base/publish.h"
#include "format/verified.h"

#define LOCK_NAME "lock"
#define WRITER_NAME "writer"
#define WRITER_NEW_NAME "writer.new"
#define STAGE_NAME "stage"
#define JOURNAL_NAME "journal"
#define SLOT_HINT_NAME "slot"
#define VERIFIED_NAME "verified"
#define VERIFIED_NEW_NAME "verified.new"

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- where */

/* The home directory as the environment, else the user database, has it; NULL
 * if neither knows. */
static char *find_home(void)
{
	const char *home = getenv("HOME");
	struct passwd pw, *found = NULL;
	char room[4096];

	if (home && home[0] == '/')
		return mem_strdup(home);
	if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) != 0 ||
	    !found || found->pw_dir[0] != '/')
		return NULL;
	return mem_strdup(found->pw_dir);
}

/* A relative XDG path is invalid and ignored (XDG Base Directory
 * Specification 0.8, Basics). */
static int default_parent(char **ret)
{
	const char *xdg = getenv("XDG_STATE_HOME");
	auto_free char *home = NULL;

	if (xdg && xdg[0] == '/') {
		*ret = mem_printf("%s/coffer", xdg);
		return *ret ? 0 : -ENOMEM;
	}
	home = find_home();
	if (!home)
		return -ENOENT;
	*ret = mem_printf("%s/.local/state/coffer", home);
	return *ret ? 0 : -ENOMEM;
}

/* Makes every directory of a path that is not there. */
static int make_path(struct env *env, const char *path)
{
	auto_free char *part = mem_strdup(path);
	int r = 0;

	if (!part)
		return -ENOMEM;
	for (char *at = part + 1; r == 0; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		char end = *at;

		*at = '\0';
		r = env->ops->mkdir(env, AT_FDCWD, part, 0700);
		/* What stands there is judged when it is opened. */
		if (r == -EEXIST || r == -EISDIR || r == -EROFS ||
		    r == -EACCES)
			r = 0;
		*at = end;
		if (end == '\0')
			break;
	}
	return r;
}

static int find_parent(const char *parent, char **ret)
{
	if (!parent)
		return default_parent(ret);
	*ret = mem_strdup(parent);
	return *ret ? 0 : -ENOMEM;
}

static int open_parent(struct env *env, const char *parent, bool create)
{
	auto_free char *path = NULL;
	int r = find_parent(parent, &path);

	if (r == 0 && create && path[0])
		r = make_path(env, path);
	if (r < 0)
		return r;
	return env->ops->open(env, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

static void uuid_format(const struct uuid *u, char to[static 33])
{
	hex_encode(u->b, sizeof(u->b), to);
}

/* ---------------------------------------------------------------- opening */

static int take_lock(struct statedir *d)
{
	struct env *env = d->env;
	int r;

	d->lock_fd = env->ops->open(env, d->dirfd, LOCK_NAME,
				    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
				    0600);
	if (d->lock_fd < 0) {
		r = d->lock_fd;
		d->lock_fd = -1;
		return r;
	}
	r = env->ops->lock(env, d->lock_fd);
	return r == -EWOULDBLOCK ? ERR_IN_USE : r;
}

static int open_folder(struct statedir *d, const char *name, int *ret)
{
	int fd = env_open_dir(d->env, d->dirfd, name, true);

	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? ERR_DAMAGED : fd;
	*ret = fd;
	return 0;
}

static int open_folders(struct statedir *d)
{
	int r = open_folder(d, STAGE_NAME, &d->stage_fd);

	return r < 0 ? r : open_folder(d, JOURNAL_NAME, &d->journal_fd);
}

int statedir_open(struct env *env, const char *parent,
		  const struct uuid *vault, bool create, struct statedir *ret)
{
	struct statedir d = STATEDIR_INIT;
	char name[33];
	int above = open_parent(env, parent, create), r;

	if (above < 0)
		return above;
	uuid_format(vault, name);
	d.env = env;
	d.dirfd = env_open_dir(env, above, name, create);
	close_quietly(env, &above);
	if (d.dirfd < 0)
		return d.dirfd;
	r = take_lock(&d);
	if (r == 0)
		r = open_folders(&d);
	if (r < 0) {
		statedir_close(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void statedir_close(struct statedir *d)
{
	if (!d->env)
		return;
	close_quietly(d->env, &d->journal_fd);
	close_quietly(d->env, &d->stage_fd);
	close_quietly(d->env, &d->dirfd);
	/* Last: it lets others in. */
	close_quietly(d->env, &d->lock_fd);
}

/* ---------------------------------------------------------------- writer */

int statedir_read_writer(const struct statedir *d,
			 uint8_t ret[static WRITER_FILE_BYTES])
{
	auto_free uint8_t *data = NULL;
	size_t len;
	int r = env_read_file(d->env, d->dirfd, WRITER_NAME, WRITER_FILE_BYTES,
			      WRITER_FILE_BYTES, &data, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r == ERR_TRUNCATED || r == ERR_LIMIT ? ERR_DAMAGED : r;
	memcpy(ret, data, WRITER_FILE_BYTES);
	return 1;
}

static int replace_file(const struct statedir *d, const char *temp,
			const char *name, const void *bytes, size_t len)
{
	struct env *env = d->env;
	int r = env->ops->unlink(env, d->dirfd, temp, 0);

	if (r < 0 && r != -ENOENT)
		return r;
	r = publish_bytes(env, d->dirfd, temp, bytes, len);
	if (r == 0)
		r = env->ops->rename(env, d->dirfd, temp, d->dirfd, name, 0);
	return r < 0 ? r : env->ops->fsync(env, d->dirfd);
}

int statedir_put_writer(const struct statedir *d,
			const uint8_t bytes[static WRITER_FILE_BYTES])
{
	return replace_file(d, WRITER_NEW_NAME, WRITER_NAME, bytes,
			    WRITER_FILE_BYTES);
}

/* ---------------------------------------------------------------- verified */

int statedir_get_verified(const struct statedir *d, uint8_t **ret,
			  size_t *ret_len)
{
	int r = env_read_file(d->env, d->dirfd, VERIFIED_NAME, 0,
			      VERIFIED_FILE_MAX, ret, ret_len);

	if (r == -ENOENT || r == ERR_LIMIT || r == ERR_DAMAGED)
		return 0;
	return r < 0 ? r : 1;
}

int statedir_put_verified(const struct statedir *d, const void *bytes,
			  size_t len)
{
	return replace_file(d, VERIFIED_NEW_NAME, VERIFIED_NAME, bytes, len);
}

int statedir_drop_verified(const struct statedir *d)
{
	int r = d->env->ops->unlink(d->env, d->dirfd, VERIFIED_NAME, 0);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : d->env->ops->fsync(d->env, d->dirfd);
}

/* ---------------------------------------------------------------- slot */

int statedir_get_slot(const struct statedir *d,
		      uint8_t ret[static SLOT_NAME_BYTES])
{
	auto_free uint8_t *data = NULL;
	uint8_t name[SLOT_NAME_BYTES];
	size_t len;
	int r = env_read_file(d->env, d->dirfd, SLOT_HINT_NAME,
			      2 * SLOT_NAME_BYTES, 2 * SLOT_NAME_BYTES, &data,
			      &len);

	if (r < 0 || hex_decode((const char *)data, sizeof(name), name) < 0)
		return 0;
	memcpy(ret, name, sizeof(name));
	return 1;
}

void statedir_put_slot(const struct statedir *d,
		       const uint8_t name[static SLOT_NAME_BYTES])
{
	char text[2 * SLOT_NAME_BYTES + 1];
	uint8_t had[SLOT_NAME_BYTES];
	int fd, r;

	if (statedir_get_slot(d, had) == 1 &&
	    memcmp(had, name, sizeof(had)) == 0)
		return;
	hex_encode(name, SLOT_NAME_BYTES, text);
	fd = d->env->ops->open(d->env, d->dirfd, SLOT_HINT_NAME,
			       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW |
				       O_NONBLOCK,
			       0600);
	if (fd < 0)
		return;
	/* A hint that is lost costs the time of a try. */
	r = d->env->ops->pwrite(d->env, fd, text, 2 * SLOT_NAME_BYTES, 0);
	(void)r;
	close_quietly(d->env, &fd);
}

/* ---------------------------------------------------------------- clearing */

struct sweep {
	struct env *env;
	int dirfd;
	bool any;
};

static int note_any(void *arg, const char *name, unsigned char type)
{
	uint8_t bytes[8];
	struct sweep *s = arg;

	(void)type;
	/* A journal file, or a sealed segment. */
	if ((hex_decode(name, sizeof(bytes), bytes) == 0 &&
	     name[16] == '\0') ||
	    (name[0] == 's' && name[1] >= '0' && name[1] <= '9'))
		s->any = true;
	return 0;
}

int statedir_has_journal(const struct statedir *d)
{
	struct sweep s = { .env = d->env };
	int r = d->env->ops->list(d->env, d->journal_fd, note_any, &s);

	return r < 0 ? r : s.any;
}

static int unlink_one(void *arg, const char *name, unsigned char type)
{
	const struct sweep *s = arg;
	int r = s->env->ops->unlink(s->env, s->dirfd, name, 0);

	(void)type;
	return r == -ENOENT || r == -EISDIR || r == -EPERM ? 0 : r;
}

static int clear_folder(struct env *env, int dirfd)
{
	struct sweep s = { .env = env, .dirfd = dirfd };
	int r = env->ops->list(env, dirfd, unlink_one, &s);

	return r < 0 ? r : env->ops->fsync(env, dirfd);
}

int statedir_clear(const struct statedir *d)
{
	int r = clear_folder(d->env, d->journal_fd);

	return r < 0 ? r : clear_folder(d->env, d->stage_fd);
}

/* ---------------------------------------------------------------- replacing */

#define ACCEPT_PREFIX "accept-"
/* So often one writer's state may have been put away. */
#define PUT_AWAY_MAX 100u

int statedir_accept_parent(const char *parent, const struct uuid *vault,
			   char **ret)
{
	auto_free char *above = NULL;
	char name[33], *path;
	int r = find_parent(parent, &above);

	if (r < 0)
		return r;
	uuid_format(vault, name);
	path = mem_printf("%s/" ACCEPT_PREFIX "%s", above, name);
	if (!path)
		return -ENOMEM;
	*ret = path;
	return 0;
}

/* Under the first name that is free. */
static int put_away(struct env *env, int above, const char *name,
		    uint64_t old_writer, char to[static 96])
{
	int r = -EEXIST;

	for (unsigned i = 1; r == -EEXIST && i < PUT_AWAY_MAX; i++) {
		snprintf(to, 96, "%s.replaced-%016" PRIx64 "-%u", name,
			 old_writer, i);
		r = env->ops->rename(env, above, name, above, to,
				     RENAME_NOREPLACE);
	}
	return r;
}

/* Between the two there is no state: whoever opens then makes one, and the vault
 * has everything already. */
int statedir_replace(struct env *env, const char *parent,
		     const struct uuid *vault, uint64_t old_writer, char **ret)
{
	auto_free char *path = NULL;
	char name[33], folder[48], from[96], to[96];
	int above, r = find_parent(parent, &path);

	if (r < 0)
		return r;
	above = open_parent(env, parent, false);
	if (above < 0)
		return above;
	uuid_format(vault, name);
	snprintf(folder, sizeof(folder), ACCEPT_PREFIX "%s", name);
	snprintf(from, sizeof(from), "%s/%s", folder, name);
	r = put_away(env, above, name, old_writer, to);
	if (r == 0)
		r = env->ops->rename(env, above, from, above, name,
				     RENAME_NOREPLACE);
	if (r == 0)
		r = env->ops->unlink(env, above, folder, AT_REMOVEDIR);
	if (r == 0)
		r = env->ops->fsync(env, above);
	close_quietly(env, &above);
	if (r < 0)
		return r;
	*ret = mem_printf("%s/%s", path, to);
	return *ret ? 0 : -ENOMEM;
}

void statedir_remove(struct env *env, const char *parent,
		     const struct uuid *vault)
{
	int above = open_parent(env, parent, false), fd;
	char name[33];

	if (above < 0)
		return;
	uuid_format(vault, name);
	fd = env_open_dir(env, above, name, false);
	if (fd >= 0) {
		const char *const folders[] = { JOURNAL_NAME, STAGE_NAME };

		for (size_t i = 0; i < array_len(folders); i++) {
			int in = env_open_dir(env, fd, folders[i], false);

			if (in < 0)
				continue;
			(void)clear_folder(env, in);
			close_quietly(env, &in);
			(void)env->ops->unlink(env, fd, folders[i],
					       AT_REMOVEDIR);
		}
		(void)clear_folder(env, fd);
		close_quietly(env, &fd);
		(void)env->ops->unlink(env, above, name, AT_REMOVEDIR);
	}
	close_quietly(env, &above);
}
