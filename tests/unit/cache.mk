check_PROGRAMS += tests/unit/test_cache
tests_unit_test_cache_SOURCES = %D%/test_cache.c %D%/cache_fixture.h
tests_unit_test_cache_LDADD = src/cache/libcache.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_cache_table
tests_unit_test_cache_table_SOURCES = %D%/test_cache_table.c \
	%D%/cache_fixture.h
tests_unit_test_cache_table_LDADD = src/cache/libcache.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_cache_evict
tests_unit_test_cache_evict_SOURCES = %D%/test_cache_evict.c \
	%D%/cache_fixture.h
tests_unit_test_cache_evict_LDADD = src/cache/libcache.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/stress/stress_cache
tests_stress_stress_cache_SOURCES = tests/stress/stress_cache.c
tests_stress_stress_cache_LDADD = src/cache/libcache.a src/base/libbase.a

EXTRA_PROGRAMS += tests/bench/bench_cache
tests_bench_bench_cache_SOURCES = tests/bench/bench_cache.c
tests_bench_bench_cache_LDADD = src/cache/libcache.a src/base/libbase.a
CLEANFILES += tests/bench/bench_cache
