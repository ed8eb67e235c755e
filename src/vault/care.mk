src_vault_libvault_a_SOURCES += \
	%D%/check.c %D%/check_packs.c %D%/check_priv.h %D%/check_state.h \
	%D%/check_state.c %D%/check_tree.c \
	%D%/gc.c \
	%D%/counters.h %D%/stats.c %D%/stats.h \
	%D%/repair.h %D%/rescue.h %D%/repair.c %D%/repair_files.c \
	%D%/repair_keys.c %D%/repair_log.c %D%/repair_packs.c \
	%D%/repair_run.c %D%/repair_sources.c
