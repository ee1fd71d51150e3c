/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A disk that exists in memory only and stands behind struct cv_io. It knows two states of everything: what a
 * program sees now, and what is sure to be there after a power cut. What lies between them is pending, sector by
 * sector and name by name, until a barrier on that file or directory makes it sure: order exists only where fsync()
 * returned between two writes, there is none between files, and none between data and names (the strictest reading of
 * the manual pages; btrfs behaves so for names).
 *
 * Sectors are interned: equal bytes have equal numbers, so states can be compared, copied and hashed cheaply.
 */
#ifndef TESTS_SUPPORT_SIMDISK_H
#define TESTS_SUPPORT_SIMDISK_H

#include "repair/io/io.h"
#include <chainview/vec.h>

#define SIM_SECTOR 512u

/* Sectors with contents of their own start behind these. A hole takes no space; a zero is allocated. */
enum { SIM_HOLE, SIM_ZERO, SIM_FIRST };

struct sim_pool;

CV_VEC(sim_sectors, uint32_t);

struct sim_content {
	uint32_t *sector;            /* what lies behind its end is a hole */
	size_t count;
	uint64_t size;
};

/* One sector of a file that was written since the last barrier; version is what it became. */
struct sim_write {
	uint32_t inode, version;
	uint64_t sector;
	uint64_t op;                 /* number of the call that did it; all sectors of one call have one */
};
CV_VEC(sim_writes, struct sim_write);

struct sim_resize {
	uint32_t inode;
	uint64_t size, op;
};
CV_VEC(sim_resizes, struct sim_resize);

/* One name in one directory: inode 0 means that there is no such name. */
struct sim_entry {
	uint32_t dir, inode;
	char name[64];
};
CV_VEC(sim_entries, struct sim_entry);

/* A change of names: all of its entries, or none. */
struct sim_rename {
	struct sim_entry set[3];
	unsigned count;
	uint64_t op;
	uint32_t unsynced[2];        /* directories whose barrier it waits for; 0: none */
};
CV_VEC(sim_renames, struct sim_rename);

struct sim_inode {
	bool directory;
	uint64_t number;             /* that fstat() shows */
	mode_t mode;
	uint64_t device;             /* a block device of this number, whose length never changes; 0: none */
	struct timespec mtime;
	struct sim_content now, sure;
};
CV_VEC(sim_inodes, struct sim_inode);

struct sim_fd {
	uint32_t inode;              /* 0: closed */
	int flags;
	uint64_t open;               /* the open file: those that were dup()ed have the same */
};
CV_VEC(sim_fds, struct sim_fd);

/* A lock, a lease, or that another program has the file open. */
enum sim_hold_kind { SIM_LOCK, SIM_LEASE, SIM_OPENED };
struct sim_hold {
	enum sim_hold_kind kind;
	uint32_t inode;
	uint64_t open;               /* whose; 0: another program's */
	short type;                  /* OPENED: F_WRLCK if it was opened for writing */
	short to;                    /* LEASE: what somebody waits for it to become */
	uint64_t off, len;           /* LOCK */
};
CV_VEC(sim_holds, struct sim_hold);

struct sim {
	struct cv_io io;             /* first: the table's functions get it back */
	struct sim_pool *pool;       /* shared by all copies */
	struct sim_inodes inodes;    /* number 0 is not used, 1 is the root */
	struct sim_entries now, sure;
	struct sim_writes writes;    /* pending, in order */
	struct sim_resizes resizes;
	struct sim_renames renames;
	struct sim_fds fds;
	struct sim_holds holds;
	uint64_t opened;             /* open files so far */
	uint64_t ops;                /* calls that changed something, so far */
	uint64_t barriers;
	uint64_t calls;              /* of all kinds */
	uint64_t room;               /* sectors that may be allocated in all; 0: no end */
	uint64_t device;             /* that fstat() shows */
	bool reflink;                /* clone_range() works */
	int lease_errno;             /* no leases here, for this reason */
	uint64_t ms;                 /* its clock: goes on when somebody waits */
	int priority;
	/* Called when somebody waits; what happens meanwhile. */
	void (*meanwhile)(struct sim *s, void *ctx);
	void *meanwhile_ctx;
	/* Called before each barrier and each change of names: what is pending now is the most that it will be. */
	void (*before)(struct sim *s, void *ctx, const char *what);
	void *before_ctx;
	uint64_t drop_barrier;       /* the number of a barrier that says it is done and does nothing; 0: none */
	/* Faults: the call with this number (from 1) fails so, and all behind it if it is persistent. 0: none. */
	uint64_t fail_at;
	int fail_errno;
	bool fail_persistent;
	bool fail_short;             /* a write of several bytes writes some of them, once */
	bool failed;                 /* it happened */
};

/* An empty disk; its root directory is sim_root(). */
struct sim *sim_new(void);
void sim_free(struct sim *s);
/* A descriptor of the root, opened anew: the caller closes it. */
int sim_root(struct sim *s);
/* The same disk as a program sees it now, with nothing pending and no descriptors: for starting points. */
struct sim *sim_copy(const struct sim *s);
/* What is sure to be there after a power cut, as a disk of its own with nothing pending. */
struct sim *sim_after_cut(const struct sim *s);
/* As a killed program leaves it: what was pending still is. */
struct sim *sim_left_by_killed(const struct sim *s);
/* Makes everything sure. */
void sim_settle(struct sim *s);

/* A block device "/<name>" that holds these bytes, whole sectors of them; sure at once. */
void sim_device_make(struct sim *s, const char *name, uint64_t number, const void *bytes, size_t len);

/* Copies files of a real directory (not of its folders) to the root. */
bool sim_import(struct sim *s, int dir, const char *name);
/* Writes a file as it is now to a real directory. */
bool sim_export(const struct sim *s, const char *name, int dir, const char *as);

/* The inode of a path from the root ("a/b"); 0 if there is none. */
uint32_t sim_lookup(const struct sim *s, const char *path);
/* Number of the sector's bytes, made known if they were not. */
uint32_t sim_intern(struct sim_pool *pool, const void *bytes);
const uint8_t *sim_bytes(const struct sim_pool *pool, uint32_t sector);
uint64_t sim_sector_hash(const struct sim_pool *pool, uint32_t sector);
/* Of everything that is sure. */
uint64_t sim_hash(const struct sim *s);
/* Sectors that are allocated now. */
uint64_t sim_used(const struct sim *s);

/* For those who make states: sets one sector, the length, one name of what is sure. */
void sim_content_set(struct sim_content *c, uint64_t sector, uint32_t version);
void sim_entries_set(struct sim_entries *v, const struct sim_entry *e);

#endif
