/* SPDX-License-Identifier: ISC */
#include "segment_fixture.h"

#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "format/op.h"
#include "format_fixture.h"
#include "op_samples.h"

struct segment_fixture fx;

void fx_start(void)
{
	epoch_keys_fixed(3, &fx.keys);
	buf_init(&fx.vv, FX_WORK_BYTES);
	buf_init(&fx.packs, FX_WORK_BYTES);
	buf_init(&fx.required, FX_WORK_BYTES);
	buf_init(&fx.ops, FX_WORK_BYTES);
	memset(&fx.body, 0, sizeof(fx.body));
	memset(&fx.header, 0, sizeof(fx.header));
	fill_from(1, fx.header.vault.b, sizeof(fx.header.vault.b));
	fill_from(0xc0, fx.body.previous.b, sizeof(fx.body.previous.b));
	fx.header.writer = FX_SELF;
	fx.header.seq = 2;
	fx.body.first = fx.body.last = 1000;
}

void fx_stop(void)
{
	buf_release(&fx.vv);
	buf_release(&fx.packs);
	buf_release(&fx.required);
	buf_release(&fx.ops);
}

void add_vv(uint64_t writer, uint64_t context, uint64_t ack)
{
	struct segment_vv v = { .writer = writer,
				.context = context,
				.ack = ack };

	fill_from(0x40, v.head.b, sizeof(v.head.b));
	segment_vv_put(&fx.vv, &v);
	fx.body.n_vv++;
}

void add_pack(uint32_t n, uint32_t plain)
{
	auto_buf struct buf entries = BUF_INIT(FX_WORK_BYTES);
	struct segment_pack p = { .epoch = 3,
				  .type = PACK_DATA,
				  .n_entries = n };
	uint64_t end = PACK_HEADER_BYTES;
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct pack_entry e = {
			.offset = (uint32_t)end,
			.stored_bytes = record_stored_bytes(plain),
			.plain_bytes = plain,
		};

		pack_entry_put(&entries, &e);
		end += e.stored_bytes;
	}
	fill_from(0x60, p.name, sizeof(p.name));
	fill_from(0x70, p.key_id.b, sizeof(p.key_id.b));
	p.size = pad_length(end + (uint64_t)n * 64 + 96, 65536);
	p.entries = entries.data;
	segment_pack_put(&fx.packs, &p);
	fx.body.n_packs++;
}

void add_required(uint64_t writer)
{
	struct segment_required r = { .writer = writer };

	fill_from(0x80, r.name, sizeof(r.name));
	segment_required_put(&fx.required, &r);
	fx.body.n_required++;
}

void add_op(const char *sample, hlc_t clock, unsigned flags)
{
	struct op op = op_sample(sample)->op;

	op.clock = clock;
	op.flags = flags;
	ck_assert_int_eq(op_encode(&op, &fx.ops), 0);
	if (fx.body.n_ops++ == 0)
		fx.body.first = clock;
	fx.body.last = clock;
}

void add_all(void)
{
	size_t i, n;
	const struct op_sample *samples = op_samples(&n);

	add_vv(7, 9, 8);
	add_vv(8, 1, 0);
	add_pack(2, 20000);
	add_pack(1, 1);
	add_required(7);
	add_required(8);
	for (i = 0; i < n; i++)
		add_op(samples[i].name, 2000 + i / 2,
		       i + 1 < n ? OP_FLAG_MORE : 0);
}

void fx_join(void)
{
	cursor_init(&fx.body.vv, fx.vv.data, fx.vv.len);
	cursor_init(&fx.body.packs, fx.packs.data, fx.packs.len);
	cursor_init(&fx.body.required, fx.required.data, fx.required.len);
	cursor_init(&fx.body.ops, fx.ops.data, fx.ops.len);
}

int fx_seal(struct buf *file)
{
	fx_join();
	return segment_seal(&fx.keys, &fx.header, &fx.body, file);
}

int open_file(void *arg)
{
	struct file *f = arg;
	struct segment_header h;
	int err;

	err = segment_header_decode(f->buf.data, f->buf.len, &h);
	if (err < 0)
		return err;
	return segment_open(&fx.keys, f->buf.data, f->buf.len, &h, f->plain,
			    &f->got);
}

void file_make(struct file *f)
{
	memset(f, 0, sizeof(*f));
	buf_init(&f->buf, FX_WORK_BYTES);
	ck_assert_int_eq(fx_seal(&f->buf), 0);
	f->plain = mem_alloc(fx.header.body_bytes);
	ck_assert_ptr_nonnull(f->plain);
}

void file_release(struct file *f)
{
	buf_release(&f->buf);
	mem_free(f->plain);
}
