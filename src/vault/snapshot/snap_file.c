/* SPDX-License-Identifier: ISC */
/* Manifests as files of w/<writer>/m. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/publish.h"
#include "vault/snapshot/snap.h"

#define MANIFESTS_NAME "m"

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

void manifest_release(struct manifest *m)
{
	if (m->plain)
		mem_wipe(m->plain, (size_t)m->header.body_bytes);
	mem_free(m->plain);
	*m = (struct manifest){ .plain = NULL };
}

int manifest_list(struct vault *v, uint64_t writer, struct log_names *ret)
{
	return logdir_list_part(v, writer, MANIFESTS_NAME, 1, ret);
}

static void format_name(const struct log_name *name,
			char to[static SEGMENT_NAME_LEN + 1])
{
	struct file_hash hash = { { 0 } };

	memcpy(hash.b, name->prefix, sizeof(name->prefix));
	segment_name_format(name->seq, &hash, to);
}

static int open_file(struct vault *v, uint64_t writer, uint64_t number,
		     const uint8_t *file, size_t bytes, struct manifest *ret)
{
	struct manifest m = { .writer = writer };
	const struct epoch_keys *k;
	int r = snapshot_header_decode(file, bytes, &m.header);

	if (r < 0)
		return r == ERR_TRUNCATED || r == ERR_NEWER ? r : ERR_DAMAGED;
	if (memcmp(m.header.vault.b, v->header.uuid.b,
		   sizeof(m.header.vault.b)) != 0 ||
	    m.header.writer != writer || m.header.seq != number)
		return ERR_BAD_NAME;
	k = core_epoch_keys(v, m.header.epoch, &m.header.key_id);
	if (!k)
		return ERR_NEW_EPOCH;
	segment_hash(file, bytes, &m.hash);
	m.plain = mem_alloc((size_t)m.header.body_bytes);
	if (!m.plain)
		return -ENOMEM;
	r = snapshot_open(k, file, bytes, &m.header, m.plain, &m.body);
	if (r < 0) {
		manifest_release(&m);
		return r;
	}
	*ret = m;
	return 0;
}

int manifest_read(struct vault *v, uint64_t writer, const struct log_name *name,
		  struct manifest *ret)
{
	char text[SEGMENT_NAME_LEN + 1];
	auto_free uint8_t *file = NULL;
	struct file_hash hash;
	size_t bytes;
	int fd, r;

	format_name(name, text);
	fd = logdir_open_part(v, writer, MANIFESTS_NAME, false);
	if (fd < 0)
		return fd;
	r = env_read_file(v->env, fd, text, SEGMENT_HEADER_BYTES,
			  SNAPSHOT_FILE_MAX, &file, &bytes);
	close_quietly(v->env, &fd);
	if (r < 0)
		return r;
	segment_hash(file, bytes, &hash);
	if (memcmp(hash.b, name->prefix, sizeof(name->prefix)) != 0)
		return ERR_BAD_NAME;
	return open_file(v, writer, name->seq, file, bytes, ret);
}

int manifest_publish(struct vault *v, uint64_t number,
		     const struct snapshot_body *body)
{
	struct segment_header h = {
		.vault = v->header.uuid,
		.writer = v->writer,
		.seq = number,
	};
	auto_buf struct buf file = BUF_INIT(SNAPSHOT_FILE_MAX);
	char text[SEGMENT_NAME_LEN + 1];
	struct file_hash hash;
	int fd, r = snapshot_seal(core_newest_keys(v), &h, body, &file);

	if (r < 0)
		return r;
	segment_hash(file.data, file.len, &hash);
	segment_name_format(number, &hash, text);
	fd = logdir_open_part(v, v->writer, MANIFESTS_NAME, true);
	if (fd < 0)
		return fd;
	r = publish_bytes(v->env, fd, text, file.data, file.len);
	close_quietly(v->env, &fd);
	return r;
}

int manifest_remove(struct vault *v, const struct log_name *name)
{
	char text[SEGMENT_NAME_LEN + 1];
	int fd = logdir_open_part(v, v->writer, MANIFESTS_NAME, false), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	format_name(name, text);
	r = v->env->ops->unlink(v->env, fd, text, 0);
	close_quietly(v->env, &fd);
	return r == -ENOENT ? 0 : r;
}

uint64_t manifest_seq(const struct manifest *m, uint64_t writer)
{
	struct cursor at = m->body.heads;

	for (uint32_t i = 0; i < m->body.n_heads; i++) {
		struct snapshot_head h;

		snapshot_head_read(&at, &h);
		if (h.writer == writer)
			return h.seq;
	}
	return 0;
}
