# Repairing a vault (vault-format/10-ordering.md, Repairing).
src_vault_libvault_a_SOURCES += \
	%D%/repair.c \
	%D%/repair.h \
	%D%/repair_files.c \
	%D%/repair_keys.c \
	%D%/repair_log.c \
	%D%/repair_packs.c \
	%D%/repair_run.c \
	%D%/repair_sources.c \
	%D%/repair_sources.h \
	%D%/rescue.h
