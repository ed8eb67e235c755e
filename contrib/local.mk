# What is shipped but not needed to run.
EXTRA_DIST += \
	.ci/run \
	%D%/README.md \
	%D%/completion/README.md \
	%D%/completion/_coffer \
	%D%/completion/coffer.bash \
	%D%/completion/coffer.fish \
	%D%/quickstart \
	%D%/run-tests \
	%D%/systemd/README.md \
	%D%/systemd/coffer-system@.service \
	%D%/systemd/coffer@.service \
	%D%/systemd/example.conf
