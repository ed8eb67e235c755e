noinst_LIBRARIES += src/cache/libcache.a
src_cache_libcache_a_SOURCES = \
	%D%/cache.c \
	%D%/cache.h \
	%D%/cache_priv.h \
	%D%/s3fifo.c \
	%D%/table.c
