/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The progress line. On a terminal it is drawn over itself; elsewhere, when asked for, it is a line every two
 * seconds. Nothing here knows what is being done.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tui/command/progress.h"

#define TERMINAL_MS 100
#define LOG_MS 2000

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct cv_progress_line cv_progress_begin(const struct cv_settings *settings)
{
	struct cv_progress_line line = { .terminal = isatty(STDERR_FILENO) == 1, .width = 80 };
	struct winsize size;

	line.fd = settings->progress_fd;
	line.on = settings->progress == CV_WHEN_ALWAYS ||
		  (settings->progress == CV_WHEN_AUTO && line.terminal && !settings->quiet);
	if (line.terminal && !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		line.width = size.ws_col;
	/* Short scans show nothing at all. */
	line.next_ms = now_ms() + (line.terminal ? 3 * TERMINAL_MS : LOG_MS);
	return line;
}

/* As much of a path's end as fits; escapes are ASCII or whole characters, one column each is near enough. */
static void add_current(struct cv_text *t, const char *path, size_t room)
{
	CV_AUTO(cv_text_fini) struct cv_text escaped = { 0 };
	size_t pos = 0;

	cv_text_escape(&escaped, cv_bytes_of(path));
	while (escaped.len - pos > room)
		cv_utf8_next((struct cv_bytes){ escaped.at, escaped.len }, &pos);
	cv_text_add(t, cv_text_str(&escaped) + pos);
}

bool cv_progress_due(struct cv_progress_line *line)
{
	uint64_t now = now_ms();

	if (!line->on || now < line->next_ms)
		return false;
	line->next_ms = now + (line->terminal ? TERMINAL_MS : LOG_MS);
	return true;
}

void cv_progress_text(struct cv_progress_line *line, const char *text)
{
	fprintf(stderr, line->terminal ? "\r%s\033[K" : "%s\n", text);
	line->drawn = true;
}

/* The text, and behind it what is being read, as far as there is room. */
static void show(struct cv_progress_line *line, struct cv_text *t, const char *current)
{
	if (current && line->width > t->len + 9)
		add_current(t, current, line->width - t->len - 2);
	if (!t->failed)
		cv_progress_text(line, cv_text_str(t));
}

void cv_progress_tell(const struct cv_progress_line *line, unsigned pass, size_t done, size_t total, const char *current)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (line->fd <= 0)
		return;
	cv_text_addf(&t, "%u %zu %zu ", pass, done, total);
	if (current)
		cv_text_escape(&t, cv_bytes_of(current));
	cv_text_add(&t, "\n");
	if (!t.failed && write(line->fd, t.at, t.len) < 0) {
		/* nobody listens: the check goes on */
	}
}

void cv_progress_show(struct cv_progress_line *line, const struct cv_scan_progress *p)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_progress_tell(line, 1, p->files_read, p->files_found, p->current);
	if (!cv_progress_due(line))
		return;
	cv_text_addf(&t, "%s %zu of %zu%s files read, %s  ", p->walking ? "looking:" : "reading:", p->files_read,
		     p->files_found, p->walking ? "+" : "", cv_size_short(p->bytes_found).s);
	show(line, &t, p->current);
}

void cv_progress_show_check(struct cv_progress_line *line, const struct cv_check_progress *p)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_progress_tell(line, 2, p->images_done, p->images, p->current);
	if (!cv_progress_due(line))
		return;
	cv_text_addf(&t, "checking: %zu of %zu images, %s of tables  ", p->images_done, p->images,
		     cv_size_short(p->bytes_done).s);
	show(line, &t, p->current);
}

/* "9 s", "12 min", "3 h 20 min": nobody waits for the seconds of hours. */
static void add_duration(struct cv_text *t, uint64_t seconds)
{
	uint64_t minutes = (seconds + 59) / 60;

	if (seconds < 120)
		cv_text_addf(t, "%" PRIu64 " s", seconds);
	else if (minutes < 120)
		cv_text_addf(t, "%" PRIu64 " min", minutes);
	else
		cv_text_addf(t, "%" PRIu64 " h %" PRIu64 " min", minutes / 60, minutes % 60);
}

void cv_progress_show_bytes(struct cv_progress_line *line, const char *what, uint64_t done, uint64_t total)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	uint64_t now = now_ms(), rate;

	if (!line->what || strcmp(line->what, what) || done < line->from) {
		line->what = what;
		line->since_ms = now;
		line->from = done;
	}
	if (!cv_progress_due(line))
		return;
	rate = now > line->since_ms ? (done - line->from) * 1000 / (now - line->since_ms) : 0;
	cv_text_add(&t, what);
	if (total)
		cv_text_addf(&t, ": %s of %s", cv_size_short(done).s, cv_size_short(total).s);
	if (total && rate) {
		cv_text_addf(&t, ", %s/s, ", cv_size_short(rate).s);
		add_duration(&t, total > done ? (total - done) / rate : 0);
		cv_text_add(&t, " left");
	}
	if (!t.failed)
		cv_progress_text(line, cv_text_str(&t));
}

void cv_progress_end(struct cv_progress_line *line)
{
	if (line->drawn && line->terminal)
		fputs("\r\033[K", stderr);
	line->drawn = false;
}
