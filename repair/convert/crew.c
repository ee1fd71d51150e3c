/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See crew.h. */
#include "repair/convert/crew.h"
#include <pthread.h>
#include <signal.h>

enum { MOST = 16 };

struct cv_crew {
	pthread_mutex_t lock;
	pthread_cond_t given, done;
	struct cv_job *first, **last;
	bool ends;
	pthread_t threads[MOST];
	unsigned count;
};

static struct cv_job *take(struct cv_crew *crew)
{
	struct cv_job *job = crew->first;

	crew->first = job->next;
	if (!crew->first)
		crew->last = &crew->first;
	return job;
}

static void *work(void *arg)
{
	struct cv_crew *crew = arg;

	pthread_mutex_lock(&crew->lock);
	for (;;) {
		struct cv_job *job;

		while (!crew->first && !crew->ends)
			pthread_cond_wait(&crew->given, &crew->lock);
		if (!crew->first)
			break;
		job = take(crew);
		pthread_mutex_unlock(&crew->lock);
		job->run(job);
		pthread_mutex_lock(&crew->lock);
		job->done = true;
		pthread_cond_broadcast(&crew->done);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

struct cv_crew *cv_crew_new(unsigned threads, struct cv_err *err)
{
	struct cv_crew *crew = calloc(1, sizeof *crew);
	sigset_t all, before;

	if (!crew) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->given, NULL);
	pthread_cond_init(&crew->done, NULL);
	crew->last = &crew->first;
	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (crew->count < threads && crew->count < MOST &&
	       !pthread_create(&crew->threads[crew->count], NULL, work, crew))
		crew->count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return crew;
}

void cv_crew_give(struct cv_crew *crew, struct cv_job *job)
{
	job->done = false;
	job->next = NULL;
	if (!crew->count) {
		job->run(job);
		job->done = true;
		return;
	}
	pthread_mutex_lock(&crew->lock);
	*crew->last = job;
	crew->last = &job->next;
	pthread_cond_signal(&crew->given);
	pthread_mutex_unlock(&crew->lock);
}

void cv_crew_wait(struct cv_crew *crew, struct cv_job *job)
{
	pthread_mutex_lock(&crew->lock);
	while (!job->done)
		pthread_cond_wait(&crew->done, &crew->lock);
	pthread_mutex_unlock(&crew->lock);
}

void cv_crew_free(struct cv_crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->ends = true;
	pthread_cond_broadcast(&crew->given);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->count; i++)
		pthread_join(crew->threads[i], NULL);
	pthread_cond_destroy(&crew->done);
	pthread_cond_destroy(&crew->given);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}
