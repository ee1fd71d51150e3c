/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Standard output as a sink: buffered, every write checked. And messages for people on standard error.
 */
#ifndef TUI_COMMAND_OUTPUT_H
#define TUI_COMMAND_OUTPUT_H

#include <chainview/report.h>

#define CV_OUTPUT_BUFFER 65536

struct cv_output {
	int fd;
	int problem;             /* errno of the first write that failed; 0 = none */
	size_t len;
	char buffer[CV_OUTPUT_BUFFER];
};

/* Heap, because of the buffer; NULL when memory is short. */
struct cv_output *cv_output_new(int fd);
void cv_output_free(struct cv_output *o);
struct cv_sink cv_output_sink(struct cv_output *o);
/* Writes what is left. False if any write failed, now or before. */
bool cv_output_flush(struct cv_output *o, struct cv_err *err);

/* Runs a report on standard output and gives status, or 8 with a message when it could not be written. */
struct cv_report_call {
	bool (*write)(const struct cv_sink *sink, void *ctx);
	void *ctx;
};
int cv_output_report(struct cv_report_call call, int status);

/* Runs a report into a descriptor. Everything is on the disk when this is true. */
bool cv_output_into(int fd, struct cv_report_call call, struct cv_err *err);

/* "chainview: text" on standard error. */
void cv_complain(const char *text);
/* The first text that was complained about; NULL: none. */
const char *cv_complained(void);

#endif
