/* SPDX-License-Identifier: ISC */
#include "crypto/kdf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/sysinfo.h>

#include <sodium.h>

#include "crypto/secret.h"

#define KDF_ARGON2ID_BYTES 64

static_assert(KDF_CONTEXT_BYTES == crypto_kdf_CONTEXTBYTES,
	      "a context of crypto_kdf");
static_assert(sizeof(struct key) == crypto_kdf_KEYBYTES, "a key of crypto_kdf");
static_assert(KDF_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES,
	      "a salt of crypto_pwhash");

void kdf_derive(const struct key *master, const char *context, uint64_t id,
		void *out, size_t out_bytes)
{
	int failed;

	assert(!memchr(context, '\0', KDF_CONTEXT_BYTES));
	assert(out_bytes >= crypto_kdf_BYTES_MIN &&
	       out_bytes <= crypto_kdf_BYTES_MAX);
	failed = crypto_kdf_derive_from_key(out, out_bytes, id, context,
					    master->b);
	assert(!failed);
}

/*
 * libsodium maps Argon2's memory populated: where the kernel overcommits, more
 * than the machine has would end in the OOM killer, not in an error.
 */
static bool machine_has(uint64_t bytes)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return false;
	return bytes / info.mem_unit <= info.totalram;
}

int kdf_argon2id(const void *pass, size_t pass_len,
		 const uint8_t salt[static KDF_SALT_BYTES], uint32_t ops,
		 uint32_t memory_kib, uint8_t out[static 64])
{
	const uint64_t memory_bytes = (uint64_t)memory_kib * 1024;
	auto_secret uint8_t *derived = NULL;

	if (pass_len > crypto_pwhash_argon2id_PASSWD_MAX ||
	    ops < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
	    memory_bytes < crypto_pwhash_argon2id_MEMLIMIT_MIN ||
	    memory_bytes > crypto_pwhash_argon2id_MEMLIMIT_MAX)
		return ERR_KDF_LIMIT;
	if (!machine_has(memory_bytes))
		return -ENOMEM;
	/* crypto_pwhash clears its output before it fails. */
	derived = secret_alloc(KDF_ARGON2ID_BYTES);
	if (!derived)
		return -ENOMEM;
	/* Every limit was checked above: what still fails is memory. */
	if (crypto_pwhash_argon2id(derived, KDF_ARGON2ID_BYTES,
				   pass_len > 0 ? pass : "", pass_len, salt,
				   ops, (size_t)memory_bytes,
				   crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	memcpy(out, derived, KDF_ARGON2ID_BYTES);
	return 0;
}
