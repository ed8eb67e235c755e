# SPDX-License-Identifier: ISC
"""A reader for coffer vaults, written from the chapters beside it alone."""
