/* SPDX-License-Identifier: ISC */
/* Tables of the index (index/index_kv.h) that more than one source reads.
 * Internal to vault; what a record holds is told where it is written. */
#ifndef COFFER_VAULT_TABLES_H
#define COFFER_VAULT_TABLES_H

#define SLOT_TABLE "slot"	  /* apply.c */
#define EPOCH_TABLE "epoch"	  /* apply.c */
#define FEATURE_TABLE "feature"	  /* apply.c */
#define DEVICE_TABLE "device"	  /* devices.c */
#define OTHER_TABLE "chunk-other" /* packs.c */
#define DROPPED_TABLE "pack-drop" /* packs.c */

#endif
