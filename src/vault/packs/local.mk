# Packs as the index knows them, and making new ones of what is stored.
src_vault_libvault_a_SOURCES += \
	%D%/announced.c \
	%D%/announced.h \
	%D%/pack_maker.c \
	%D%/pack_maker.h \
	%D%/pack_stage.c \
	%D%/packs.c \
	%D%/packs.h \
	%D%/presence.c \
	%D%/repack.c \
	%D%/repack.h
