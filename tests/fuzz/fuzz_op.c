/* SPDX-License-Identifier: ISC */
/* Operations, one after the other. */
#include "format/op.h"
#include "fuzz.h"

static void require_extents(const struct op_content *p)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	uint64_t end = 0;
	struct cursor c;
	uint32_t i;

	extent_list_cursor(&p->extents, &c);
	for (i = 0; i < p->extents.n; i++) {
		struct extent e;

		extent_read(&c, &e);
		FUZZ_REQUIRE(c.error == 0);
		FUZZ_REQUIRE(e.length >= 1 && e.offset >= end);
		FUZZ_REQUIRE(e.offset + e.length > e.offset);
		end = e.offset + e.length;
		FUZZ_REQUIRE(end <= p->size && p->size <= FILE_SIZE_MAX);
		if (e.kind == EXTENT_CHUNK)
			FUZZ_REQUIRE(e.chunk_offset + e.length <=
				     e.chunk_length);
		extent_put(&again, &e);
	}
	FUZZ_REQUIRE(cursor_finish(&c) == 0);
	fuzz_require_same(&again, p->extents.raw, p->extents.raw_bytes);
}

/* Reads every dot: the lists lie inside the input. */
static void require_dots(const struct dot_list *l)
{
	struct dot greatest = { 0 };
	uint32_t i;

	for (i = 0; i < l->n; i++)
		if (dot_compare(dot_list_get(l, i), greatest) > 0)
			greatest = dot_list_get(l, i);
	FUZZ_REQUIRE(l->n > 0 || dot_is_zero(greatest));
}

static void require_payload(const struct op *op)
{
	switch (op->type) {
	case OP_PLACE:
		require_dots(&op->place.kills);
		FUZZ_REQUIRE(name_is_valid(op->place.name.bytes,
					   op->place.name.len));
		break;
	case OP_UNLINK:
		require_dots(&op->unlink.kills);
		require_dots(&op->unlink.deletes);
		break;
	case OP_CONTENT:
		require_dots(&op->content.replaces);
		require_extents(&op->content);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;

	cursor_init(&c, data, size);
	while (cursor_left(&c) > 0) {
		auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
		const uint8_t *start = c.at;
		struct op op = { 0 };
		int found = op_decode(&c, &op);

		if (found < 0) {
			FUZZ_REQUIRE(c.at == start);
			break;
		}
		if (found == 0)
			continue;
		require_payload(&op);
		FUZZ_REQUIRE(op_encode(&op, &again) == 0);
		fuzz_require_same(&again, start, (size_t)(c.at - start));
	}
	return 0;
}
