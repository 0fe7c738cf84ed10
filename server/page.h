/* Loop only. The files of web_root, held in memory. */
#ifndef CONSULTD_SERVER_PAGE_H
#define CONSULTD_SERVER_PAGE_H

#include "protocol/base.h"

struct page;

#define PAGE_FOLDER_BYTES 4096

/* Any thread. The folder of the page that came with the program: ../share/consultd/web-demo of the
 * program's own folder when it is installed, else the one it was built beside. Returns `out`. */
const char *page_folder(char out[PAGE_FOLDER_BYTES]);

struct page_file {
    char *path; /* "/app.js"; of an index.html its folder's: "/", "/docs" */
    const char *type;
    char *text;
    size_t length;
    char tag[19]; /* an ETag, with its quotes */
};

/* Reads the folder `root` ("" or NULL: none). What is not a regular file of a known type, begins
 * with a dot, is a symbolic link, or exceeds the limits is left out. Never NULL; caller owns. */
struct page *page_load(const char *root);
void page_free(struct page *page);

/* Adds a text made by the program, in place of a file of that path. `type` lives as long. */
void page_add(struct page *page, const char *path, const char *type, const char *text,
              size_t length);

/* The file of exactly this path; NULL: there is none. Valid until page_free. */
const struct page_file *page_find(const struct page *page, const char *path, size_t length);

#endif
