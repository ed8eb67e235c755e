# The manual pages.
dist_man_MANS += \
	%D%/coffer.1 \
	%D%/coffer-check.1 \
	%D%/coffer-device.1 \
	%D%/coffer-init.1 \
	%D%/coffer-key.1 \
	%D%/coffer-mount.1 \
	%D%/coffer-stats.1 \
	%D%/coffer-vault.5 \
	%D%/mount.coffer.8
