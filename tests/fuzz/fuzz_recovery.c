/* SPDX-License-Identifier: ISC */
/* The words of a recovery key, as somebody types them. */
#include <ctype.h>

#include "crypto/secret.h"
#include "format/recovery.h"
#include "fuzz.h"

static int parse(const uint8_t *data, size_t size, struct secret_buf *ret_p,
		 unsigned *ret_bad)
{
	auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
	int r = secret_buf_append(&text, data, size);

	FUZZ_REQUIRE(r == 0);
	return recovery_parse(&text, ret_p, ret_bad);
}

/* The same words, otherwise written, are the same key. */
static void require_same(const uint8_t *data, size_t size,
			 const struct secret_buf *p)
{
	auto_secret_buf struct secret_buf again = SECRET_BUF_INIT;
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	unsigned bad = 0;
	int r;

	buf_put_u8(&b, '\t');
	for (size_t i = 0; i < size; i++) {
		uint8_t c = data[i];

		if (isspace(c) || c == '-')
			buf_put(&b, "- \n", 3);
		else
			buf_put_u8(&b, (uint8_t)(islower(c) ? toupper(c) :
							      tolower(c)));
	}
	buf_put_u8(&b, '\n');
	FUZZ_REQUIRE(buf_error(&b) == 0);
	r = parse(b.data, b.len, &again, &bad);
	FUZZ_REQUIRE(r == 0);
	FUZZ_REQUIRE(again.len == p->len &&
		     memcmp(again.data, p->data, p->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad = 0;
	int r = crypto_start();

	FUZZ_REQUIRE(r == 0);
	r = parse(data, size, &p, &bad);
	FUZZ_REQUIRE(bad <= RECOVERY_WORDS);
	if (r < 0) {
		FUZZ_REQUIRE(p.len == 0);
		return 0;
	}
	FUZZ_REQUIRE(p.len == RECOVERY_P_BYTES);
	for (size_t i = 0; i < RECOVERY_RANDOM_WORDS; i++)
		FUZZ_REQUIRE(le16_get(p.data + 2 * i) < 2048);
	require_same(data, size, &p);
	return 0;
}
