# The unit tests of src/format.
FORMAT_UNIT_LIBS = src/format/libformat.a src/crypto/libcrypto.a \
	src/base/libbase.a $(UNIT_LIBS)
FORMAT_UNIT_SHARED = %D%/assert_hex.h %D%/format_fixture.h %D%/scale.h
OP_SAMPLES_FILES = %D%/op_samples.c %D%/op_samples.h
SEGMENT_FIXTURE_FILES = %D%/segment_fixture.c %D%/segment_fixture.h

check_PROGRAMS += \
	tests/unit/test_ids \
	tests/unit/test_local \
	tests/unit/test_op \
	tests/unit/test_pack \
	tests/unit/test_recovery \
	tests/unit/test_segment \
	tests/unit/test_segment_body \
	tests/unit/test_slot \
	tests/unit/test_state \
	tests/unit/test_vault_header

tests_unit_test_ids_SOURCES = %D%/test_ids.c $(FORMAT_UNIT_SHARED)
tests_unit_test_ids_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_local_SOURCES = %D%/test_local.c $(FORMAT_UNIT_SHARED) \
	$(OP_SAMPLES_FILES)
tests_unit_test_local_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_op_SOURCES = %D%/test_op.c $(FORMAT_UNIT_SHARED) \
	$(OP_SAMPLES_FILES)
tests_unit_test_op_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_pack_SOURCES = %D%/test_pack.c $(FORMAT_UNIT_SHARED)
tests_unit_test_pack_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_recovery_SOURCES = %D%/test_recovery.c $(FORMAT_UNIT_SHARED)
tests_unit_test_recovery_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_segment_SOURCES = %D%/test_segment.c $(FORMAT_UNIT_SHARED) \
	$(OP_SAMPLES_FILES) $(SEGMENT_FIXTURE_FILES)
tests_unit_test_segment_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_segment_body_SOURCES = %D%/test_segment_body.c \
	$(FORMAT_UNIT_SHARED) $(OP_SAMPLES_FILES) $(SEGMENT_FIXTURE_FILES)
tests_unit_test_segment_body_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_slot_SOURCES = %D%/test_slot.c $(FORMAT_UNIT_SHARED)
tests_unit_test_slot_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_vault_header_SOURCES = %D%/test_vault_header.c \
	$(FORMAT_UNIT_SHARED)
tests_unit_test_vault_header_LDADD = $(FORMAT_UNIT_LIBS)
tests_unit_test_state_SOURCES = %D%/test_state.c $(FORMAT_UNIT_SHARED)
tests_unit_test_state_LDADD = $(FORMAT_UNIT_LIBS)
