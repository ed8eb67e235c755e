# What is garbage, and its removal (vault-format/10-ordering.md).
src_vault_libvault_a_SOURCES += \
	%D%/drop.c \
	%D%/garbage.c \
	%D%/garbage.h \
	%D%/gc.c \
	%D%/order.c \
	%D%/order.h \
	%D%/stable.c \
	%D%/stable.h
