noinst_LIBRARIES += src/crypto/libcrypto.a
src_crypto_libcrypto_a_SOURCES = \
	%D%/aead.c \
	%D%/aead.h \
	%D%/aead_priv.h \
	%D%/aead_sodium.c \
	%D%/backend.c \
	%D%/backend.h \
	%D%/backend_priv.h \
	%D%/evp.h \
	%D%/hash.c \
	%D%/hash.h \
	%D%/kdf.c \
	%D%/kdf.h \
	%D%/keys.c \
	%D%/keys.h \
	%D%/random.c \
	%D%/random.h \
	%D%/secret.c \
	%D%/secret.h \
	%D%/types.h
if HAVE_LIBCRYPTO
src_crypto_libcrypto_a_SOURCES += %D%/evp.c
endif
