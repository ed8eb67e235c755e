/* SPDX-License-Identifier: ISC */
/*
 * 0: a pack's header.  1: body's end 4, entries.  2: header 64, total 8, an
 * opened footer 32.  3: entries 4, body's end 4, an opened trailer.  4: a pack
 * as a segment announces it.
 */
#include "format/pack.h"
#include "format/pack_priv.h"
#include "format/segment.h"
#include "format/segment_priv.h"
#include "fuzz.h"

static void fuzz_header(const uint8_t *data, size_t size)
{
	uint8_t in[PACK_HEADER_BYTES], again[PACK_HEADER_BYTES];
	struct pack_header h;

	fuzz_fixed(data, size, in, sizeof(in));
	if (pack_header_decode(in, &h) < 0)
		return;
	pack_header_encode(&h, again);
	FUZZ_REQUIRE(memcmp(in, again, sizeof(in)) == 0);
}

/* Entries that were accepted: each lies inside the body. */
static void require_entries(const uint8_t *entries, uint32_t n,
			    uint64_t body_end)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	struct cursor c;
	uint32_t i;

	cursor_init(&c, entries, (size_t)n * PACK_ENTRY_BYTES);
	for (i = 0; i < n; i++) {
		struct pack_entry e;

		FUZZ_REQUIRE(pack_entry_read(&c, &e) == 0);
		FUZZ_REQUIRE(e.plain_bytes >= 1 &&
			     e.plain_bytes <= CHUNK_MAX_BYTES);
		FUZZ_REQUIRE(e.offset >= PACK_HEADER_BYTES &&
			     (uint64_t)e.offset + e.stored_bytes <= body_end);
		pack_entry_put(&again, &e);
	}
	fuzz_require_same(&again, entries, (size_t)n * PACK_ENTRY_BYTES);
}

static void fuzz_entries(const uint8_t *data, size_t size)
{
	const uint64_t body_end = fuzz_number(&data, &size, 4);
	const uint32_t n = (uint32_t)(size / PACK_ENTRY_BYTES);

	if (pack_entries_check(data, n, body_end) == 0)
		require_entries(data, n, body_end);
}

static void fuzz_footer(const uint8_t *data, size_t size)
{
	uint8_t header[PACK_HEADER_BYTES], plain[PACK_FOOTER_PLAIN_BYTES];
	uint64_t total, body_bytes;
	uint32_t n;

	fuzz_fixed(data, size, header, sizeof(header));
	if (size < sizeof(header))
		return;
	data += sizeof(header);
	size -= sizeof(header);
	total = fuzz_number(&data, &size, 8);
	fuzz_fixed(data, size, plain, sizeof(plain));
	if (pack_footer_decode(header, total, plain, &body_bytes, &n) < 0)
		return;
	FUZZ_REQUIRE(body_bytes <= UINT32_MAX);
	FUZZ_REQUIRE(pack_total_bytes(header, PACK_HEADER_BYTES + body_bytes,
				      n) == total);
	FUZZ_REQUIRE(
		pack_trailer_bytes(header, PACK_HEADER_BYTES + body_bytes, n) >=
		(uint64_t)n * PACK_ENTRY_BYTES + TAG_BYTES);
}

static void fuzz_trailer(const uint8_t *data, size_t size)
{
	const uint32_t n = (uint32_t)fuzz_number(&data, &size, 4);
	const uint64_t body_end = fuzz_number(&data, &size, 4);

	if (pack_trailer_check(data, size, n, body_end) == 0)
		require_entries(data, n, body_end);
}

static void fuzz_announced(const uint8_t *data, size_t size)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	struct segment_pack p, read;
	struct cursor c, c2;

	cursor_init(&c, data, size);
	c2 = c;
	segment_pack_check(&c, &p);
	if (c.error)
		return;
	segment_pack_read(&c2, &read);
	FUZZ_REQUIRE(c2.error == 0 && c2.at == c.at);
	FUZZ_REQUIRE(p.size >= PACK_MIN_BYTES && p.size <= PACK_MAX_BYTES);
	require_entries(p.entries, p.n_entries, p.size);
	segment_pack_put(&again, &p);
	fuzz_require_same(&again, data, (size_t)(c.at - data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static fuzz_fn *const decoders[] = {
		fuzz_header, fuzz_entries, fuzz_footer, fuzz_trailer, fuzz_announced,
	};

	fuzz_choose(decoders, array_len(decoders), data, size);
	return 0;
}
