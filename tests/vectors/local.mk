# The fixed answers of vault-format/vectors, the reader beside them, and the
# model that the reader's merging is compared with.
if HAVE_CHECK
check_PROGRAMS += tests/vectors/vectors_check
tests_vectors_vectors_check_SOURCES = \
	%D%/vectors_check.c \
	%D%/vectors_table.c \
	%D%/vectors_table.h
tests_vectors_vectors_check_LDADD = \
	src/format/libformat.a \
	src/crypto/libcrypto.a \
	src/base/libbase.a \
	$(UNIT_LIBS)
endif

VECTORS_TESTS = \
	%D%/test_merge.py \
	%D%/test_reader.py \
	%D%/test_reader_damage.py \
	%D%/test_vectors.py
dist_check_SCRIPTS += $(VECTORS_TESTS)
TESTS += $(VECTORS_TESTS)
EXTRA_DIST += \
	%D%/mini_writer.py \
	%D%/need_nacl.py \
	%D%/reader_case.py \
	tests/lib/merge_model.py \
	tests/lib/simulate.py
