/* SPDX-License-Identifier: ISC */
/* Reading what is left of a pack. */
#include "store/salvage.h"

#include <errno.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "base/replace.h"
#include "store/store_priv.h"

static uint32_t sub_blocks(uint32_t plain_bytes)
{
	return (plain_bytes - 1) / RECORD_SUB_BYTES + 1;
}

void salvage_begin(struct salvaged *c, uint32_t plain_bytes)
{
	memset(c->has, false, sizeof(c->has));
	c->n_missing = sub_blocks(plain_bytes);
}

static const struct epoch_keys *keys_of(const struct store *s,
					const struct segment_pack *p)
{
	return s->opts.keys(s->opts.keys_arg, p->epoch, &p->key_id);
}

int salvage_record(struct store *s, int fd, const struct segment_pack *p,
		   const struct pack_entry *e, struct salvaged *c)
{
	const struct epoch_keys *k = keys_of(s, p);
	uint32_t n = sub_blocks(e->plain_bytes);
	int found = 0;

	if (!k)
		return ERR_NEW_EPOCH;
	/* All at once is much faster, and is what most often goes well. */
	if (c->n_missing == n &&
	    store_read_record(s, fd, &k->chk, p->type, e, 0, n, false,
			      c->plain) == 0) {
		memset(c->has, true, n * sizeof(*c->has));
		c->n_missing = 0;
		return (int)n;
	}
	for (uint32_t i = 0; i < n && c->n_missing > 0; i++) {
		if (c->has[i])
			continue;
		int r = store_read_record(
			s, fd, &k->chk, p->type, e, i, 1, false,
			c->plain + (size_t)i * RECORD_SUB_BYTES);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			continue;
		c->has[i] = true;
		c->n_missing--;
		found++;
	}
	return found;
}

bool salvage_is_whole(struct store *s, const struct segment_pack *p,
		      const struct pack_entry *e, const struct salvaged *c)
{
	const struct key *cid = store_cid_key(s, p->type);
	struct content_id id;

	if (c->n_missing > 0 || !cid)
		return false;
	keys_content_id(cid, c->plain, e->plain_bytes, &id);
	return memcmp(&id, &e->id, sizeof(id)) == 0;
}

/* ---------------------------------------------------------------- trailers */

static int read_header(struct store *s, int fd, uint8_t *raw,
		       struct pack_header *ret)
{
	int r = env_read_exact(s->opts.env, fd, raw, PACK_HEADER_BYTES, 0);

	if (r == 0)
		r = pack_header_decode(raw, ret);
	if (r == 0 &&
	    (memcmp(&ret->vault, &s->opts.vault, sizeof(ret->vault)) != 0 ||
	     ret->epoch == 0))
		r = ERR_BAD_NAME;
	return r;
}

static int open_trailer(struct store *s, int fd, uint64_t bytes,
			const struct epoch_keys *k, const uint8_t *raw,
			uint32_t *ret_n, uint8_t **ret_entries)
{
	auto_free uint8_t *trailer = NULL;
	uint8_t footer[PACK_FOOTER_BYTES];
	uint64_t body_bytes, end;
	struct r16 r16;
	size_t sealed;
	int r = env_read_exact(s->opts.env, fd, footer, sizeof(footer),
			       bytes - sizeof(footer));

	if (r == 0)
		r = pack_footer_open(&k->pak, raw, bytes, footer, &r16,
				     &body_bytes, ret_n);
	if (r < 0)
		return r;
	end = PACK_HEADER_BYTES + body_bytes;
	if (end > bytes - PACK_FOOTER_BYTES)
		return ERR_MALFORMED;
	sealed = (size_t)(bytes - PACK_FOOTER_BYTES - end);
	trailer = mem_alloc(sealed);
	if (!trailer)
		return -ENOMEM;
	r = env_read_exact(s->opts.env, fd, trailer, sealed, end);
	if (r == 0)
		r = pack_trailer_open(&k->pak, raw, &r16, body_bytes, *ret_n,
				      trailer, sealed, trailer);
	if (r == 0)
		*ret_entries = mem_take(trailer);
	return r;
}

int salvage_trailer(struct store *s, int fd, uint64_t bytes,
		    uint64_t *ret_writer, struct segment_pack *ret,
		    uint8_t **ret_entries)
{
	uint8_t raw[PACK_HEADER_BYTES];
	const struct epoch_keys *k;
	struct pack_header h;
	uint8_t *entries = NULL;
	uint32_t n = 0;
	int r;

	if (bytes < PACK_MIN_BYTES || bytes > PACK_MAX_BYTES)
		return ERR_TRUNCATED;
	r = read_header(s, fd, raw, &h);
	if (r < 0)
		return r;
	k = s->opts.keys(s->opts.keys_arg, h.epoch, &h.key_id);
	if (!k)
		return ERR_NEW_EPOCH;
	r = open_trailer(s, fd, bytes, k, raw, &n, &entries);
	if (r < 0)
		return r;
	*ret = (struct segment_pack){
		.size = bytes,
		.epoch = h.epoch,
		.key_id = h.key_id,
		.type = h.type,
		.n_entries = n,
		.entries = entries,
	};
	*ret_writer = h.writer;
	*ret_entries = entries;
	return 0;
}

/* ---------------------------------------------------------------- kept ones */

int salvage_keep_pack(struct store *s, uint64_t writer,
		      const uint8_t pack[static PACK_NAME_BYTES])
{
	char name[STORE_PACK_NAME_LEN + 1], kept[NAME_MAX + 1];
	int fd = store_open_pack_dir(s, writer, pack, false), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	hex_encode(pack, PACK_NAME_BYTES, name);
	r = replace_keep(s->opts.env, fd, name, kept);
	store_close_quietly(s->opts.env, &fd);
	return r;
}

struct kept_search {
	const char *name;
};

static int find_kept(void *arg, const char *name, unsigned char type)
{
	const struct kept_search *k = arg;
	size_t len;

	(void)type;
	return replace_is_kept_name(name, &len) && len == strlen(k->name) &&
	       memcmp(name, k->name, len) == 0;
}

int salvage_is_kept(struct store *s, uint64_t writer,
		    const uint8_t pack[static PACK_NAME_BYTES])
{
	char name[STORE_PACK_NAME_LEN + 1];
	struct kept_search k = { .name = name };
	int fd = store_open_pack_dir(s, writer, pack, false), r;

	if (fd < 0)
		return 0;
	hex_encode(pack, PACK_NAME_BYTES, name);
	r = s->opts.env->ops->list(s->opts.env, fd, find_kept, &k);
	store_close_quietly(s->opts.env, &fd);
	return r;
}

int salvage_stat_pack(struct store *s, uint64_t writer,
		      const uint8_t pack[static PACK_NAME_BYTES],
		      struct stat *ret)
{
	uint64_t bytes;
	int fd = store_open_pack(s, writer, pack, 0, PACK_MAX_BYTES, &bytes), r;

	if (fd < 0)
		return fd;
	r = s->opts.env->ops->fstat(s->opts.env, fd, ret);
	store_close_quietly(s->opts.env, &fd);
	return r;
}
