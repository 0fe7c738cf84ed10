/* The thread that copies the log, and what a commit does for it.
 *
 * SQLite writes the log from its beginning again only when all of it has been copied at the moment
 * at which a transaction begins to write. While commits go on one behind the other, a thread that
 * copies beside them is always a little late. So it copies again and again what has come meanwhile,
 * which gets less each time, and leaves the last bit to the next commit:
 *
 *     RESTING ──log is long──▶ COPYING ──little is left──▶ ENDING ──commit copies the rest──▶ RESTING
 *      commit                  the thread                   commit
 *
 * A reader that holds an old snapshot keeps the log from being copied whole; then it grows on, and
 * is tried again after a while. A log that grows faster than the thread copies makes the commit wait
 * for it: it never gets longer than LOGS_MAX times what it should.
 *
 * What must hold: one copy at a time (SQLite refuses a second one as busy). A copy that fails is
 * tried by the next commit itself, which is where SQLite would tell a failing disk. And the thread begins
 * none of a log that is copied whole: the next commit may start the log anew at that moment, and SQLite
 * before 3.51.3 may then take for copied what is not (its "WAL-reset bug"). While something is left to copy
 * no commit starts it anew.
 *
 * The lock guards all fields behind it; nobody copies while holding it. */
#include "storage/sqlite_checkpoint.h"

#include "protocol/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PASSES_MAX 8
#define REST_PAGES 256 /* a commit copies so few without anybody noticing */
#define LOGS_MAX 4
#define NICE 10 /* nobody waits for it */

enum state { RESTING, COPYING, ENDING };

struct checkpointer {
    sqlite3 *db; /* the thread's; owned */
    pthread_t thread;
    int pages;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* state or is_stopping */
    enum state state;
    int threshold; /* of the log's pages, for the next copy */
    int in_log;    /* pages, behind the last commit */
    bool is_stopping;
};

struct progress {
    int in_log; /* pages, when the copy began */
    int copied; /* of them */
};

/* Copies what no reader keeps it from. False: it could not. */
static bool copy(sqlite3 *db, struct progress *progress)
{
    return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &progress->in_log,
                                     &progress->copied) == SQLITE_OK;
}

/* ---- The thread ----------------------------------------------------------------------------- */

/* Whether commits have made the log longer than what is copied of it. */
static bool has_more(struct checkpointer *c, int copied)
{
    pthread_mutex_lock(&c->lock);
    const bool has_more = c->in_log > copied;
    pthread_mutex_unlock(&c->lock);
    return has_more;
}

/* Copies what has come since the last pass, until that is little, or a pass gets no further. */
static void copy_most(struct checkpointer *c)
{
    struct progress progress;
    int done = 0;
    for (int pass = 0; pass < PASSES_MAX && copy(c->db, &progress); pass++) {
        const int more = progress.copied - done;
        if (more <= REST_PAGES || !has_more(c, progress.copied)) {
            return;
        }
        done = progress.copied;
    }
}

static void *checkpointer_main(void *data)
{
    struct checkpointer *c = data;
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* Linux: of this thread alone */
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->state != COPYING && !c->is_stopping) {
            pthread_cond_wait(&c->changed, &c->lock);
        }
        if (c->is_stopping) {
            break;
        }
        pthread_mutex_unlock(&c->lock);
        copy_most(c);
        pthread_mutex_lock(&c->lock);
        c->state = ENDING;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- A commit -------------------------------------------------------------------------------- */

/* The log has `pages`; called with the lock, which it lets go while it copies. */
static void end(struct checkpointer *c, sqlite3 *db, int pages)
{
    c->state = RESTING;
    c->threshold = INT32_MAX; /* nobody else begins meanwhile */
    pthread_mutex_unlock(&c->lock);
    struct progress progress;
    const bool is_whole = copy(db, &progress) && progress.copied == progress.in_log;
    pthread_mutex_lock(&c->lock);
    c->threshold = is_whole ? c->pages : pages + c->pages / 4 + 1;
}

static int after_commit(void *data, sqlite3 *db, const char *name, int pages)
{
    (void)name;
    struct checkpointer *c = data;
    pthread_mutex_lock(&c->lock);
    c->in_log = pages;
    if (c->state == RESTING && pages >= c->threshold) {
        c->state = COPYING;
        pthread_cond_broadcast(&c->changed);
    }
    while (c->state == COPYING && pages / LOGS_MAX >= c->pages) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    if (c->state == ENDING) {
        end(c, db, pages);
    }
    pthread_mutex_unlock(&c->lock);
    return SQLITE_OK;
}

void checkpointer_watch(struct checkpointer *checkpointer, sqlite3 *db)
{
    sqlite3_wal_hook(db, after_commit, checkpointer);
}

/* ---- Starting and stopping ------------------------------------------------------------------- */

static void discard(struct checkpointer *c)
{
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    sqlite3_close(c->db);
    free(c);
}

enum err checkpointer_start(const struct sqlite_file *file, int pages, struct checkpointer **out)
{
    assert(pages > 0);
    struct checkpointer *c = memory_resize(NULL, sizeof(*c));
    *c = (struct checkpointer){.pages = pages, .threshold = pages};
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    if (sqlite_file_connect_paced(file, &c->db) != SQLITE_OK ||
        pthread_create(&c->thread, NULL, checkpointer_main, c) != 0) {
        discard(c);
        return ERR_STORE;
    }
    *out = c;
    return ERR_OK;
}

void checkpointer_stop(struct checkpointer *c)
{
    if (c == NULL) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    discard(c);
}
