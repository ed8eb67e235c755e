# Contents of files.
src_vault_libvault_a_SOURCES += \
	%D%/budget.c \
	%D%/budget.h \
	%D%/chunk.c \
	%D%/chunk.h \
	%D%/content.c \
	%D%/content.h \
	%D%/content_cut.c \
	%D%/content_durable.c \
	%D%/content_pool.c \
	%D%/content_pool.h \
	%D%/content_pool_priv.h \
	%D%/content_priv.h \
	%D%/content_room.c \
	%D%/copy_range.c \
	%D%/databuf.c \
	%D%/databuf.h \
	%D%/extents.c \
	%D%/extents.h \
	%D%/extents_rebuild.c \
	%D%/file_table.c \
	%D%/file_table.h \
	%D%/flush.c \
	%D%/flush_batch.c \
	%D%/flush_batch.h \
	%D%/layer.c \
	%D%/layer.h \
	%D%/load.c \
	%D%/load.h \
	%D%/map.c \
	%D%/map.h \
	%D%/read.c \
	%D%/readahead.c \
	%D%/readahead.h \
	%D%/workers.c \
	%D%/workers.h \
	%D%/write.c
