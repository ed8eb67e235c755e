/* SPDX-License-Identifier: ISC */
#include "vault/log/state_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/random.h"

static int set_keys(struct vault *v, const struct key *dk, uint64_t writer)
{
	v->keys->dk = *dk;
	keys_local(&v->keys->dk, &v->keys->local);
	v->writer = writer;
	return 1;
}

/* 1: opened; 0: it does not fit this vault; ERR_NEW_EPOCH: the key is
 * unknown. */
static int open_writer(struct vault *v, const uint8_t *raw)
{
	struct writer_file w;
	const struct epoch_keys *k;
	struct key *dk;
	int r = writer_file_decode(raw, &w);

	if (r < 0 || memcmp(w.vault.b, v->header.uuid.b, sizeof(w.vault.b)) != 0)
		return 0;
	k = core_epoch_keys(v, w.epoch, &w.key_id);
	if (!k)
		return ERR_NEW_EPOCH;
	dk = secret_alloc(sizeof(*dk));
	if (!dk)
		return -ENOMEM;
	r = writer_file_open(raw, k, dk);
	r = r == 0 ? set_keys(v, dk, w.writer) : 0;
	secret_free(dk);
	return r;
}

int state_writer_load(struct commit *c)
{
	uint8_t raw[WRITER_FILE_BYTES];
	int has_journal, r = statedir_read_writer(&c->state, raw);

	if (r > 0)
		r = open_writer(c->v, raw);
	if (r > 0 || r == -ENOMEM)
		return r;
	/* Without its key a journal is lost: somebody must decide that. */
	has_journal = statedir_has_journal(&c->state);
	if (has_journal < 0)
		return has_journal;
	if (has_journal)
		return r == ERR_NEW_EPOCH ? r : ERR_DAMAGED;
	return r == ERR_NEW_EPOCH || r == ERR_DAMAGED ? 0 : r;
}

/* Not zero, and its lower half neither: that stands in inode ids. */
static uint64_t draw_writer(const struct vault_options *opts,
			    uint64_t other_than)
{
	uint64_t writer = opts->test_writer;

	while (writer == other_than || (uint32_t)writer == 0)
		writer = random_u64();
	return writer;
}

static int compare_writers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* One that has no folder in the vault: no number of any log is used twice. */
static int find_free_writer(struct vault *v, uint64_t other_than, uint64_t *ret)
{
	auto_free uint64_t *taken = NULL;
	size_t n = 0;
	int r = logdir_writers(v, &taken, &n, NULL);

	if (r < 0)
		return r;
	*ret = draw_writer(&v->opts, other_than);
	while (bsearch(ret, taken, n, sizeof(*taken), compare_writers))
		*ret = random_u64() | 1;
	return 0;
}

int state_writer_mint(struct commit *c, uint64_t other_than)
{
	struct vault *v = c->v;
	const struct epoch_keys *k = core_newest_keys(v);
	struct writer_file w = {
		.epoch = k->epoch,
		.vault = v->header.uuid,
	};
	uint8_t raw[WRITER_FILE_BYTES];
	struct key *dk;
	int r = find_free_writer(v, other_than, &w.writer);

	if (r < 0)
		return r;
	dk = secret_alloc(sizeof(*dk));
	if (!dk)
		return -ENOMEM;
	memcpy(w.key_id.b, k->id.b, sizeof(w.key_id.b));
	random_bytes(dk->b, sizeof(dk->b));
	writer_file_seal(&w, k, dk, raw);
	r = statedir_put_writer(&c->state, raw);
	if (r == 0)
		(void)set_keys(v, dk, w.writer);
	secret_free(dk);
	return r;
}
