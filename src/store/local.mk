noinst_LIBRARIES += src/store/libstore.a
src_store_libstore_a_SOURCES = \
	%D%/chunker.c \
	%D%/chunker.h \
	%D%/file_cache.c \
	%D%/list.c \
	%D%/pack_writer.c \
	%D%/path.c \
	%D%/salvage.c \
	%D%/salvage.h \
	%D%/salvage_pack.c \
	%D%/stage.c \
	%D%/stage.h \
	%D%/stage_file.c \
	%D%/stage_priv.h \
	%D%/stage_rescue.c \
	%D%/store.c \
	%D%/store.h \
	%D%/store_priv.h \
	%D%/verify.c
