/* SPDX-License-Identifier: ISC */
#include "vault/keys/slot_make.h"

#include "format/recovery.h"
#include "vault/keys/unlock.h"

/* The least the format lets a reader accept, for tests. */
#define WEAK_OPS 1u
#define WEAK_MEMORY_KIB 8192u

int slot_make(struct vault *v, const struct slot_request *q,
	      const struct vault_credential *cred, struct made_slot *ret)
{
	auto_secret_buf struct secret_buf feed = SECRET_BUF_INIT;
	const struct keyring *ring = &v->keys->ring;
	struct slot_info info = {
		.type = q->type,
		.ops = q->ops,
		.memory_kib = q->memory_kib,
		.vault = v->header.uuid,
		.newest_epoch = core_newest_keys(v)->epoch,
	};
	int r = unlock_feed(q->type, cred, &feed);

	if (r < 0)
		return r;
	if (!info.ops)
		info.ops = q->test_weak ? WEAK_OPS : ARGON2_OPS_DEFAULT;
	if (!info.memory_kib)
		info.memory_kib = q->test_weak ? WEAK_MEMORY_KIB :
						 ARGON2_MEMORY_KIB_DEFAULT;
	r = slot_seal(ring, &info, &feed, q->test_weak, ret->bytes);
	if (r < 0)
		return r;
	ret->type = q->type;
	slot_name(ret->bytes, ret->name);
	return 0;
}

int slot_make_recovery(struct vault *v, const struct slot_request *q,
		       struct made_slot *ret, struct secret_buf *ret_words)
{
	auto_secret_buf struct secret_buf words = SECRET_BUF_INIT;
	struct vault_credential cred = { .recovery = &words };
	int r = recovery_new(&words);

	if (r == 0)
		r = slot_make(v, q, &cred, ret);
	if (r < 0)
		return r;
	*ret_words = words;
	words = (struct secret_buf)SECRET_BUF_INIT;
	return 0;
}
