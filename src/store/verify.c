/* SPDX-License-Identifier: ISC */
/*
 * Checking a whole pack, from the outside in: size and header against its
 * place and announcement, footer, trailer, then every record.  Nothing is
 * sized by what has not been authenticated but by the file's own length, which
 * is checked first.
 */
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "store/store_priv.h"

struct checked_pack {
	uint8_t raw_header[PACK_HEADER_BYTES];
	struct pack_header header;
	const struct epoch_keys *k;
	struct r16 r16;
	uint64_t body_bytes;
	uint32_t n_entries;
	uint8_t *trailer; /* owned; the entries are its first bytes */
};

static bool fits_announcement(const struct pack_header *h,
			      const struct segment_pack *a)
{
	return h->type == a->type && h->epoch == a->epoch &&
	       memcmp(&h->key_id, &a->key_id, sizeof(h->key_id)) == 0;
}

static int check_header(struct store *s, const struct pack_check *c,
			struct checked_pack *p)
{
	const struct pack_header *h = &p->header;
	int r;

	if (c->announced && c->announced->size != c->bytes)
		return c->bytes < c->announced->size ? ERR_TRUNCATED
						     : ERR_DAMAGED;
	r = env_read_exact(s->opts.env, c->fd, p->raw_header,
			   sizeof(p->raw_header), 0);
	if (r == 0)
		r = pack_header_decode(p->raw_header, &p->header);
	if (r < 0)
		return r == ERR_MALFORMED ? ERR_DAMAGED : r;
	if (memcmp(&h->vault, &s->opts.vault, sizeof(h->vault)) != 0 ||
	    h->writer != c->writer ||
	    (c->announced && !fits_announcement(h, c->announced)))
		return ERR_BAD_NAME;
	p->k = c->k ? c->k
		    : s->opts.keys(s->opts.keys_arg, h->epoch, &h->key_id);
	return p->k ? 0 : ERR_NEW_EPOCH;
}

static int read_footer(struct store *s, const struct pack_check *c,
		       struct checked_pack *p)
{
	uint8_t footer[PACK_FOOTER_BYTES];
	int r;

	r = env_read_exact(s->opts.env, c->fd, footer, sizeof(footer),
			   c->bytes - sizeof(footer));
	if (r < 0)
		return r;
	return pack_footer_open(&p->k->pak, p->raw_header, c->bytes, footer,
				&p->r16, &p->body_bytes, &p->n_entries);
}

static int read_trailer(struct store *s, const struct pack_check *c,
			struct checked_pack *p)
{
	uint64_t body_end = PACK_HEADER_BYTES + p->body_bytes;
	size_t sealed_bytes;
	int r;

	/* pack_footer_open bounds the sum; a subtraction must not wrap even
	 * so. */
	if (body_end > c->bytes - PACK_FOOTER_BYTES)
		return ERR_MALFORMED;
	sealed_bytes = (size_t)(c->bytes - PACK_FOOTER_BYTES - body_end);
	p->trailer = mem_alloc(sealed_bytes);
	if (!p->trailer)
		return -ENOMEM;
	r = env_read_exact(s->opts.env, c->fd, p->trailer, sealed_bytes,
			   body_end);
	if (r < 0)
		return r;
	return pack_trailer_open(&p->k->pak, p->raw_header, &p->r16,
				 p->body_bytes, p->n_entries, p->trailer,
				 sealed_bytes, p->trailer);
}

static int compare_announcement(const struct segment_pack *a,
				const struct checked_pack *p)
{
	if (a->n_entries != p->n_entries ||
	    memcmp(a->entries, p->trailer,
		   (size_t)p->n_entries * PACK_ENTRY_BYTES) != 0)
		return ERR_DAMAGED;
	return 0;
}

static uint32_t sub_blocks(const struct pack_entry *e)
{
	return (e->plain_bytes - 1) / RECORD_SUB_BYTES + 1;
}

/* Which sub-blocks of a record that failed cannot be read?  All of them if each
 * opens: then they are not those of the content id. */
static void tell_bad(struct store *s, const struct pack_check *c,
		     const struct checked_pack *p, const struct pack_entry *e,
		     int err, uint8_t *plain)
{
	uint32_t n = sub_blocks(e), first = 0, n_bad = 0;
	bool any = false;

	for (uint32_t i = 0; i <= n; i++) {
		bool is_bad = i < n && store_read_record(s, c->fd, &p->k->chk,
							 p->header.type, e, i,
							 1, false, plain) < 0;

		if (is_bad && n_bad++ == 0)
			first = i;
		if (is_bad || n_bad == 0)
			continue;
		c->bad(c->arg, e, first, n_bad, err);
		any = true;
		n_bad = 0;
	}
	if (!any)
		c->bad(c->arg, e, 0, n, err);
}

static int check_record(struct store *s, const struct pack_check *c,
			const struct checked_pack *p, const struct key *cid,
			const struct pack_entry *e, uint8_t *plain)
{
	struct content_id id;
	int r;

	r = store_read_record(s, c->fd, &p->k->chk, p->header.type, e, 0,
			      sub_blocks(e), false, plain);
	if (r < 0)
		return r;
	keys_content_id(cid, plain, e->plain_bytes, &id);
	return memcmp(&id, &e->id, sizeof(id)) == 0 ? 0 : ERR_BAD_SEAL;
}

/* The largest chunk is all the memory that is needed. */
static uint32_t max_plain_bytes(const uint8_t *entries, uint32_t n)
{
	uint32_t max = 0;
	struct cursor at;
	struct pack_entry e;

	cursor_init(&at, entries, (size_t)n * PACK_ENTRY_BYTES);
	while (cursor_left(&at) > 0 && pack_entry_read(&at, &e) == 0)
		max = max_of(max, e.plain_bytes);
	return max;
}

static int check_entries(struct store *s, const struct pack_check *c,
			 const struct checked_pack *p, const struct key *cid,
			 const uint8_t *entries, uint32_t n, uint8_t *plain)
{
	struct pack_entry e;
	struct cursor at;
	int r, first = 0;

	cursor_init(&at, entries, (size_t)n * PACK_ENTRY_BYTES);
	while (cursor_left(&at) > 0) {
		r = pack_entry_read(&at, &e);
		if (r < 0)
			return r;
		r = check_record(s, c, p, cid, &e, plain);
		if (r < 0 && c->bad)
			tell_bad(s, c, p, &e, r, plain);
		if (first == 0)
			first = r;
		if (first < 0 && !c->bad)
			return first;
	}
	return first;
}

static int check_records(struct store *s, const struct pack_check *c,
			 const struct checked_pack *p, const uint8_t *entries,
			 uint32_t n)
{
	const struct key *cid = store_cid_key(s, p->header.type);
	uint32_t bytes = max_plain_bytes(entries, n);
	auto_free uint8_t *plain = NULL;
	int r;

	if (!cid)
		return ERR_NEWER;
	plain = mem_alloc(bytes);
	if (!plain)
		return -ENOMEM;
	r = check_entries(s, c, p, cid, entries, n, plain);
	mem_wipe(plain, bytes);
	return r;
}

/* No record of it can be read. */
static void tell_all_bad(const struct segment_pack *a, store_bad_fn *bad,
			 void *arg, int err)
{
	struct pack_entry e;
	struct cursor at;

	if (!a || !bad || err == -ENOMEM)
		return;
	cursor_init(&at, a->entries, (size_t)a->n_entries * PACK_ENTRY_BYTES);
	while (cursor_left(&at) > 0 && pack_entry_read(&at, &e) == 0)
		bad(arg, &e, 0, sub_blocks(&e), err);
}

static int check_end(struct store *s, const struct pack_check *c,
		     struct checked_pack *p)
{
	int r = read_footer(s, c, p);

	if (r == 0)
		r = read_trailer(s, c, p);
	if (r == 0 && c->announced)
		r = compare_announcement(c->announced, p);
	return r;
}

/* Records are read by the announcement, where there is one: a damaged footer
 * or trailer takes none of them away. */
static int check_all(struct store *s, const struct pack_check *c,
		     struct checked_pack *p)
{
	const struct segment_pack *a = c->announced;
	int r, end;

	r = check_header(s, c, p);
	if (r < 0) {
		tell_all_bad(a, c->bad, c->arg, r);
		return r;
	}
	end = check_end(s, c, p);
	if (!c->read_data || (end < 0 && (!a || end == -ENOMEM)))
		return end;
	r = check_records(s, c, p, a ? a->entries : p->trailer,
			  a ? a->n_entries : p->n_entries);
	return end < 0 ? end : r;
}

int store_check_pack(struct store *s, const struct pack_check *c)
{
	struct checked_pack p = { .trailer = NULL };
	int r = check_all(s, c, &p);

	mem_free(p.trailer);
	return r;
}

int store_verify_pack(struct store *s, uint64_t writer,
		      const uint8_t pack[static PACK_NAME_BYTES],
		      const struct segment_pack *announced, bool read_data,
		      store_bad_fn *bad, void *arg)
{
	struct pack_check c = {
		.writer = writer,
		.announced = announced,
		.read_data = read_data,
		.bad = bad,
		.arg = arg,
	};
	int r;

	c.fd = store_open_pack(s, writer, pack, PACK_MIN_BYTES, PACK_MAX_BYTES,
			       &c.bytes);
	if (c.fd < 0) {
		tell_all_bad(announced, bad, arg, c.fd);
		return c.fd;
	}
	r = store_check_pack(s, &c);
	store_close_quietly(s->opts.env, &c.fd);
	return r;
}

int store_pack_entries(struct store *s, uint64_t writer,
		       const uint8_t pack[static PACK_NAME_BYTES],
		       uint8_t **ret, uint32_t *ret_n)
{
	struct checked_pack p = { .trailer = NULL };
	struct pack_check c = { .writer = writer };
	int r;

	c.fd = store_open_pack(s, writer, pack, PACK_MIN_BYTES, PACK_MAX_BYTES,
			       &c.bytes);
	if (c.fd < 0)
		return c.fd;
	r = check_header(s, &c, &p);
	if (r == 0)
		r = check_end(s, &c, &p);
	store_close_quietly(s->opts.env, &c.fd);
	if (r < 0) {
		mem_free(p.trailer);
		return r;
	}
	*ret = p.trailer;
	*ret_n = p.n_entries;
	return 0;
}
