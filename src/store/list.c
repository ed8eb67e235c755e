/* SPDX-License-Identifier: ISC */
/*
 * What stands below w/<writer>/d, and the removal of own files there.  Names
 * are whatever others put there: they are shown or passed over, never opened
 * as a path.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "base/publish.h"
#include "store/store_priv.h"

/* "w/", a writer, "/d/", and two names of at most NAME_MAX bytes. */
#define LIST_PATH_BYTES (2 + STORE_NUMBER_LEN + 3 + 2 * NAME_MAX + 2)

/* One listing of w/<writer>/d and of the folders below it. */
struct walk {
	struct store *s;
	uint64_t writer;
	int dirfd;	/* w/<writer>/d */
	const char *xx; /* the folder being listed; NULL above */
	int xx_fd;

	/* Listing packs. */
	store_list_fn *fn;
	void *arg;
};

static bool may_be(unsigned char type, unsigned char wanted)
{
	return type == wanted || type == DT_UNKNOWN;
}

static bool is_folder_name(const char *name)
{
	uint8_t xx;

	return hex_decode(name, 1, &xx) == 0 && name[2] == '\0';
}

static bool is_pack_name(const char *xx, const char *name,
			 uint8_t ret_pack[static PACK_NAME_BYTES])
{
	return hex_decode(name, PACK_NAME_BYTES, ret_pack) == 0 &&
	       name[STORE_PACK_NAME_LEN] == '\0' && memcmp(name, xx, 2) == 0;
}

/* Runs `fn` over the entries of d/<xx>, if that is a folder. */
static int walk_folder(struct walk *w, const char *xx, env_entry_fn *fn,
		       bool *ret_is_folder)
{
	struct env *env = w->s->opts.env;
	int r;

	w->xx_fd = env_open_dir(env, w->dirfd, xx, false);
	*ret_is_folder = w->xx_fd != -ENOTDIR && w->xx_fd != -ELOOP;
	if (!*ret_is_folder || w->xx_fd == -ENOENT)
		return 0;
	if (w->xx_fd < 0)
		return w->xx_fd;
	w->xx = xx;
	r = env->ops->list(env, w->xx_fd, fn, w);
	w->xx = NULL;
	store_close_quietly(env, &w->xx_fd);
	return r;
}

/* Absence of the folders is an empty listing. */
static int walk_packs(struct walk *w, env_entry_fn *fn)
{
	struct env *env = w->s->opts.env;
	int r;

	w->dirfd = store_open_data_dir(w->s, w->writer, false);
	if (w->dirfd < 0)
		return w->dirfd == -ENOENT ? 0 : w->dirfd;
	r = env->ops->list(env, w->dirfd, fn, w);
	store_close_quietly(env, &w->dirfd);
	return r;
}

static int show(struct walk *w, bool is_pack,
		const uint8_t pack[static PACK_NAME_BYTES], const char *name)
{
	char path[LIST_PATH_BYTES], writer[STORE_NUMBER_LEN + 1];

	store_number_format(w->writer, writer);
	snprintf(path, sizeof(path), "w/%s/d/%s%s%s", writer,
		 w->xx ? w->xx : "", w->xx ? "/" : "", name);
	return w->fn(w->arg, is_pack, pack, path);
}

static int list_file(void *arg, const char *name, unsigned char type)
{
	uint8_t pack[PACK_NAME_BYTES] = { 0 };
	struct walk *w = arg;
	bool is_pack;

	is_pack = may_be(type, DT_REG) && is_pack_name(w->xx, name, pack);
	return show(w, is_pack, pack, name);
}

static int list_folder(void *arg, const char *name, unsigned char type)
{
	const uint8_t none[PACK_NAME_BYTES] = { 0 };
	struct walk *w = arg;
	bool is_folder = false;
	int r = 0;

	if (may_be(type, DT_DIR) && is_folder_name(name))
		r = walk_folder(w, name, list_file, &is_folder);
	return is_folder ? r : show(w, false, none, name);
}

int store_list_packs(struct store *s, uint64_t writer, store_list_fn *fn,
		     void *arg)
{
	struct walk w = { .s = s, .writer = writer, .fn = fn, .arg = arg };

	return walk_packs(&w, list_folder);
}

static int sweep_file(void *arg, const char *name, unsigned char type)
{
	struct walk *w = arg;
	struct env *env = w->s->opts.env;
	int r;

	if (!may_be(type, DT_REG) || !publish_is_temp_name(name))
		return 0;
	r = env->ops->unlink(env, w->xx_fd, name, 0);
	return r == -ENOENT ? 0 : r;
}

static int sweep_folder(void *arg, const char *name, unsigned char type)
{
	struct walk *w = arg;
	bool is_folder;

	if (!may_be(type, DT_DIR) || !is_folder_name(name))
		return 0;
	return walk_folder(w, name, sweep_file, &is_folder);
}

int store_sweep_temporaries(struct store *s)
{
	struct walk w = { .s = s, .writer = s->opts.writer };

	return walk_packs(&w, sweep_folder);
}

int store_remove_pack(struct store *s,
		      const uint8_t pack[static PACK_NAME_BYTES])
{
	struct env *env = s->opts.env;
	char name[STORE_PACK_NAME_LEN + 1];
	int dirfd, r;

	dirfd = store_open_pack_dir(s, s->opts.writer, pack, false);
	if (dirfd < 0)
		return dirfd == -ENOENT ? 0 : dirfd;
	hex_encode(pack, PACK_NAME_BYTES, name);
	r = env->ops->unlink(env, dirfd, name, 0);
	store_close_quietly(env, &dirfd);
	store_forget_pack(s, s->opts.writer, pack);
	return r == -ENOENT ? 0 : r;
}
