/* SPDX-License-Identifier: ISC */
/* The file `writer` of a state directory. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "format/format_priv.h"
#include "format/local.h"

#define WRITER_MAGIC "COFFERW1"
#define NONCE_AT 48
#define SEALED_AT 72

static_assert(NONCE_AT + NONCE_BYTES == SEALED_AT &&
		      SEALED_AT + sizeof(struct key) + TAG_BYTES ==
			      WRITER_FILE_BYTES,
	      "the fields add up");

void writer_file_seal(const struct writer_file *w, const struct epoch_keys *k,
		      const struct key *dk,
		      uint8_t out[static WRITER_FILE_BYTES])
{
	memcpy(out, WRITER_MAGIC, MAGIC_BYTES);
	le16_put(out + 8, FORMAT_VERSION);
	le16_put(out + 10, 0);
	le32_put(out + 12, w->epoch);
	memcpy(out + 16, w->vault.b, sizeof(w->vault.b));
	le64_put(out + 32, w->writer);
	memcpy(out + 40, w->key_id.b, sizeof(w->key_id.b));
	random_bytes(out + NONCE_AT, NONCE_BYTES);
	aead_seal(&k->loc, out + NONCE_AT, out, SEALED_AT, dk->b, sizeof(dk->b),
		  out + SEALED_AT);
}

int writer_file_decode(const uint8_t in[static WRITER_FILE_BYTES],
		       struct writer_file *ret)
{
	struct writer_file w;
	struct cursor c;
	int err;

	cursor_init(&c, in, NONCE_AT);
	format_magic(&c, WRITER_MAGIC, ERR_MALFORMED);
	format_require(&c, cursor_u16(&c) == FORMAT_VERSION, ERR_NEWER);
	cursor_zeros(&c, 2);
	w.epoch = cursor_u32(&c);
	cursor_copy(&c, w.vault.b, sizeof(w.vault.b));
	w.writer = cursor_u64(&c);
	cursor_copy(&c, w.key_id.b, sizeof(w.key_id.b));
	cursor_require(&c, w.epoch >= 1 && w.writer >= 1);
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	*ret = w;
	return 0;
}

int writer_file_open(const uint8_t in[static WRITER_FILE_BYTES],
		     const struct epoch_keys *k, struct key *ret_dk)
{
	struct key dk;
	int err;

	err = aead_open(&k->loc, in + NONCE_AT, in, SEALED_AT, in + SEALED_AT,
			sizeof(dk.b) + TAG_BYTES, dk.b);
	if (err == 0)
		*ret_dk = dk;
	mem_wipe(&dk, sizeof(dk));
	return err;
}
