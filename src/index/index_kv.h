/* SPDX-License-Identifier: ISC */
/*
 * The index's smaller tables: extended attributes, writers, named values.
 * As index/index.h in everything.
 */
#ifndef COFFER_INDEX_INDEX_KV_H
#define COFFER_INDEX_INDEX_KV_H

#include "index/index.h"

/* ---- extended attributes: (ino, name) ---- */
struct index_xattr {
	const uint8_t *name;
	uint16_t name_len;
	const uint8_t *rec; /* the vault's: value and register key */
	size_t rec_bytes;
};

int index_xattr_get(struct index *ix, uint64_t ino, const uint8_t *name,
		    uint16_t name_len, struct index_xattr *ret) must_check;
int index_xattr_put(struct index *ix, uint64_t ino,
		    const struct index_xattr *x) must_check;
int index_xattr_delete(struct index *ix, uint64_t ino, const uint8_t *name,
		       uint16_t name_len) must_check;
int index_xattr_delete_all(struct index *ix, uint64_t ino) must_check;
typedef int index_xattr_fn(void *arg, const struct index_xattr *x);
int index_xattr_each(struct index *ix, uint64_t ino, index_xattr_fn *fn,
		     void *arg) must_check;

/* ---- writers: records are the vault's ---- */
int index_writer_get(struct index *ix, uint64_t writer,
		     const uint8_t **ret_rec, size_t *ret_bytes) must_check;
int index_writer_put(struct index *ix, uint64_t writer, const void *rec,
		     size_t bytes) must_check;
/* Ascending by number (unsigned). */
typedef int index_writer_fn(void *arg, uint64_t writer, const uint8_t *rec,
			    size_t bytes);
int index_writer_each(struct index *ix, index_writer_fn *fn, void *arg)
	must_check;

/* ---- named values and sets: keys are short texts, ids any bytes ---- */
int index_value_get(struct index *ix, const char *table, const void *id,
		    size_t id_bytes, const uint8_t **ret_rec,
		    size_t *ret_bytes) must_check;
int index_value_put(struct index *ix, const char *table, const void *id,
		    size_t id_bytes, const void *rec, size_t bytes) must_check;
int index_value_delete(struct index *ix, const char *table, const void *id,
		       size_t id_bytes) must_check;
typedef int index_value_fn(void *arg, const uint8_t *id, size_t id_bytes,
			   const uint8_t *rec, size_t bytes);
int index_value_each(struct index *ix, const char *table, index_value_fn *fn,
		     void *arg) must_check;
/* Ascending by id (memcmp), from the first that is not less than `from`. */
int index_value_each_from(struct index *ix, const char *table, const void *from,
			  size_t from_bytes, index_value_fn *fn, void *arg)
	must_check;

#endif
