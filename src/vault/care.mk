src_vault_libvault_a_SOURCES += \
	%D%/check.c %D%/check_packs.c %D%/check_priv.h %D%/check_tree.c \
	%D%/gc.c \
	%D%/counters.h %D%/stats.c %D%/stats.h
