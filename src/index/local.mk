noinst_LIBRARIES += src/index/libindex.a
src_index_libindex_a_SOURCES = \
	%D%/chunk.c \
	%D%/db.c \
	%D%/db_priv.h \
	%D%/heap.c \
	%D%/heap_priv.h \
	%D%/index.h \
	%D%/index_chunk.h \
	%D%/index_kv.h \
	%D%/kv.c \
	%D%/pack.c \
	%D%/query.c \
	%D%/stmt.c \
	%D%/tree.c \
	%D%/vfs.c \
	%D%/vfs_priv.h
