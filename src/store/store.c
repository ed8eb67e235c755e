/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_priv.h"

#define DEFAULT_OPEN_FILES 64

int store_open(const struct store_options *opts, struct store **ret)
{
	struct store *s = mem_zalloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	file_cache_init(&s->files, opts->max_open_files ? opts->max_open_files
							: DEFAULT_OPEN_FILES);
	lock_init(&s->buffer_lock, LOCK_LEAF, 0);
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	struct store_buffer *b;

	if (!s)
		return;
	file_cache_release(&s->files, s->opts.env);
	while ((b = s->buffers)) {
		s->buffers = b->next;
		mem_free(b);
	}
	lock_release(&s->buffer_lock);
	mem_free(s);
}

struct store_buffer *store_buffer_get(struct store *s)
{
	struct store_buffer *b;

	lock_take(&s->buffer_lock);
	b = s->buffers;
	if (b)
		s->buffers = b->next;
	lock_drop(&s->buffer_lock);
	return b ? b : mem_alloc(sizeof(*b));
}

void store_buffer_put(struct store *s, struct store_buffer *b)
{
	lock_take(&s->buffer_lock);
	b->next = s->buffers;
	s->buffers = b;
	lock_drop(&s->buffer_lock);
}

const struct key *store_cid_key(const struct store *s, enum pack_type type)
{
	return type == PACK_DATA ? s->opts.cid_data : s->opts.cid_meta;
}

static uint32_t sub_blocks(uint32_t plain_bytes)
{
	return (plain_bytes - 1) / RECORD_SUB_BYTES + 1;
}

/* Plain bytes of sub-blocks first..first+count-1. */
static uint32_t range_plain_bytes(const struct pack_entry *e, uint32_t first,
				  uint32_t count)
{
	return min_of(e->plain_bytes, (first + count) * RECORD_SUB_BYTES) -
	       first * RECORD_SUB_BYTES;
}

static int read_sealed(struct env *env, int fd, uint8_t *to, size_t len,
		       uint64_t offset, bool nowait)
{
	ssize_t n;

	if (!nowait)
		return env_read_exact(env, fd, to, len, offset);
	n = env->ops->pread_nowait(env, fd, to, len, offset);
	/* Short: a part is in memory, or the file ends too early, and the
	 * reader who may wait will be told. */
	if (n == -EOPNOTSUPP || (n >= 0 && (size_t)n < len))
		return -EAGAIN;
	return n < 0 ? (int)n : 0;
}

static int read_batch(struct store *s, int fd, const struct key *k,
		      enum pack_type type, const struct pack_entry *e,
		      uint32_t first, uint32_t count, bool nowait,
		      struct store_buffer *b, uint8_t *out)
{
	uint32_t plain = range_plain_bytes(e, first, count);
	uint64_t offset =
		e->offset + (uint64_t)first * (RECORD_SUB_BYTES + TAG_BYTES);
	int r;

	r = read_sealed(s->opts.env, fd, b->bytes, plain + count * TAG_BYTES,
			offset, nowait);
	if (r < 0)
		return r;
	return record_open(k, &s->opts.vault, type, e, first, count, b->bytes,
			   out);
}

int store_read_record(struct store *s, int fd, const struct key *k,
		      enum pack_type type, const struct pack_entry *e,
		      uint32_t first, uint32_t count, bool nowait, uint8_t *out)
{
	struct store_buffer *b = store_buffer_get(s);
	uint32_t done, n;
	int r = 0;

	if (!b)
		return -ENOMEM;
	for (done = 0; done < count && r == 0; done += n) {
		n = min_of(count - done, STORE_BATCH_SUBS);
		r = read_batch(s, fd, k, type, e, first + done, n, nowait, b,
			       out + (size_t)done * RECORD_SUB_BYTES);
	}
	store_buffer_put(s, b);
	return r;
}

/*
 * Whole, and the content id recomputed: an old keyring makes seals that open,
 * but no chunk of a given content id (vault-format/05-slots.md, Epochs, rule
 * 4).
 */
static int read_whole(struct store *s, int fd, const struct key *k,
		      const struct store_place *p, bool nowait, uint8_t *out)
{
	const struct pack_entry *e = &p->entry;
	const struct key *cid = store_cid_key(s, p->type);
	struct content_id id;
	int r;

	if (!cid)
		return ERR_NEWER;
	r = store_read_record(s, fd, k, p->type, e, 0,
			      sub_blocks(e->plain_bytes), nowait, out);
	if (r < 0)
		return r;
	keys_content_id(cid, out, e->plain_bytes, &id);
	if (memcmp(&id, &e->id, sizeof(id)) == 0)
		return 0;
	mem_wipe(out, e->plain_bytes);
	return ERR_BAD_SEAL;
}

static int read_old_epoch(struct store *s, int fd, const struct key *k,
			  const struct store_place *p, uint32_t first,
			  uint32_t count, bool nowait, uint8_t *out)
{
	uint32_t plain_bytes = p->entry.plain_bytes;
	auto_free uint8_t *plain = NULL;
	int r;

	if (count == sub_blocks(plain_bytes))
		return read_whole(s, fd, k, p, nowait, out);
	plain = mem_alloc(plain_bytes);
	if (!plain)
		return -ENOMEM;
	r = read_whole(s, fd, k, p, nowait, plain);
	if (r == 0)
		memcpy(out, plain + (size_t)first * RECORD_SUB_BYTES,
		       range_plain_bytes(&p->entry, first, count));
	mem_wipe(plain, plain_bytes);
	return r;
}

/* Places come from the index: checked before anything is read by them. */
static int check_place(const struct store *s, const struct store_place *p,
		       uint32_t first, uint32_t count)
{
	const struct pack_entry *e = &p->entry;

	if (e->codec != 0)
		return ERR_NEWER;
	if (e->plain_bytes == 0 || e->plain_bytes > CHUNK_MAX_BYTES ||
	    e->stored_bytes != record_stored_bytes(e->plain_bytes) ||
	    e->offset < PACK_HEADER_BYTES)
		return ERR_MALFORMED;
	if (count == 0 || first >= sub_blocks(e->plain_bytes) ||
	    count > sub_blocks(e->plain_bytes) - first)
		return -EINVAL;
	if (p->is_stage)
		return s->opts.local ? 0 : ERR_MISSING;
	if (p->type != PACK_DATA && p->type != PACK_METADATA)
		return ERR_NEWER;
	if (p->pack_bytes < PACK_MIN_BYTES || p->pack_bytes > PACK_MAX_BYTES ||
	    e->offset + (uint64_t)e->stored_bytes >
		    p->pack_bytes - PACK_FOOTER_BYTES)
		return ERR_MALFORMED;
	return 0;
}

/* The key of the place's records; *ret_is_old: its content id must be
 * recomputed. */
static int find_key(struct store *s, const struct store_place *p,
		    uint32_t newest_epoch, const struct key **ret,
		    bool *ret_is_old)
{
	const struct epoch_keys *k;

	if (p->is_stage) {
		*ret = &s->opts.local->stg;
		*ret_is_old = false;
		return 0;
	}
	k = s->opts.keys(s->opts.keys_arg, p->epoch, &p->key_id);
	if (!k)
		return ERR_NEW_EPOCH;
	*ret = &k->chk;
	*ret_is_old = p->epoch < newest_epoch;
	return 0;
}

int store_read(struct store *s, const struct store_place *place,
	       uint32_t newest_epoch, uint32_t first, uint32_t count,
	       bool nowait, uint8_t *out)
{
	const struct key *k = NULL;
	bool is_old = false;
	struct store_file *f;
	int r;

	r = check_place(s, place, first, count);
	if (r == 0)
		r = find_key(s, place, newest_epoch, &k, &is_old);
	if (r == 0)
		r = file_cache_get(s, place, nowait, &f);
	if (r < 0)
		return r;
	if (is_old)
		r = read_old_epoch(s, f->fd, k, place, first, count, nowait,
				   out);
	else
		r = store_read_record(s, f->fd, k,
				      place->is_stage ? PACK_DATA : place->type,
				      &place->entry, first, count, nowait, out);
	file_cache_put(s, f, r < 0 && r != -EAGAIN && r != -ENOMEM);
	return r;
}

void store_forget_pack(struct store *s, uint64_t writer,
		       const uint8_t pack[static PACK_NAME_BYTES])
{
	struct store_file_key key = { .number = writer };

	memcpy(key.pack, pack, sizeof(key.pack));
	file_cache_forget(s, &key);
}

void store_stage_header(const struct store *s,
			uint8_t out[static PACK_HEADER_BYTES])
{
	const struct pack_header h = {
		.type = PACK_DATA,
		.vault = s->opts.vault,
		.writer = s->opts.writer,
	};

	pack_header_encode(&h, out);
}
