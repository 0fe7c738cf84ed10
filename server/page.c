/* The static page, read once at the start.
 *
 * A path is looked up in a table and never becomes a file name, so there is no way out of the
 * folder, and the loop never waits for a disk. Symbolic links are not followed and names that
 * begin with a dot are passed over. A changed file is seen after a restart. */
#include "server/page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/hash.h"
#include "protocol/memory.h"
#include "protocol/strbuf.h"
#include "server/log.h"

#define DEPTH_MAX 8
#define FILES_MAX 1000
#define FILE_BYTES_MAX (4 * 1024 * 1024)

struct page {
    struct page_file *files; /* owned, with what they point to */
    size_t count;
};

static const struct {
    const char *extension;
    const char *type;
} types[] = {
    {"css", "text/css; charset=utf-8"},
    {"gif", "image/gif"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/x-icon"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json; charset=utf-8"},
    {"m4a", "audio/mp4"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"txt", "text/plain; charset=utf-8"},
    {"wav", "audio/wav"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff2", "font/woff2"},
};

static const char *type_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < ARRAY_LENGTH(types); i++) {
        if (strcmp(types[i].extension, dot + 1) == 0) {
            return types[i].type;
        }
    }
    return NULL;
}

/* Reads up to `length` bytes, fewer where the file shrinks meanwhile. */
static size_t read_all(int file, char *out, size_t length)
{
    size_t filled = 0;
    while (filled < length) {
        ssize_t got = read(file, out + filled, length - filled);
        if (got <= 0) {
            break;
        }
        filled += (size_t)got;
    }
    return filled;
}

static void tag_make(struct page_file *entry)
{
    uint64_t hash = hash_bytes(HASH_START, entry->text, entry->length);
    snprintf(entry->tag, sizeof entry->tag, "\"%016" PRIx64 "\"", hash);
}

/* A path's entry; `text` is taken over. */
static void add_entry(struct page *page, const char *path, const char *type, char *text,
                      size_t length)
{
    page->files = memory_resize(page->files, (page->count + 1) * sizeof *page->files);
    struct page_file *entry = &page->files[page->count++];
    *entry = (struct page_file){.type = type, .text = text, .length = length};
    entry->path = memory_resize(NULL, strlen(path) + 1);
    strcpy(entry->path, path);
    tag_make(entry);
}

/* "/index.html" is shown as "/", that of a folder as the folder: "/docs". */
static void show_as_folder(char *path)
{
    static const char index[] = "/index.html";
    size_t length = strlen(path);
    size_t end = length >= sizeof index - 1 ? length - (sizeof index - 1) : length;
    if (strcmp(path + end, index) == 0) {
        path[end == 0 ? 1 : end] = '\0';
    }
}

/* Takes the open file over. */
static void add_file(struct page *page, int file, char *path, const char *type)
{
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX ||
        page->count >= FILES_MAX) {
        log_warning("a file of the page is left out", "path=%s", path);
        close(file);
        return;
    }
    size_t size = (size_t)status.st_size;
    char *text = memory_resize(NULL, size + 1);
    size_t length = read_all(file, text, size);
    close(file);
    show_as_folder(path);
    add_entry(page, path, type, text, length);
}

static void add_folder(struct page *page, int folder, const char *path, int depth);

static void add_name(struct page *page, int folder, const char *path, const char *name, int depth)
{
    struct strbuf full;
    strbuf_init(&full, 0);
    strbuf_add_format(&full, "%s/%s", path, name);
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;
    const char *type = type_of(name);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISDIR(status.st_mode) && depth < DEPTH_MAX) {
        add_folder(page, file, strbuf_text(&full), depth + 1);
    } else if (file >= 0 && type != NULL) {
        add_file(page, file, full.memory, type);
    } else if (file >= 0) {
        close(file);
    }
    strbuf_free(&full);
}

/* Takes the descriptor over. */
static void add_folder(struct page *page, int folder, const char *path, int depth)
{
    DIR *entries = fdopendir(folder);
    if (entries == NULL) {
        close(folder);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] != '.') {
            add_name(page, folder, path, entry->d_name, depth);
        }
    }
    closedir(entries);
}

const char *page_folder(char out[PAGE_FOLDER_BYTES])
{
    static const char installed[] = "/../share/consultd/web-demo";
    ssize_t length = readlink("/proc/self/exe", out, PAGE_FOLDER_BYTES - sizeof installed);
    out[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash != NULL) {
        strcpy(slash, installed);
    }
    if (slash == NULL || access(out, R_OK) != 0) {
        snprintf(out, PAGE_FOLDER_BYTES, "%s", CONSULTD_SOURCE_DIR "/web-demo");
    }
    return out;
}

struct page *page_load(const char *root)
{
    struct page *page = memory_resize(NULL, sizeof *page);
    *page = (struct page){.count = 0};
    if (root == NULL || root[0] == '\0') {
        return page;
    }
    int folder = open(root, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (folder < 0) {
        log_warning("no page is served: web_root cannot be read", "web_root=%s error=%s", root,
                    strerror(errno));
        return page;
    }
    add_folder(page, folder, "", 0);
    return page;
}

void page_free(struct page *page)
{
    if (page == NULL) {
        return;
    }
    for (size_t i = 0; i < page->count; i++) {
        free(page->files[i].path);
        free(page->files[i].text);
    }
    free(page->files);
    free(page);
}

static struct page_file *find(const struct page *page, const char *path, size_t length)
{
    for (size_t i = 0; i < page->count; i++) {
        struct page_file *file = &page->files[i];
        if (strlen(file->path) == length && memcmp(file->path, path, length) == 0) {
            return file;
        }
    }
    return NULL;
}

void page_add(struct page *page, const char *path, const char *type, const char *text,
              size_t length)
{
    struct page_file *before = find(page, path, strlen(path));
    if (before != NULL) {
        free(before->path);
        free(before->text);
        *before = page->files[--page->count];
    }
    char *copy = memory_resize(NULL, length + 1);
    memcpy(copy, text, length);
    add_entry(page, path, type, copy, length);
}

const struct page_file *page_find(const struct page *page, const char *path, size_t length)
{
    bool has_slash_behind = length > 1 && path[length - 1] == '/';
    return find(page, path, has_slash_behind ? length - 1 : length);
}
