/* SPDX-License-Identifier: ISC */
/*
 * One pack in the making: records go through a write buffer into an unnamed
 * temporary, which gets its name only when it is complete, read back and
 * durable (vault-format/10-ordering.md).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "store/store_priv.h"

/* Written at once; a record is added whole, so that one of the largest may
 * stand behind almost as much. */
#define WRITE_BYTES ((size_t)1 << 20)
#define WRITE_BUFFER_BYTES                                                     \
	(WRITE_BYTES + CHUNK_MAX_BYTES +                                       \
	 CHUNK_MAX_BYTES / RECORD_SUB_BYTES * TAG_BYTES)

struct pack_writer {
	struct store *store;
	const struct epoch_keys *k;
	enum pack_type type;
	uint8_t name[PACK_NAME_BYTES];
	uint8_t header[PACK_HEADER_BYTES];
	int dirfd; /* w/<own>/d/<xx> */
	struct publish publish;

	uint8_t *waiting; /* WRITE_BUFFER_BYTES; not in the file yet */
	size_t n_waiting;
	uint64_t written;   /* bytes in the file */
	struct buf entries; /* encoded */
	uint32_t n_entries;

	uint64_t total; /* the file's size once it is finished; else 0 */
	int error;	/* a write failed: sticks */
};

static int write_all(struct pack_writer *w, const uint8_t *data, size_t n)
{
	struct env *env = w->store->opts.env;
	int r;

	r = env->ops->pwrite(env, w->publish.fd, data, n, w->written);
	if (r < 0) {
		w->error = r;
		return r;
	}
	w->written += n;
	return 0;
}

static int flush(struct pack_writer *w)
{
	int r = write_all(w, w->waiting, w->n_waiting);

	if (r == 0)
		w->n_waiting = 0;
	return r;
}

static uint64_t body_end(const struct pack_writer *w)
{
	return w->written + w->n_waiting;
}

/* The folder, made and durable.  Its path is synced once while the store is
 * open: a sync of every folder above for every pack would cost as much as the
 * pack's own. */
static int open_folder(struct store *s, const uint8_t *pack)
{
	atomic_bool *ready = &s->is_folder_durable[pack[0]];
	int fd;

	if (atomic_load(ready)) {
		fd = store_open_pack_dir(s, s->opts.writer, pack, false);
		if (fd != -ENOENT)
			return fd;
	}
	fd = store_open_pack_dir(s, s->opts.writer, pack, true);
	if (fd >= 0)
		atomic_store(ready, true);
	return fd;
}

static struct key_id8 short_key_id(const struct key_id *id)
{
	struct key_id8 ret;

	memcpy(ret.b, id->b, sizeof(ret.b));
	return ret;
}

static void begin(struct pack_writer *w)
{
	const struct pack_header h = {
		.type = w->type,
		.epoch = w->k->epoch,
		.vault = w->store->opts.vault,
		.writer = w->store->opts.writer,
		.key_id = short_key_id(&w->k->id),
	};

	pack_header_encode(&h, w->header);
	memcpy(w->waiting, w->header, sizeof(w->header));
	w->n_waiting = sizeof(w->header);
}

int pack_writer_open(struct store *s, enum pack_type type,
		     const struct epoch_keys *k, struct pack_writer **ret)
{
	struct pack_writer *w = mem_zalloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct pack_writer){
		.store = s,
		.k = k,
		.type = type,
		.publish = PUBLISH_INIT,
		.entries = BUF_INIT(PACK_MAX_ENTRIES * PACK_ENTRY_BYTES),
	};
	random_bytes(w->name, sizeof(w->name));
	w->dirfd = open_folder(s, w->name);
	r = w->dirfd < 0 ? w->dirfd : 0;
	if (r == 0) {
		w->waiting = mem_alloc(WRITE_BUFFER_BYTES);
		r = w->waiting ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = publish_begin(s->opts.env, w->dirfd, &w->publish);
	if (r < 0) {
		pack_writer_close(w);
		return r;
	}
	begin(w);
	*ret = w;
	return 0;
}

void pack_writer_close(struct pack_writer *w)
{
	if (!w)
		return;
	publish_abort(&w->publish);
	if (w->dirfd >= 0)
		store_close_quietly(w->store->opts.env, &w->dirfd);
	buf_release(&w->entries);
	mem_free(w->waiting);
	mem_free(w);
}

const struct epoch_keys *pack_writer_keys(const struct pack_writer *w)
{
	return w->k;
}

uint64_t pack_writer_bytes(const struct pack_writer *w)
{
	if (w->total > 0)
		return w->total;
	return pack_total_bytes(w->header, body_end(w), w->n_entries);
}

uint32_t pack_writer_entries(const struct pack_writer *w)
{
	return w->n_entries;
}

static int check_room(const struct pack_writer *w, uint32_t stored_bytes)
{
	assert(w->total == 0);
	if (w->error < 0)
		return w->error;
	if (w->n_entries == PACK_MAX_ENTRIES ||
	    pack_total_bytes(w->header, body_end(w) + stored_bytes,
			     w->n_entries + 1) > PACK_MAX_BYTES)
		return ERR_LIMIT;
	return 0;
}

/* The record stands behind those waiting; counts it in. */
static int take_in(struct pack_writer *w, struct pack_entry *e)
{
	e->offset = (uint32_t)body_end(w);
	pack_entry_put(&w->entries, e);
	w->error = buf_error(&w->entries);
	if (w->error < 0)
		return w->error;
	w->n_entries++;
	w->n_waiting += e->stored_bytes;
	return w->n_waiting < WRITE_BYTES ? 0 : flush(w);
}

int pack_writer_add(struct pack_writer *w, const struct content_id *id,
		    const uint8_t *plain, uint32_t len,
		    struct pack_entry *ret_entry)
{
	struct pack_entry e;
	int r;

	r = check_room(w, record_stored_bytes(len));
	if (r < 0)
		return r;
	record_seal(&w->k->chk, &w->k->hdg, &w->store->opts.vault, w->type, id,
		    plain, len, w->waiting + w->n_waiting, &e);
	r = take_in(w, &e);
	if (r == 0 && ret_entry)
		*ret_entry = e;
	return r;
}

int pack_writer_add_sealed(struct pack_writer *w, struct pack_entry *e,
			   const uint8_t *sealed)
{
	struct pack_entry placed = *e;
	int r;

	assert(e->stored_bytes == record_stored_bytes(e->plain_bytes));
	r = check_room(w, e->stored_bytes);
	if (r < 0)
		return r;
	memcpy(w->waiting + w->n_waiting, sealed, e->stored_bytes);
	r = take_in(w, &placed);
	if (r == 0)
		*e = placed;
	return r;
}

/* Body and tail, all in the file. */
static int write_tail(struct pack_writer *w)
{
	auto_buf struct buf tail = BUF_INIT(PACK_MAX_BYTES);
	uint64_t total = 0;
	int r;

	r = flush(w);
	if (r == 0)
		r = pack_tail_seal(&w->k->pak, &w->k->hdg, w->header,
				   w->written, w->entries.data, w->n_entries,
				   &tail, &total);
	if (r == 0)
		r = write_all(w, tail.data, tail.len);
	if (r < 0)
		return r;
	assert(w->written == total);
	w->total = total;
	return 0;
}

static int check_back(struct pack_writer *w)
{
	struct segment_pack announced;
	struct pack_check c = {
		.fd = w->publish.fd,
		.bytes = w->total,
		.writer = w->store->opts.writer,
		.k = w->k,
		.announced = &announced,
		.read_data = true,
	};

	pack_writer_announcement(w, &announced);
	return store_check_pack(w->store, &c);
}

int pack_writer_finish(struct pack_writer *w, bool read_back)
{
	int r;

	assert(w->total == 0);
	if (w->error < 0)
		return w->error;
	if (w->n_entries == 0)
		return -EINVAL;
	r = write_tail(w);
	if (r == 0 && read_back)
		r = check_back(w);
	if (r == 0)
		r = publish_sync(&w->publish);
	if (r < 0)
		w->error = r;
	return r;
}

int pack_writer_publish(struct pack_writer *w)
{
	char name[STORE_PACK_NAME_LEN + 1];

	assert(w->total > 0);
	if (w->error < 0)
		return w->error;
	hex_encode(w->name, sizeof(w->name), name);
	w->error = publish_commit(&w->publish, name, true);
	return w->error;
}

void pack_writer_announcement(const struct pack_writer *w,
			      struct segment_pack *ret)
{
	assert(w->total > 0);
	*ret = (struct segment_pack){
		.size = w->total,
		.epoch = w->k->epoch,
		.key_id = short_key_id(&w->k->id),
		.type = w->type,
		.n_entries = w->n_entries,
		.entries = w->entries.data,
	};
	memcpy(ret->name, w->name, sizeof(ret->name));
}
