/* Lists of jobs, linked through the jobs: whoever holds the list, a lane's lock or a worker, has them. */
#include "server/jobs_parts.h"

void job_list_push(struct job_list *list, struct job *job)
{
    job->next = NULL;
    if (list->last == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
    list->count++;
}

struct job *job_list_pop(struct job_list *list)
{
    struct job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        list->last = list->first == NULL ? NULL : list->last;
        list->count--;
        job->next = NULL;
    }
    return job;
}

void job_list_append(struct job_list *list, struct job_list *more)
{
    if (more->first == NULL) {
        return;
    }
    if (list->last == NULL) {
        list->first = more->first;
    } else {
        list->last->next = more->first;
    }
    list->last = more->last;
    list->count += more->count;
    *more = (struct job_list){.count = 0};
}
