/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs a command and prints "SECONDS PEAK_KIB STATUS": wall-clock time, and the most memory that the command
 * and all its children held together at one time (proportional set size, looked at every 10 ms).
 * The command's output goes to /dev/null.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The proportional set size of one process in KiB; 0 when it is gone. */
static long pss(long pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "Pss: %ld kB", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* The sum over all processes of a process group. */
static long group_pss(pid_t group)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	long sum = 0;

	while (proc && (e = readdir(proc))) {
		long pid = strtol(e->d_name, NULL, 10);

		if (pid > 0 && getpgid((pid_t)pid) == group)
			sum += pss(pid);
	}
	if (proc)
		closedir(proc);
	return sum;
}

int main(int argc, char **argv)
{
	double start = now(), end;
	long peak = 0;
	int status;
	pid_t pid;

	if (argc < 2)
		return 16;
	pid = fork();
	if (pid == 0) {
		int nothing = open("/dev/null", O_WRONLY);

		setpgid(0, 0);
		dup2(nothing, 1);
		dup2(nothing, 2);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	setpgid(pid, pid);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		long sum = group_pss(pid);

		peak = sum > peak ? sum : peak;
		usleep(10000);
	}
	end = now();
	printf("%.3f %ld %d\n", end - start, peak, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
