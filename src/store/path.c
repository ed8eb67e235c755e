/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"
#include "base/mem.h"
#include "store/store_priv.h"

void store_number_format(uint64_t number, char out[static STORE_NUMBER_LEN + 1])
{
	snprintf(out, STORE_NUMBER_LEN + 1, "%016" PRIx64, number);
}

int store_number_parse(const char *name, uint64_t *ret)
{
	uint8_t bytes[sizeof(uint64_t)];
	uint64_t number = 0;

	if (hex_decode(name, sizeof(bytes), bytes) < 0 ||
	    name[STORE_NUMBER_LEN] != '\0')
		return ERR_MALFORMED;
	for (size_t i = 0; i < sizeof(bytes); i++)
		number = number << 8 | bytes[i];
	*ret = number;
	return 0;
}

void store_close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* A symbolic link (O_NOFOLLOW) or a file where a directory belongs. */
static int open_dir(struct env *env, int dirfd, const char *name, bool create)
{
	int fd = env_open_dir(env, dirfd, name, create);

	return fd == -ELOOP || fd == -ENOTDIR ? ERR_DAMAGED : fd;
}

/* Opens a directory and closes the one above; -1 stands for the vault's. */
static int step_into(struct store *s, int *above, const char *name, bool create)
{
	struct env *env = s->opts.env;
	int fd;

	fd = open_dir(env, *above == -1 ? s->opts.vault_dirfd : *above, name,
		      create);
	store_close_quietly(env, above);
	return fd;
}

int store_open_data_dir(struct store *s, uint64_t writer, bool create)
{
	char name[STORE_NUMBER_LEN + 1];
	const char *const path[] = { "w", name, "d" };
	int fd = -1;

	store_number_format(writer, name);
	for (size_t i = 0; i < array_len(path); i++) {
		fd = step_into(s, &fd, path[i], create);
		if (fd < 0)
			return fd;
	}
	return fd;
}

int store_open_pack_dir(struct store *s, uint64_t writer,
			const uint8_t pack[static PACK_NAME_BYTES], bool create)
{
	char name[3];
	int fd;

	fd = store_open_data_dir(s, writer, create);
	if (fd < 0)
		return fd;
	hex_encode(pack, 1, name);
	return step_into(s, &fd, name, create);
}

/* What env_open_untrusted says, as store_read tells it. */
static int open_error(int fd)
{
	switch (fd) {
	case -ENOENT:
		return ERR_MISSING;
	case ERR_LIMIT:
		return ERR_DAMAGED;
	default:
		return fd;
	}
}

int store_open_pack(struct store *s, uint64_t writer,
		    const uint8_t pack[static PACK_NAME_BYTES],
		    uint64_t min_bytes, uint64_t max_bytes, uint64_t *ret_bytes)
{
	struct env *env = s->opts.env;
	char name[STORE_PACK_NAME_LEN + 1];
	int dirfd, fd;

	dirfd = store_open_pack_dir(s, writer, pack, false);
	if (dirfd < 0)
		return open_error(dirfd);
	hex_encode(pack, PACK_NAME_BYTES, name);
	fd = env_open_untrusted(env, dirfd, name, min_bytes, max_bytes,
				ret_bytes);
	store_close_quietly(env, &dirfd);
	return open_error(fd);
}

int store_open_stage_file(struct store *s, uint64_t number, uint64_t min_bytes,
			  uint64_t *ret_bytes)
{
	char name[STORE_NUMBER_LEN + 1];

	store_number_format(number, name);
	return open_error(env_open_untrusted(s->opts.env, s->opts.stage_dirfd,
					     name, min_bytes,
					     STAGE_FILE_MAX_TOTAL, ret_bytes));
}
