/* A SQLite file: who may open it, and how a connection to it is set up.
 *
 * One process per file. Readers and writers of one process are ordered by its lanes; a second
 * server on the same file would hand out stamps that go back in time. So the opener holds an
 * exclusive flock on PATH.lock, a file of its own because SQLite's locks on the database itself
 * are released whenever any descriptor of it is closed. The lock file is never removed: removing
 * it would let two processes lock two files of the same name. The kernel drops the lock with the
 * process, so a killed server leaves nothing in the way. A path that is a link is followed first: SQLite
 * keeps its log beside the file that the link leads to, and the locks belong there, too.
 *
 * Subcommands work beside the server and do not take that lock. They write only what has no stamp,
 * in short transactions that SQLite's own lock orders with the server's. They share the lock of
 * PATH.commands, which keeps the file from being replaced (restored) under them.
 *
 * The files are made readable by their owner alone, as they hold personal data; SQLite gives -wal
 * and -shm the same mode.
 *
 * A connection uses WAL with synchronous=FULL: COMMIT returns after the log is on disk. Reading
 * sessions are query_only. A store in memory is one named memdb, shared by the connections of this
 * process and gone with the last one: the same code runs over it, only that a reader waits while a
 * run that has written is open. */
#include "storage/sqlite_file.h"
#include "storage/sqlite_checkpoint.h"
#include "storage/sqlite_log.h"
#include "storage/sqlite_paced.h"
#include "storage/sqlite_sync.h"

#include "protocol/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SCHEME "sqlite:"
#define ROOM_MIN_BYTES 1048576
#define LOG_PAGES 16000 /* of 4 KiB, before the log is copied into the file */

static char *text_copy(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    return memcpy(memory_resize(NULL, bytes), text, bytes);
}

/* The folder that the file lies in; caller frees. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = text_copy(slash == NULL ? "." : path);
    if (slash != NULL) {
        folder[slash == path ? 1 : slash - path] = '\0';
    }
    return folder;
}

/* ---- The lock and the file ---------------------------------------------------------------- */

enum err sqlite_file_give(int fd, const char *name)
{
    struct stat owner;
    if (geteuid() != 0) {
        return ERR_OK;
    }
    int rc = stat(name, &owner);
    if (rc != 0) {
        char *folder = folder_of(name);
        rc = stat(folder, &owner);
        free(folder);
    }
    return rc == 0 && fchown(fd, owner.st_uid, owner.st_gid) == 0 ? ERR_OK : ERR_STORE;
}

enum err sqlite_file_lock(const char *name, const char *suffix, int how, int *out, char why[256])
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s%s", name, suffix) >= (int)sizeof(path)) {
        snprintf(why, 256, "the path of the store is too long");
        return ERR_STORE;
    }
    *out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*out < 0) {
        snprintf(why, 256, "cannot open %.180s: %s", path, strerror(errno));
        return ERR_STORE;
    }
    if (sqlite_file_give(*out, name) != ERR_OK) {
        snprintf(why, 256, "cannot give %.160s to its user: %s", path, strerror(errno));
        return ERR_STORE;
    }
    int rc;
    do {
        rc = flock(*out, how | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        return ERR_OK;
    }
    if (errno == EWOULDBLOCK) {
        snprintf(why, 256, "another process uses it: %.150s is locked (one process per file)",
                 path);
    } else {
        snprintf(why, 256, "cannot lock %.180s: %s", path, strerror(errno));
    }
    return ERR_STORE;
}

void sqlite_file_sync_folder(const char *path)
{
    char *folder = folder_of(path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems cannot; then there is nothing more to do */
        close(fd);
    }
}

/* Makes an empty file, which SQLite takes for an empty database, with a mode of our own. */
static enum err file_make(const struct sqlite_file *file, char why[256])
{
    const int fd = open(file->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        sqlite_file_sync_folder(file->name);
        return ERR_OK;
    }
    if (errno == EEXIST) {
        return ERR_OK;
    }
    snprintf(why, 256, "cannot make %.180s: %s", file->name, strerror(errno));
    return ERR_STORE;
}

char *sqlite_file_resolve(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved != NULL) {
        return resolved;
    }
    char *folder = folder_of(path);
    char *resolved_folder = realpath(folder, NULL);
    free(folder);
    if (resolved_folder == NULL) {
        return text_copy(path);
    }
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    const size_t length = strlen(resolved_folder), base_bytes = strlen(base) + 1;
    resolved = memory_resize(resolved_folder, length + 1 + base_bytes);
    resolved[length] = '/';
    memcpy(resolved + length + 1, base, base_bytes);
    return resolved;
}

enum err sqlite_file_check_url(const char *url, char why[256])
{
    if (url[strlen(SCHEME)] == '\0') {
        snprintf(why, 256, "the store's URL names no file: sqlite:PATH");
        return ERR_STORE;
    }
    return ERR_OK;
}

static enum err file_name(struct sqlite_file *file, const char *url, char why[256])
{
    TRY(sqlite_file_check_url(url, why));
    const char *path = url + strlen(SCHEME);
    file->in_memory = strcmp(path, ":memory:") == 0;
    if (!file->in_memory) {
        file->name = sqlite_file_resolve(path);
        return ERR_OK;
    }
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        snprintf(why, 256, "the system gives no random numbers");
        return ERR_STORE;
    }
    char name[64];
    snprintf(name, sizeof(name), "file:/consultd-%016" PRIx64 "?vfs=memdb", random);
    file->name = text_copy(name);
    return ERR_OK;
}

/* ---- Connections -------------------------------------------------------------------------- */

/* Once in a process, before anything else is asked of SQLite, even for a VFS: later it is refused. A connection
 * has one thread at a time, and nobody asks how much memory all of them hold: counting that takes a lock for
 * each allocation. */
static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int configure(const struct sqlite_file *file, sqlite3 *db, bool writes)
{
    static const char common[] = "PRAGMA synchronous=FULL;"
                                 "PRAGMA mmap_size=0;"
                                 "PRAGMA temp_store=MEMORY;"
                                 "PRAGMA cell_size_check=ON;"
                                 "PRAGMA cache_size=-8192;"         /* 8 MiB; who writes has more */
                                 "PRAGMA wal_autocheckpoint=16000;" /* pages of 4 KiB */
                                 "PRAGMA journal_size_limit=134217728;";
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, file->timeout_ms);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    int rc = sqlite3_exec(db, common, NULL, NULL, NULL);
    if (rc == SQLITE_OK &&
        writes) { /* the ends of a thousand chats' indexes, or all of an import */
        rc = sqlite3_exec(db,
                          file->beside ? "PRAGMA cache_size=-131072" : "PRAGMA cache_size=-16384",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && !writes) {
        rc = sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL);
    }
    return rc;
}

/* `vfs` registers the VFS and returns its name; NULL: SQLite's own. */
static int connect_by(const struct sqlite_file *file, const char *(*vfs)(void), bool writes,
                      sqlite3 **out)
{
    /* One thread at a time uses a connection, so SQLite's own mutexes are not needed. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (file->in_memory) {
        flags |= SQLITE_OPEN_URI | SQLITE_OPEN_CREATE;
    }
    int rc = sqlite3_open_v2(file->name, out, flags, vfs == NULL ? NULL : vfs());
    if (rc == SQLITE_OK) {
        rc = configure(file, *out, writes);
    }
    if (rc != SQLITE_OK) {
        sqlite3_close(*out);
        *out = NULL;
    }
    return rc;
}

int sqlite_file_connect(const struct sqlite_file *file, bool writes, sqlite3 **out)
{
    const int rc = connect_by(file, file->in_memory ? NULL : sqlite_log_vfs, writes, out);
    if (rc == SQLITE_OK && writes && file->checkpointer != NULL) {
        checkpointer_watch(file->checkpointer, *out);
    }
    return rc;
}

int sqlite_file_connect_paced(const struct sqlite_file *file, sqlite3 **out)
{
    return connect_by(file, sqlite_paced_vfs, true, out);
}

static int journal_mode_reader(void *is_wal, int columns, char **values, char **names)
{
    (void)names;
    *(bool *)is_wal = columns == 1 && values[0] != NULL && strcmp(values[0], "wal") == 0;
    return 0;
}

/* WAL is a property of the file: it is asked for once, by the first connection. */
static enum err switch_to_wal(const struct sqlite_file *file, char why[256])
{
    bool is_wal = false;
    const int rc =
        sqlite3_exec(file->keeper, "PRAGMA journal_mode=WAL", journal_mode_reader, &is_wal, NULL);
    if (rc != SQLITE_OK) {
        snprintf(why, 256, "cannot open %.180s: %s", file->name, sqlite3_errmsg(file->keeper));
        return ERR_STORE;
    }
    if (!is_wal && !file->in_memory) {
        snprintf(why, 256, "%.120s: its file system cannot hold a WAL database", file->name);
        return ERR_STORE;
    }
    return ERR_OK;
}

static enum err start_log_work(struct sqlite_file *file, char why[256])
{
    if (file->in_memory || file->beside) {
        return ERR_OK;
    }
    enum err err = late_sync_new(file->keeper, &file->late_sync);
    if (err != ERR_OK) {
        snprintf(why, 256, "the store's log cannot be opened");
        return err;
    }
    err = checkpointer_start(file, LOG_PAGES, &file->checkpointer);
    if (err != ERR_OK) {
        snprintf(why, 256, "no thread could be started that copies the store's log");
    }
    return err;
}

static enum err open_named(struct sqlite_file *file, const struct store_settings *settings,
                           char why[256])
{
    if (!file->in_memory && settings->must_exist && access(file->name, F_OK) != 0) {
        snprintf(why, 256, "there is no store at %.200s", file->name);
        return ERR_STORE;
    }
    if (!file->in_memory) {
        TRY(settings->beside ? sqlite_file_lock(file->name, ".commands", LOCK_SH, &file->lock, why)
                             : sqlite_file_lock(file->name, ".lock", LOCK_EX, &file->lock, why));
        TRY(file_make(file, why));
    }
    const int rc = sqlite_file_connect(file, true, &file->keeper);
    if (rc != SQLITE_OK) {
        snprintf(why, 256, "cannot open %.180s: %s", file->name, sqlite3_errstr(rc));
        return ERR_STORE;
    }
    TRY(switch_to_wal(file, why));
    if (!file->in_memory && !file->beside && log_renew(file->keeper) != ERR_OK) {
        snprintf(why, 256, "the log of %.160s cannot be written and synced", file->name);
        return ERR_STORE;
    }
    TRY(sqlite_schema_make(file->keeper, settings->upgrades, why));
    return start_log_work(file, why);
}

enum err sqlite_file_open(struct sqlite_file *file, const struct store_settings *settings,
                          char why[256])
{
    assert(settings->timeout_ms > 0 && settings->timeout_ms <= INT_MAX);
    *file = (struct sqlite_file){
        .lock = -1, .timeout_ms = (int)settings->timeout_ms, .beside = settings->beside};
    enum err err = file_name(file, settings->url, why);
    if (err == ERR_OK) {
        err = open_named(file, settings, why);
    }
    if (err != ERR_OK) {
        sqlite_file_close(file);
    }
    return err;
}

void sqlite_file_close(struct sqlite_file *file)
{
    checkpointer_stop(file->checkpointer);
    file->checkpointer = NULL;
    late_sync_free(file->late_sync);
    file->late_sync = NULL;
    sqlite3_close(file->keeper);
    file->keeper = NULL;
    if (file->lock >= 0) {
        close(file->lock); /* after the database: nobody may enter before it is closed */
        file->lock = -1;
    }
    free(file->name);
    file->name = NULL;
}

bool sqlite_file_has_room(const struct sqlite_file *file)
{
    struct statvfs disk;
    return file->in_memory || statvfs(file->name, &disk) != 0 ||
           (uint64_t)disk.f_bavail * disk.f_frsize >= ROOM_MIN_BYTES;
}

unsigned sqlite_file_version(sqlite3 *db)
{
    unsigned version = 0;
    const int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_DATA_VERSION, &version);
    assert(rc == SQLITE_OK);
    (void)rc;
    return version;
}
