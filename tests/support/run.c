/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Temporary folders and other programs for tests. No cmocka here: a failure is the caller's to judge. */
#include "tests/support/run.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

char *cv_test_folder(void)
{
	const char *base = getenv("TMPDIR");
	char *name = NULL;

	if (asprintf(&name, "%s/chainview-test-XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(name)) {
		perror("cannot make a temporary folder");
		exit(2);
	}
	return name;
}

void cv_test_folder_remove(char *folder)
{
	cv_test_do(NULL, NULL, "chmod", "-R", "u+rwX", folder);
	cv_test_do(NULL, NULL, "rm", "-rf", folder);
	free(folder);
}

bool cv_test_has(const char *program)
{
	return cv_test_do(NULL, NULL, "sh", "-c", "command -v \"$0\"", program) == 0;
}

static void child(const char *folder, int out, bool both, const char *const argv[])
{
	int nothing = open("/dev/null", O_RDWR);

	if (nothing < 0 || (folder && chdir(folder) < 0))
		_exit(127);
	dup2(nothing, STDIN_FILENO);
	dup2(out >= 0 ? out : nothing, STDOUT_FILENO);
	dup2(both && out >= 0 ? out : nothing, STDERR_FILENO);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

int cv_test_run(const char *folder, struct cv_text *out, bool both, const char *const argv[])
{
	int ends[2] = { -1, -1 }, status;
	char buffer[8192];
	ssize_t n;
	pid_t pid;

	fflush(NULL);
	if (out && pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		child(folder, ends[1], both, argv);
	if (out)
		close(ends[1]);
	while (out && (n = read(ends[0], buffer, sizeof buffer)) > 0)
		cv_text_add_bytes(out, buffer, (size_t)n);
	if (out)
		close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

uint32_t cv_test_random(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(*seed >> 8) * below >> 24);
}
