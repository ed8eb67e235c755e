/* SPDX-License-Identifier: ISC */
#include "format/slot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "format/format_priv.h"
#include "format/recovery.h"
#include "format/slot_priv.h"

#define SLOT_MAGIC "COFFERK1"
#define KDF_ARGON2ID 1

#define SALT_AT 24
#define COMMITMENT_AT 64
#define NONCE_AT 96
#define TOKEN_BYTES_MAX 904u
#define SEALED_AT 1024

static_assert(NONCE_AT + NONCE_BYTES + TOKEN_BYTES_MAX == SEALED_AT &&
		      SEALED_AT + KEYRING_PLAIN_BYTES + TAG_BYTES == SLOT_BYTES,
	      "a slot's fields add up");

/* Argon2id: what a reader accepts, and what is written at least. */
#define OPS_MIN 1u
#define OPS_MAX 64u
#define OPS_WRITE_MIN 3u
#define MEMORY_KIB_MIN (8u * 1024)
#define MEMORY_KIB_MAX (4u * 1024 * 1024)
#define OPS_TIMES_MEMORY_MAX ((uint64_t)32 * 1024 * 1024) /* KiB */

#define KEY_FILE_LABEL "cofr-kfl"
#define KEY_FILE_LABEL_BYTES (sizeof(KEY_FILE_LABEL) - 1)
#define KEY_FILE_HASH_BYTES 64

static_assert(sizeof(struct slot_keys) == 64, "two keys in one output");

static int check_length(const struct secret_buf *s, size_t min, size_t max)
{
	return s && s->len >= min && s->len <= max ? 0 : ERR_LIMIT;
}

/* F, into secret memory at once. */
static int append_key_file(struct secret_buf *to,
			   const struct secret_buf *key_file)
{
	struct hash h;
	int err;

	err = check_length(key_file, KEY_FILE_BYTES_MIN, KEY_FILE_BYTES_MAX);
	if (err < 0)
		return err;
	err = secret_buf_reserve(to,
				 KEY_FILE_HASH_BYTES + PASSPHRASE_BYTES_MAX);
	if (err < 0)
		return err;
	hash_begin(&h, NULL, KEY_FILE_HASH_BYTES);
	hash_add(&h, KEY_FILE_LABEL, KEY_FILE_LABEL_BYTES);
	hash_add(&h, key_file->data, key_file->len);
	hash_end(&h, to->data + to->len, KEY_FILE_HASH_BYTES);
	to->len += KEY_FILE_HASH_BYTES;
	return 0;
}

static int append_checked(struct secret_buf *to, const struct secret_buf *s,
			  size_t min, size_t max)
{
	int err = check_length(s, min, max);

	return err < 0 ? err : secret_buf_append(to, s->data, s->len);
}

int slot_credential(enum slot_type type, const struct secret_buf *passphrase,
		    const struct secret_buf *key_file, struct secret_buf *ret)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	int err = 0;

	switch (type) {
	case SLOT_PASSPHRASE:
		err = append_checked(&p, passphrase, 1, PASSPHRASE_BYTES_MAX);
		break;
	case SLOT_KEY_FILE:
		err = append_key_file(&p, key_file);
		break;
	case SLOT_KEY_FILE_AND_PASSPHRASE:
		err = append_key_file(&p, key_file);
		if (err == 0)
			err = append_checked(&p, passphrase, 1,
					     PASSPHRASE_BYTES_MAX);
		break;
	case SLOT_RECOVERY:
		err = append_checked(&p, passphrase, RECOVERY_P_BYTES,
				     RECOVERY_P_BYTES);
		break;
	case SLOT_TOKEN:
		err = ERR_NEWER;
		break;
	}
	if (err < 0)
		return err;
	secret_buf_release(ret);
	*ret = p;
	p = (struct secret_buf)SECRET_BUF_INIT;
	return 0;
}

static int check_kdf(uint32_t ops, uint32_t memory_kib)
{
	if (ops < OPS_MIN || ops > OPS_MAX || memory_kib < MEMORY_KIB_MIN ||
	    memory_kib > MEMORY_KIB_MAX)
		return ERR_KDF_LIMIT;
	if ((uint64_t)ops * memory_kib > OPS_TIMES_MEMORY_MAX)
		return ERR_KDF_LIMIT;
	return 0;
}

static int check_kdf_written(uint32_t ops, uint32_t memory_kib)
{
	if (ops < OPS_WRITE_MIN || memory_kib < ARGON2_MEMORY_KIB_WRITE_MIN)
		return ERR_KDF_LIMIT;
	return check_kdf(ops, memory_kib);
}

static void put_clear(const struct slot_info *info,
		      uint8_t out[static SLOT_BYTES])
{
	memset(out, 0, SLOT_BYTES);
	memcpy(out, SLOT_MAGIC, MAGIC_BYTES);
	out[8] = (uint8_t)info->type;
	out[9] = KDF_ARGON2ID;
	le32_put(out + 12, info->ops);
	le32_put(out + 16, info->memory_kib);
	random_bytes(out + SALT_AT, KDF_SALT_BYTES);
	memcpy(out + 40, info->vault.b, sizeof(info->vault.b));
	le32_put(out + 56, info->newest_epoch);
	random_bytes(out + NONCE_AT, NONCE_BYTES);
}

/* KEK and commitment from the slot's own salt and parameters, in fresh secret
 * memory. */
static int derive_keys(const uint8_t slot[static SLOT_BYTES],
		       const struct slot_info *info,
		       const struct secret_buf *credential,
		       struct slot_keys **ret)
{
	auto_secret struct slot_keys *keys = NULL;
	int err;

	keys = secret_alloc(sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	err = kdf_argon2id(credential->data, credential->len, slot + SALT_AT,
			   info->ops, info->memory_kib, (uint8_t *)keys);
	if (err < 0)
		return err;
	*ret = mem_take(keys);
	return 0;
}

int slot_seal(const struct keyring *ring, const struct slot_info *info,
	      const struct secret_buf *credential, bool test_weak,
	      uint8_t out[static SLOT_BYTES])
{
	auto_secret struct slot_keys *keys = NULL;
	auto_secret uint8_t *plain = NULL;
	uint8_t slot[SLOT_BYTES];
	int err;

	if (info->type < SLOT_PASSPHRASE || info->type > SLOT_RECOVERY)
		return ERR_NEWER;
	err = test_weak ? check_kdf(info->ops, info->memory_kib)
			: check_kdf_written(info->ops, info->memory_kib);
	if (err < 0)
		return err;
	if (keyring_check(ring, info->newest_epoch) < 0)
		return ERR_MALFORMED;
	plain = secret_alloc(KEYRING_PLAIN_BYTES);
	if (!plain)
		return -ENOMEM;
	put_clear(info, slot);
	err = derive_keys(slot, info, credential, &keys);
	if (err < 0)
		return err;
	memcpy(slot + COMMITMENT_AT, keys->commitment,
	       sizeof(keys->commitment));
	keyring_encode(ring, plain);
	aead_seal(&keys->kek, slot + NONCE_AT, slot, SEALED_AT, plain,
		  KEYRING_PLAIN_BYTES, slot + SEALED_AT);
	memcpy(out, slot, sizeof(slot));
	return 0;
}

/* Only a token's slot has token data.  A failed cursor's left is 0. */
static void read_token(struct cursor *c, uint32_t token_bytes,
		       enum slot_type type)
{
	cursor_require(c, token_bytes <= TOKEN_BYTES_MAX &&
				  (token_bytes > 0) == (type == SLOT_TOKEN));
	cursor_take(c, token_bytes);
	cursor_zeros(c, cursor_left(c));
}

int slot_decode(const uint8_t in[static SLOT_BYTES], struct slot_info *ret)
{
	struct slot_info info;
	uint32_t token_bytes;
	struct cursor c;
	int err;

	cursor_init(&c, in, SEALED_AT);
	format_magic(&c, SLOT_MAGIC, ERR_MALFORMED);
	info.type = cursor_u8(&c);
	format_require(&c,
		       info.type >= SLOT_PASSPHRASE && info.type <= SLOT_TOKEN,
		       ERR_NEWER);
	format_require(&c, cursor_u8(&c) == KDF_ARGON2ID, ERR_NEWER);
	format_require(&c, cursor_u16(&c) == 0, ERR_NEWER); /* flags */
	info.ops = cursor_u32(&c);
	info.memory_kib = cursor_u32(&c);
	token_bytes = cursor_u32(&c);
	cursor_take(&c, KDF_SALT_BYTES);
	cursor_copy(&c, info.vault.b, sizeof(info.vault.b));
	info.newest_epoch = cursor_u32(&c);
	cursor_zeros(&c, 4);
	cursor_take(&c, sizeof(((struct slot_keys *)0)->commitment));
	cursor_take(&c, NONCE_BYTES);
	read_token(&c, token_bytes, info.type);
	cursor_require(&c, info.newest_epoch >= 1);
	format_require(&c, check_kdf(info.ops, info.memory_kib) == 0,
		       ERR_KDF_LIMIT);
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	*ret = info;
	return 0;
}

/*
 * The commitment first: XChaCha20-Poly1305 does not commit to its key, and one
 * slot that opens under many passphrases lets them be tried many at a time
 * (Len, Grubbs, Ristenpart: Partitioning Oracle Attacks, USENIX Security 2021).
 */
int slot_open_derived(const uint8_t in[static SLOT_BYTES],
		      const struct slot_info *info,
		      const struct slot_keys *keys, struct keyring *ret)
{
	auto_secret struct keyring *ring = NULL;
	auto_secret uint8_t *plain = NULL;

	plain = secret_alloc(KEYRING_PLAIN_BYTES);
	ring = secret_alloc(sizeof(*ring));
	if (!plain || !ring)
		return -ENOMEM;
	if (!secret_equal(keys->commitment, in + COMMITMENT_AT,
			  sizeof(keys->commitment)))
		return ERR_WRONG_KEY;
	if (aead_open(&keys->kek, in + NONCE_AT, in, SEALED_AT, in + SEALED_AT,
		      KEYRING_PLAIN_BYTES + TAG_BYTES, plain) < 0 ||
	    keyring_decode(plain, info->newest_epoch, ring) < 0)
		return ERR_DAMAGED;
	*ret = *ring;
	return 0;
}

int slot_open(const uint8_t in[static SLOT_BYTES],
	      const struct secret_buf *credential, struct keyring *ret)
{
	auto_secret struct slot_keys *keys = NULL;
	struct slot_info info;
	int err;

	err = slot_decode(in, &info);
	if (err < 0)
		return err;
	err = derive_keys(in, &info, credential, &keys);
	if (err < 0)
		return err;
	return slot_open_derived(in, &info, keys, ret);
}

void slot_name(const uint8_t in[static SLOT_BYTES],
	       uint8_t ret[static SLOT_NAME_BYTES])
{
	hash_bytes(NULL, in, SLOT_BYTES, ret, SLOT_NAME_BYTES);
}
