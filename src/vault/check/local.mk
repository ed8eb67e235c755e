# Verifying a vault.
src_vault_libvault_a_SOURCES += \
	%D%/check.c \
	%D%/check_packs.c \
	%D%/check_priv.h \
	%D%/check_state.c \
	%D%/check_state.h \
	%D%/check_tree.c
