check_PROGRAMS += tests/unit/test_secret
tests_unit_test_secret_SOURCES = %D%/test_secret.c
tests_unit_test_secret_LDADD = src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_hash
tests_unit_test_hash_SOURCES = %D%/test_hash.c %D%/assert_hex.h
tests_unit_test_hash_LDADD = src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_aead
tests_unit_test_aead_SOURCES = %D%/test_aead.c %D%/assert_hex.h
tests_unit_test_aead_LDADD = src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_kdf
tests_unit_test_kdf_SOURCES = %D%/test_kdf.c %D%/assert_hex.h
tests_unit_test_kdf_LDADD = src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_keys
tests_unit_test_keys_SOURCES = %D%/test_keys.c %D%/assert_hex.h
tests_unit_test_keys_LDADD = src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_backend
tests_unit_test_backend_SOURCES = %D%/test_backend.c
tests_unit_test_backend_LDADD = src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)
