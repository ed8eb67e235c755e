/* SPDX-License-Identifier: ISC */
#include "stage_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>

struct stage *stage;

void open_stage(uint64_t next_file)
{
	ck_assert_int_eq(stage_open(fx.store, next_file, &stage), 0);
}

void stage_fixture_make(void)
{
	fixture_make();
	open_stage(1);
}

void stage_fixture_remove(void)
{
	stage_close(stage);
	fixture_remove();
}

void reopen_stage(uint64_t next_file)
{
	stage_close(stage);
	fixture_reopen();
	open_stage(next_file);
}

int append(uint64_t seed, uint32_t n, struct staged *ret)
{
	uint8_t *plain = make_bytes(seed, n);
	struct content_id id = id_of(plain, n);
	int r;

	ret->seed = seed;
	r = stage_append(stage, &id, plain, n, &ret->file, &ret->e);
	free(plain);
	return r;
}

void append_well(uint64_t seed, uint32_t n, struct staged *ret)
{
	ck_assert_int_eq(append(seed, n, ret), 0);
}

int read_staged(const struct staged *s)
{
	const struct store_place place = { .is_stage = true,
					   .stage_file = s->file,
					   .entry = s->e };

	return read_chunk(&place, 2, s->seed);
}

const char *stage_name(uint64_t file)
{
	static char name[17];

	snprintf(name, sizeof(name), "%016llx", (unsigned long long)file);
	return name;
}

uint8_t *read_stage_file(uint64_t file, size_t *ret_n)
{
	char path[32];

	snprintf(path, sizeof(path), "../stage/%s", stage_name(file));
	return read_path(path, ret_n);
}

void write_stage_file(uint64_t file, const void *data, size_t n)
{
	char path[32];

	snprintf(path, sizeof(path), "../stage/%s", stage_name(file));
	write_path(path, data, n);
}

bool stage_exists(uint64_t file)
{
	return faccessat(fx.stage_fd, stage_name(file), F_OK, 0) == 0;
}

uint64_t rotate(void)
{
	uint64_t below = 0;

	ck_assert_int_eq(stage_rotate(stage, &below), 0);
	return below;
}

int check_tail(uint64_t file)
{
	size_t n, tail;
	uint8_t *data = read_stage_file(file, &n);
	uint64_t body = 0;
	uint32_t entries = 0;
	struct r16 r16;
	int r;

	r = n < PACK_HEADER_BYTES + PACK_FOOTER_BYTES
		    ? ERR_TRUNCATED
		    : pack_footer_open(&fx.local.stg_trailer, data, n,
				       data + n - PACK_FOOTER_BYTES, &r16,
				       &body, &entries);
	if (r == 0) {
		tail = n - PACK_FOOTER_BYTES - PACK_HEADER_BYTES - body;
		r = pack_trailer_open(&fx.local.stg_trailer, data, &r16, body,
				      entries, data + PACK_HEADER_BYTES + body,
				      tail, data + PACK_HEADER_BYTES + body);
	}
	free(data);
	return r < 0 ? r : (int)entries;
}
