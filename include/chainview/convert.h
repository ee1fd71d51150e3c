/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Conversion: a new image with what a guest reads from an image through its whole chain, in any format that can be
 * written. The source is only read. The new image has its name when it is complete and was read back, and not before.
 */
#ifndef CHAINVIEW_CONVERT_H
#define CHAINVIEW_CONVERT_H

#include <chainview/operation.h>
#include <chainview/salvage.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_convert_options {
	enum cv_format_id to;
	const char *options;         /* KEY=VALUE,... named as qemu-img names them; NULL: none */
	bool compress;               /* QCOW2 */
	bool keep_zeros;             /* zeros are copied and not looked for: qemu-img's -S 0 */
	bool no_sharing;             /* extents are not shared with the source */
	bool full_verify;            /* also by libvhdi or libqcow, where they read the new format */
	bool salvage;                /* what cannot be read becomes zeros: cv_plan_salvage() says what */
	uint64_t reserve;            /* bytes that must stay free */
	/* While the map is walked: done of total bytes of the disk; false stops (CV_ECANCELLED). May be NULL. */
	bool (*tick)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/*
 * Plans it. dest: the new file, relative to the repository (absolute), which must not exist yet. The whole map of the
 * source is walked for the space that it needs. Graph and scan must outlive the plan. Wrong options are CV_EUSAGE; what speaks against it otherwise is a check of the plan.
 */
CV_API struct cv_plan *cv_plan_convert(const struct cv_graph *g, uint32_t image, const char *repository, const char *dest,
				       const struct cv_convert_options *options, struct cv_err *err);
/* The same onto a block device (absolute path, no link), as a raw disk from its first byte on. What was there is lost from
 * the beginning of the operation on; a device on which something is found is refused. repository: the source's. */
CV_API struct cv_plan *cv_plan_convert_device(const struct cv_graph *g, uint32_t image, const char *repository,
					      const char *device, const struct cv_convert_options *options,
					      struct cv_err *err);
/* Of a conversion with salvage what the copy lacks: complete once it was carried out, and before that what the tables alone
 * tell. NULL: it is none. It lives as long as the plan. */
CV_API const struct cv_salvage *cv_plan_salvage(const struct cv_plan *plan);
/* Every image of a repository of the graph (image CV_NO_IMAGE), or of the tree that an image is in, becomes one of the new format
 * that holds only its own and stands on the new parent; hidden marks are kept, and identities within a format. folder: in
 * the repository that is written to (absolute, not there yet if folder is ""), where they will be: "" or "a/b". */
struct cv_convert_tree_place {
	uint32_t image, source;
	const char *repository, *folder;
};
CV_API struct cv_plan *cv_plan_convert_tree(const struct cv_graph *g, const struct cv_convert_tree_place *place,
					    const struct cv_convert_options *options, struct cv_err *err);
/* Makes the last folder of an absolute path, if it is not there; on disk then. */
CV_API bool cv_convert_make_folder(const char *path, struct cv_err *err);
/* Takes a finished conversion (of an image or of a tree) back: the new image goes to the trash, unless it was written to or something stands on it. The
 * graph is of the repository as it is now. */
CV_API struct cv_plan *cv_plan_undo_convert(const struct cv_graph *g, const char *repository,
					    const struct cv_operation_entry *operation, struct cv_err *err);
/* An option of new images. */
struct cv_convert_option {
	const char *key;
	const char *words;           /* that it takes, separated by blanks; NULL: a number */
	const char *values;          /* the same for people */
};
/* The i-th option that the format has; NULL behind the last. */
CV_API const struct cv_convert_option *cv_convert_option(enum cv_format_id format, size_t i);

#ifdef __cplusplus
}
#endif
#endif
