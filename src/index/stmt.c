/* SPDX-License-Identifier: ISC */
/* The schema and every statement. */
#include <assert.h>

#include "base/mem.h"
#include "index/db_priv.h"

/*
 * Chunks are found by the first 8 bytes of their content id: the id is a
 * keyed hash, so these alone nearly always tell, the row tells for certain,
 * and an index of 8 bytes instead of 32 costs less of what is dearest: pages
 * touched at random.  By (pack, offset) a new pack's chunks come in order.
 *
 * A pack's number must not be given twice, hence AUTOINCREMENT.  The writer
 * table's key is shifted by 2^63, so that it sorts unsigned.
 */
static const char schema[] =
	"CREATE TABLE node(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL);"
	"CREATE TABLE link("
	" parent INTEGER NOT NULL, cookie INTEGER NOT NULL,"
	" ino INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" name BLOB NOT NULL, extra BLOB NOT NULL,"
	" PRIMARY KEY(parent, cookie)) WITHOUT ROWID;"
	"CREATE TABLE extent("
	" ino INTEGER NOT NULL, offset INTEGER NOT NULL,"
	" length INTEGER NOT NULL, chunk INTEGER NOT NULL," /* 0: inline */
	" chunk_offset INTEGER NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY(ino, offset)) WITHOUT ROWID;"
	"CREATE TABLE chunk("
	" chunk INTEGER PRIMARY KEY, id BLOB NOT NULL,"
	" refs INTEGER NOT NULL, pack INTEGER NOT NULL,"
	" offset INTEGER NOT NULL, r16 BLOB NOT NULL,"
	" stored_bytes INTEGER NOT NULL, plain_bytes INTEGER NOT NULL,"
	" codec INTEGER NOT NULL, stamp INTEGER NOT NULL);"
	"CREATE INDEX chunk_id ON chunk(substr(id, 1, 8));"
	"CREATE INDEX chunk_pack ON chunk(pack, offset);"
	"CREATE TABLE pack("
	" pack INTEGER PRIMARY KEY AUTOINCREMENT,"
	" is_stage INTEGER NOT NULL, stage_file INTEGER NOT NULL,"
	" writer INTEGER NOT NULL, name BLOB NOT NULL,"
	" size INTEGER NOT NULL, epoch INTEGER NOT NULL,"
	" key_id BLOB NOT NULL, type INTEGER NOT NULL,"
	" n_entries INTEGER NOT NULL, live_bytes INTEGER NOT NULL,"
	" total_bytes INTEGER NOT NULL, flags INTEGER NOT NULL);"
	"CREATE INDEX pack_name ON pack(name, writer) WHERE is_stage = 0;"
	"CREATE INDEX pack_stage ON pack(stage_file) WHERE is_stage = 1;"
	"CREATE TABLE xattr("
	" ino INTEGER NOT NULL, name BLOB NOT NULL, rec BLOB NOT NULL,"
	" PRIMARY KEY(ino, name)) WITHOUT ROWID;"
	"CREATE TABLE writer(writer INTEGER PRIMARY KEY, rec BLOB NOT NULL);"
	"CREATE TABLE value("
	" tbl TEXT NOT NULL, id BLOB NOT NULL, rec BLOB NOT NULL,"
	" PRIMARY KEY(tbl, id)) WITHOUT ROWID;";

#define EXTENT_COLUMNS "offset, length, chunk, chunk_offset, bytes"
#define CHUNK_COLUMNS                                                          \
	"chunk, id, refs, pack, offset, r16, stored_bytes, plain_bytes, codec,"\
	" stamp"
#define PACK_COLUMNS                                                           \
	"pack, is_stage, stage_file, writer, name, size, epoch, key_id, type," \
	" n_entries, live_bytes, total_bytes, flags"

/* REPLACE stands only where a table has one key and no index: there SQLite
 * overwrites the row in place. */
static const char *const texts[STMT_N_] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",

	[STMT_NODE_GET] = "SELECT rec FROM node WHERE ino = ?",
	[STMT_NODE_PUT] = "REPLACE INTO node(ino, rec) VALUES(?, ?)",
	[STMT_NODE_DELETE] = "DELETE FROM node WHERE ino = ?",
	[STMT_NODE_EACH] = "SELECT ino, rec FROM node WHERE ino >= ?"
			   " ORDER BY ino",

	[STMT_LINK_GET] = "SELECT cookie, ino, kind, name, extra FROM link"
			  " WHERE parent = ? AND cookie = ?",
	[STMT_LINK_PUT] = "REPLACE INTO link"
			  "(parent, cookie, ino, kind, name, extra)"
			  " VALUES(?, ?, ?, ?, ?, ?)",
	[STMT_LINK_DELETE] = "DELETE FROM link WHERE parent = ?"
			     " AND cookie = ?",
	[STMT_LINK_EACH] = "SELECT cookie, ino, kind, name, extra FROM link"
			   " WHERE parent = ? AND cookie >= ?"
			   " ORDER BY cookie",

	[STMT_EXTENT_PUT] = "REPLACE INTO extent(ino, " EXTENT_COLUMNS ")"
			    " VALUES(?, ?, ?, ?, ?, ?)",
	[STMT_EXTENT_DELETE] = "DELETE FROM extent WHERE ino = ?"
			       " AND offset = ?",
	[STMT_EXTENT_DELETE_ALL] = "DELETE FROM extent WHERE ino = ?",
	/* The one that begins at or before `from` may reach into the range. */
	[STMT_EXTENT_EACH] =
		"SELECT " EXTENT_COLUMNS " FROM extent WHERE ino = ?1"
		" AND offset >= coalesce((SELECT max(offset) FROM extent"
		" WHERE ino = ?1 AND offset <= ?2), 0)"
		" AND offset < ?3 ORDER BY offset",
	[STMT_EXTENT_ALL] = "SELECT " EXTENT_COLUMNS ", ino FROM extent"
			    " ORDER BY ino, offset",

	[STMT_CHUNK_FIND] = "SELECT " CHUNK_COLUMNS " FROM chunk"
			    " WHERE substr(id, 1, 8) = ? AND id = ?",
	[STMT_CHUNK_GET] = "SELECT " CHUNK_COLUMNS " FROM chunk"
			   " WHERE chunk = ?",
	[STMT_CHUNK_LAST] = "SELECT max(chunk) FROM chunk",
	[STMT_CHUNK_ADD] = "INSERT INTO chunk(" CHUNK_COLUMNS ")"
			   " VALUES(?, ?, 0, ?, ?, ?, ?, ?, ?, ?)",
	[STMT_CHUNK_MOVE] = "UPDATE chunk SET pack = ?2, offset = ?3, r16 = ?4,"
			    " stored_bytes = ?5, plain_bytes = ?6, codec = ?7"
			    " WHERE chunk = ?1",
	[STMT_CHUNK_SET_REFS] = "UPDATE chunk SET refs = ?2, stamp = ?3"
				" WHERE chunk = ?1",
	[STMT_CHUNK_DELETE] = "DELETE FROM chunk WHERE chunk = ?",
	[STMT_CHUNK_EACH_OF_PACK] = "SELECT " CHUNK_COLUMNS " FROM chunk"
				    " WHERE pack = ? ORDER BY offset",

	[STMT_PACK_GET] = "SELECT " PACK_COLUMNS " FROM pack WHERE pack = ?",
	[STMT_PACK_FIND] = "SELECT " PACK_COLUMNS " FROM pack"
			   " WHERE is_stage = 0 AND name = ? AND writer = ?",
	[STMT_PACK_FIND_STAGE] = "SELECT " PACK_COLUMNS " FROM pack"
				 " WHERE is_stage = 1 AND stage_file = ?",
	[STMT_PACK_ADD] = "INSERT INTO pack(" PACK_COLUMNS ")"
			  " VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
	[STMT_PACK_ACCOUNT] = "UPDATE pack SET"
			      " live_bytes = live_bytes + ?2,"
			      " total_bytes = total_bytes + ?3"
			      " WHERE pack = ?1",
	[STMT_PACK_SET_FLAGS] = "UPDATE pack SET flags = ?2 WHERE pack = ?1",
	[STMT_PACK_IN_USE] = "SELECT 1 FROM chunk WHERE pack = ? LIMIT 1",
	[STMT_PACK_DELETE] = "DELETE FROM pack WHERE pack = ?",
	[STMT_PACK_EACH] = "SELECT " PACK_COLUMNS " FROM pack ORDER BY pack",

	[STMT_XATTR_GET] = "SELECT name, rec FROM xattr WHERE ino = ?"
			   " AND name = ?",
	[STMT_XATTR_PUT] = "REPLACE INTO xattr(ino, name, rec)"
			   " VALUES(?, ?, ?)",
	[STMT_XATTR_DELETE] = "DELETE FROM xattr WHERE ino = ? AND name = ?",
	[STMT_XATTR_DELETE_ALL] = "DELETE FROM xattr WHERE ino = ?",
	[STMT_XATTR_EACH] = "SELECT name, rec FROM xattr WHERE ino = ?"
			    " ORDER BY name",

	[STMT_WRITER_GET] = "SELECT rec FROM writer WHERE writer = ?",
	[STMT_WRITER_PUT] = "REPLACE INTO writer(writer, rec) VALUES(?, ?)",
	[STMT_WRITER_EACH] = "SELECT writer, rec FROM writer ORDER BY writer",

	[STMT_VALUE_GET] = "SELECT rec FROM value WHERE tbl = ? AND id = ?",
	[STMT_VALUE_PUT] = "REPLACE INTO value(tbl, id, rec) VALUES(?, ?, ?)",
	[STMT_VALUE_DELETE] = "DELETE FROM value WHERE tbl = ? AND id = ?",
	[STMT_VALUE_EACH] = "SELECT id, rec FROM value WHERE tbl = ?"
			    " AND id >= ? ORDER BY id",
};

const char *stmt_schema(void)
{
	return schema;
}

const char *stmt_sql(enum stmt_id id)
{
	return texts[id];
}

void stmt_finalize_all(struct index *ix)
{
	size_t i;

	for (i = 0; i < array_len(ix->stmt); i++) {
		sqlite3_finalize(ix->stmt[i]);
		ix->stmt[i] = NULL;
	}
}
