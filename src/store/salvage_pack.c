/* SPDX-License-Identifier: ISC */
/*
 * A pack made anew.  What an announcement says of a record, with the chunk
 * itself, gives the record's bytes again; all but sixteen bytes of the rest
 * follow from the announcement too.  Those are taken from any file that still
 * has them, else from what is sealed: so it is the same file wherever it is made.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/replace.h"
#include "format/pack_again.h"
#include "store/salvage.h"
#include "store/store_priv.h"

struct pack_rebuild {
	struct store *store;
	const struct epoch_keys *k;
	uint64_t writer;
	const struct segment_pack *p;
	uint8_t header[PACK_HEADER_BYTES];
	int dirfd;
	struct publish publish;
	uint64_t written;
	uint8_t *sealed; /* room for a record */
	struct r16 r16;
	bool has_r16;
};

static void begin(struct pack_rebuild *w)
{
	const struct pack_header h = {
		.type = w->p->type,
		.epoch = w->p->epoch,
		.vault = w->store->opts.vault,
		.writer = w->writer,
		.key_id = w->p->key_id,
	};

	pack_header_encode(&h, w->header);
}

static int put(struct pack_rebuild *w, const void *data, size_t n)
{
	struct env *env = w->store->opts.env;
	int r = env->ops->pwrite(env, w->publish.fd, data, n, w->written);

	if (r == 0)
		w->written += n;
	return r;
}

int pack_rebuild_open(struct store *s, uint64_t writer,
		      const struct segment_pack *p, struct pack_rebuild **ret)
{
	struct pack_rebuild *w = mem_zalloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct pack_rebuild){
		.store = s,
		.k = s->opts.keys(s->opts.keys_arg, p->epoch, &p->key_id),
		.writer = writer,
		.p = p,
		.publish = PUBLISH_INIT,
		.dirfd = store_open_pack_dir(s, writer, p->name, true),
	};
	r = !w->k ? ERR_NEW_EPOCH : w->dirfd < 0 ? w->dirfd : 0;
	if (r == 0) {
		w->sealed = mem_alloc(record_stored_bytes(CHUNK_MAX_BYTES));
		r = w->sealed ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = publish_begin(s->opts.env, w->dirfd, &w->publish);
	if (r == 0) {
		begin(w);
		r = put(w, w->header, sizeof(w->header));
	}
	if (r < 0) {
		pack_rebuild_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

void pack_rebuild_close(struct pack_rebuild *w)
{
	if (!w)
		return;
	publish_abort(&w->publish);
	if (w->dirfd >= 0)
		store_close_quietly(w->store->opts.env, &w->dirfd);
	mem_free(w->sealed);
	mem_free(w);
}

int pack_rebuild_add(struct pack_rebuild *w, const struct pack_entry *e,
		     const uint8_t *plain)
{
	if (e->offset != w->written)
		return ERR_MALFORMED;
	record_seal_again(&w->k->chk, &w->store->opts.vault, w->p->type, e,
			  plain, w->sealed);
	return put(w, w->sealed, e->stored_bytes);
}

/* Sixteen bytes nobody sealed: the trailer says whether they are right. */
static bool fits_trailer(const struct pack_rebuild *w, int fd,
			 const uint8_t *footer)
{
	const struct segment_pack *p = w->p;
	uint64_t end = PACK_HEADER_BYTES;
	auto_free uint8_t *trailer = NULL;
	struct pack_entry e;
	struct r16 r16;
	struct cursor at;
	size_t sealed;

	cursor_init(&at, p->entries, (size_t)p->n_entries * PACK_ENTRY_BYTES);
	while (cursor_left(&at) > 0 && pack_entry_read(&at, &e) == 0)
		end = (uint64_t)e.offset + e.stored_bytes;
	if (end > p->size - PACK_FOOTER_BYTES)
		return false;
	sealed = (size_t)(p->size - PACK_FOOTER_BYTES - end);
	trailer = mem_alloc(sealed);
	memcpy(r16.b, footer, sizeof(r16.b));
	return trailer &&
	       env_read_exact(w->store->opts.env, fd, trailer, sealed, end) ==
		       0 &&
	       pack_trailer_open(&w->k->pak, w->header, &r16,
				 end - PACK_HEADER_BYTES, p->n_entries, trailer,
				 sealed, trailer) == 0;
}

int pack_rebuild_learn_end(struct pack_rebuild *w, int fd, uint64_t bytes)
{
	uint8_t footer[PACK_FOOTER_BYTES];
	uint64_t body;
	uint32_t n = 0;
	int r;

	if (w->has_r16 || bytes != w->p->size)
		return w->has_r16;
	r = env_read_exact(w->store->opts.env, fd, footer, sizeof(footer),
			   bytes - sizeof(footer));
	if (r < 0)
		return 0;
	r = pack_footer_open(&w->k->pak, w->header, bytes, footer, &w->r16,
			     &body, &n);
	if ((r == 0 && n == w->p->n_entries) || fits_trailer(w, fd, footer)) {
		memcpy(w->r16.b, footer, sizeof(w->r16.b));
		w->has_r16 = true;
	}
	return w->has_r16;
}

static int check_back(struct pack_rebuild *w)
{
	const struct pack_check c = {
		.fd = w->publish.fd,
		.bytes = w->written,
		.writer = w->writer,
		.k = w->k,
		.announced = w->p,
		.read_data = true,
	};

	return store_check_pack(w->store, &c);
}

int pack_rebuild_finish(struct pack_rebuild *w)
{
	auto_buf struct buf tail = BUF_INIT(PACK_MAX_BYTES);
	uint64_t total = 0;
	int r;

	if (!w->has_r16)
		pack_tail_r16(&w->k->hdg, w->header, w->p->entries,
			      w->p->n_entries, &w->r16);
	w->has_r16 = true;
	r = pack_tail_seal_again(&w->k->pak, &w->r16, w->header, w->written,
				 w->p->entries, w->p->n_entries, &tail, &total);
	if (r == 0)
		r = put(w, tail.data, tail.len);
	return r < 0 ? r : check_back(w);
}

int pack_rebuild_publish(struct pack_rebuild *w,
			 char ret_kept[static NAME_MAX + 1])
{
	char name[STORE_PACK_NAME_LEN + 1];
	int r;

	hex_encode(w->p->name, PACK_NAME_BYTES, name);
	r = replace_commit(&w->publish, name, ret_kept);
	/* A descriptor kept of the damaged one is of no use any more. */
	if (r >= 0)
		store_forget_pack(w->store, w->writer, w->p->name);
	return r;
}
